//! What holds for a run: the command line on top of the configuration files; and `palisade config`.
//!
//! Not here: what the files can say and which of them wins (`palisade::config`).

use std::{cell::RefCell, collections::BTreeMap, path::Path};

use palisade::{
    StartError, check_ceilings,
    config::{Config, Count, FilesMode, NetworkMode, Percent, Places, Project, Said, Settings, Settled, Word},
    environment::{EnvironmentError, Store},
    spec::{CostRates, Environment, HostileCalls, NamedPolicy, OutputExcess, Severity},
};

use crate::{
    args::{Check, ConfigCommand, Excess, Filesystem, Hostile, Network, Show, Wants},
    policy, print,
};

/// What holds for one command line, or for many runs of it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) settled: Settled,
    pub(crate) environment: Option<Environment>,
    pub(crate) policies: Vec<NamedPolicy>,
}

/// What holds if these words are said here.
pub(crate) fn hold(wants: &Wants, excess: Option<Excess>) -> Result<Held, StartError> {
    let config = Config::load(&places(wants))?;
    let (settled, environment) = settle(&config, &said(wants, excess))?;
    let policies = policies(&settled)?;
    Ok(Held { settled, environment, policies })
}

/// The policies that are named.
fn policies(settled: &Settled) -> Result<Vec<NamedPolicy>, StartError> {
    settled.policies.iter().map(|id| policy::named(id)).collect::<Result<_, _>>().map_err(Into::into)
}

/// The prices to count with, where options say none.
pub(crate) fn rates(memory: Option<f64>, time: Option<f64>) -> Result<CostRates, StartError> {
    let mut said = Settings::default();
    said.cost_memory = word(memory);
    said.cost_time = word(time);
    Ok(Config::load(&Places::of_this_process())?.settle(&said)?.rates)
}

/// The validation policy and the severity that fails, where options say none.
pub(crate) fn validation(policy: Option<&str>, fail_on: Option<Severity>) -> Result<(String, Severity), StartError> {
    let mut said = Settings::default();
    said.check_policy = word(policy.map(str::to_owned));
    said.check_fail_on = word(fail_on);
    let settled = Config::load(&Places::of_this_process())?.settle(&said)?;
    Ok((settled.check_policy, settled.check_fail_on))
}

/// An environment may name a profile, and which environment it is has to be settled before.
fn settle(config: &Config, caller: &Settings) -> Result<(Settled, Option<Environment>), StartError> {
    let opened: RefCell<BTreeMap<String, Environment>> = RefCell::default();
    let settled = config.settle_within(caller, &|name| {
        if let Some(environment) = opened.borrow().get(name) {
            return Ok(environment.manifest.profile.clone());
        }
        let environment = match Store::new(None)?.open(name) {
            // It hides nothing. If it is the one that holds, it is opened once more.
            Err(EnvironmentError::Unknown { .. }) => return Ok(None),
            environment => environment?,
        };
        let profile = environment.manifest.profile.clone();
        opened.borrow_mut().insert(name.to_owned(), environment);
        Ok(profile)
    })?;
    let Some(name) = &settled.env else { return Ok((settled, None)) };
    let environment = match opened.borrow_mut().remove(name) {
        Some(environment) => environment,
        None => Store::new(None)?.open(name)?,
    };
    Ok((settled, Some(environment)))
}

fn places(wants: &Wants) -> Places {
    let usual = Places::of_this_process();
    match &wants.config {
        Some(file) => Places { project: Project::File(file.clone()), ..usual },
        None if wants.no_config => Places { project: Project::Ignored, ..usual },
        None => usual,
    }
}

