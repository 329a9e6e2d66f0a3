//! Which of several configuration files holds, who is named for it, and what a project's file cannot do unseen.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "common/files.rs"]
mod files;

use std::{fs, path::PathBuf};

use files::{Files, named, row};
use palisade::{
    config::{Config, ConfigError, FilesMode, NetworkMode, Places, Project, Said, Settings, Settled, Word},
    environment::EnvironmentError,
    spec::{Backend, NetworkPolicy},
};
use proptest::prelude::*;

#[test]
fn the_caller_goes_before_the_project_the_project_before_the_user_the_user_before_the_system() {
    let files = Files::new(
        "[sandbox]\ntime_limit = '2s'\nstrict = true\n",
        "[sandbox]\ntime_limit = '3s'\nstrict = false\nmemory_limit = '30M'\n",
        "[sandbox]\n\n\ntime_limit = '4s'\nmemory_limit = '40M'\ncpu_limit = 40\n",
    );
    let mut caller = Settings::default();
    caller.time_limit = Some(Said::by_caller(Word(std::time::Duration::from_secs(1))));
    let settled = files.settle(&caller).unwrap();
    let at = |place: &str, line: u32| format!("{}:{line}", files.path(place).join("palisade.toml").display());
    assert_eq!(row(&settled, "time_limit"), "1s (command line)");
    assert_eq!(row(&settled, "strict"), format!("true ({})", at("project", 3)));
    assert_eq!(row(&settled, "memory_limit"), format!("30 MiB ({})", at("user", 4)));
    assert_eq!(row(&settled, "cpu_limit"), format!("40 ({})", at("system", 6)));
    assert_eq!(row(&settled, "descriptor_limit"), "100 (built in)");
}

#[test]
fn a_profile_stands_right_behind_the_source_that_chose_it() {
    let project = "[sandbox]\nprofile = 'mine'\nmemory_limit = '1G'\n[sandbox.profiles.mine]\nmemory_limit = '2G'\n\
                   time_limit = '9s'\nextends = 'testing'\n";
    let files = Files::new(project, "[sandbox]\ntime_limit = '1s'\ntmp_size = '5M'\n", "");
    let settled = files.settled();
    let file = files.path("project/palisade.toml").display().to_string();
    assert_eq!(row(&settled, "memory_limit"), format!("1 GiB ({file}:3)"), "the keys beside `profile` go before it");
    assert_eq!(row(&settled, "time_limit"), format!("9s ({file}:6, profile mine)"), "and it goes before the user's");
    assert_eq!(row(&settled, "backend"), "native (profile testing (shipped))");
    assert!(row(&settled, "tmp_size").starts_with("5 MiB"));
    let settled = files.settle(&named("judge")).unwrap();
    assert_eq!(
        row(&settled, "memory_limit"),
        "256 MiB (profile judge (shipped))",
        "a profile of the caller goes first"
    );
    assert_eq!(row(&settled, "profile"), "judge (command line)");
}

#[test]
fn what_a_displaced_profile_hides_and_bounds_stays_hidden_and_bound() {
    let strict = "[sandbox.profiles.strict]\nhidden = ['/far']\n";
    let user = "[sandbox]\nprofile = 'mine'\n[sandbox.profiles.mine]\nextends = 'strict'\npolicy = ['no-network']\n\
                hidden = ['/etc/hostname']\ntime_limit = '3s'\n";
    let files = Files::new("[sandbox]\nprofile = 'testing'\n", user, strict);
    let hidden = ["/etc/hostname", "/far"].map(PathBuf::from);
    for caller in [Settings::default(), named("judge")] {
        let settled = files.settle(&caller).unwrap();
        assert_eq!((settled.policies, settled.policy.files.hidden), (vec!["no-network".to_owned()], hidden.to_vec()));
    }
    assert!(row(&files.settled(), "time_limit").starts_with("30s"), "all else is the nearer profile's");
}

#[test]
fn a_profile_that_a_file_says_more_of_keeps_the_rest_of_the_shipped_one() {
    let files = Files::new("[sandbox.profiles.production]\nallow_domains = ['example.org']\n", "", "");
    let settled = files.settle(&named("production")).unwrap();
    assert_eq!(settled.backend, Backend::Docker);
    assert_eq!(settled.policy.network.to_string(), "custom: example.org:80,443");
    assert_eq!(row(&settled, "time_limit"), "1m (profile production (shipped))");
}

