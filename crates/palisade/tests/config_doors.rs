//! What a nearer source can take from a farther one, and what not: attacks by a project's file.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "common/files.rs"]
mod files;

use std::path::PathBuf;

use files::{Files, named, row};
use palisade::{
    config::{Config, ConfigError, NetworkMode, Said, Settings, Settled, Word},
    environment::EnvironmentError,
};

/// Environments by their names, each with its profile.
type Environments = &'static [(&'static str, &'static str)];

fn within(files: &Files, caller: &Settings, environments: Environments) -> Result<Settled, ConfigError> {
    let profile_of = |wanted: &str| -> Result<_, EnvironmentError> {
        Ok(environments.iter().find(|(name, _)| *name == wanted).map(|(_, profile)| (*profile).to_owned()))
    };
    Config::load(&files.places()).unwrap().settle_within(caller, &profile_of)
}

#[test]
fn custom_without_lists_leaves_them_to_farther_sources() {
    let user = "[sandbox]\nallow_domains = ['a.org']\nallow_ports = [443]\n";
    let files = Files::new("", user, "");
    let production = files.settle(&named("production")).unwrap();
    assert_eq!(production.policy.network.to_string(), "custom: a.org:443");
    let line = format!("a.org ({}:2)", files.path("user/palisade.toml").display());
    assert_eq!(row(&production, "allow_domains"), line, "show says whose list it is");
    assert_eq!(row(&production, "network"), "custom (profile production (shipped))");
    let mut caller = Settings::default();
    caller.network = Some(Said::by_caller(Word(NetworkMode::Custom)));
    assert_eq!(files.settle(&caller).unwrap().policy.network.to_string(), "custom: a.org:443");
    // A list that is there and empty is a list.
    caller.allow_domains = Some(Said::by_caller(Vec::new()));
    assert_eq!(files.settle(&caller).unwrap().policy.network.to_string(), "custom: nothing");
}

#[test]
fn a_mode_between_custom_and_a_list_closes_the_list() {
    for mode in ["none", "loopback", "allow-all"] {
        let files =
            Files::new(&format!("[sandbox]\nnetwork = '{mode}'\n"), "[sandbox]\nallow_domains = ['a.org']\n", "");
        let settled = files.settle(&named("production")).unwrap();
        assert_eq!(settled.policy.network.to_string(), "custom: nothing", "{mode}");
    }
}

#[test]
fn a_list_of_a_project_that_fills_in_a_profile_of_the_caller_is_told() {
    let files = Files::new("[sandbox]\nallow_domains = ['evil.org']\n", "[sandbox]\nallow_domains = ['a.org']\n", "");
    let settled = files.settle(&named("production")).unwrap();
    assert_eq!(settled.policy.network.to_string(), "custom: evil.org:80,443");
    assert!(settled.notices[0].contains("palisade.toml: network evil.org:80,443 ("), "{:?}", settled.notices);
}

#[test]
fn files_of_chosen_paths_without_any_are_those_of_a_farther_source_too() {
    let files = Files::new("[sandbox]\nfilesystem = 'custom'\n", "[sandbox]\nallow_read = ['/etc/hostname']\n", "");
    assert_eq!(files.settled().policy.files.read, ["/etc/hostname"].map(PathBuf::from));
    // A workspace is one that is said: it stands for itself.
    let agent = files.settle(&named("agent")).unwrap();
    assert_eq!(agent.policy.files.read, ["/"].map(PathBuf::from));
}

const USER: &str = "[sandbox]\nenv = 'mine'\n[sandbox.profiles.careful]\nhidden = ['/etc/hostname']\n\
                    policy = ['no-network']\ntime_limit = '3s'\n";
const MINE: Environments = &[("mine", "careful"), ("other", "testing")];

#[track_caller]
fn assert_careful(settled: &Settled) {
    assert_eq!(settled.policy.files.hidden, ["/etc/hostname"].map(PathBuf::from));
    assert_eq!(settled.policies, ["no-network"]);
}

