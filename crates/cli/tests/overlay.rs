//! Copy-on-write views of directories: what the program sees, what the host keeps, and what is said of the difference.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
};

use common::{Place, Report, everyone, text};
use palisade_testkit::{Person, need};
use serde_json::Value;

/// A project in this person's home: `a/file`, `b/one`, `b/two`, `gone`, `link`.
fn project(place: &Place) -> std::path::PathBuf {
    let root = place.home().join("project");
    for name in ["a", "b"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for name in ["a/file", "b/one", "b/two", "gone"] {
        fs::write(root.join(name), name).unwrap();
    }
    std::os::unix::fs::symlink("gone", root.join("link")).unwrap();
    for name in ["", "a", "b", "a/file", "b/one", "b/two", "gone"] {
        chown(root.join(name), Some(place.seat.uid()), Some(place.seat.uid())).unwrap();
    }
    root
}

/// Everything below a directory with its content, as text.
fn content(root: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            let kind = entry.file_type().unwrap();
            let content = if kind.is_dir() {
                waiting.push(path);
                "directory".to_owned()
            } else if kind.is_symlink() {
                format!("-> {}", fs::read_link(path).unwrap().display())
            } else {
                fs::read_to_string(path).unwrap()
            };
            all.insert(name, content);
        }
    }
    all
}

/// `added x, modified y, …`
fn changes(report: &Report) -> Vec<String> {
    let list = |word: &str| -> Vec<String> {
        let all = report.json["changes"][word].as_array().unwrap();
        all.iter().map(|change| format!("{word} {}", change["path"].as_str().unwrap())).collect()
    };
    assert_eq!(report.json["changes"]["incomplete"], Value::Array(Vec::new()), "{:#}", report.json);
    ["added", "modified", "deleted"].into_iter().flat_map(list).collect()
}

const WORK: &str = "cd $DIR/project; echo more >> a/file; echo new > a/new; mkdir -p n/m; echo deep > n/m/f; rm gone; \
                    rm -r b; mkdir b; echo b/two | tr -d '\\n' > b/two; chmod 644 b/two; echo three > b/three; touch link; \
                    cat a/file; ls -A . b";

const SEEN: &str = "a/filemore\n.:\na\nb\nlink\nn\n\nb:\nthree\ntwo\n";

const CHANGED: [&str; 7] =
    ["added a/new", "added b/three", "added n", "added n/m", "added n/m/f", "modified a/file", "deleted b/one"];

#[test]
fn the_program_sees_its_changes_and_the_host_does_not() {
    everyone(|place| {
        let root = project(place);
        let before = content(&root);
        let script = WORK.replace("touch link", "true").replace("b/two;", "b/two; umask 022;");
        let report = place.shell_report("--overlay $DIR/project --dry-run", &script);
        assert_eq!(report.stdout(), SEEN, "{:#}", report.json);
        let mut wanted: Vec<String> = CHANGED.map(str::to_owned).into();
        wanted.push("deleted gone".to_owned());
        assert_eq!(changes(&report), wanted, "{:#}", report.json);
        assert_eq!(content(&root), before);
        let again = place.report("--overlay $DIR/project", "/bin/cat a/file gone b/one");
        assert_eq!(again.stdout(), "a/filegoneb/one", "nothing stays of it: {:#}", again.json);
        assert_eq!(again.json["changes"], Value::Null);
    });
}

#[test]
fn changes_are_kept_as_plain_files_and_a_list() {
    everyone(|place| {
        let root = project(place);
        let before = content(&root);
        let script = format!("{}; ln -s /etc/passwd evil; mkfifo fifo", WORK.replace("touch link", "true"));
        let report = place.shell_report("--overlay $DIR/project --overlay-out $DIR/out", &script);
        assert_eq!(report.outcome(), "exited 0", "{:#}", report.json);
        assert_eq!(content(&root), before);
        let kept = content(&place.home().join("out"));
        let names: Vec<&str> = kept.keys().map(String::as_str).collect();
        let wanted = [
            "changes.json",
            "files",
            "files/a",
            "files/a/file",
            "files/a/new",
            "files/b",
            "files/b/three",
            "files/n",
            "files/n/m",
            "files/n/m/f",
        ];
        assert_eq!(names, wanted, "{:#}", report.json);
        assert_eq!((kept["files/a/file"].as_str(), kept["files/n/m/f"].as_str()), ("a/filemore\n", "deep\n"));
        let list: Value = serde_json::from_str(&kept["changes.json"]).unwrap();
        assert_eq!(list["deleted"], report.json["changes"]["deleted"]);
        let evil = list["added"].as_array().unwrap().iter().find(|change| change["path"] == "evil").unwrap();
        assert_eq!((&evil["kind"], &evil["target"]), (&"link".into(), &"/etc/passwd".into()));
        for path in ["out/files/a/file", "out/changes.json"] {
            assert_eq!(fs::metadata(place.home().join(path)).unwrap().uid(), place.seat.uid(), "{path}");
        }
        let output = place.output(&mut place.run("--overlay $DIR/project --overlay-out $DIR/out", "/bin/true"));
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output).contains("it is not empty"), "{}", text(&output));
    });
}

