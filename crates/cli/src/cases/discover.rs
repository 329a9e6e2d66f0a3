//! The cases of a directory: `NAME.in` with `NAME.out` or `NAME.ans`, in natural order.
//!
//! Whatever is not whole is refused before anything runs: a case that is silently left out looks like one that passed.
//! Directories below are searched too; names that begin with a dot and links to directories are left alone, and so is
//! every other file. Not here: reading the files.

use std::{cmp::Ordering, collections::BTreeMap, fs, path::Path, path::PathBuf};

use crate::request::Refused;

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    /// Path of its files below the directory, without the ending.
    pub(crate) name: String,
    pub(crate) input: PathBuf,
    pub(crate) expected: PathBuf,
}

/// The files of one name.
#[derive(Debug, Default)]
struct Found {
    input: Option<PathBuf>,
    expected: Vec<PathBuf>,
}

/// Problems that are listed.
const LISTED: usize = 5;

/// All cases of a directory.
pub(crate) fn cases(directory: &Path) -> Result<Vec<Case>, Refused> {
    let mut found = BTreeMap::<PathBuf, Found>::new();
    let mut problems = Vec::new();
    if !directory.is_dir() {
        let because = if directory.exists() { "it is not a directory" } else { "there is no such directory" };
        return Err(Refused {
            what: format!("--cases {}: {because}", directory.display()),
            hint: "name the directory with the NAME.in and NAME.out files",
        });
    }
    search(directory, &mut found, &mut problems);
    let mut cases = Vec::new();
    for (stem, Found { input, mut expected }) in found {
        let name = stem.strip_prefix(directory).unwrap_or(&stem).to_string_lossy().into_owned();
        match (input, expected.pop(), expected.is_empty()) {
            (Some(input), Some(expected), true) => cases.push(Case { name, input, expected }),
            (Some(_), None, _) => problems.push(format!("{name}.in has no {name}.out or {name}.ans")),
            (None, Some(alone), true) => problems.push(format!("{} has no {name}.in", below(directory, &alone))),
            (_, Some(_), false) => problems.push(format!("there are both {name}.out and {name}.ans")),
            (None, None, _) => {}
        }
    }
    if let Some(more) = problems.len().checked_sub(LISTED + 1) {
        problems.truncate(LISTED);
        problems.push(format!("and {} more", more + 1));
    }
    if !problems.is_empty() {
        return Err(Refused {
            what: format!("--cases {}: {}", directory.display(), problems.join("; ")),
            hint: "each case is a readable NAME.in and one of NAME.out and NAME.ans, of which both may be empty",
        });
    }
    if cases.is_empty() {
        return Err(Refused {
            what: format!("--cases {}: there is no NAME.in in it or below", directory.display()),
            hint: "each case is NAME.in and NAME.out (or NAME.ans)",
        });
    }
    cases.sort_by(|a, b| natural(&a.name, &b.name));
    Ok(cases)
}

fn below(directory: &Path, path: &Path) -> String {
    path.strip_prefix(directory).unwrap_or(path).display().to_string()
}

fn search(directory: &Path, found: &mut BTreeMap<PathBuf, Found>, problems: &mut Vec<String>) {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return problems.push(format!("{}: {error}", directory.display())),
    };
    for entry in entries {
        let path = match &entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                problems.push(format!("{}: {error}", directory.display()));
                continue;
            }
        };
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        // Of the link, if it is one: links could lead round and round.
        if entry.is_ok_and(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            search(&path, found, problems);
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str());
        let Some(ending @ ("in" | "out" | "ans")) = ending else { continue };
        // Of what a link leads to: a FIFO or a device would be waited for.
        match fs::metadata(&path) {
            Ok(what) if what.is_file() => {
                let of_name = found.entry(path.with_extension("")).or_default();
                if ending == "in" {
                    of_name.input = Some(path);
                } else {
                    of_name.expected.push(path);
                }
            }
            Ok(_) => problems.push(format!("{} is not a regular file", path.display())),
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
    }
}