#[test]
fn the_shipped_profiles_are_those_of_the_requirement() {
    let files = Files::new("", "", "");
    let of = |name: &str| files.settle(&named(name)).unwrap();
    let development = of("development");
    assert_eq!((development.backend, &development.policy.network), (Backend::Native, &NetworkPolicy::AllowAll));
    assert_eq!((development.policy.files.read, development.policy.files.write), (vec!["/".into()], vec![]));
    let testing = of("testing");
    assert_eq!((testing.backend, &testing.policy.network), (Backend::Native, &NetworkPolicy::None));
    assert_eq!(testing.policy.limits.wall_time.unwrap().as_secs(), 30);
    assert_eq!(testing.policy.limits.memory.unwrap().to_string(), "500 MiB");
    let production = of("production");
    assert_eq!(
        (production.backend, production.policy.network.to_string().as_str()),
        (Backend::Docker, "custom: nothing")
    );
    assert_eq!(production.policy.limits.wall_time.unwrap().as_secs(), 60);
    assert_eq!(production.policy.limits.memory.unwrap().to_string(), "2 GiB");
    let ci = of("ci");
    assert_eq!((ci.backend, ci.policy.network), (Backend::Docker, NetworkPolicy::None));
    let agent = of("agent");
    assert_eq!(agent.policy.network, NetworkPolicy::None);
    assert_eq!((agent.policy.files.read, agent.policy.files.write), (vec!["/".into()], vec![files.path("project")]));
    let judge = of("judge");
    assert!(judge.environment.contains(&("PYTHONHASHSEED".to_owned(), "0".to_owned())));
    assert!(judge.policy.is_within(&of("testing").policy));
}

#[test]
fn paths_are_relative_to_their_file_and_a_tilde_is_the_home() {
    let files = Files::new("[sandbox]\nallow_read = ['a/./b', '~/c', '~', '/d', './~e']\n", "", "");
    let project = files.path("project");
    assert_eq!(
        Files::new("[sandbox]\nallow_read = ['/usr/../etc']\n", "", "").settled().policy.files.read,
        ["/etc"].map(PathBuf::from)
    );
    let wanted = [project.join("a/b"), files.path("home/c"), files.path("home"), "/d".into(), project.join("~e")];
    assert_eq!(files.settled().policy.files.read, wanted);
}

#[test]
fn domains_meet_every_port_and_endpoints_stand_for_themselves() {
    let text = "[sandbox]\nallow_domains = ['a.org', '*.b.org']\nallow_endpoints = ['c.org:22']\n";
    let settled = Files::new(text, "", "").settled();
    assert_eq!(settled.policy.network.to_string(), "custom: a.org:80,443, c.org:22, *.b.org:80,443");
    let text = format!("{text}allow_ports = [8080, '9000-9001']\ndns = ['192.0.2.53']\n");
    let settled = Files::new(&text, "", "").settled();
    let network = settled.policy.network.to_string();
    assert_eq!(network, "custom: a.org:8080,9000-9001, c.org:22, *.b.org:8080,9000-9001; dns 192.0.2.53");
}

#[test]
fn a_mode_drops_the_lists_of_farther_files() {
    let files = Files::new("[sandbox]\nnetwork = 'loopback'\n", "[sandbox]\nallow_domains = ['a.org']\n", "");
    assert_eq!(files.settled().policy.network, NetworkPolicy::Loopback);
    let mut caller = Settings::default();
    caller.filesystem = Some(Said::by_caller(Word(FilesMode::None)));
    let files = Files::new("[sandbox]\nallow_write = ['.']\n", "", "");
    assert!(files.settle(&caller).unwrap().policy.files.write.is_empty());
    assert_eq!(files.settled().policy.files.write, [files.path("project")]);
}

#[test]
fn a_caller_that_contradicts_itself_is_refused() {
    let mut caller = Settings::default();
    caller.network = Some(Said::by_caller(Word(NetworkMode::AllowAll)));
    caller.allow_domains = Some(Said::by_caller(vec![Word("a.org".parse().unwrap())]));
    let error = Files::new("", "", "").settle(&caller).unwrap_err();
    assert_eq!(error.to_string(), "network=allow-all and allow_domains contradict each other");
    assert!(error.hint().unwrap().contains("custom"), "{error:?}");
}

