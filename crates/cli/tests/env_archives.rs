//! Environments that came from elsewhere or were changed: archives, locks, manifests that others wrote.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/environments.rs"]
mod kept;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use common::{Place, everyone, text};
use kept::{has, output, refused, said, store, write};
use palisade_testkit::need;

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
