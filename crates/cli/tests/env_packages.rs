//! Packages of environments: installed in a sandbox, by pip and npm, from what lies here.
//!
//! Nothing here needs a network: the packages are made by the tests. Not here: what else an environment is (`environments.rs`).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/environments.rs"]
mod kept;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{PATIENCE, Place, everyone, finish, text};
use kept::{assert_refused, has, in_store, output, palisade, refused, said, store, write};
use palisade_testkit::{need, wait_for};

fn has_pip(place: &Place) -> bool {
    need("python") && need("pip") && has(place, "python3 -m pip --version")
}

fn has_npm(place: &Place) -> bool {
    need("node") && need("npm") && has(place, "node --version && npm --version")
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