#[test]
fn no_wall_is_for_the_user_to_say_and_not_for_a_project() {
    let none = "[sandbox]\nbackend = 'none'\n";
    let error = Files::new(none, "", "").settle(&Settings::default()).unwrap_err();
    assert!(matches!(error, ConfigError::NoWall { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("--backend none"));
    assert_eq!(Files::new("", none, "").settled().backend, Backend::None);
    let mut caller = Settings::default();
    caller.backend = Some(Said::by_caller(Word(Backend::None)));
    assert_eq!(Files::new(none, "", "").settle(&caller).unwrap().backend, Backend::None);
    // By way of a profile: its own, and one of the user's that only the project chooses.
    let own = Files::new("[sandbox.profiles.fast]\nbackend = 'none'\n", "", "");
    assert!(matches!(own.settle(&named("fast")), Err(ConfigError::NoWall { .. })));
    let users = "[sandbox.profiles.raw]\nbackend = 'none'\n";
    let chosen = Files::new("[sandbox]\nprofile = 'raw'\n", users, "");
    assert!(matches!(chosen.settle(&Settings::default()), Err(ConfigError::NoWall { .. })));
    assert_eq!(Files::new("", users, "").settle(&named("raw")).unwrap().backend, Backend::None);
}

#[test]
fn what_a_project_opens_is_told() {
    let told = |project: &str, user: &str| Files::new(project, user, "").settled().notices.join("\n");
    assert_eq!(told("[sandbox]\ntime_limit = '9s'\nallow_read = ['data']\n", ""), "", "its own data, its own limits");
    assert!(told("[sandbox]\nnetwork = 'allow-all'\n", "").contains("palisade.toml: network allow-all ("));
    assert_eq!(told("[sandbox]\nnetwork = 'allow-all'\n", "[sandbox]\nnetwork = 'allow-all'\n"), "");
    assert!(told("[sandbox]\nprofile = 'development'\n", "").contains("network allow-all, may read / ("));
    assert!(told("[sandbox]\nallow_domains = ['a.org']\n", "").contains("network a.org:80,443"));
    assert!(told("[sandbox]\nallow_write = ['.']\n", "").contains("may write "));
    assert!(told("[sandbox]\nallow_read = ['..']\n", "").contains("may read "));
    assert!(told("[sandbox]\ncapabilities = ['CAP_CHOWN']\n", "").contains("capabilities CAP_CHOWN"));
    assert!(told("[sandbox]\nstrict = false\n", "[sandbox]\nstrict = true\n").contains("not strict"));
    assert!(told("[sandbox]\nbackend = 'auto'\n", "[sandbox]\nbackend = 'native'\n").contains("backend auto"));
    let (higher, lower) = ("[sandbox]\nmemory_limit = '1G'\n", "[sandbox]\nmemory_limit = '5M'\n");
    assert!(told(higher, lower).contains("higher limits"));
    assert_eq!(told(lower, higher), "");
    assert!(told("[sandbox]\nallow_write = [\"/x\\n/y\"]\n", "").contains("may write /x\\n/y"), "one line stays one");
}

#[test]
fn a_link_in_a_project_is_told_by_where_it_leads() {
    let files = Files::new("[sandbox]\nallow_read = ['data']\n", "", "");
    std::os::unix::fs::symlink("/etc", files.path("project/data")).unwrap();
    assert!(files.settled().notices[0].contains("may read /etc"), "{:?}", files.settled().notices);
}

#[test]
fn a_project_in_the_home_or_above_is_told_of_what_it_reads() {
    let files = Files::new("[sandbox]\nallow_read = ['.']\n", "", "");
    let places = Places { home: Some(files.path("project/me")), ..files.places() };
    let notices = Config::load(&places).unwrap().settle(&Settings::default()).unwrap().notices;
    assert!(notices[0].contains("may read "), "{notices:?}");
}

#[test]
fn a_program_that_may_write_around_a_configuration_file_cannot_write_it() {
    let files = Files::new("[sandbox]\nallow_write = ['.']\n", "", "");
    assert_eq!(files.settled().policy.files.kept, [files.path("project/palisade.toml")]);
}

#[test]
fn only_the_caller_can_let_a_configuration_file_be_written_and_only_by_its_own_name() {
    let files = Files::new("[sandbox]\nallow_write = ['palisade.toml']\n", "[sandbox]\n", "");
    let (own, mine) = (files.path("project/palisade.toml"), files.path("user/palisade.toml"));
    assert_eq!(files.settled().policy.files.kept, std::slice::from_ref(&own));
    let kept = |paths: &[&str], project: Project| {
        let mut caller = Settings::default();
        let paths = paths.iter().map(|path| Word(files.path(path))).collect();
        caller.allow_write = Some(Said::by_caller(paths));
        let config = Config::load(&Places { project, ..files.places() }).unwrap();
        config.settle(&caller).unwrap().policy.files.kept
    };
    let upwards = || Project::Upwards(files.path("project"));
    assert_eq!(kept(&["project", "user"], upwards()), [own.clone(), mine.clone()]);
    assert_eq!(kept(&["project", "user/palisade.toml"], upwards()), std::slice::from_ref(&own));
    assert_eq!(kept(&["project/palisade.toml"], upwards()), Vec::<PathBuf>::new());
    // What is not read is kept all the same.
    assert_eq!(kept(&["user"], Project::Ignored), std::slice::from_ref(&mine));
    assert_eq!(kept(&["project", "user"], Project::File(own.clone())), [own, mine]);
}

#[test]
fn a_project_cannot_change_what_a_profile_of_the_user_or_a_sealed_one_means() {
    let own = "[sandbox.profiles.safe]\nnetwork = 'none'\n";
    let error = Files::new("[sandbox.profiles.safe]\nnetwork = 'allow-all'\n", own, "")
        .settle(&Settings::default())
        .unwrap_err();
    assert!(error.to_string().contains("defines the profile `safe`, which is yours"), "{error}");
    for sealed in ["agent", "judge"] {
        for (project, user) in [(true, false), (false, true)] {
            let text = format!("[sandbox.profiles.{sealed}]\nnetwork = 'allow-all'\n");
            let text = |here| if here { text.as_str() } else { "" };
            let error = Files::new(text(project), text(user), "").settle(&Settings::default()).unwrap_err();
            assert!(error.to_string().contains(&format!("`{sealed}` is palisade's own")), "{error}");
        }
    }
}

#[test]
fn no_config_leaves_out_the_project_and_the_user_and_not_the_system() {
    let files = Files::new(
        "[sandbox]\ntime_limit = '1s'\n",
        "[sandbox]\ntime_limit = '2s'\n",
        "[sandbox]\ntime_limit = '3s'\n",
    );
    let places = Places { project: Project::Ignored, ..files.places() };
    let settled = Config::load(&places).unwrap().settle(&Settings::default()).unwrap();
    assert!(row(&settled, "time_limit").starts_with("3s"));
}

#[test]
fn the_shipped_schema_is_the_one_that_the_types_make() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/palisade.schema.json");
    let shipped = fs::read_to_string(path).unwrap();
    assert!(shipped == palisade::config::schema(), "stale: palisade config schema >docs/palisade.schema.json");
    let schema: serde_json::Value = serde_json::from_str(&shipped).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["$defs"]["Sandbox"]["additionalProperties"], false);
}

