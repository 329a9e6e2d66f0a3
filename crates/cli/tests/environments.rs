//! Environments: packages are installed in a sandbox, shown read-only, found by their programs, and checked by their locks.
//!
//! Nothing here needs a network: the packages are made by the tests.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{PATIENCE, Place, everyone, finish, text};
use palisade_testkit::{need, wait_for};

/// `palisade WORDS`, with the store in the home.
fn palisade(place: &Place, words: &str) -> Command {
    let mut command = place.palisade(words);
    command.env_remove("PALISADE_ENVIRONMENTS").env_remove("XDG_DATA_HOME").env_remove("XDG_CONFIG_HOME");
    command
}

#[track_caller]
fn output(place: &Place, words: &str) -> Output {
    place.output(&mut palisade(place, words))
}

/// What it printed. It succeeds, and says nothing else.
#[track_caller]
fn said(place: &Place, words: &str) -> String {
    let output = output(place, words);
    assert!(output.status.success(), "{words}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// One error with these words, a hint, status 125, nothing on standard output.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(125), "{}", text(output));
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "one error: {said}");
    assert!(["hint: ", "(known: "].iter().any(|mark| said.contains(mark)), "no remedy: {said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    assert!(output.stdout.is_empty() && !said.contains("panicked"), "{}", text(output));
}

#[track_caller]
fn refused(place: &Place, line: &str, words: &[&str]) {
    assert_refused(&output(place, line), words);
}

fn store(place: &Place) -> PathBuf {
    place.home().join(".local/share/palisade/environments")
}

/// All that is in the store, hidden or not.
fn in_store(place: &Place) -> Vec<String> {
    let entries = fs::read_dir(store(place)).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether this person has what answers to this. The toolchains of root's home are out of an ordinary user's reach.
fn has(place: &Place, question: &str) -> bool {
    let works =
        place.seat.command("/bin/sh").args(["-c", question]).output().is_ok_and(|output| output.status.success());
    if !works {
        let message = format!("SKIPPED: `{question}` fails as {:?}\n", place.person);
        let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
    }
    works
}

fn has_pip(place: &Place) -> bool {
    need("python") && need("pip") && has(place, "python3 -m pip --version")
}

fn has_npm(place: &Place) -> bool {
    need("node") && need("npm") && has(place, "node --version && npm --version")
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// A program of this person that makes wheels; also the build backend of the packages here. `$BEFORE` is executed first.
const BACKEND: &str = r#"
import os, zipfile
FINDINGS = []
$BEFORE
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "greet-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("greet/__init__.py", f"WORD = 'hello'\nFINDINGS = {FINDINGS!r}\n")
        wheel.writestr("greet-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n")
        wheel.writestr("greet-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr("greet-1.0.dist-info/entry_points.txt", "[console_scripts]\ngreet = greet:WORD.upper\n")
        wheel.writestr("greet-1.0.dist-info/RECORD", "greet/__init__.py,,\ngreet-1.0.dist-info/RECORD,,\n")
    return name
"#;

/// A Python package as a directory, which builds itself with nothing from elsewhere.
fn project(place: &Place, name: &str, before: &str) -> PathBuf {
    let directory = place.home().join(name);
    write(&directory.join("backend.py"), &BACKEND.replace("$BEFORE", before));
    let system = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";
    write(&directory.join("pyproject.toml"), &format!("[project]\nname = 'greet'\nversion = '1.0'\n{system}"));
    directory
}

/// The same package as a wheel, made outside.
fn wheel(place: &Place) -> PathBuf {
    let directory = place.home().join("wheels");
    fs::create_dir_all(&directory).unwrap();
    let script = format!("{}\nbuild_wheel({:?})", BACKEND.replace("$BEFORE", ""), directory.display().to_string());
    assert!(Command::new("python3").args(["-c", &script]).status().unwrap().success());
    directory.join("greet-1.0-py3-none-any.whl")
}

#[test]
fn a_wheel_is_installed_imported_and_cannot_be_changed() {
    everyone(|place| {
        if !has_pip(place) {
            return;
        }
        wheel(place);
        let made =
            said(place, "env create web --lang python --packages wheels/greet-1.0-py3-none-any.whl --setenv A=B");
        assert!(made.starts_with("created web (python 3.") && made.contains("sha256:"), "{made}");
        let program = "import os, greet\nprint(greet.WORD, greet.__file__, os.environ['A'])\n\
                       print(os.environ['PALISADE_PATH'], os.environ['SIMPLE_PATH'], os.environ['PYTHONPATH'])\n\
                       try: open('/env/packages/greet/__init__.py', 'w')\nexcept OSError as error: print(error.errno)\n\
                       print(os.popen('command -v greet').read().strip())\n";
        place.file("a.py", program);
        assert_eq!(
            said(place, "run --quiet --env web a.py"),
            "hello /env/packages/greet/__init__.py B\n/env/packages /env/packages /env/packages\n30\n/env/packages/bin/greet\n"
        );
        let without = output(place, "run --quiet a.py");
        assert!(String::from_utf8_lossy(&without.stderr).contains("No module named 'greet'"), "{}", text(&without));
        let info = said(place, "env info web");
        assert!(info.contains("packages     greet-1.0-py3-none-any.whl\n") && info.contains("A=B"), "{info}");
        assert!(!fs::read_to_string(store(place).join("web/environment.lock")).unwrap().contains("direct_url"));
        assert_eq!(fs::metadata(store(place)).unwrap().permissions().mode() & 0o777, 0o700);
    });
}

#[test]
fn packages_are_found_in_a_directory_or_by_a_list_without_a_network() {
    everyone(|place| {
        if !has_pip(place) {
            return;
        }
        wheel(place);
        place.file("requirements.txt", "greet==1.0\n");
        place.file("a.py", "import greet; print(greet.WORD)");
        for (name, what) in
            [("directory", "./wheels"), ("from", "greet --from wheels"), ("list", "requirements.txt --from wheels")]
        {
            said(place, &format!("env create {name} --lang python --packages {what}"));
            assert_eq!(said(place, &format!("run --quiet --env {name} a.py")), "hello\n");
        }
        let listed = said(place, "env list");
        let names: Vec<&str> = listed.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names, ["directory", "from", "list"], "{listed}");
        refused(place, "env create x --lang python --packages greet", &["`greet`", "network is closed", "--network"]);
        refused(place, "env create x --lang python --packages requirements.txt", &["pip failed", "--from DIR"]);
    });
}

/// Tries to read and change a file, to reach the network and to look into a process, and notes what came of it.
const ATTACK: &str = r#"
def attempt(what):
    try: what(); FINDINGS.append("done")
    except OSError: FINDINGS.append("failed")
attempt(lambda: open("$HOME/secret").read())
attempt(lambda: open("$HOME/secret", "r+").close())
import socket
attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close())
attempt(lambda: [os.stat(f"/proc/{pid}/root/usr") for pid in [$PID]])
"#;

#[test]
fn code_of_a_package_that_is_built_is_executed_in_a_sandbox() {
    everyone(|place| {
        if !has_pip(place) {
            return;
        }
        let secret = place.file("secret", "secret");
        fs::set_permissions(secret, fs::Permissions::from_mode(0o666)).unwrap();
        let attack = ATTACK.replace("$HOME", &place.home().display().to_string());
        let attack = attack.replace("$PID", &std::process::id().to_string());
        // Outside, it can do what it tries (an ordinary user may not look into this process).
        let outside = place
            .seat
            .command("python3")
            .args(["-c", &format!("FINDINGS = []\nimport os\n{attack}\nprint(FINDINGS)")])
            .output();
        let outside = String::from_utf8(outside.unwrap().stdout).unwrap();
        assert!(outside.starts_with("['done', 'done', 'done', "), "{outside}");
        project(place, "attacker", &attack);
        said(place, "env create built --lang python --packages ./attacker");
        place.file("a.py", "import greet; print(greet.FINDINGS)");
        assert_eq!(said(place, "run --quiet --env built a.py"), "['failed', 'failed', 'failed', 'failed']\n");
        assert!(!place.home().join("attacker/build").exists(), "the directory itself is not written to");
    });
}

#[test]
fn what_an_installer_leaves_behind_must_be_plain_files() {
    everyone(|place| {
        if !has_pip(place) {
            return;
        }
        // pip installs what follows; the backend puts something else beside it, and closes a directory.
        for (name, act, words) in [
            ("link", "os.symlink('/etc/passwd', f'{target}/passwd')", &["passwd", "out of the tree"][..]),
            ("fifo", "os.mkfifo(f'{target}/fifo')", &["fifo", "neither a file nor a directory"]),
            ("closed", "os.makedirs(f'{target}/closed/x'); os.chmod(f'{target}/closed', 0)", &[]),
        ] {
            let before = format!(
                "target = os.environ['TMPDIR'].removesuffix('scratch') + 'target'\ntry:\n    {act}\nexcept FileExistsError: pass"
            );
            project(place, name, &before);
            let line = format!("env create odd --lang python --packages ./{name}");
            if place.seat.uid() == 0 && words.is_empty() {
                said(place, &line); // root reads a closed directory
                said(place, "env remove odd");
            } else if words.is_empty() {
                refused(place, &line, &["closed", "Permission denied"]);
            } else {
                refused(place, &line, words);
            }
            assert!(in_store(place).is_empty(), "{:?}", in_store(place));
        }
    });
}

/// A package for Node whose install script leaves a mark.
fn node_package(place: &Place) {
    let manifest = r#"{"name": "greet", "version": "1.0.0", "main": "index.js", "bin": {"greet": "index.js"},
                       "scripts": {"install": "echo ran >mark"}}"#;
    write(&place.home().join("greet/package.json"), manifest);
    write(&place.home().join("greet/index.js"), "#!/usr/bin/env node\nexports.word = 'hello';\n");
}

#[test]
fn a_package_of_npm_is_found_by_every_kind_of_module_and_its_scripts_are_off() {
    everyone(|place| {
        if !has_npm(place) {
            return;
        }
        node_package(place);
        said(place, "env create web --lang typescript --packages ./greet");
        place.file("a.js", "console.log(require('greet').word)");
        place.file("a.mjs", "import greet from 'greet'; console.log(greet.word)");
        place.file("a.ts", "import greet from 'greet'; const word: string = greet.word; console.log(word)");
        place.file("env.js", "console.log(process.env.NODE_PATH, process.env.PATH.split(':')[0])");
        for file in ["a.js", "a.mjs", "a.ts"] {
            assert_eq!(said(place, &format!("run --quiet --env web {file}")), "hello\n", "{file}");
        }
        let variables = said(place, "run --quiet --env web env.js");
        assert_eq!(variables, "/env/packages/node_modules /env/packages/node_modules/.bin\n");
        let mark = |name: &str| store(place).join(name).join("packages/node_modules/greet/mark").exists();
        assert!(!mark("web"));
        said(place, "env create scripts --lang js --allow-scripts --packages ./greet");
        assert!(mark("scripts"), "the script is one that works");
        refused(place, "env create x --lang js --packages greet --from wheels", &["npm cannot look", "--packages"]);
    });
}

#[test]
fn directories_and_variables_are_an_environment_too_and_compilers_see_them() {
    if !need("gcc") {
        return;
    }
    everyone(|place| {
        write(&place.home().join("include/word.h"), "#define WORD \"hello\"\n");
        if place.seat.uid() == 0 {
            // Root's programs are nobody's, and have to be able to read the copy.
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(place.home().join("include"), private).unwrap();
        }
        said(place, "env create c --lang c --path include --setenv CPATH=/env/path/1");
        place.file(
            "a.c",
            "#include <stdio.h>\n#include <stdlib.h>\n#include <word.h>\n\
                           int main(void) { puts(WORD); puts(getenv(\"PALISADE_PATH\")); return 0; }\n",
        );
        assert_eq!(said(place, "run --quiet --env c a.c"), "hello\n/env/path/1\n");
        // For any language, and any command.
        said(place, "env create any --path include --setenv A=B");
        let mut command = palisade(place, "run --quiet --env any --setenv A=C -- sh -c");
        let output = place.output(command.arg("echo $A $PALISADE_PATH; cat $PALISADE_PATH/word.h"));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "C /env/path/1\n#define WORD \"hello\"\n",
            "{}",
            text(&output)
        );
        fs::remove_dir_all(place.home().join("include")).unwrap();
        said(place, "env verify any");
    });
}

