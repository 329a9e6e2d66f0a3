//! Host files in their own places: all of them read-only, some hidden, one directory to work in; as root and as an ordinary
//! user.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::Output,
};

use common::{Place, everyone, text};
use palisade_testkit::{Person, need};
use tempfile::TempDir;

/// A directory of this person's outside /tmp, which is the sandbox's own.
fn elsewhere(place: &Place) -> TempDir {
    let directory = tempfile::Builder::new().prefix("palisade-files-").tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    chown(directory.path(), Some(place.seat.uid()), None).unwrap();
    directory
}

/// Runs a line in a mount namespace of its own after `mount` has been done there.
fn with_mount(place: &Place, mount: &str, line: &str) -> Output {
    let again = match place.person {
        Person::Root => "exec",
        Person::Ordinary => "exec unshare --user --map-user=1000 --map-group=1000",
    };
    let mut command = place.seat.command("unshare");
    if place.person == Person::Ordinary {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "sh", "-c", &format!("{mount} && {again} {line}")]);
    place.output(command.env("PALISADE_TEST", place.token()).stdin(std::process::Stdio::null()))
}

#[test]
fn all_of_the_host_is_read_and_none_of_it_is_written() {
    everyone(|place| {
        let directory = elsewhere(place);
        let file = directory.path().join("file");
        fs::write(&file, "of the host").unwrap();
        chown(&file, Some(place.seat.uid()), None).unwrap();
        let attack = format!("{} write-file {}", place.hostile.display(), file.display());
        let outside = place.output(place.seat.command("sh").args(["-c", &attack]));
        assert_eq!(outside.status.code(), Some(0), "outside it should succeed: {}", text(&outside));
        let inside =
            place.output(&mut place.run("--filesystem read-only", &format!("$H write-file {}", file.display())));
        assert_eq!(inside.status.code(), Some(10), "{}", text(&inside));
        let report = place.report("--filesystem read-only", &format!("/bin/cat {}", file.display()));
        assert_eq!(report.stdout(), "of the host", "{:#}", report.json);
        let script = "cat /etc/hostname >/dev/null && test -d /var/lib && test -e /etc/passwd && test ! -e /sys/kernel";
        let report = place.shell_report("--filesystem read-only", script);
        assert_eq!(report.outcome(), "exited 0", "{:#}", report.json);
    });
}

#[test]
fn with_all_of_the_host_every_mount_but_the_scratch_space_is_read_only() {
    everyone(|place| {
        let report = place.report("--filesystem read-only", "/bin/cat /proc/self/mounts");
        for mount in report.stdout().lines().map(|line| line.split(' ').collect::<Vec<_>>()) {
            let writable = ["/tmp", "/dev/shm"].contains(&mount[1]);
            let options: Vec<&str> = mount[3].split(',').collect();
            assert_eq!(options.contains(&"rw"), writable, "{mount:?}");
            assert!(options.contains(&"nosuid"), "{mount:?}");
        }
    });
}

#[test]
fn no_socket_of_the_host_can_be_connected_to_with_all_of_its_files() {
    everyone(|place| {
        let directory = elsewhere(place);
        let mut sockets = vec![directory.path().join("socket")];
        if place.person == Person::Root {
            sockets.push(PathBuf::from(format!("/run/{}.socket", place.token())));
        }
        for path in sockets {
            let _listener = UnixListener::bind(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
            let attack = format!("{} unix-connect {}", place.hostile.display(), path.display());
            let outside = place.output(place.seat.command("sh").args(["-c", &attack]));
            assert_eq!(outside.status.code(), Some(0), "outside it should succeed: {}", text(&outside));
            let line = format!("$H unix-connect {}", path.display());
            let inside = place.output(&mut place.run("--filesystem read-only", &line));
            fs::remove_file(&path).unwrap();
            assert_eq!(inside.status.code(), Some(10), "{}", text(&inside));
        }
    });
}

/// A home with a key in it.
fn with_key(place: &Place) -> PathBuf {
    let directory = place.home().join(".ssh");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("id"), "secret").unwrap();
    fs::write(place.home().join(".netrc"), "secret").unwrap();
    fs::write(place.home().join("open"), "open").unwrap();
    fs::set_permissions(place.home(), Permissions::from_mode(0o755)).unwrap();
    directory
}