#[test]
fn a_project_cannot_take_away_what_the_profile_of_the_users_environment_hides() {
    let alone = within(&Files::new("", USER, ""), &Settings::default(), MINE).unwrap();
    assert_careful(&alone);
    assert!(row(&alone, "time_limit").starts_with("3s"), "it counts as a whole where nothing displaces it");
    for project in [
        "[sandbox]\nenv = 'other'\n",
        "[sandbox]\nenv = 'unknown'\n",
        "[sandbox]\nenv = 'mine'\nprofile = 'development'\n",
        "[sandbox]\nprofile = 'development'\n",
        "[sandbox]\nprofile = 'p'\n[sandbox.profiles.p]\nenv = 'other'\n",
        "[sandbox]\nenv = 'other'\nhidden = []\npolicy = []\n",
    ] {
        let settled = within(&Files::new(project, USER, ""), &Settings::default(), MINE).unwrap();
        assert_careful(&settled);
        assert!(!row(&settled, "time_limit").starts_with("3s"), "{project}: all else is displaced");
    }
}

#[test]
fn an_environment_that_a_profile_chose_hides_as_well() {
    let user = format!("{}[sandbox.profiles.mine]\nenv = 'mine'\n", USER.replace("env = 'mine'", "profile = 'mine'"));
    for project in ["", "[sandbox]\nprofile = 'testing'\n", "[sandbox]\nenv = 'other'\n"] {
        assert_careful(&within(&Files::new(project, &user, ""), &Settings::default(), MINE).unwrap());
    }
    // And one that the profile of an environment names.
    let user = "[sandbox]\nenv = 'first'\n[sandbox.profiles.step]\nenv = 'mine'\n";
    let user = format!("{user}{}", USER.split_once("env = 'mine'\n").unwrap().1);
    let files = Files::new("[sandbox]\nenv = 'other'\n", &user, "");
    assert_careful(&within(&files, &Settings::default(), &[("first", "step"), ("mine", "careful")]).unwrap());
}

#[test]
fn environments_whose_profiles_choose_each_other_come_to_an_end() {
    let user =
        "[sandbox]\nenv = 'a'\n[sandbox.profiles.pa]\nenv = 'b'\n[sandbox.profiles.pb]\nenv = 'a'\nhidden = ['/x']\n";
    let files = Files::new("[sandbox]\nenv = 'c'\n", user, "");
    let settled = within(&files, &Settings::default(), &[("a", "pa"), ("b", "pb"), ("c", "nobody-defines-it")]);
    assert!(settled.unwrap_err().to_string().contains("there is no profile `nobody-defines-it`"), "the one that holds");
    let settled = within(&files, &Settings::default(), &[("a", "pa"), ("b", "pb"), ("c", "testing")]).unwrap();
    assert_eq!(settled.policy.files.hidden, ["/x"].map(PathBuf::from));
}

#[test]
fn an_environment_that_is_broken_lets_nothing_run_though_another_displaces_it() {
    let files = Files::new("[sandbox]\nenv = 'other'\n", USER, "");
    let broken = |name: &str| if name == "mine" { Err(EnvironmentError::NoPlace) } else { Ok(None) };
    let error = Config::load(&files.places()).unwrap().settle_within(&Settings::default(), &broken).unwrap_err();
    assert!(matches!(error, ConfigError::Environment(at) if matches!(*at, EnvironmentError::NoPlace)));
}

#[test]
fn name_servers_of_a_project_are_told_though_no_destination_is_added() {
    let user = "[sandbox]\nallow_domains = ['a.org']\ndns = ['192.0.2.1', '192.0.2.2']\n";
    let told = |dns: &str, user: &str| {
        let files = Files::new(&format!("[sandbox]\n{dns}\n"), user, "");
        files.settle(&named("production")).unwrap().notices.join("\n")
    };
    assert!(told("dns = ['198.51.100.6']", user).contains("name servers 198.51.100.6"));
    assert!(told("dns = ['192.0.2.1', '198.51.100.6']", user).contains("name servers 192.0.2.1, 198.51.100.6"));
    assert!(told("dns = ['198.51.100.6']", "[sandbox]\nallow_domains = ['a.org']\n").contains("name servers"));
    assert_eq!(told("dns = ['192.0.2.2']", user), "", "one that the user has said");
    assert_eq!(told("dns = []", user), "", "none at all");
}
