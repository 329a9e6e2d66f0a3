//! Completion scripts and manual pages: that they parse, that they say what `--help` says, and that the shell does it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::path::Path;
use std::process::{Command, Output};

use palisade_testkit::need;

const SHELLS: [&str; 5] = ["bash", "zsh", "fish", "elvish", "powershell"];

fn palisade(words: &[&str]) -> String {
    let output = Command::new(palisade_testkit::palisade()).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every long option that a command's help names in its left column or as another name.
fn options(command: &str) -> Vec<String> {
    let help = palisade(&[command, "--help"]);
    let lines = help.lines().filter(|line| line.trim_start().starts_with('-') || line.contains("[aliases: "));
    let names: Vec<String> = lines
        .flat_map(|line| line.split(|sign: char| !(sign.is_ascii_lowercase() || sign == '-')))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect();
    assert!(names.len() > if command == "run" { 20 } else { 0 }, "{help}");
    names
}

/// Commands that the help lists.
fn commands() -> Vec<String> {
    let help = palisade(&["--help"]);
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    list.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[track_caller]
fn assert_silent(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{}: {said}", output.status);
}

#[test]
fn every_script_names_every_command_and_option() {
    for shell in SHELLS {
        let script = palisade(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        for option in options("run").iter().chain(&options("doctor")) {
            // fish says `-l json`.
            let said = if shell == "fish" { option.trim_start_matches('-') } else { option };
            assert!(script.contains(said), "{shell}: {option}");
        }
    }
}

#[test]
fn what_is_internal_is_told_nowhere() {
    let mut texts: Vec<String> = SHELLS.iter().map(|shell| palisade(&["completions", shell])).collect();
    texts.extend([palisade(&["--help"]), palisade(&["man"])]);
    assert!(texts.iter().all(|text| !text.contains("internal")));
    let pages = tempfile::tempdir().unwrap();
    let names = palisade(&["man", pages.path().to_str().unwrap()]);
    assert!(!names.contains("internal"), "{names}");
}

#[test]
fn every_shell_that_is_here_can_read_its_script() {
    let scripts = tempfile::tempdir().unwrap();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "-n"), ("elvish", "-compileonly")] {
        if need(shell) {
            let path = scripts.path().join(shell);
            std::fs::write(&path, palisade(&["completions", shell])).unwrap();
            assert_silent(&Command::new(shell).arg(check).arg(&path).output().unwrap());
        }
    }
}

#[test]
fn bash_completes_commands_options_and_values() {
    let script = palisade(&["completions", "bash"]);
    // What bash does at Tab: calls the function with the command, the word and the one before.
    let complete = |words: &str| {
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _palisade palisade \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\necho ${{COMPREPLY[@]}}"
        );
        let output = Command::new("bash").args(["--norc", "-c", &ask]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("palisade ru"), "run");
    assert_eq!(complete("palisade run --time"), "--time-limit");
    assert_eq!(complete("palisade run --on-output-limit ''"), "cut kill");
    assert_eq!(complete("palisade intern"), "");
}

#[test]
fn there_is_a_page_for_each_command_and_it_names_every_option() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("not/there/yet");
    let names = palisade(&["man", directory.to_str().unwrap()]);
    for name in names.lines() {
        assert!(Path::new(name).is_file(), "{name}");
    }
    let page = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap().replace("\\-", "-");
    assert_eq!(page("palisade.1"), palisade(&["man"]).replace("\\-", "-"));
    for command in commands().into_iter().filter(|command| command != "help") {
        let text = page(&format!("palisade-{command}.1"));
        let own = options(&command);
        // A page names an option once, not by its other name.
        for option in own.iter().filter(|option| *option != "--sandbox-backend") {
            assert!(text.contains(option.as_str()), "{command}: {option}");
        }
        assert!(text.contains(&format!(".TH palisade-{command} 1  \"palisade ")), "{text}");
    }
}

#[test]
fn groff_has_nothing_to_say_about_the_pages() {
    if !need("groff") {
        return;
    }
    let pages = tempfile::tempdir().unwrap();
    for name in palisade(&["man", pages.path().to_str().unwrap()]).lines() {
        let output = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-P-cbou", name]).output().unwrap();
        assert_silent(&output);
        let shown = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(shown.contains("SYNOPSIS") && shown.contains("OPTIONS"), "{name}: {shown}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let output = Command::new(palisade_testkit::palisade()).args(["man", "/dev/null/pages"]).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.starts_with("error: /dev/null/pages: "), "{said}");
}