#[test]
fn tests_of_programs_run_in_one_too() {
    everyone(|place| {
        if !(need("python") && has(place, "python3 --version")) {
            return;
        }
        write(&place.home().join("lib/greet.py"), "WORD = 'hello'\n");
        said(place, "env create web --lang python --path lib");
        place.file("a.py", "import greet; print(greet.WORD)");
        write(&place.home().join("cases/one.in"), "");
        write(&place.home().join("cases/one.out"), "hello\n");
        for words in ["test --env web a.py", "test --env web a.py --cases cases"] {
            let tested = output(place, words);
            assert_eq!(tested.status.code(), Some(0), "{words}: {}", text(&tested));
        }
        assert_eq!(output(place, "test a.py").status.code(), Some(1), "without it the module is missing");
        refused(place, "test --env wbe a.py", &["`wbe`", "palisade env list"]);
        refused(place, "plan --env wbe a.py", &["`wbe`"]);
        let plan = said(place, "plan --env web a.py");
        assert!(plan.contains("PYTHONPATH=/env/path/1") && plan.contains("/env from "), "{plan}");
    });
}

#[test]
fn without_isolation_it_is_an_environment_and_nothing_more() {
    everyone(|place| {
        write(&place.home().join("lib/word"), "hello\n");
        said(place, "env create only --path lib");
        let mut command = palisade(place, "run --quiet --backend none --env only -- sh -c");
        let output = place.output(command.arg("cat $SIMPLE_PATH/word"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{}", text(&output));
        assert!(!Path::new("/env").exists());
    });
}

#[test]
fn an_exported_environment_is_the_same_after_removal_and_import() {
    everyone(|place| {
        write(&place.home().join("lib/greet.py"), "WORD = 'hello'\n");
        symlink("greet.py", place.home().join("lib/other.py")).unwrap();
        said(place, "env create web --path lib --setenv PYTHONPATH=/env/path/1");
        let (info, lock) = (said(place, "env info web --json"), said(place, "env export web --lock"));
        said(place, "env export web --output web.tar");
        refused(place, "env export web --output web.tar", &["web.tar", "File exists"]);
        said(place, "env remove web");
        assert_eq!(said(place, "env list"), "");
        refused(place, "run --env web -- true", &["no environment is called `web`", "palisade env list"]);
        assert!(said(place, "env import web.tar").starts_with("imported web (any language): 3 files"));
        assert_eq!(said(place, "env info web --json"), info);
        assert_eq!(said(place, "env export web --lock"), lock);
        place.file("web.lock", &lock);
        assert!(said(place, "env verify web --lock web.lock").starts_with("web: 3 files are as they were"));
        refused(place, "env import web.tar", &["`web` exists already", "palisade env remove web"]);
        said(place, "env import web.tar --name again");
        if need("python") && has(place, "python3 --version") {
            place.file("a.py", "import other; print(other.WORD)");
            assert_eq!(said(place, "run --quiet --env again a.py"), "hello\n");
        }
    });
}

#[test]
fn the_profile_of_an_archive_is_left_out_unless_it_is_asked_for_and_what_it_opens_is_told() {
    let place = Place::new(palisade_testkit::Person::Ordinary).unwrap();
    said(&place, "env create dev --profile development");
    said(&place, "env export dev --output dev.tar");
    said(&place, "env remove dev");
    let imported = output(&place, "env import dev.tar");
    assert!(imported.status.success(), "{}", text(&imported));
    assert!(text(&imported).contains("its profile `development` was left out"), "{}", text(&imported));
    assert!(
        !said(&place, "config show --env dev").contains("development"),
        "{}",
        said(&place, "config show --env dev")
    );
    assert!(said(&place, "env verify dev").contains("are as they were"));
    said(&place, "env import dev.tar --name kept --keep-profile");
    let run = output(&place, "run --env kept -- true");
    let notice = "palisade: environment kept (profile development): network allow-all, may read / (";
    assert!(String::from_utf8_lossy(&run.stderr).contains(notice), "{}", text(&run));
}

#[test]
fn what_an_environment_says_stays_in_its_line_and_moves_no_cursor() {
    let place = Place::new(palisade_testkit::Person::Ordinary).unwrap();
    let mut create = palisade(&place, "env create odd --profile");
    let made = place.output(create.args(["x\x1b]0;pwn\x07", "--setenv", "A=1\ndigest       sha256:forged"]));
    assert!(made.status.success(), "{}", text(&made));
    for words in ["env info odd", "env list", "env verify odd"] {
        let shown = said(&place, words);
        assert!(!shown.contains(|sign: char| sign.is_control() && sign != '\n'), "{words}: {shown:?}");
        assert!(!shown.contains("\ndigest       sha256:forged"), "{words}: {shown}");
    }
    assert!(said(&place, "env info odd").contains("A=1\\ndigest"), "{}", said(&place, "env info odd"));
}

#[test]
fn every_changed_missing_and_added_file_is_named() {
    everyone(|place| {
        for name in ["same", "changed", "missing", "executable"] {
            write(&place.home().join("lib").join(name), name);
        }
        said(place, "env create web --path lib");
        let inside = store(place).join("web/path/1");
        assert!(said(place, "env verify web").contains("5 files are as they were"));
        fs::write(inside.join("changed"), "CHANGED").unwrap();
        fs::write(inside.join("added"), "").unwrap();
        fs::remove_file(inside.join("missing")).unwrap();
        fs::set_permissions(inside.join("executable"), fs::Permissions::from_mode(0o755)).unwrap();
        let found = output(place, "env verify web");
        assert_eq!(
            String::from_utf8_lossy(&found.stdout),
            "added    path/1/added\nchanged  path/1/changed\nchanged  path/1/executable\nmissing  path/1/missing\n"
        );
        assert_eq!(found.status.code(), Some(1), "{}", text(&found));
        let json = output(place, "env verify web --json");
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(json["differences"][0], serde_json::json!({"path": "path/1/added", "change": "added"}));
        refused(place, "env export web --output web.tar", &["path/1/added", "added since"]);
        assert!(!place.home().join("web.tar").exists());
    });
}

#[test]
fn manifests_that_make_no_sense_are_refused_where_they_do_not() {
    everyone(|place| {
        said(place, "env create web --setenv A=B");
        let manifest = store(place).join("web/environment.toml");
        let right = fs::read_to_string(&manifest).unwrap();
        let schema = "schema = \"palisade.environment/1\"\n";
        for (wrong, words) in [
            (
                right.replace("[variables]", "colour = 1\n[variables]"),
                &["unknown key `colour`", "environment.toml:"][..],
            ),
            (right.replace("/1\"", "/9\""), &["palisade.environment/9", "environment.toml:1"]),
            (format!("{schema}path = ['../../etc']"), &["../../etc", "below the environment"]),
            (format!("{schema}path = ['/etc']"), &["/etc", "below the environment"]),
            (format!("{schema}path = 'x'"), &["expected a sequence"]),
            (format!("{schema}[places]\n'/usr' = 'x'"), &["/usr", "the system's or the sandbox's own"]),
            (format!("{schema}[variables]\n'A=B' = 'x'"), &["A=B", "name of a variable"]),
            (format!("{schema}[variables]\nA = 1"), &["environment.toml:3"]),
            (format!("{schema}[interpreter]\ntool = 'x'"), &["missing field `version`"]),
            ("schema".to_owned(), &["environment.toml:1"]),
            (String::new(), &["missing field `schema`"]),
        ] {
            fs::write(&manifest, &wrong).unwrap();
            refused(place, "run --env web -- true", words);
            assert!(said(place, "env list").starts_with("web  unusable: "), "{wrong}");
            let verified = output(place, "env verify web");
            assert_eq!(String::from_utf8_lossy(&verified.stdout), "changed  environment.toml\n", "{wrong}");
        }
        fs::remove_file(&manifest).unwrap();
        refused(place, "run --env web -- true", &["environment.toml", "No such file"]);
        symlink("/etc/passwd", &manifest).unwrap();
        refused(place, "run --env web -- true", &["environment.toml", "symbolic link"]);
        said(place, "env remove web");
    });
}

#[test]
fn names_recipes_and_environments_that_do_not_fit_are_refused() {
    everyone(|place| {
        said(place, "env create numbers --lang python");
        place.file("a.js", "");
        place.file("a.py", "");
        for (words, told) in [
            ("env create ../x", &["`../x`", "starts with a dot"][..]),
            ("env create a/b", &["`a/b`", "a slash"]),
            ("env create .x", &["`.x`", "letters"]),
            ("env create numbers", &["`numbers` exists already"]),
            ("env create x --lang cobol", &["cobol", "known: "]),
            ("env create x --packages six", &["--packages", "--lang NAME"]),
            ("env create x --lang go --packages six", &["go", "known: python", "--path"]),
            ("env create x --lang python --packages ./missing", &["./missing", "No such file"]),
            ("env create x --lang python --packages ./a.js", &["./a.js", "no package in it", "pyproject.toml"]),
            ("env create x --lang python --packages=--index-url=x", &["--index-url", "no name of a package"]),
            ("env create x --lang python --packages ./a.py --installer conda", &["a.py"]),
            ("env create x --lang python --from .", &["--from", "--packages"]),
            ("env create x --path missing", &["missing", "No such file", "--path DIR"]),
            ("env create x --path a.py", &["a.py", "not a directory"]),
            ("env info nubmers", &["`nubmers`", "did you mean `numbers`?"]),
            ("env remove nothing", &["`nothing`", "palisade env list"]),
            ("env verify nothing", &["`nothing`"]),
            ("env import missing.tar", &["missing.tar", "No such file"]),
            ("env import a.py", &["a.py", "not an exported environment"]),
            ("run --env nubmers a.py", &["`nubmers`", "did you mean `numbers`?"]),
            ("run --env ../numbers a.py", &["`../numbers`", "starts with a dot"]),
            ("run --env numbers a.js", &["for python", "in javascript", "--lang javascript"]),
            ("run --env numbers --allow-read /env -- true", &["/env"]),
            ("env list --dir /dev/null/x", &["/dev/null/x"]),
            ("env create x --dir /dev/null/x", &["/dev/null/x", "--dir"]),
            ("env create x --dir /tmp", &["/tmp", "cannot be trusted", "others can write"]),
        ] {
            refused(place, words, told);
        }
        let json = output(place, "env info nothing --json");
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!((&json["schema"], &json["exit_code"]), (&"palisade.error/1".into(), &125.into()));
        assert_eq!(in_store(place), ["numbers"]);
        // A profile holds, and one that is not there is told.
        said(place, "env create strict --profile judge");
        assert!(said(place, "config show --env strict").contains("profile judge (shipped)"));
        let odd = output(place, "env create odd --profile jugde");
        assert!(
            odd.status.success() && text(&odd).contains("warning: there is no profile `jugde` here"),
            "{}",
            text(&odd)
        );
        refused(place, "run --env odd -- true", &["no profile `jugde`", "did you mean `judge`?"]);
        let mut nowhere = palisade(place, "env list");
        assert_refused(&place.output(nowhere.env_remove("HOME")), &["HOME", "--dir"]);
    });
}

#[test]
fn what_others_could_have_changed_is_not_used() {
    everyone(|place| {
        said(place, "env create web");
        let directory = store(place).join("web");
        for (path, mode) in [(&directory, 0o777), (&store(place), 0o720)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            refused(place, "run --env web -- true", &["cannot be trusted", "others can write"]);
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        fs::rename(&directory, place.home().join("elsewhere")).unwrap();
        symlink(place.home().join("elsewhere"), &directory).unwrap();
        refused(place, "run --env web -- true", &["cannot be trusted", "not a directory"]);
        if place.seat.uid() != 0 {
            return;
        }
        fs::remove_file(&directory).unwrap();
        fs::rename(place.home().join("elsewhere"), &directory).unwrap();
        std::os::unix::fs::chown(&directory, Some(palisade_testkit::ORDINARY_ID), None).unwrap();
        refused(place, "run --env web -- true", &["belongs to user", "export"]);
    });
}

#[test]
fn they_are_kept_where_the_caller_says() {
    everyone(|place| {
        said(place, "env create one --dir $DIR/elsewhere");
        let mut list = palisade(place, "env list");
        let output = place.output(list.env("PALISADE_ENVIRONMENTS", place.home().join("elsewhere")));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "one  any language\n", "{}", text(&output));
        let mut run = palisade(place, "run --quiet --env one -- printenv PATH");
        let output = place.output(run.env("PALISADE_ENVIRONMENTS", place.home().join("elsewhere")));
        assert!(output.status.success(), "{}", text(&output));
        assert!(in_store(place).is_empty());
        let mut list = palisade(place, "env list");
        let data = place.output(list.env("XDG_DATA_HOME", place.home().join("data")));
        assert!(data.stdout.is_empty() && data.status.success(), "{}", text(&data));
    });
}

#[test]
fn a_missing_installer_is_told_with_its_package() {
    everyone(|place| {
        if !(need("python") && need("node") && has(place, "python3 -m venv --help && node --version")) {
            return;
        }
        let bare = place.seat.command("python3").args(["-m", "venv", "--without-pip", "bare"]).status().unwrap();
        assert!(bare.success());
        project(place, "greet-py", "");
        let mut command = palisade(place, "env create x --lang python --packages ./greet-py");
        let output = place.output(command.env("PATH", place.home().join("bare/bin")));
        assert_refused(
            &output,
            &["no program can install", "No module named pip", "apt-get install python3-pip", "uv"],
        );

        node_package(place);
        fs::create_dir(place.home().join("bin")).unwrap();
        let node = place.seat.command("/bin/sh").args(["-c", "command -v node"]).output().unwrap();
        let node = String::from_utf8(node.stdout).unwrap();
        symlink(Path::new(node.trim()).canonicalize().unwrap(), place.home().join("bin/node")).unwrap();
        let mut command = palisade(place, "env create x --lang js --packages ./greet");
        let output = place.output(command.env("PATH", place.home().join("bin")));
        assert_refused(&output, &["no program can install", "npm", "apt-get install npm"]);
        assert!(in_store(place).is_empty());
    });
}

#[test]
fn another_interpreter_of_the_same_version_is_taken_and_one_of_another_version_refused() {
    everyone(|place| {
        if !(need("python") && has(place, "python3 --version")) {
            return;
        }
        said(place, "env create web --lang python");
        let manifest = fs::read_to_string(store(place).join("web/environment.toml")).unwrap();
        let version = manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap().replace('"', "");
        place.file("a.py", "");
        // A stand-in for a Python that was upgraded: it tells its version, and "runs" programs by printing its name.
        let stand_in = |version: &str| {
            let script = format!("#!/bin/sh\ncase $2 in -c) echo {version};; *) echo stand-in;; esac\n");
            write(&place.home().join("stand-in/python3"), &script);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(place.home().join("stand-in/python3"), mode).unwrap();
        };
        let run = |words: &str| place.output(palisade(place, words).env("PATH", place.home().join("stand-in")));
        stand_in(&version);
        let output = run("run --quiet --env web a.py");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "stand-in\n", "{}", text(&output));
        stand_in("9.99");
        let told = [format!("was made for python {version}"), "this host has python 9.99".to_owned()];
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        assert_refused(&run("run --quiet --env web a.py"), &told);
        assert_refused(&run("run --quiet --env web a.py"), &told);
        let verified = run("env verify web");
        assert_eq!(verified.status.code(), Some(1), "{}", text(&verified));
        assert!(String::from_utf8_lossy(&verified.stderr).contains("python 9.99"), "{}", text(&verified));
        assert_eq!(said(place, "run --quiet --env web a.py"), "");
    });
}

#[test]
fn a_creation_that_is_stopped_or_killed_leaves_nothing_to_be_seen() {
    everyone(|place| {
        if !has_pip(place) {
            return;
        }
        project(place, "endless", "import time\nopen(os.environ['TMPDIR'] + '/began', 'w').close()\ntime.sleep(1000)");
        let line = "env create web --lang python --packages ./endless";
        let began = store(place).join(".new-web/staging/scratch/began");
        for (signal, status) in [("-INT", Some(130)), ("-KILL", None)] {
            let child = place.start(&mut palisade(place, line));
            assert!(wait_for(PATIENCE, || began.exists()), "the package is being built");
            refused(place, line, &["`web` is being created by another palisade"]);
            assert_eq!(said(place, "env list"), "");
            assert!(began.exists(), "nobody removes what is held");
            assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
            let output = finish(child);
            assert_eq!(output.status.code(), status, "{}", text(&output));
            if signal == "-KILL" {
                assert_eq!(in_store(place), [".new-web"]);
            }
            // Its sandbox holds the draft for as long as it takes to end.
            let swept = wait_for(PATIENCE, || said(place, "env list").is_empty() && in_store(place).is_empty());
            assert!(swept, "{:?}", in_store(place));
        }
        said(place, "env create web");
        // Groups of a palisade that was killed are removed by the next run (cgroup v1 has no other way).
        said(place, "run --quiet --env web -- true");
    });
}