/// Lines of a table that open and close things.
fn table() -> impl Strategy<Value = String> {
    let line = |choices: &'static [&'static str]| proptest::sample::select(choices).prop_map(str::to_owned);
    (
        line(&[
            "",
            "network = 'none'\n",
            "network = 'loopback'\n",
            "network = 'allow-all'\n",
            "network = 'custom'\n",
            "allow_domains = ['a.org']\n",
        ]),
        line(&[
            "",
            "filesystem = 'none'\n",
            "filesystem = 'read-only'\n",
            "allow_read = ['/usr']\n",
            "allow_write = ['/var', '..']\n",
        ]),
        line(&["", "strict = true\n", "strict = false\n"]),
        line(&["", "on_hostile_call = 'kill'\n", "on_hostile_call = 'deny'\n"]),
        line(&["", "capabilities = ['CAP_CHOWN']\n", "capabilities = []\n"]),
        line(&["", "memory_limit = '5M'\n", "memory_limit = '9M'\n"]),
        line(&["", "hidden = ['/usr/lib']\n"]),
        line(&[
            "",
            "profile = 'development'\n",
            "profile = 'testing'\n",
            "profile = 'judge'\n",
            "profile = 'production'\n",
            "profile = '@'\n",
        ]),
        line(&["", "hidden = ['/@']\n"]),
        line(&["", "policy = ['@']\n"]),
        line(&[
            "",
            "[sandbox.languages.python]\nmemory_limit = '5M'\n",
            "[sandbox.languages.python]\nmemory_limit = '9M'\n",
        ]),
        line(&["", "env = 'mine'\n", "env = 'other'\n"]),
    )
        .prop_map(|(a, b, c, d, e, f, g, h, i, j, k, l)| {
            format!("[sandbox]\n{a}{b}{c}{d}{e}{f}{g}{h}{l}{k}[sandbox.profiles.@]\nextends = 'testing'\n{i}{j}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_project_that_opens_anything_which_the_user_has_not_opened_is_told(project in table(), user in table()) {
        let files = Files::new(&project.replace("@", "theirs"), &user.replace("@", "mine"), "");
        let profile_of = |name: &str| Ok(Some(if name == "mine" { "mine" } else { "testing" }.to_owned()));
        let settled = || Config::load(&files.places()).unwrap().settle_within(&Settings::default(), &profile_of).unwrap();
        let with = settled();
        fs::remove_file(files.path("project/palisade.toml")).unwrap();
        let without = settled();
        prop_assert!(without.policies.iter().all(|id| with.policies.contains(id)), "{:?}", with.policies);
        prop_assert!(without.policy.files.hidden.iter().all(|path| with.policy.files.hidden.contains(path)));
        if with.notices.is_empty() {
            let limits = |settled: &Settled| settled.policy_of("a.py".as_ref(), None).limits;
            prop_assert_eq!(limits(&with).meet(&limits(&without)), limits(&with));
            let (with, without) = (with.policy, without.policy);
            prop_assert_eq!(with.network.meet(&without.network), with.network);
            let known = without.files.normal();
            for path in with.files.read.iter().chain(&with.files.write) {
                let is_known = known.allows(path) >= with.files.allows(path);
                prop_assert!(is_known || path.starts_with(files.path("project")), "{} {known:?}", path.display());
            }
            prop_assert_eq!(with.capabilities.meet(without.capabilities), with.capabilities);
            prop_assert_eq!(with.limits.meet(&without.limits), with.limits);
            prop_assert!(with.hostile_calls >= without.hostile_calls && with.strictness >= without.strictness);
        }
    }

    #[test]
    fn any_text_is_a_configuration_or_an_error_and_never_a_panic(text in "\\PC{0,40}(\n\\PC{0,20}){0,3}") {
        let files = Files::new(&format!("[sandbox]\n{text}"), "", "");
        let _answer = files.settle(&Settings::default());
        let files = Files::new(&text, "", "");
        let _answer = files.settle(&Settings::default());
    }
}

#[test]
fn prices_come_from_the_nearest_file_that_says_them() {
    let files = Files::new("[cost]\nmemory = 0\n", "[cost]\nmemory = 1.5\ntime = 2\n", "");
    let rates = files.settled().rates;
    assert_eq!((rates.memory, rates.time), (0.0, 2.0));
    assert_eq!(row(&files.settled(), "cost.time"), format!("2 ({}:3)", files.path("user/palisade.toml").display()));
    for wrong in ["-1", "nan", "'a'", "inf"] {
        let error = Files::new(&format!("[cost]\ntime = {wrong}\n"), "", "").settle(&Settings::default()).unwrap_err();
        assert!(error.to_string().contains("palisade.toml:2:8"), "{error}");
    }
}

/// Every environment names this profile.
fn all(profile: &'static str) -> impl Fn(&str) -> Result<Option<String>, EnvironmentError> {
    |_| Ok(Some(profile.to_owned()))
}

#[test]
fn the_profile_of_an_environment_stands_behind_the_source_that_chose_it() {
    let files = Files::new("[sandbox]\nenv = 'numbers'\ntime_limit = '2s'\n", "[sandbox]\nprofile = 'testing'\n", "");
    let settled = Config::load(&files.places()).unwrap().settle_within(&Settings::default(), &all("judge")).unwrap();
    assert_eq!(row(&settled, "profile"), "judge (environment numbers)");
    assert!(row(&settled, "time_limit").starts_with("2s ("), "the project's own keys go first");
    assert_eq!(row(&settled, "memory_limit"), "256 MiB (profile judge (shipped))");
    let settled = Config::load(&files.places()).unwrap().settle_within(&named("testing"), &all("judge")).unwrap();
    assert_eq!(row(&settled, "memory_limit"), "500 MiB (profile testing (shipped))", "the caller chose one before");
    let error = Config::load(&files.places()).unwrap().settle_within(&Settings::default(), &all("jugde")).unwrap_err();
    assert!(error.hint().unwrap().contains("did you mean `judge`?"), "{error:?}");
}

#[test]
fn what_the_profile_of_an_environment_opens_is_told_and_it_cannot_take_the_wall_away() {
    let raw = "[sandbox.profiles.raw]\nbackend = 'none'\n";
    let user = format!("[sandbox]\nenv = 'dev'\nnetwork = 'none'\nfilesystem = 'none'\n{raw}");
    let files = Files::new("", &user, "");
    let within = |files: &Files, caller: &Settings, profile: &str| {
        Config::load(&files.places())
            .unwrap()
            .settle_within(caller, &|name| Ok((name != "mine").then(|| profile.to_owned())))
    };
    assert_eq!(
        within(&files, &Settings::default(), "development").unwrap().notices,
        [""; 0],
        "the user's keys go first"
    );
    let mut caller = Settings::default();
    caller.env = Some(Said::by_caller(Word("dev".to_owned())));
    let settled = within(&files, &caller, "development").unwrap();
    assert_eq!(settled.policy.network, NetworkPolicy::AllowAll);
    let told = &settled.notices[0];
    assert!(told.starts_with("environment dev (profile development): network allow-all, may read / ("), "{told}");
    assert_eq!(within(&files, &caller, "judge").unwrap().notices, [""; 0]);
    assert!(matches!(within(&files, &caller, "raw"), Err(ConfigError::NoWall { .. })));
    caller.backend = Some(Said::by_caller(Word(Backend::None)));
    within(&files, &caller, "raw").unwrap();
    // The project chooses another environment than the user has: its profile is not the user's.
    let files = Files::new("[sandbox]\nenv = 'other'\n", "[sandbox]\nenv = 'mine'\n", "");
    let notices = within(&files, &Settings::default(), "development").unwrap().notices;
    assert!(notices[0].contains("palisade.toml: ") && notices[0].contains("network allow-all"), "{notices:?}");
}

#[test]
fn the_workspace_of_an_agent_is_told_where_the_caller_is_elsewhere_and_is_no_home() {
    let files = Files::new("[sandbox]\n", "", "");
    let deep = files.path("project/deep/er");
    fs::create_dir_all(&deep).unwrap();
    let agent = |home: PathBuf, here: PathBuf| {
        let places = Places { project: Project::Upwards(here), home: Some(home), ..files.places() };
        let settled = Config::load(&places).unwrap().settle(&named("agent")).unwrap();
        (settled.workspace.unwrap(), settled.notices.join("\n"))
    };
    let (workspace, told) = agent(files.path("home"), deep.clone());
    assert_eq!(workspace, files.path("project"));
    assert!(told.contains(&format!("profile agent: may write {}, ", workspace.display())), "{told}");
    for home in ["project", "project/me"] {
        assert_eq!(agent(files.path(home), deep.clone()), (deep.clone(), String::new()), "{home}");
    }
    assert_eq!(agent(files.path("home"), files.path("project")).1, "");
}

#[test]
fn a_directory_cannot_feign_a_second_line_of_a_notice_or_a_mistake() {
    let top = tempfile::tempdir().unwrap();
    let odd = top.path().join("a\npalisade: all is good");
    fs::create_dir(&odd).unwrap();
    let places = Places {
        project: Project::Upwards(odd.clone()),
        user: None,
        system: None,
        home: Some(top.path().join("home")),
    };
    fs::write(odd.join("palisade.toml"), "[sandbox]\nnetwork = 'allow-all'\n").unwrap();
    let notices = Config::load(&places).unwrap().settle(&Settings::default()).unwrap().notices;
    assert!(notices[0].contains("a\\npalisade: all is good/palisade.toml: network"), "{notices:?}");
    fs::write(odd.join("palisade.toml"), "[sandbox]\nnetwrk = 1\n").unwrap();
    let error = Config::load(&places).unwrap_err().to_string();
    assert!(!error.contains("\npalisade: all"), "{error}");
}

#[test]
fn under_a_sealed_profile_what_it_leaves_to_a_project_is_told_and_opens_no_limit() {
    let project = "[sandbox]\nenv = 'web'\noutput_limit = '900G'\non_output_limit = 'kill'\nstrict = false\n\
                   [sandbox.environment]\nPATH = '/evil'\n";
    let files = Files::new(project, "[sandbox]\nstrict = true\ncpu_limit = 50\n", "");
    let settled = files.settle(&named("agent")).unwrap();
    assert_eq!(
        (row(&settled, "output_limit"), row(&settled, "on_output_limit")),
        ("8 MiB (profile agent (shipped))".to_owned(), "cut (profile agent (shipped))".to_owned())
    );
    assert!(settled.notices[0].contains("not strict, environment web, sets PATH ("), "{:?}", settled.notices);
    assert!(!files.settled().notices[0].contains("PATH"), "elsewhere variables are the project's own business");
}