/// As people count: `case2` before `case10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (n, m) = (digits(left), digits(right));
        if n > 0 && m > 0 {
            let (x, y) = (left.split_at(n), right.split_at(m));
            let value = |digits: &[u8]| digits.iter().copied().skip_while(|digit| *digit == b'0').collect::<Vec<u8>>();
            let (v, w) = (value(x.0), value(y.0));
            match v.len().cmp(&w.len()).then_with(|| v.cmp(&w)) {
                Ordering::Equal => (left, right) = (x.1, y.1),
                unequal => return unequal,
            }
            continue;
        }
        match (left.split_first(), right.split_first()) {
            // `1` and `01` are equal as numbers: some order there must be.
            (None, None) => return a.cmp(b),
            (Some((x, rest)), Some((y, others))) if x == y => (left, right) = (rest, others),
            (x, y) => return x.map(|(x, _)| x).cmp(&y.map(|(y, _)| y)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(files: &[&str]) -> Result<Vec<String>, String> {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let all = cases(directory.path()).map_err(|refused| refused.what)?;
        Ok(all.into_iter().map(|case| case.name).collect())
    }

    #[test]
    fn cases_are_found_below_too_and_come_in_natural_order() {
        let files = [
            "case10.in",
            "case10.out",
            "case2.in",
            "case2.ans",
            "case1.in",
            "case1.out",
            "b/1.in",
            "b/1.out",
            "a.b.in",
            "a.b.out",
            "README.md",
            "make.py",
            ".hidden.in",
            ".git/x.in",
        ];
        assert_eq!(names(&files), Ok(["a.b", "b/1", "case1", "case2", "case10"].map(str::to_owned).into()));
    }

    #[test]
    fn what_is_not_whole_is_refused_by_name() {
        for (files, what) in [
            (vec!["a.in"], "a.in has no a.out or a.ans"),
            (vec!["a.in", "a.out", "b.ans"], "b.ans has no b.in"),
            (vec!["a.in", "a.out", "a.ans"], "there are both a.out and a.ans"),
            (vec!["a.txt"], "there is no NAME.in"),
            (vec![], "there is no NAME.in"),
        ] {
            let error = names(&files).unwrap_err();
            assert!(error.contains(what), "{files:?}: {error}");
        }
        let many: Vec<String> = (0..20).map(|number| format!("{number}.in")).collect();
        let error = names(&many.iter().map(String::as_str).collect::<Vec<_>>()).unwrap_err();
        assert!(error.ends_with("and 15 more"), "{error}");
        assert!(cases(Path::new("/nowhere")).unwrap_err().what.contains("no such directory"));
        assert!(cases(Path::new("/dev/null")).unwrap_err().what.contains("not a directory"));
    }

    #[test]
    fn links_to_files_are_followed_and_links_to_directories_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("one.in"), "").unwrap();
        fs::write(at("one.out"), "").unwrap();
        symlink("one.in", at("two.in")).unwrap();
        symlink("one.out", at("two.out")).unwrap();
        symlink(".", at("round")).unwrap();
        assert_eq!(cases(directory.path()).unwrap().len(), 2);
        symlink("nowhere", at("three.in")).unwrap();
        assert!(cases(directory.path()).unwrap_err().what.contains("three.in: No such file"));
        fs::remove_file(at("three.in")).unwrap();
        symlink("/dev/zero", at("three.in")).unwrap();
        assert!(cases(directory.path()).unwrap_err().what.contains("three.in is not a regular file"));
    }

    #[test]
    fn numbers_are_ordered_by_value_however_long_they_are() {
        let mut all = ["x20", "x3", "x", "x03", "y1", "x99999999999999999999999", "x3a", "3"];
        all.sort_by(|a, b| natural(a, b));
        assert_eq!(all, ["3", "x", "x03", "x3", "x3a", "x20", "x99999999999999999999999", "y1"]);
    }
}
