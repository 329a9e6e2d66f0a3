//! Another parser's word: imports of Python's standard library as Python itself reads them, and as the validator does.
//!
//! Not here: what is hidden (`hostile.rs`); this is about reading a lot of ordinary code without a mistake.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests: the helpers too")]

use std::{collections::BTreeMap, fs, process::Command};

use palisade_check::{Language, Policy, check};
use palisade_testkit::need;

/// Prints `file:line` for each import of the modules, of each file that Python can read.
const SCRIPT: &str = r#"
import ast, os, sys, sysconfig
wanted = set(sys.argv[1:])
for top, below, files in os.walk(sysconfig.get_paths()["stdlib"]):
    below[:] = sorted(d for d in below if d not in ("test", "tests", "lib2to3", "site-packages", "dist-packages", "__pycache__"))
    for name in sorted(files):
        path = os.path.join(top, name)
        if not name.endswith(".py") or os.path.getsize(path) > 100_000:
            continue
        try:
            tree = ast.parse(open(path, "rb").read())
        except (SyntaxError, ValueError):
            continue
        print(f"{path}:0")
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found = any(a.name.split(".")[0] in wanted for a in node.names)
            elif isinstance(node, ast.ImportFrom):
                found = node.level == 0 and node.module.split(".")[0] in wanted
            else:
                continue
            if found:
                print(f"{path}:{node.lineno}")
"#;

const MODULES: [&str; 6] = ["os", "sys", "subprocess", "socket", "re", "collections"];

#[test]
fn every_import_of_the_standard_library_is_found_where_python_finds_it() {
    if !need("python") {
        return;
    }
    let output = Command::new("python3").args(["-c", SCRIPT]).args(MODULES).output().unwrap();
    let mut wanted: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let (file, line) = line.rsplit_once(':').unwrap();
        let lines = wanted.entry(file.to_owned()).or_default();
        lines.extend(line.parse::<u32>().ok().filter(|line| *line > 0));
    }
    assert!(wanted.len() > 100, "{}", wanted.len());
    let text = format!("extends = 'none'\ndynamic_code = 'note'\n[python]\nblocked_imports = {MODULES:?}\n");
    let policy = Policy::read("oracle.toml", &text, Language::Python).unwrap();
    let mut wrong = Vec::new();
    for (file, lines) in &mut wanted {
        let checked = check(file, &fs::read(file.as_str()).unwrap(), Language::Python, &policy);
        assert_eq!(checked.findings_omitted, 0);
        let of = |name: &'static str| {
            checked.findings.iter().filter(move |found| found.code.name() == name).map(|found| found.span.line)
        };
        // What is loaded by a constant name is an import too, though no statement; posix and nt are os by another name.
        let mut seen: Vec<u32> = of("BLOCKED_IMPORT").collect();
        let source = fs::read_to_string(file.as_str()).unwrap_or_default();
        seen.retain(|line| {
            source.lines().nth(*line as usize - 1).is_none_or(|text| {
                !["import_", "posix", "nt import", "import nt"].iter().any(|other| text.contains(other))
            })
        });
        seen.dedup();
        lines.sort_unstable();
        lines.dedup();
        if seen != *lines {
            wrong.push(format!("{file}: {seen:?}, Python says {lines:?}"));
        }
        wrong.extend(of("SYNTAX_ERROR").map(|line| format!("{file}:{line}: SYNTAX_ERROR")));
    }
    assert!(wrong.is_empty(), "{} of {} files\n{}", wrong.len(), wanted.len(), wrong.join("\n"));
}