/// The options as a source like any other.
fn said(wants: &Wants, excess: Option<Excess>) -> Settings {
    let mut said = Settings::default();
    let profile = wants.sandbox.clone().filter(|name| !name.is_empty()).or_else(|| wants.profile.clone());
    said.profile = word(profile);
    said.backend = word(wants.backend);
    said.require = word(wants.require);
    said.time_limit = word(wants.time_limit);
    said.cpu_time_limit = word(wants.cpu_time_limit);
    said.memory_limit = word(wants.memory_limit);
    said.cpu_limit = word(wants.cpu_limit.map(Percent));
    said.process_limit = word(wants.process_limit.map(Count));
    said.thread_limit = word(wants.thread_limit.map(Count));
    said.descriptor_limit = word(wants.descriptor_limit.map(Count));
    said.file_size_limit = word(wants.file_size_limit);
    said.tmp_size = word(wants.tmp_size);
    said.tmp_inodes = word(wants.tmp_inodes.map(Count));
    said.output_limit = word(wants.output_limit);
    said.on_output_limit = word(excess.map(|excess| match excess {
        Excess::Cut => OutputExcess::Cut,
        Excess::Kill => OutputExcess::Kill,
    }));
    said.on_hostile_call = word(wants.on_hostile_call.map(|hostile| match hostile {
        Hostile::Deny => HostileCalls::Deny,
        Hostile::Kill => HostileCalls::Kill,
    }));
    said.strict = wants.strict.then(|| Said::by_caller(true));
    said.network = word(wants.network.map(|network| match network {
        Network::None => NetworkMode::None,
        Network::Loopback => NetworkMode::Loopback,
        Network::Custom => NetworkMode::Custom,
        Network::AllowAll => NetworkMode::AllowAll,
    }));
    said.allow_domains = words(&wants.allow_domain);
    said.allow_ports = words(&wants.allow_port);
    said.allow_endpoints = words(&wants.allow_endpoint);
    said.dns = words(&wants.dns);
    said.filesystem = word(wants.files.filesystem.map(|files| match files {
        Filesystem::None => FilesMode::None,
        Filesystem::ReadOnly => FilesMode::ReadOnly,
        Filesystem::Custom => FilesMode::Custom,
    }));
    said.allow_read = words(&wants.files.allow_read);
    said.allow_write = words(&wants.files.allow_write);
    said.hidden = words(&wants.files.hide);
    said.workspace = word(wants.files.workspace.clone());
    said.policy = words(&wants.policy);
    said.env = word(wants.env.clone());
    said.check = word(wants.check.clone());
    for (name, value) in &wants.setenv {
        said.environment.insert(name.clone(), Said::by_caller(Word(value.clone())));
    }
    said
}

fn word<T>(value: Option<T>) -> Option<Said<Word<T>>> {
    value.map(|value| Said::by_caller(Word(value)))
}

/// An option that was never given says nothing; it does not say that nothing is allowed.
fn words<T: Clone>(values: &[T]) -> Option<Said<Vec<Word<T>>>> {
    let words: Vec<Word<T>> = values.iter().cloned().map(Word).collect();
    (!words.is_empty()).then(|| Said::by_caller(words))
}

/// `palisade config …`.
pub(crate) fn command(what: ConfigCommand) -> i32 {
    match what {
        ConfigCommand::Show(args) => show(&args),
        ConfigCommand::Check(args) => check(&args),
        ConfigCommand::Schema => print::data(&palisade::config::schema()),
    }
}

fn show(args: &Show) -> i32 {
    let caller = said(&args.wants, args.on_output_limit);
    let config = Config::load(&places(&args.wants)).map_err(StartError::from);
    let settled = config.and_then(|config| {
        let settled = settle(&config, &caller)?.0;
        let rows = settled.rows_within(&policies(&settled)?)?;
        Ok((settled, rows, config))
    });
    let (settled, rows, config) = match settled {
        Ok(all) => all,
        Err(error) => return print::start_error(&error, args.json),
    };
    if !args.json {
        return print::rows(&rows);
    }
    let files: Vec<&Path> = config.files().map(|(file, _)| file).collect();
    print::json(&serde_json::json!({
        "schema": "palisade.config/1",
        "files": files,
        "profiles": config.profiles(),
        "notices": settled.notices,
        "values": rows,
    }))
}

fn check(args: &Check) -> i32 {
    let usual = Places::of_this_process();
    let places = match &args.file {
        Some(file) => Places { project: Project::File(file.clone()), user: None, system: None, ..usual },
        None => usual,
    };
    if let Err(error) = check_ceilings() {
        return print::start_error(&error, false);
    }
    match Config::check(&places) {
        Ok(config) => {
            for absent in config.absent() {
                print::warning(&absent);
            }
            let files: String = config.files().map(|(file, _)| format!("{}: good\n", file.display())).collect();
            print::data(if files.is_empty() { "there is no configuration file here\n" } else { &files })
        }
        Err(error) => print::start_error(&error.into(), false),
    }
}
