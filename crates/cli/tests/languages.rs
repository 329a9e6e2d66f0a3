//! The eight example programs give the same answer everywhere, and see of the host what their language needs.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::path::{Path, PathBuf};

use common::{Place, everyone, text};
use palisade_testkit::need;

const EXAMPLES: [(&str, &str); 8] = [
    ("hello.py", "python"),
    ("hello.js", "node"),
    ("hello.ts", "node"),
    ("hello.go", "go"),
    ("hello.rs", "rustc"),
    ("Hello.java", "javac"),
    ("hello.cpp", "g++"),
    ("hello.c", "gcc"),
];

/// A copy of an example, because the checkout may be out of an ordinary user's reach.
fn example(place: &Place, name: &str) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    place.file(name, std::fs::read(from).unwrap())
}

/// The toolchains of root's home are out of an ordinary user's reach.
fn runs(place: &Place, tool: &str) -> bool {
    let question = match tool {
        "go" => "go version".to_owned(),
        "python" => "python3 --version".to_owned(),
        tool => format!("{tool} --version"),
    };
    let mut command = place.seat.command("/bin/sh");
    let works = command.args(["-c", &question]).output().is_ok_and(|output| output.status.success());
    if !works {
        let message = format!("SKIPPED: {tool} is out of reach as {:?}\n", place.person);
        let _ = std::io::Write::write_all(&mut std::io::stderr(), message.as_bytes());
    }
    works
}

fn says(file: &str, tool: &str, input: &str, answer: &str) {
    if !need(tool) {
        return;
    }
    everyone(|place| {
        if !runs(place, tool) {
            return;
        }
        let source = example(place, file);
        let mut command = place.palisade(&format!("run --quiet {}", source.display()));
        let output = place.output_with(&mut command, input.as_bytes());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(said.trim_end(), answer, "{file} as {:?}: {}", place.person, text(&output));
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()), "{}", text(&output));
    });
}

const USUAL: &str = "100000: 9592 primes, the largest is 99991";
const ASKED: &str = "1000: 168 primes, the largest is 997";

macro_rules! languages {
    ($($name:ident $number:literal)*) => {$(
        #[test]
        fn $name() {
            let (file, tool) = EXAMPLES[$number];
            says(file, tool, "", USUAL);
            says(file, tool, "1000\n", ASKED);
        }
    )*};
}

languages! {
    python_gives_the_answer 0
    javascript_gives_the_answer 1
    typescript_gives_the_answer 2
    go_gives_the_answer 3
    rust_gives_the_answer 4
    java_gives_the_answer 5
    cpp_gives_the_answer 6
    c_gives_the_answer 7
}

#[test]
fn arguments_reach_the_program() {
    if !need("python") {
        return;
    }
    everyone(|place| {
        if !runs(place, "python") {
            return;
        }
        let source = place.file("args.py", "import sys; print(sys.argv)");
        let output = place.output(place.palisade("run --quiet").arg(&source).args(["-x", "a b", "--json"]));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "['/work/main.py', '-x', 'a b', '--json']\n",
            "{}",
            text(&output)
        );
    });
}

#[test]
fn siblings_are_invisible_unless_asked_for_and_then_read_only() {
    everyone(|place| {
        if !runs(place, "python") {
            return;
        }
        place.file("helper.py", "word = 'helped'");
        let source = place.file(
            "main.py",
            "import os\nprint(sorted(os.listdir('/work')))\n\
                                            try:\n    import helper; print(helper.word)\n\
                                            except ImportError: print('alone')\n\
                                            try:\n    open('/work/new', 'w'); print('wrote')\n\
                                            except OSError as e: print(e.errno)\n",
        );
        std::fs::remove_file(&place.hostile).unwrap();
        let run = |options: &str| {
            let output = place.output(&mut place.palisade(&format!("run --quiet {options} {}", source.display())));
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
        };
        assert_eq!(run(""), "['main.py']\nalone\n30\n");
        assert_eq!(run("--with-dir"), "['helper.py', 'main.py']\nhelped\n30\n");
        assert!(!place.home().join("new").exists());
    });
}

