//! Lookup, steps and tools, against trees made in a directory of their own.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory that disappears with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("palisade-language-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = fs::canonicalize(std::env::temp_dir()).unwrap().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, at: &str, text: &str) -> PathBuf {
        let path = self.0.join(at);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn program(&self, at: &str) -> PathBuf {
        let path = self.file(at, "#!/bin/sh\n");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn link(&self, at: &str, to: impl AsRef<Path>) -> PathBuf {
        let path = self.0.join(at);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, &path).unwrap();
        path
    }

    /// A host whose home is here and whose PATH has these directories.
    fn host(&self, path: &[&str], variables: &[(&str, &str)]) -> SearchPath {
        let path = std::env::join_paths(path.iter().map(|directory| self.0.join(directory))).unwrap();
        let fixed = [(OsString::from("PATH"), path), (OsString::from("HOME"), self.0.join("home").into())];
        let given = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        SearchPath::new(fixed.into_iter().chain(given), self.0.join("home/project"))
    }

    fn seen(&self, at: &str) -> ReadOnly {
        ReadOnly { host: fs::canonicalize(self.0.join(at)).unwrap(), at: self.0.join(at) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn language(name: &str) -> Language {
    Language::named(name, None).unwrap()
}

const PYENV: &str = "#!/usr/bin/env bash\nexport PYENV_ROOT=\"…\"\n";

/// pyenv with 3.9.18, 3.11.7 and 3.11.10, of which `version` is chosen.
fn pyenv(version: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.program("home/.pyenv/shims/python3");
    scratch.file("home/.pyenv/shims/python3", PYENV);
    scratch.file("home/.pyenv/version", version);
    for installed in ["3.9.18", "3.11.7", "3.11.10"] {
        scratch.program(&format!("home/.pyenv/versions/{installed}/bin/python3.x"));
        scratch.link(&format!("home/.pyenv/versions/{installed}/bin/python3"), "python3.x");
    }
    scratch
}

fn python_of(scratch: &Scratch, host: &SearchPath) -> (String, Vec<ReadOnly>) {
    let found = language("python").locate(host).unwrap();
    let program = found.program("python").unwrap().strip_prefix(&scratch.0).unwrap().display().to_string();
    (program, found.read_only())
}

#[test]
fn every_shipped_definition_parses_and_agrees_with_the_table() {
    let all = Language::all(None).unwrap();
    assert_eq!(all.len(), 8);
    for (language, shipped) in all.iter().zip(SHIPPED) {
        assert_eq!(language.extensions(), shipped.extensions, "{}", language.name());
        let names: Vec<_> =
            std::iter::once(language.name()).chain(language.definition.aliases.iter().map(|a| &**a)).collect();
        assert_eq!(names, shipped.names);
    }
}

#[test]
fn the_limits_are_those_of_requirement_r41() {
    let rows = [
        ("go", 512, 30, 10),
        ("python", 512, 30, 5),
        ("javascript", 256, 20, 5),
        ("typescript", 256, 20, 5),
        ("rust", 1024, 60, 10),
        ("java", 1024, 45, 10),
        ("c++", 512, 30, 5),
        ("c", 256, 20, 5),
    ];
    for (name, memory, seconds, processes) in rows {
        let limits = *language(name).limits();
        assert_eq!((limits.memory >> 20, limits.cpu_time.as_secs(), limits.processes), (memory, seconds, processes));
    }
}

#[test]
fn an_unknown_extension_names_the_known_ones_and_the_way_out() {
    let error = Language::for_path(Path::new("a/b.rb"), None).unwrap_err();
    assert!(error.to_string().contains("`.rb` (known: .py .js .mjs"), "{error}");
    assert!(error.hint().unwrap().contains("palisade run -- CMD"));
    let error = Language::for_path(Path::new("Makefile"), None).unwrap_err();
    assert!(error.to_string().contains("no file extension"), "{error}");
    assert!(Language::named("cobol", None).unwrap_err().to_string().contains("known: python javascript"));
    assert_eq!(Language::for_path(Path::new("A.PY"), None).unwrap().name(), "python");
}

#[test]
fn a_user_replaces_a_shipped_language_and_adds_one() {
    let scratch = Scratch::new();
    let python = include_str!("languages/python.toml");
    scratch.file("own/python.toml", &python.replace("512 MiB", "99 MiB"));
    scratch.file(
        "own/xonsh.toml",
        &python.replace("\"python\"\ntitle", "\"xonsh\"\ntitle").replace("[\"py\"]", "[\"xsh\"]"),
    );
    let own = scratch.0.join("own");
    let by_path = |name: &str| Language::for_path(Path::new(name), Some(&own)).unwrap();
    assert_eq!(by_path("a.py").limits().memory, 99 << 20);
    assert_eq!(by_path("a.xsh").name(), "xonsh");
    assert_eq!(by_path("a.go").name(), "go");
    assert_eq!(Language::all(Some(&own)).unwrap().len(), 9);
    assert_eq!(Language::all(Some(&scratch.0.join("absent"))).unwrap().len(), 8);

    scratch.file("own/z.toml", &python.replace("\"python\"\ntitle", "\"z\"\ntitle"));
    let error = Language::for_path(Path::new("a.py"), Some(&own)).unwrap_err();
    assert!(error.to_string().contains("claimed by both python and z"), "{error}");
}

#[test]
fn steps_have_every_placeholder_filled() {
    let scratch = Scratch::new();
    for name in ["python3", "node", "go", "rustc", "cc", "javac", "java", "g++", "gcc"] {
        scratch.program(&format!("tools/bin/{name}"));
    }
    let host = scratch.host(&["tools/bin"], &[]);
    for language in Language::all(None).unwrap() {
        let toolchain = language.locate(&host).unwrap();
        let source = language.source(None, "");
        let job = Job { source: &source, palisade: "/palisade", memory: Some(200 << 20), most: u64::MAX };
        let compile = language.compile_step(&toolchain, &job).unwrap();
        let run = language.run_step(&toolchain, &job).unwrap();
        for step in compile.iter().chain([&run]) {
            assert!(step.argv[0].starts_with('/'), "{:?}", step.argv);
            let all = step.argv.iter().chain(step.environment.iter().map(|(_, value)| value));
            assert!(all.clone().all(|word| !word.contains(['{', '}'])), "{:?}", step.argv);
        }
        let needs_tools = run.argv[0].starts_with(scratch.0.to_str().unwrap());
        assert_eq!(run.read_only.is_empty(), !needs_tools, "only tools that run are given to the run step");
    }
    let node = language("js");
    let source = node.source(Some("x.mjs"), "");
    let job = Job { source: &source, palisade: "/palisade", memory: Some(200 << 20), most: u64::MAX };
    let run = node.run_step(&node.locate(&host).unwrap(), &job).unwrap();
    assert_eq!(run.argv[1..], ["--max-old-space-size=150", "/work/main.mjs"]);
}

#[test]
fn a_java_file_gets_the_name_that_its_class_demands() {
    let java = language("java");
    assert!(java.reads_source());
    assert_eq!(java.source(Some("x.java"), "package a; public class B { main() }").file_name, "B.java");
    assert_eq!(java.source(Some("../a b.java"), "syntax error").file_name, "___a_b.java");
    assert_eq!(java.source(None, "").file_name, "Main.java");
}

#[test]
fn a_pyenv_shim_is_followed_to_the_chosen_version_and_only_that_is_read() {
    let scratch = pyenv("3.9.18\n");
    let version = |v: &str| {
        let expected = vec![scratch.seen(&format!("home/.pyenv/versions/{v}"))];
        (format!("home/.pyenv/versions/{v}/bin/python3"), expected)
    };
    let plain = scratch.host(&["home/.pyenv/shims"], &[]);
    assert_eq!(python_of(&scratch, &plain), version("3.9.18"));
    scratch.file("home/.python-version", "# ours\n3.11\n");
    assert_eq!(python_of(&scratch, &plain), version("3.11.10"));
    let by_variable = scratch.host(&["home/.pyenv/shims"], &[("PYENV_VERSION", "3.12:3.11.7")]);
    assert_eq!(python_of(&scratch, &by_variable), version("3.11.7"));
}

#[test]
fn a_version_file_cannot_lead_out_of_the_managers_directory() {
    let scratch = pyenv("../../evil\n");
    scratch.program("home/evil/bin/python3");
    let error = language("python").locate(&scratch.host(&["home/.pyenv/shims"], &[])).unwrap_err();
    assert!(error.to_string().contains("pyenv, version `../../evil` has no python3"), "{error}");
    assert!(error.hint().unwrap().contains("apt-get install python3"));
}

#[test]
fn pyenv_set_to_the_system_goes_on_along_the_path() {
    let scratch = pyenv("system\n");
    scratch.program("opt/py/bin/python3");
    let host = scratch.host(&["home/.pyenv/shims", "opt/py/bin"], &[]);
    assert_eq!(python_of(&scratch, &host), ("opt/py/bin/python3".to_owned(), vec![scratch.seen("opt/py")]));
}

#[test]
fn a_virtual_environment_keeps_its_name_and_brings_its_base() {
    let scratch = pyenv("3.9.18");
    let base = scratch.0.join("home/.pyenv/versions/3.11.7");
    scratch.link("home/project/.venv/bin/python3", base.join("bin/python3"));
    scratch.file("home/project/.venv/pyvenv.cfg", &format!("home = {}\n", base.join("bin").display()));
    let host = scratch.host(&["home/project/.venv/bin"], &[]);
    let expected = vec![scratch.seen("home/.pyenv/versions/3.11.7"), scratch.seen("home/project/.venv")];
    assert_eq!(python_of(&scratch, &host), ("home/project/.venv/bin/python3".to_owned(), expected));
}

#[test]
fn the_home_directory_is_never_read_as_a_whole() {
    let scratch = Scratch::new();
    scratch.program("home/bin/python3");
    let (program, reads) = python_of(&scratch, &scratch.host(&["home/bin"], &[]));
    assert_eq!((program.as_str(), reads), ("home/bin/python3", vec![scratch.seen("home/bin/python3")]));

    scratch.program("home/.local/share/uv/cpython/bin/python3.12");
    scratch.link("home/.local/bin/python3", "../share/uv/cpython/bin/python3.12");
    let (program, reads) = python_of(&scratch, &scratch.host(&["home/.local/bin"], &[]));
    let uv = "home/.local/share/uv/cpython";
    assert_eq!((program, reads), (format!("{uv}/bin/python3.12"), vec![scratch.seen(uv)]));
}

#[test]
fn a_linked_directory_is_read_under_the_name_that_leads_to_it() {
    let scratch = Scratch::new();
    for name in ["java", "javac"] {
        scratch.program(&format!("home/.sdkman/candidates/java/17/bin/{name}"));
    }
    scratch.link("home/.sdkman/candidates/java/current", "17");
    let found = language("java").locate(&scratch.host(&["home/.sdkman/candidates/java/current/bin"], &[])).unwrap();
    let reads = found.read_only();
    assert!(reads.contains(&scratch.seen("home/.sdkman/candidates/java/current")), "{reads:?}");
    assert!(!reads.iter().any(|read| read.host.ends_with("candidates") || read.host.ends_with("home")));
}

/// rustup with a default, a nightly and a linked toolchain.
fn rustup() -> Scratch {
    let scratch = Scratch::new();
    scratch.program("home/.cargo/bin/rustup");
    scratch.link("home/.cargo/bin/rustc", "rustup");
    scratch.program("bin/cc");
    scratch.file("home/.rustup/settings.toml", "default_toolchain = \"stable-x86_64-unknown-linux-gnu\"\n");
    for toolchain in ["stable", "nightly"] {
        let machine = if toolchain == "stable" { "x86_64" } else { std::env::consts::ARCH };
        scratch.program(&format!("home/.rustup/toolchains/{toolchain}-{machine}-unknown-linux-gnu/bin/rustc"));
    }
    scratch
}

fn rustc_of(scratch: &Scratch, variables: &[(&str, &str)]) -> Result<(String, Vec<ReadOnly>), String> {
    let host = scratch.host(&["home/.cargo/bin", "bin"], variables);
    let found = language("rust").locate(&host).map_err(|error| error.to_string())?;
    let reads = found.read_only_of(["rustc"].into_iter());
    Ok((found.program("rustc").unwrap().strip_prefix(&scratch.0).unwrap().display().to_string(), reads))
}

#[test]
fn rustup_is_followed_by_variable_project_and_default() {
    let scratch = rustup();
    let stable = "home/.rustup/toolchains/stable-x86_64-unknown-linux-gnu";
    let nightly = format!("home/.rustup/toolchains/nightly-{}-unknown-linux-gnu", std::env::consts::ARCH);
    let expected = |toolchain: &str| Ok((format!("{toolchain}/bin/rustc"), vec![scratch.seen(toolchain)]));
    assert_eq!(rustc_of(&scratch, &[]), expected(stable));
    assert_eq!(rustc_of(&scratch, &[("RUSTUP_TOOLCHAIN", "nightly")]), expected(&nightly));
    scratch.file("home/project/rust-toolchain.toml", "[toolchain]\nchannel = \"nightly\"\n");
    assert_eq!(rustc_of(&scratch, &[]), expected(&nightly));
    scratch.file("home/project/rust-toolchain.toml", "[toolchain]\nchannel = \"../../evil\"\n");
    assert!(rustc_of(&scratch, &[]).unwrap_err().contains("is not a plain name"));
}

#[test]
fn a_hard_link_to_rustup_is_a_launcher_too() {
    let scratch = rustup();
    fs::remove_file(scratch.0.join("home/.cargo/bin/rustc")).unwrap();
    fs::hard_link(scratch.0.join("home/.cargo/bin/rustup"), scratch.0.join("home/.cargo/bin/rustc")).unwrap();
    assert!(rustc_of(&scratch, &[]).unwrap().0.starts_with("home/.rustup/toolchains/stable-"));
}

#[test]
fn a_missing_tool_is_named_with_its_package() {
    let scratch = Scratch::new();
    scratch.file("bin/go", "not executable");
    scratch.link("bin/gone", "nowhere");
    let error = language("go").locate(&scratch.host(&["bin"], &[])).unwrap_err();
    assert_eq!(error.to_string(), "Go needs go, not found on the search path");
    assert!(error.hint().unwrap().contains("apt-get install golang-go"));
}

#[test]
fn a_tool_brings_the_further_paths_that_exist() {
    let scratch = Scratch::new();
    scratch.program("tools/bin/python3");
    scratch.file("etc/py-17-x/a", "");
    scratch.file("etc/py-21-x/a", "");
    scratch.file("etc/py-21-y/a", "");
    let etc = scratch.0.join("etc");
    let also = format!("also-read = [\"{0}/py-*-x/a\", \"{0}/absent\"]\npackage =", etc.display());
    scratch.file("own/python.toml", &include_str!("languages/python.toml").replace("package =", &also));
    let python = Language::named("python", Some(&scratch.0.join("own"))).unwrap();
    let reads = python.locate(&scratch.host(&["tools/bin"], &[])).unwrap().read_only();
    assert_eq!(reads, ["etc/py-17-x/a", "etc/py-21-x/a", "tools"].map(|at| scratch.seen(at)));
}

#[test]
fn links_that_run_in_a_circle_are_no_program() {
    let scratch = Scratch::new();
    scratch.link("bin/go", "gone");
    scratch.link("bin/gone", "go");
    assert!(language("go").locate(&scratch.host(&["bin"], &[])).is_err());
}

#[test]
fn relative_entries_of_path_are_not_searched() {
    let variables = [(OsString::from("PATH"), OsString::from(".:bin::/nowhere"))];
    let host = SearchPath::new(variables, PathBuf::from("/"));
    assert_eq!(host.directories(), [PathBuf::from("/nowhere")]);
}

#[test]
fn a_session_needs_its_driver_and_no_source() {
    for language in ["python", "javascript", "typescript"] {
        Language::named(language, None).unwrap().offers_sessions().unwrap();
    }
    for language in ["c", "cpp", "go", "java", "rust"] {
        let error = Language::named(language, None).unwrap().offers_sessions().unwrap_err();
        assert!(error.to_string().ends_with("has no interactive session: its programs are compiled"), "{error}");
    }
}