#[test]
fn credentials_are_hidden_where_a_home_is_shown_and_shown_where_they_are_named() {
    everyone(|place| {
        with_key(place);
        let script = "cat $DIR/open; cat $DIR/.ssh/id $DIR/.netrc 2>/dev/null; ls -A $DIR/.ssh";
        let outside = place.output(place.seat.command("sh").args(["-c", &script.replace("$DIR", "$HOME")]));
        assert_eq!(String::from_utf8_lossy(&outside.stdout), "opensecretsecretid\n");
        let said = |options: &str| place.shell_report(options, script).stdout().to_owned();
        assert_eq!(said("--allow-read $DIR"), "open");
        assert_eq!(said("--allow-read $DIR --allow-read $DIR/.ssh"), "opensecretid\n");
        assert_eq!(said("--allow-read $DIR --allow-read $DIR/.ssh --hide $DIR/.ssh"), "open", "hiding wins");
        let output = place.output(&mut place.run("--allow-read $DIR --allow-read $DIR/.ssh/id", "/bin/true"));
        assert_eq!(output.status.code(), Some(125));
        assert!(
            text(&output).contains(".ssh, which is hidden because credentials are kept there"),
            "{}",
            text(&output)
        );
    });
}

#[test]
fn a_source_file_in_a_home_does_not_show_the_credentials_beside_it() {
    everyone(|place| {
        with_key(place);
        fs::write(place.home().join("main.py"), "import os; print(os.listdir('/work/.ssh'))").unwrap();
        if !need("python") {
            return;
        }
        let output = place.output(&mut place.palisade("run --quiet --with-dir $DIR/main.py"));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "[]\n", "{}", text(&output));
    });
}

#[test]
fn what_is_hidden_is_covered_by_every_name() {
    everyone(|place| {
        let tree = elsewhere(place);
        let root = tree.path().display().to_string();
        for name in ["dir/inner", "other"] {
            fs::create_dir_all(tree.path().join(name)).unwrap();
        }
        fs::write(tree.path().join("dir/inner/file"), "secret").unwrap();
        fs::write(tree.path().join("single"), "secret").unwrap();
        symlink("dir/inner", tree.path().join("link")).unwrap();
        symlink(tree.path().join("single"), tree.path().join("link-to-single")).unwrap();
        let script = format!(
            "cd {root}; cat dir/inner/file link/file single link-to-single other/inner/file; echo x > single; \
             echo x > dir/inner/new; ls -A dir/inner; test -d dir/inner && test -f single && echo there"
        );
        let line = format!("/bin/sh -c '{script}'");
        let hide = format!("--hide {root}/dir/inner --hide {root}/link-to-single --hide {root}/not/there");
        let given = format!("--allow-write {root}");
        let bind = format!("mount --bind {root}/dir {root}/other");
        let run = |options: &str| {
            let line = format!("{} run --quiet {options} -- {line}", place.palisade.display());
            let output = with_mount(place, &bind, &line);
            assert_eq!(output.status.code(), Some(0), "{options}: {}", text(&output));
            String::from_utf8(output.stdout).unwrap()
        };
        fs::set_permissions(tree.path().join("dir/inner"), Permissions::from_mode(0o755)).unwrap();
        let open = run(&format!("--allow-read {root}"));
        assert!(open.starts_with(&"secret".repeat(5)), "{open}");
        assert_eq!(run(&format!("--allow-read {root} {hide}")), "there\n");
        assert_eq!(run(&format!("{given} {hide}")), "there\n");
        assert_eq!(run(&format!("--filesystem read-only {hide}")), "there\n");
        assert_eq!(fs::read_to_string(tree.path().join("single")).unwrap(), "secret");
        assert_eq!(fs::read_dir(tree.path().join("dir/inner")).unwrap().count(), 1);
    });
}

