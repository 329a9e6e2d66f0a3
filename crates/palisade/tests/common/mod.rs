//! Tests of the library as root and as an ordinary user: the test executes itself again as each of them.
#![allow(dead_code, reason = "not every test uses all of it")]

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    thread,
};

use palisade::Report;
use palisade_testkit::{Person, need};

/// Tells a test that it has been executed again, and where its directory is.
const HOME: &str = "PALISADE_TEST_HOME";

/// Runs `body` in a process of its own as each person whom the tests can be, with an empty directory of theirs.
pub(crate) fn as_everybody(body: impl Fn(&Path)) {
    as_people(&Person::ALL, body);
}

/// As [`as_everybody`], as one person.
pub(crate) fn as_person(person: Person, body: impl Fn(&Path)) {
    as_people(&[person], body);
}

fn as_people(people: &[Person], body: impl Fn(&Path)) {
    if let Some(home) = env::var_os(HOME) {
        let place = Path::new(&home).join("place");
        fs::create_dir(&place).unwrap();
        return body(&place);
    }
    if !need("userns") {
        return;
    }
    // The test harness names each thread after its test.
    let name = thread::current().name().unwrap().to_owned();
    for person in people {
        let Some(seat) = person.seat().unwrap() else { continue };
        let program = seat.lend(&env::current_exe().unwrap()).unwrap();
        let output = seat.command(program).args(["--exact", &name, "--nocapture"]).env(HOME, seat.home()).output();
        let output = output.unwrap();
        let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let passed = output.status.success() && stdout.contains("1 passed");
        assert!(passed, "as {person:?}: {}\n{stdout}{stderr}", output.status);
    }
}

/// Whether the test runs as root.
pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

/// Makes a directory with files, `name=content` or `name/` for a directory. Everybody may read it.
pub(crate) fn layer(at: impl Into<PathBuf>, files: &[&str]) -> PathBuf {
    let at = at.into();
    fs::create_dir_all(&at).unwrap();
    for file in files {
        let (name, content) = file.split_once('=').unwrap_or((file, ""));
        let path = at.join(name);
        if name.ends_with('/') {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
        }
    }
    at
}

/// A directory in which everybody may write. The one around it is closed to others.
pub(crate) fn open_directory(at: impl Into<PathBuf>) -> PathBuf {
    let at = at.into();
    fs::create_dir_all(&at).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o777)).unwrap();
    at
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a program printed, and that it ended well.
#[track_caller]
pub(crate) fn printed(report: &Report) -> String {
    assert!(report.success, "{:?}: {}", report.outcome, text(&report.stderr.kept));
    text(&report.stdout.kept)
}

/// Processes anywhere on this host with `word` in their command line.
pub(crate) fn processes_with(word: &str) -> usize {
    let lines =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| text(line).contains(word)).count()
}