#[test]
fn a_source_is_found_by_a_relative_path_and_through_a_link() {
    everyone(|place| {
        if !runs(place, "python") {
            return;
        }
        place.file("real.py", "print('found')");
        std::os::unix::fs::symlink("real.py", place.home().join("link.py")).unwrap();
        for path in ["real.py", "./real.py", "link.py"] {
            let output = place.output(&mut place.palisade(&format!("run --quiet {path}")));
            assert_eq!(output.stdout, b"found\n", "{path}: {}", text(&output));
        }
    });
}

#[test]
fn odd_names_of_sources_are_no_trouble() {
    everyone(|place| {
        if !runs(place, "python") {
            return;
        }
        for name in ["a b.py", "ünïcode.py", "-dash.py", "quote'\".py", "$(id).py", "new\nline.py"] {
            let source = place.file(name, "print('ran')");
            let output = place.output(place.palisade("run --quiet").arg(&source));
            assert_eq!(output.stdout, b"ran\n", "{name:?}: {}", text(&output));
        }
    });
}

#[test]
fn a_language_can_be_named() {
    everyone(|place| {
        if !runs(place, "python") {
            return;
        }
        place.file("script", "print('named')");
        let output = place.output(&mut place.palisade("run --quiet --language python script"));
        assert_eq!(output.stdout, b"named\n", "{}", text(&output));
    });
}

/// A Python like pyenv's: `HOME/tools/versions/3/bin/python3`, which finds its library beside itself.
fn python_in_the_home(place: &Place) -> Option<PathBuf> {
    let version = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_path('stdlib'), sys.executable)";
    let output = std::process::Command::new("python3").args(["-I", "-c", version]).output().ok()?;
    let paths = String::from_utf8(output.stdout).ok()?;
    let prefix = paths.split_whitespace().next()?;
    let root = place.home().join("tools/versions/3");
    std::fs::create_dir_all(root.parent()?).ok()?;
    // The tests and documentation of a distribution are large and not needed.
    let copied = std::process::Command::new("sh")
        .args(["-c", "mkdir -p $2/bin $2/lib && cp -L $1/bin/python3 $2/bin/python3 && \
                      tar -C $1/lib --exclude=test --exclude=site-packages --exclude=__pycache__ --exclude='*.a' \
                      --exclude=idlelib --exclude=config-* -cf - $(cd $1/lib; ls -d python3.* libpython* 2>/dev/null) | tar -C $2/lib -xf - \
                      && chmod -R a+rX $2", "sh", prefix])
        .arg(&root)
        .status()
        .ok()?;
    let python = root.join("bin/python3");
    let works =
        place.seat.command(&python).args(["-c", "import os"]).env_clear().status().is_ok_and(|end| end.success());
    if !(copied.success() && works) {
        let _ = std::io::Write::write_all(&mut std::io::stderr(), b"SKIPPED: this host's python cannot be moved\n");
    }
    (copied.success() && works).then_some(python)
}

#[test]
fn a_toolchain_below_a_home_works_and_nothing_else_of_that_home_is_visible() {
    if !need("python") {
        return;
    }
    everyone(|place| {
        let Some(python) = python_in_the_home(place) else { return };
        place.file("secret", "x");
        std::fs::create_dir(place.home().join(".ssh")).unwrap();
        let path = format!("{}:/usr/bin:/bin", python.parent().unwrap().display());
        let script = format!(
            "import os, sys\nprint(sys.executable)\n\
             print([n for r, d, f in os.walk('{0}') for n in d + f if n in ('secret', '.ssh', 'hostile', 'who.py')])\n",
            place.home().display()
        );
        let source = place.file("who.py", script);
        let output = place.output(place.palisade(&format!("run --quiet {}", source.display())).env("PATH", path));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("tools/versions/3/bin/python3"), "another python ran: {}", text(&output));
        assert!(said.ends_with("[]\n"), "of the home is visible: {said}");
    });
}

#[test]
fn a_missing_toolchain_is_named_with_its_package() {
    everyone(|place| {
        for (file, word) in [("x.go", "go"), ("x.rs", "rust"), ("X.java", "java"), ("x.c", "gcc"), ("x.js", "node")] {
            place.file(file, "");
            let output = place.output(place.palisade(&format!("run {file}")).env("PATH", "/nonexistent"));
            let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
            assert!(output.status.code().is_some_and(|code| (125..=127).contains(&code)), "{}", text(&output));
            assert!(said.contains("error: ") && said.contains("hint: ") && said.contains(word), "{said}");
        }
    });
}