#[test]
fn a_hidden_path_cannot_be_moved_or_removed_out_of_the_way() {
    everyone(|place| {
        let tree = elsewhere(place);
        let root = tree.path().display().to_string();
        fs::create_dir_all(tree.path().join("a/b")).unwrap();
        fs::write(tree.path().join("a/b/secret"), "secret").unwrap();
        fs::write(tree.path().join("a/env"), "secret").unwrap();
        for name in ["a", "a/b", "a/env"] {
            chown(tree.path().join(name), Some(place.seat.uid()), None).unwrap();
        }
        let script = format!(
            "cd {root}; mv a/env x; rm -f a/env; mv a/b y; rmdir a/b; ln a/env z; mv a moved && echo moved; \
             cat a/env moved/env x y/secret z a/b/secret moved/b/secret"
        );
        let options = format!("--allow-write {root} --hide {root}/a/b --hide {root}/a/env");
        let report = place.shell_report(&options, &script);
        // Nor can the directory above be moved, which would carry it into the next run's sight.
        assert_eq!(report.stdout(), "", "{:#}", report.json);
        assert_eq!(fs::read_to_string(tree.path().join("a/env")).unwrap(), "secret");
    });
}

#[test]
fn the_directories_above_a_hidden_socket_stay_where_they_are() {
    everyone(|place| {
        let tree = elsewhere(place);
        let root = tree.path().display().to_string();
        fs::create_dir_all(tree.path().join("a/b")).unwrap();
        let socket = tree.path().join("a/b/socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, Permissions::from_mode(0o777)).unwrap();
        for name in ["a", "a/b", "a/b/socket"] {
            chown(tree.path().join(name), Some(place.seat.uid()), None).unwrap();
        }
        // Nobody names it: it is hidden because somebody listens there. The next run would look for it in its old place.
        let options = format!("--filesystem read-only --allow-write {root}");
        let script = format!("cd {root}; mv a/b a/c; mv a z; test -S a/b/socket || echo hidden; ls . a");
        let report = place.shell_report(&options, &script);
        assert_eq!(report.stdout(), "hidden\n.:\na\n\na:\nb\n", "{:#}", report.json);
    });
}

#[test]
fn a_part_of_the_toolchain_can_be_hidden() {
    everyone(|place| {
        let script = "ls /usr/share/doc | head -c 1 | wc -c; ls -A /usr/share/doc";
        assert!(Path::new("/usr/share/doc").is_dir());
        let report = place.shell_report("--hide /usr/share/doc", script);
        assert_eq!(report.stdout(), "0\n", "{:#}", report.json);
    });
}

#[test]
fn a_workspace_is_where_the_program_starts_and_all_that_it_changes() {
    everyone(|place| {
        let work = elsewhere(place);
        fs::write(work.path().join("old"), "old").unwrap();
        let options = format!("--workspace {}", work.path().display());
        let script = "pwd; cat old; echo new > new; mkdir -p d; echo x > d/y; echo x > ../beside";
        for more in ["", " --filesystem read-only"] {
            let report = place.shell_report(&format!("{options}{more}"), script);
            let said = format!("{}\nold", work.path().display());
            assert_eq!(report.stdout(), said, "{:#}", report.json);
            for name in ["new", "d", "d/y"] {
                let meta = fs::metadata(work.path().join(name)).unwrap();
                assert_eq!(meta.uid(), place.seat.uid(), "{name}");
            }
        }
        assert!(!work.path().parent().unwrap().join("beside").exists());
    });
}

#[test]
fn what_git_runs_of_a_workspace_stays_as_it_is() {
    everyone(|place| {
        let work = elsewhere(place);
        let git = work.path().join(".git");
        fs::create_dir_all(git.join("hooks")).unwrap();
        fs::write(git.join("config"), "[core]\n").unwrap();
        for path in [&git, &git.join("hooks"), &git.join("config")] {
            chown(path, Some(place.seat.uid()), Some(place.seat.uid())).unwrap();
        }
        let workspace = format!("--workspace {}", work.path().display());
        let script =
            "echo x >.git/hooks/pre-commit; echo x >>.git/config; mv .git/config .git/c; mv .git g; echo x >.git/index";
        place.shell_report(&workspace, script);
        assert_eq!(fs::read_to_string(git.join("config")).unwrap(), "[core]\n");
        assert!(!git.join("hooks/pre-commit").exists());
        assert!(git.join("index").exists());
        // Unless the caller says so.
        let named = format!("{workspace} --allow-write {}", git.join("hooks").display());
        place.shell_report(&named, "echo x >.git/hooks/pre-commit");
        assert!(git.join("hooks/pre-commit").exists());
        // In a work tree it is a file, which says where the repository is.
        fs::remove_dir_all(&git).unwrap();
        fs::write(&git, "gitdir: /elsewhere\n").unwrap();
        place.shell_report(&workspace, "rm -f .git; mkdir .git; echo 'gitdir: /work' >.git");
        assert_eq!(fs::read_to_string(&git).unwrap(), "gitdir: /elsewhere\n");
    });
}

/// A closed directory of user 1234, below another that is closed.
fn of_somebody() -> TempDir {
    let around = tempfile::Builder::new().prefix("palisade-files-").tempdir_in("/var/tmp").unwrap();
    let work = around.path().join("work");
    fs::create_dir(&work).unwrap();
    fs::write(work.join("own"), "own").unwrap();
    fs::write(work.join("of-root"), "root's").unwrap();
    for path in [around.path(), &work, &work.join("own")] {
        chown(path, Some(1234), Some(1234)).unwrap();
    }
    for path in [around.path(), &work] {
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }
    around
}

#[test]
fn root_s_program_is_the_owner_of_its_workspace_and_of_nothing_else() {
    if !need("root") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let around = of_somebody();
    let work = around.path().join("work");
    fs::write(around.path().join("beside"), "secret").unwrap();
    chown(around.path().join("beside"), Some(1234), Some(1234)).unwrap();
    for more in ["", " --filesystem read-only"] {
        let script = "pwd; cat own; echo more >> own; echo new > new; stat -c %u own; echo x >> of-root; \
                      chown 0 own; cat ../beside; echo done";
        let report = place.shell_report(&format!("--workspace {}{more}", work.display()), script);
        assert!(report.stdout().starts_with(&format!("{}\nown", work.display())), "{:#}", report.json);
        assert!(report.stdout().ends_with("1000\ndone\n"), "{:#}", report.json);
        let owner = |name: &str| fs::metadata(work.join(name)).map(|meta| (meta.uid(), meta.gid())).unwrap();
        assert_eq!((owner("own"), owner("new"), owner("of-root")), ((1234, 1234), (1234, 1234), (0, 0)));
        assert_eq!(fs::read_to_string(work.join("of-root")).unwrap(), "root's");
        fs::write(work.join("own"), "own").unwrap();
    }
    // In /tmp, which is not the host's, as well.
    let closed = place.home().join("closed/work");
    fs::create_dir_all(&closed).unwrap();
    fs::set_permissions(place.home().join("closed"), Permissions::from_mode(0o700)).unwrap();
    let report = place.shell_report("--filesystem read-only --workspace $DIR/closed/work", "echo x > new && pwd");
    assert_eq!(report.stdout(), format!("{}\n", closed.display()), "{:#}", report.json);
    // What is not given is nobody's business, whoever owns it.
    let report = place.shell_report("", &format!("cat {}/own", work.display()));
    assert_ne!(report.outcome(), "exited 0");
    place.assert_clean();
}

#[test]
fn a_program_makes_no_file_that_runs_as_the_owner_of_its_workspace() {
    everyone(|place| {
        let owners = if place.person == Person::Root { vec![0, 1234] } else { vec![place.seat.uid()] };
        for owner in owners {
            let work = elsewhere(place);
            fs::set_permissions(work.path(), Permissions::from_mode(0o700)).unwrap();
            chown(work.path(), Some(owner), Some(owner)).unwrap();
            let script = "cp /bin/true t && chmod 4755 t; chmod 755 t; cp /bin/true s; chmod g+s s; \
                          install -m 6755 t u; mkdir -m 2755 d; ls";
            for option in ["--workspace", "--filesystem read-only --workspace"] {
                let report = place.shell_report(&format!("{option} {}", work.path().display()), script);
                assert!(report.stdout().contains("t\n"), "{:#}", report.json);
                for entry in fs::read_dir(work.path()).unwrap() {
                    let meta = entry.unwrap().metadata().unwrap();
                    assert_eq!((meta.mode() & 0o6000, meta.uid()), (0, owner), "{:#}", report.json);
                }
            }
        }
    });
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    everyone(|place| {
        let work = elsewhere(place);
        let work = work.path().display();
        for (options, said) in [
            (format!("--filesystem none --allow-read {work}"), "filesystem=none and allow_read contradict each other"),
            (format!("--overlay {work} --workspace {work}"), "cannot be used with"),
            (format!("--overlay {work} --allow-write {work}"), "it is writable on the host"),
            ("--dry-run".to_owned(), "--overlay"),
            ("--hide /".to_owned(), "hiding everything"),
            ("--workspace /etc/hostname".to_owned(), "it is no directory"),
            ("--workspace /not/there".to_owned(), "No such file or directory"),
            ("--allow-write /".to_owned(), "/ is a place of the sandbox itself"),
        ] {
            let output = place.output(&mut place.run(&options, "/bin/true"));
            assert_eq!(output.status.code(), Some(125), "{options}: {}", text(&output));
            assert!(text(&output).contains(said), "{options}: {}", text(&output));
        }
    });
}

#[test]
fn without_a_wall_nothing_is_taken_for_hidden_or_read_only() {
    everyone(|place| {
        for (options, said) in [
            ("--filesystem read-only", "read-only"),
            ("--hide /etc/hostname", "hidden paths"),
            ("--overlay $DIR", "copy-on-write"),
            ("--output x --out $DIR", "outputs"),
        ] {
            let output = place.output(&mut place.run(&format!("--backend none {options}"), "/bin/true"));
            assert_eq!(output.status.code(), Some(125), "{options}: {}", text(&output));
            assert!(text(&output).contains(said) && text(&output).contains("without a wall"), "{}", text(&output));
        }
    });
}

#[test]
fn a_mount_inside_a_hidden_directory_is_hidden_with_it() {
    everyone(|place| {
        let tree = elsewhere(place);
        let root = tree.path().display().to_string();
        fs::create_dir_all(tree.path().join("dir/mounted")).unwrap();
        let mount = format!("mount -t tmpfs none {root}/dir/mounted && echo secret > {root}/dir/mounted/file");
        let line = format!(
            "{} run --quiet --allow-read {root} --hide {root}/dir -- /bin/sh -c 'ls -A {root}/dir; echo end'",
            place.palisade.display()
        );
        let output = with_mount(place, &mount, &line);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "end\n", "{}", text(&output));
    });
}

#[test]
fn a_workspace_whose_owner_cannot_be_mapped_is_refused_unless_it_is_open() {
    if !need("root") {
        return;
    }
    let Some(place) = Place::new(Person::Root) else { return };
    let work = elsewhere(&place);
    let root = work.path().display().to_string();
    // ramfs cannot do it (FS_ALLOW_IDMAP in fs/ramfs/inode.c).
    let run = |mode: &str| {
        let mount = format!("mount -t ramfs none {root} && chmod {mode} {root}");
        let line = format!("{} run --quiet --workspace {root} -- touch new", place.palisade.display());
        with_mount(&place, &mount, &line)
    };
    let closed = run("755");
    assert_eq!(closed.status.code(), Some(125), "{}", text(&closed));
    assert!(text(&closed).contains("is not writable by others"), "{}", text(&closed));
    assert!(text(&closed).contains("cannot be mapped to it here (Invalid argument"), "{}", text(&closed));
    let open = run("777");
    assert_eq!(open.status.code(), Some(0), "{}", text(&open));
    place.assert_clean();
}