#[test]
fn what_was_only_touched_or_made_and_removed_is_no_change() {
    everyone(|place| {
        project(place);
        let script = "touch a/file; echo x > new; rm new; mv b c; mv c b; cat a/file > t; cat t > a/file; rm t; true";
        let report = place.shell_report("--overlay $DIR/project --dry-run", script);
        assert_eq!(report.outcome(), "exited 0", "{:#}", report.json);
        assert_eq!(changes(&report), Vec::<String>::new(), "{:#}", report.json);
        let said = place.output(&mut place.shell("--overlay $DIR/project --dry-run", "true"));
        assert!(String::from_utf8_lossy(&said.stderr).contains("palisade: nothing was changed"), "{}", text(&said));
    });
}

#[test]
fn names_that_would_confuse_a_terminal_or_a_script_are_told_exactly() {
    everyone(|place| {
        project(place);
        let script =
            r#"printf x > "$(printf 'a\nb')"; printf x > "$(printf '\377')"; printf x > "$(printf '\033[2J')""#;
        let report = place.shell_report("--overlay $DIR/project --dry-run", script);
        let added = report.json["changes"]["added"].as_array().unwrap();
        assert!(added.iter().any(|change| change["path"] == "a\nb"), "{:#}", report.json);
        assert!(added.iter().any(|change| change["path_base64"] == "/w=="), "{:#}", report.json);
        let said = place.output(&mut place.shell("--overlay $DIR/project --dry-run", script));
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.contains(r"added a\nb") && !said.contains('\u{1b}'), "{said:?}");
    });
}

#[test]
fn an_overlay_is_bounded_by_the_size_of_tmp() {
    everyone(|place| {
        let root = project(place);
        let script = "head -c 8m /dev/zero > big; stat -c %s big; ls -A | wc -l";
        let report = place.shell_report("--overlay $DIR/project --tmp-size 1M --dry-run", script);
        let size: u64 = report.stdout().lines().next().unwrap().parse().unwrap();
        assert!(size <= 1 << 20, "{:#}", report.json);
        assert!(!root.join("big").exists());
    });
}

#[test]
fn the_layers_of_an_overlay_are_out_of_the_program_s_reach() {
    everyone(|place| {
        project(place);
        let script = "ls -A /.upper; mkdir /.upper/x; cat /proc/self/mountinfo | grep ' /.upper '; \
                      setfattr -n user.overlay.opaque -v y a 2>/dev/null; ls a; rmdir /.upper; umount /.upper";
        let report = place.shell_report("--overlay $DIR/project --dry-run", script);
        let out = report.stdout();
        assert!(out.contains("file\n") && !out.contains("upper\nwork"), "{:#}", report.json);
        assert_eq!(changes(&report), Vec::<String>::new());
    });
}

#[test]
fn hidden_paths_are_hidden_in_an_overlay_too() {
    everyone(|place| {
        project(place);
        let script = "cat gone a/file; ls -A a; echo x > gone; rm -f gone; mv a c && cat c/file";
        let options = "--overlay $DIR/project --dry-run --hide $DIR/project/gone --hide $DIR/project/a/file";
        let report = place.shell_report(options, script);
        assert_eq!(report.stdout(), "file\n", "{:#}", report.json);
    });
}

#[test]
fn an_overlay_of_all_of_a_host_that_is_read_is_where_it_is() {
    everyone(|place| {
        let directory = tempfile::Builder::new().prefix("palisade-overlay-").tempdir_in("/var/tmp").unwrap();
        chown(directory.path(), Some(place.seat.uid()), None).unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
        let options = format!("--filesystem read-only --overlay {} --dry-run", directory.path().display());
        let report = place.shell_report(&options, "pwd; echo x > new; cat new; cat /etc/hostname > /dev/null");
        let said = format!("{}\nx\n", directory.path().display());
        assert_eq!(
            (report.stdout(), changes(&report)),
            (said.as_str(), vec!["added new".to_owned()]),
            "{:#}",
            report.json
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    });
}

#[test]
fn root_s_program_sees_a_closed_directory_of_somebody_else_in_an_overlay() {
    if !need("root") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let root = project(&place);
    for name in ["", "a", "b", "a/file", "b/one", "b/two"] {
        chown(root.join(name), Some(1234), Some(1234)).unwrap();
    }
    fs::set_permissions(&root, Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(root.join("a/file"), Permissions::from_mode(0o600)).unwrap();
    let script = "cat a/file; echo more >> a/file; rm b/one; stat -c %u a/file; echo x >> gone";
    let report = place.shell_report("--overlay $DIR/project --dry-run", script);
    assert_eq!(report.stdout(), "a/file1000\n", "{:#}", report.json);
    // What belongs to root stays root's.
    assert_eq!(changes(&report), ["modified a/file", "deleted b/one"], "{:#}", report.json);
    assert_eq!(fs::read_to_string(root.join("a/file")).unwrap(), "a/file");
    place.assert_clean();
}
