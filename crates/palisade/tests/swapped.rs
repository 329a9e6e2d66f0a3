//! Somebody exchanges a path between the moment when it was checked and the moment when it is mounted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::{
        fs::{PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
};

use palisade::spec::{FilesPolicy, Input, Outcome, Output, Policy, Program, Request, Siblings};
use palisade::{Preparation, Prepared, StartError, prepare};
use palisade_testkit::need;
use tempfile::TempDir;

/// `given/file` and `secret/file`.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["given", "secret"] {
        fs::create_dir(place.path().join(name)).unwrap();
        fs::write(place.path().join(name).join("file"), name).unwrap();
    }
    place
}

fn prepared(files: FilesPolicy, script: String) -> Prepared {
    let mut request = Request::new(Program::Command("/bin/sh".to_owned()));
    request.arguments = vec!["-c".to_owned(), script];
    request.policy = Policy { files, ..Policy::default() };
    match prepare(&request, None).unwrap() {
        Preparation::Ready(prepared) => prepared,
        Preparation::Failed(report) => panic!("{report:?}"),
    }
}

fn said(prepared: &Prepared) -> Result<String, StartError> {
    let report = prepared.run(Input::Empty, Output::Keep, None)?;
    assert_eq!(report.outcome, Outcome::Exited { code: 0 }, "{report:?}");
    Ok(String::from_utf8_lossy(&report.stdout.kept).into_owned())
}

fn swap(place: &Path) {
    fs::rename(place.join("given"), place.join("moved")).unwrap();
    fs::rename(place.join("secret"), place.join("given")).unwrap();
}

#[track_caller]
fn assert_found_out(prepared: &Prepared, place: &Path) {
    let error = said(prepared).unwrap_err();
    let StartError::Setup { step, hint, .. } = &error else { panic!("{error}") };
    assert!(step.contains(&place.join("given").display().to_string()), "{error}");
    assert!(hint.as_ref().unwrap().contains("after it was checked"), "{error} {hint:?}");
}

#[test]
fn another_directory_in_the_place_of_one_that_was_checked_is_not_shown() {
    if !need("userns") {
        return;
    }
    let place = place();
    let given = place.path().join("given");
    let read = FilesPolicy { read: vec![given.clone()], ..FilesPolicy::default() };
    let prepared = prepared(read, format!("cat {}/file", given.display()));
    assert_eq!(said(&prepared).unwrap(), "given");
    swap(place.path());
    assert_found_out(&prepared, place.path());
    // Also where the number of the inode could be used again.
    fs::remove_dir_all(&given).unwrap();
    fs::create_dir(&given).unwrap();
    assert_found_out(&prepared, place.path());
}

#[test]
fn another_directory_in_the_place_of_a_source_file_s_is_not_shown() {
    if !need("userns") || !need("python") {
        return;
    }
    let place = place();
    let file = place.path().join("given/main.py");
    fs::write(&file, "print(open('file').read(), end='')").unwrap();
    fs::copy(&file, place.path().join("secret/main.py")).unwrap();
    let program = Program::Source { file, language: None, siblings: Siblings::Visible };
    let Preparation::Ready(prepared) = prepare(&Request::new(program), None).unwrap() else { panic!("not compiled") };
    assert_eq!(said(&prepared).unwrap(), "given");
    swap(place.path());
    assert_found_out(&prepared, place.path());
}

#[test]
fn a_link_in_the_place_of_what_was_checked_is_not_followed() {
    if !need("userns") {
        return;
    }
    let place = place();
    let given = place.path().join("given");
    let file = given.join("file");
    let read = FilesPolicy { read: vec![file.clone()], ..FilesPolicy::default() };
    let prepared = prepared(read, format!("cat {}", file.display()));
    assert_eq!(said(&prepared).unwrap(), "given");
    fs::remove_file(&file).unwrap();
    symlink("../secret/file", &file).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "secret", "it is followed outside");
    assert_found_out(&prepared, place.path());
    // One in the middle of the path as well.
    fs::rename(&given, place.path().join("moved")).unwrap();
    symlink("secret", &given).unwrap();
    assert_found_out(&prepared, place.path());
}

#[test]
fn a_tree_that_is_written_is_the_one_that_was_checked_or_none() {
    if !need("userns") {
        return;
    }
    let place = place();
    let given = place.path().join("given");
    let write = FilesPolicy { write: vec![given.clone()], ..FilesPolicy::default() };
    let prepared = prepared(write, format!("echo -n x >> {0}/file; cat {0}/file", given.display()));
    assert_eq!(said(&prepared).unwrap(), "givenx");
    swap(place.path());
    // Root's own tree is mounted by the descriptor that was checked, so there is nothing to find out.
    match said(&prepared) {
        Ok(said) => assert_eq!(said, "givenxx"),
        Err(_) => assert_found_out(&prepared, place.path()),
    }
    assert_eq!(fs::read_to_string(given.join("file")).unwrap(), "secret");
}

#[test]
fn a_hidden_socket_that_becomes_a_link_is_gone() {
    if !need("userns") {
        return;
    }
    for access in [Access::Read, Access::Write] {
        let place = place();
        let root = place.path().canonicalize().unwrap();
        let socket = root.join("given/socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let mut files = FilesPolicy { hidden: vec![socket.clone()], ..FilesPolicy::default() };
        match access {
            Access::Read => files.read.push(root.clone()),
            Access::Write => files.write.push(root.clone()),
        }
        let prepared = prepared(files, format!("cd {}/given; test -S socket && echo shown; cat file", root.display()));
        assert_eq!(said(&prepared).unwrap(), "given");
        // Anybody may have a socket anywhere, and put a link in its place when a run is about to begin.
        fs::remove_file(&socket).unwrap();
        symlink("file", &socket).unwrap();
        assert_eq!(said(&prepared).unwrap(), "given");
        fs::rename(root.join("given"), root.join("moved")).unwrap();
        symlink("moved", root.join("given")).unwrap();
        assert_eq!(said(&prepared).unwrap(), "given");
    }
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

#[test]
fn a_hidden_path_that_becomes_a_link_stops_the_run() {
    if !need("userns") {
        return;
    }
    let place = place();
    let root = place.path().canonicalize().unwrap();
    let hidden = vec![root.join("secret")];
    let files = FilesPolicy { read: vec![root.clone()], hidden, ..FilesPolicy::default() };
    let prepared = prepared(files, format!("cat {}/secret/file; true", root.display()));
    assert_eq!(said(&prepared).unwrap(), "");
    fs::rename(root.join("secret"), root.join("elsewhere")).unwrap();
    symlink("elsewhere", root.join("secret")).unwrap();
    let error = said(&prepared).unwrap_err();
    assert!(error.to_string().contains("hide "), "{error}");
    assert!(error.hint().unwrap().contains("symbolic link"), "{error}");
}
