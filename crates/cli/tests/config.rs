//! Configuration files as a person meets them: what holds, who is named for it, and a message for each mistake.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::{Command, Output};

use common::{Place, everyone, text};
use palisade_testkit::{ORDINARY_ID, Person};

/// `palisade WORDS` in the home, with no configuration of the caller's.
fn palisade(place: &Place, words: &str) -> Command {
    let mut command = place.palisade(words);
    command.env_remove("XDG_CONFIG_HOME");
    command
}

#[track_caller]
fn stdout(place: &Place, words: &str) -> String {
    let output = place.output(&mut palisade(place, words));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What is said on standard error, and that nothing was run.
#[track_caller]
fn refused(place: &Place, words: &str) -> String {
    let output = place.output(&mut palisade(place, words));
    assert_eq!(output.status.code(), Some(125), "{}", text(&output));
    assert!(output.stdout.is_empty(), "{}", text(&output));
    String::from_utf8(output.stderr).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A place for one person, for what does not depend on who it is.
fn place() -> Place {
    Place::new(Person::Ordinary).unwrap()
}

#[test]
fn every_mistake_in_a_file_is_shown_where_it_is_with_what_to_write() {
    let place = place();
    for (file, message) in [
        (
            "[sandbox]\nmemory_limt = \"1G\"\n",
            "error: unknown key `memory_limt`\n --> palisade.toml:2:1\n  |\n2 | memory_limt = \"1G\"\n  | ^^^^^^^^^^^ did you \
             mean `memory_limit`?\n",
        ),
        (
            "[sandbx]\n",
            "error: unknown key `sandbx`\n --> palisade.toml:1:2\n  |\n1 | [sandbx]\n  |  ^^^^^^ did you mean `sandbox`?\n",
        ),
        (
            "# first\n[sandbox]\n  memory_limit = \"12Q\"\n",
            "error: `12Q` is not a size: write a number and a unit, such as 500M, 1.5G or 64KiB\n --> palisade.toml:3:18\n  \
             |\n3 |   memory_limit = \"12Q\"\n  |                  ^^^^^ the value of `memory_limit`\n",
        ),
        (
            "[sandbox]\ntime_limit = 10\n",
            "error: invalid type: integer `10`, expected a duration with its unit, such as \"10s\"\n --> \
             palisade.toml:2:14\n  |\n2 | time_limit = 10\n  |              ^^ the value of `time_limit`\n",
        ),
        (
            "[sandbox]\ntime_limit = \"0s\"\n",
            "error: `0s` would allow nothing, and palisade has no \"0 means unlimited\": give a positive amount\n --> \
             palisade.toml:2:14\n  |\n2 | time_limit = \"0s\"\n  |              ^^^^ the value of `time_limit`\n",
        ),
        (
            "[sandbox]\nprocess_limit = 0\n",
            "error: 0 would allow nothing, and palisade has no \"0 means unlimited\": give a positive number\n --> \
             palisade.toml:2:17\n  |\n2 | process_limit = 0\n  |                 ^ the value of `process_limit`\n",
        ),
        (
            "[sandbox]\nnetwork = \"all\"\n",
            "error: unknown value `all`\n --> palisade.toml:2:11\n  |\n2 | network = \"all\"\n  |           ^^^^^ did you mean \
             `allow-all`?\n",
        ),
        (
            "[sandbox]\nbackend = \"natve\"\n",
            "error: unknown value `natve`\n --> palisade.toml:2:11\n  |\n2 | backend = \"natve\"\n  |           ^^^^^^^ did \
             you mean `native`?\n",
        ),
        (
            "[sandbox]\nstrict = \"yes\"\n",
            "error: invalid type: string \"yes\", expected a boolean\n --> palisade.toml:2:10\n  |\n2 | strict = \"yes\"\n  |  \
             \u{20}       ^^^^^ the value of `strict`\n",
        ),
        (
            "[sandbox]\nallow_read = \"data\"\n",
            "error: invalid type: string \"data\", expected an array\n --> palisade.toml:2:14\n  |\n2 | allow_read = \
             \"data\"\n  |              ^^^^^^ the value of `allow_read`\n",
        ),
        (
            "[sandbox]\nallow_ports = [443, 70000]\n",
            "error: `70000` is not a port: write a number from 1 to 65535, or a range such as 8000-8100\n --> \
             palisade.toml:2:21\n  |\n2 | allow_ports = [443, 70000]\n  |                     ^^^^^ the value of \
             `allow_ports`\n",
        ),
        (
            "[sandbox]\nallow_endpoints = [\"a.org\"]\n",
            "error: `a.org` is not an endpoint: write HOST:PORT, such as example.org:443 or [2001:db8::1]:443\n --> \
             palisade.toml:2:20\n  |\n2 | allow_endpoints = [\"a.org\"]\n  |                    ^^^^^^^ the value of \
             `allow_endpoints`\n",
        ),
        (
            "[sandbox]\ndns = [\"resolver\"]\n",
            "error: `resolver` is not the address of a name server: write one such as 192.0.2.53\n --> \
             palisade.toml:2:8\n  |\n2 | dns = [\"resolver\"]\n  |        ^^^^^^^^^^ the value of `dns`\n",
        ),
        (
            "[sandbox]\ncapabilities = [\"CAP_FLY\"]\n",
            "error: `CAP_FLY` is not a capability: write a name of capabilities(7), such as CAP_NET_BIND_SERVICE, or ALL\n \
             --> palisade.toml:2:17\n  |\n2 | capabilities = [\"CAP_FLY\"]\n  |                 ^^^^^^^^^ the value of \
             `capabilities`\n",
        ),
        (
            "[sandbox]\ncpu_limit = 5\ncpu_limit = 6\n",
            "error: duplicate key\n --> palisade.toml:3:1\n  |\n3 | cpu_limit = 6\n  | ^^^^^^^^^\n",
        ),
        (
            "[sandbox\n",
            "error: unclosed table, expected `]`\n --> palisade.toml:1:9\n  |\n1 | [sandbox\n  |         ^\n",
        ),
        (
            "sandbox = 5\n",
            "error: invalid type: integer `5`, expected a table\n --> palisade.toml:1:11\n  |\n1 | sandbox = 5\n  |           \
             ^ the value of `sandbox`\n",
        ),
        (
            "[sandbox]\nnetwork = \"none\"\ncpu_limit = 5\nallow_domains = [\"a.org\"]\n",
            "error: `network = \"none\"` and `allow_domains` contradict each other\n --> palisade.toml:2:11\n  |\n2 | network \
             = \"none\"\n  |           ^^^^^^\n3 | cpu_limit = 5\n4 | allow_domains = [\"a.org\"]\n  |                 \
             --------- goes with \"custom\"\n",
        ),
        (
            "[sandbox.profiles.p]\nfilesystem = \"none\"\nallow_write = [\"a\"]\n",
            "error: `filesystem = \"none\"` and `allow_write` contradict each other\n --> palisade.toml:2:14\n  |\n2 | \
             filesystem = \"none\"\n  |              ^^^^^^\n3 | allow_write = [\"a\"]\n  |               ----- goes with \
             \"custom\"\n",
        ),
        (
            "[sandbox.profiles.a]\nextends = \"b\"\n[sandbox.profiles.b]\nextends = \"a\"\n",
            "error: profiles extend each other in a circle: a extends b extends a\n --> palisade.toml:4:11\n  |\n4 | extends \
             = \"a\"\n  |           ^^^ extend another profile, or none\n",
        ),
        (
            "[sandbox.profiles.a]\nextends = \"a\"\n",
            "error: profiles extend each other in a circle: a extends a\n --> palisade.toml:2:11\n  |\n2 | extends = \
             \"a\"\n  |           ^^^ extend another profile, or none\n",
        ),
        (
            "[sandbox]\nprofile = \"tsting\"\n",
            "error: there is no profile `tsting`\n --> palisade.toml:2:11\n  |\n2 | profile = \"tsting\"\n  |           \
             ^^^^^^^^ did you mean `testing`? there are: agent, ci, development, judge, production, testing\n",
        ),
        (
            "[sandbox.profiles.judge]\nnetwork = \"allow-all\"\n",
            "error: the profile `judge` is palisade's own and means the same everywhere\n --> palisade.toml:1:19\n  |\n1 | \
             [sandbox.profiles.judge]\n  |                   ^^^^^ choose another name, and say extends = \"judge\"\n",
        ),
        (
            "[sandbox]\nbackend\0 = 1\n",
            "error: invalid unquoted key, expected letters, numbers, `-`, `_`\n --> palisade.toml:2:8\n  |\n2 | backend␀ = 1\n  |        ^\n",
        ),
    ] {
        place.file("palisade.toml", file);
        assert_eq!(refused(&place, "config check"), message, "{file}");
    }
}

#[test]
fn a_run_meets_the_same_mistakes() {
    let place = place();
    place.file("palisade.toml", "[sandbox]\nmemory_limt = \"1G\"\n");
    for command in ["run --", "plan --", "config show --allow-read"] {
        let said = refused(&place, &format!("{command} true"));
        assert!(said.contains("palisade.toml:2:1") && said.contains("did you mean `memory_limit`?"), "{said}");
    }
    assert_eq!(stdout(&place, "run --no-config -- echo ran"), "ran\n");
    let output = place.output(&mut palisade(&place, "run --json -- true"));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema"], "palisade.error/1");
    assert!(json["error"].as_str().unwrap().contains("did you mean `memory_limit`?"), "{json}");
}

#[test]
fn a_file_that_is_none_is_refused_by_what_it_is() {
    everyone(|place| {
        let path = place.home().join("palisade.toml");
        let name = path.display().to_string();
        let check = |because: &str| {
            let said = refused(place, "run -- true");
            assert!(said.starts_with(&format!("error: {name}: {because}")), "{said}");
            assert!(said.contains("\nhint: "), "{said}");
        };
        std::fs::create_dir(&path).unwrap();
        check("it is a directory, not a regular file");
        std::fs::remove_dir(&path).unwrap();
        assert!(Command::new("mkfifo").args(["-m", "644"]).arg(&path).status().unwrap().success());
        check("it is a FIFO, not a regular file");
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/hostname", &path).unwrap();
        check("it is a symbolic link");
        std::fs::remove_file(&path).unwrap();
        place.file("palisade.toml", vec![b'#'; (1 << 20) + 1]);
        check("it is larger than 1048576 bytes");
        place.file("palisade.toml", b"# \xff\n");
        check("byte 2 is not UTF-8");
        place.file("palisade.toml", "");
        place.file("simple.toml", "");
        check("simple.toml stands beside it, and only one of them can hold");
        std::fs::remove_file(place.home().join("simple.toml")).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
        check("others can write it (mode 0666)");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        if place.seat.uid() != 0 {
            check("Permission denied");
        }
        let said = refused(place, "run --config missing.toml -- true");
        assert!(said.starts_with("error: missing.toml: No such file or directory"), "{said}");
    });
}

#[test]
fn a_file_of_somebody_else_is_refused_unless_it_is_named() {
    everyone(|place| {
        if palisade_is_not_run_by_root() {
            return; // giving a file away takes root
        }
        let path = place.file("palisade.toml", "[sandbox]\ncpu_limit = 7\n");
        let (own, other) = (place.seat.uid(), ORDINARY_ID + 1);
        chown(&path, Some(other), None).unwrap();
        let said = refused(place, "run -- true");
        let because = format!("it belongs to user {other}, and you are user {own}");
        assert!(
            said.contains(&because) && said.contains("hint: if you trust it, name it with --config FILE"),
            "{said}"
        );
        assert!(stdout(place, "config show --config palisade.toml").contains("palisade.toml:2"));
        assert!(!stdout(place, "config show --no-config").contains("palisade.toml"));
        // Root can do anything to anybody anyway, so its files are as good as one's own.
        chown(&path, Some(0), None).unwrap();
        assert!(stdout(place, "config show").contains("palisade.toml:2"));
    });
}

fn palisade_is_not_run_by_root() -> bool {
    !rustix::process::geteuid().is_root()
}

#[test]
fn the_nearest_file_above_holds_and_simple_toml_is_one() {
    let place = place();
    std::fs::create_dir_all(place.home().join("a/b")).unwrap();
    place.file("palisade.toml", "[sandbox]\ncpu_limit = 7\n");
    let show = |from: &str| {
        let output = place.output(palisade(&place, "config show").current_dir(place.home().join(from)));
        let shown = String::from_utf8(output.stdout).unwrap();
        shown.lines().find(|line| line.starts_with("cpu_limit")).unwrap().to_owned()
    };
    assert!(show("a/b").ends_with(&format!(" {}/palisade.toml:2", place.home().display())), "{}", show("a/b"));
    place.file("a/simple.toml", "[sandbox]\ncpu_limit = 8\n");
    assert!(show("a/b").ends_with("a/simple.toml:2"), "{}", show("a/b"));
    assert!(show(".").ends_with(" palisade.toml:2"), "{}", show("."));
}

#[test]
fn what_files_say_holds_for_the_program_and_options_go_first() {
    everyone(|place| {
        place.file(
            "palisade.toml",
            "[sandbox]\nprofile = 'small'\n[sandbox.environment]\nWORD = 'of the file'\nOTHER = 5\n\
            [sandbox.profiles.small]\nextends = 'testing'\nmemory_limit = '64M'\n",
        );
        std::fs::create_dir_all(place.home().join(".config/palisade")).unwrap();
        place.file(".config/palisade/palisade.toml", "[sandbox]\nmemory_limit = '1G'\ndescriptor_limit = 44\n");
        let run = |options: &str| {
            let mut command = palisade(place, &format!("run --quiet {options} -- sh -c"));
            let output = place.output(command.arg("echo $WORD, $OTHER, $(ulimit -n)"));
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(run(""), "of the file, 5, 44\n");
        assert_eq!(run("--descriptor-limit 33 --setenv OTHER=6"), "of the file, 6, 33\n");
        assert_eq!(run("--no-config"), ", , 100\n");
        let plan = stdout(place, "plan -- true");
        assert!(plan.contains("64 MiB memory") && plan.contains("30s elapsed"), "{plan}");
        let shown = stdout(place, "config show --memory-limit 32M --json");
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let from = |key: &str| {
            let row = shown["values"].as_array().unwrap().iter().find(|row| row["key"] == key).unwrap();
            format!("{}: {}", row["value"], row["from"].as_str().unwrap())
        };
        assert_eq!(from("memory_limit"), "\"32 MiB\": command line");
        assert_eq!(from("time_limit"), "\"30s\": profile testing (shipped)");
        assert_eq!(from("environment.OTHER"), "\"5\": palisade.toml:5");
        assert_eq!(from("descriptor_limit"), "44: .config/palisade/palisade.toml:3");
        assert_eq!(from("tmp_inodes"), "10000: built in");
        assert!(from("process_limit").starts_with("\"by language; 16 for a command\""), "{}", from("process_limit"));
    });
}

#[test]
fn a_repository_cannot_take_the_wall_away() {
    everyone(|place| {
        place.file("palisade.toml", "[sandbox]\nbackend = 'none'\n");
        let said = refused(place, "run -- true");
        assert!(said.starts_with("error: palisade.toml:2 says `backend = \"none\"`"), "{said}");
        assert!(said.contains("hint: ") && said.contains("--backend none"), "{said}");
        let report = place.report_of(&mut palisade(place, "run --json --backend none -- true"));
        assert_eq!(report.outcome(), "exited 0");
        assert!(report.weakened().contains(&"isolation"));
    });
}

#[test]
fn what_a_repository_opens_is_said_once_and_quiet_hides_it() {
    let place = place();
    place.file("palisade.toml", "[sandbox]\nnetwork = 'allow-all'\nallow_read = ['/etc/hostname']\n");
    let loud = place.output(&mut palisade(&place, "run -- true"));
    let notice = "palisade: palisade.toml: network allow-all, may read /etc/hostname (";
    assert_eq!(said(&loud).matches(notice).count(), 1, "{}", text(&loud));
    let quiet = place.output(&mut palisade(&place, "run --quiet -- true"));
    assert_eq!((quiet.status.code(), said(&quiet).as_str()), (Some(0), ""));
    let closed = place.output(&mut palisade(&place, "run --network=none --filesystem none -- true"));
    assert!(!said(&closed).contains("palisade.toml"), "what the caller closes is not opened: {}", text(&closed));
}

#[test]
fn config_show_gives_every_notice_of_a_run_whoever_it_is_about() {
    let place = place();
    let (project, inner) = (place.home().join("project"), place.home().join("project/inner"));
    std::fs::create_dir_all(&inner).unwrap();
    chown(&project, Some(place.seat.uid()), None).unwrap();
    std::fs::write(project.join("palisade.toml"), "[sandbox]\nnetwork = 'loopback'\n").unwrap();
    for (options, about) in
        [("", "palisade.toml: network loopback ("), ("--sandbox=agent", "profile agent: may write ")]
    {
        let run = place.output(palisade(&place, &format!("run {options} -- true")).current_dir(&inner));
        let shown = place.output(palisade(&place, &format!("config show --json {options}")).current_dir(&inner));
        let json: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
        let notices: Vec<&str> = json["notices"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        assert!(notices.len() == 1 && notices[0].contains(about), "{notices:?}");
        assert!(said(&run).contains(&format!("palisade: {}\n", notices[0])), "{notices:?} is not in {}", text(&run));
    }
}

#[test]
fn a_program_that_may_change_a_project_cannot_change_its_configuration() {
    everyone(|place| {
        place.file("palisade.toml", "[sandbox]\nallow_write = ['.']\n");
        std::fs::set_permissions(place.home(), PermissionsExt::from_mode(0o777)).unwrap();
        let script = format!(
            "cd {0}; echo x >beside && echo wrote; for try in 'echo x >>palisade.toml' 'rm -f palisade.toml' \
             'mv beside palisade.toml'; do (eval $try) 2>/dev/null || echo held; done",
            place.home().display()
        );
        let output = place.output(palisade(place, "run --quiet -- sh -c").arg(&script));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "wrote\nheld\nheld\nheld\n", "{}", text(&output));
        let left = std::fs::read_to_string(place.home().join("palisade.toml")).unwrap();
        assert_eq!(left, "[sandbox]\nallow_write = ['.']\n");
    });
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let place = place();
    let said = refused(&place, "run --network=none --allow-domain example.org -- true");
    assert!(said.starts_with("error: network=none and allow_domains contradict each other\nhint: "), "{said}");
    let said = refused(&place, "run --network --dns 192.0.2.1 -- true");
    assert!(said.contains("network=allow-all and dns contradict"), "{said}");
    let said = refused(&place, "run --filesystem none --allow-write . -- true");
    assert!(said.contains("filesystem=none and allow_write contradict"), "{said}");
    let said = refused(&place, "run --filesystem none --workspace . -- true");
    assert!(said.contains("filesystem=none and workspace contradict"), "{said}");
    let said = refused(&place, "run --sandbox=judg -- true");
    assert!(
        said.starts_with("error: there is no profile `judg`\nhint: did you mean `judge`? there are: agent, ci,"),
        "{said}"
    );
    let said = refused(&place, "run --sandbox=judge --profile agent -- true");
    assert!(said.contains("'--sandbox[=<PROFILE>]' cannot be used with '--profile <PROFILE>'"), "{said}");
    for bad in ["--allow-domain -x", "--allow-domain=a..b", "--allow-port 0", "--allow-endpoint a.org", "--dns a.org"] {
        assert!(refused(&place, &format!("run {bad} -- true")).contains("error: "), "{bad}");
    }
}

#[test]
fn a_network_of_chosen_destinations_is_refused_by_name_and_never_replaced() {
    everyone(|place| {
        let said = refused(place, "run --allow-domain example.org --allow-port 8443 --allow-endpoint a.org:22 -- true");
        assert!(said.contains("needs a network of chosen destinations (a.org:22, example.org:8443)"), "{said}");
        place.file("palisade.toml", "[sandbox]\nallow_domains = ['example.org']\n");
        let said = refused(place, "run --quiet -- true");
        assert!(said.contains("(example.org:80,443), but this version has no relay that could hold it"), "{said}");
    });
}

#[test]
fn a_backend_of_a_later_version_is_understood_and_refused() {
    let place = place();
    let said = refused(&place, "run --backend qemu -- true");
    assert!(said.contains("qemu: needs the backend `qemu`, but this version does not have it"), "{said}");
    assert!(said.contains("fix: say --backend native"), "{said}");
    assert!(stdout(&place, "config show --sandbox=ci").contains("docker  "));
    assert_eq!(stdout(&place, "run --sandbox=ci --backend native -- echo ran"), "ran\n");
}

#[test]
fn the_judge_gives_everybody_the_same_environment() {
    everyone(|place| {
        let output = place.output(
            palisade(place, "run --quiet --profile judge -- sh -c").arg("echo $TZ $LANG $PYTHONHASHSEED; ulimit -n"),
        );
        assert_eq!(String::from_utf8_lossy(&output.stdout), "UTC C.UTF-8 0\n64\n", "{}", text(&output));
    });
}

#[test]
fn an_agent_changes_its_workspace_and_reads_the_rest_but_no_credentials() {
    everyone(|place| {
        // Not below /tmp: a program has its own.
        let top = tempfile::Builder::new().prefix("palisade-agent-").tempdir_in("/var/tmp").unwrap();
        let work = top.path().join("work");
        std::fs::create_dir_all(work.join("below")).unwrap();
        std::fs::create_dir(top.path().join(".ssh")).unwrap();
        std::fs::write(top.path().join(".ssh/id_rsa"), "secret").unwrap();
        std::fs::write(top.path().join("beside"), "beside").unwrap();
        let own = "[sandbox]\nnetwork = 'allow-all'\nfilesystem = 'none'\nmemory_limit = '1T'\n";
        std::fs::write(work.join("palisade.toml"), own).unwrap();
        for directory in [top.path(), &work, &work.join("below")] {
            std::fs::set_permissions(directory, PermissionsExt::from_mode(0o777)).unwrap();
        }
        let script = format!(
            "pwd; echo x >new && echo wrote; cat ../beside; echo; (echo x >../beside) 2>/dev/null || echo held; \
             cat {}/.ssh/id_rsa 2>/dev/null || echo hidden",
            top.path().display()
        );
        let run = |options: &str, from: &std::path::Path| {
            let mut command = palisade(place, &format!("run --quiet {options} -- sh -c"));
            let output = place.output(command.arg(&script).current_dir(from).env("HOME", top.path()));
            (String::from_utf8_lossy(&output.stdout).into_owned(), text(&output))
        };
        let (said, all) = run("--sandbox=agent", &work.join("below"));
        let wanted = format!("{}\nwrote\nbeside\nheld\nhidden\n", work.display());
        assert_eq!(said, wanted, "{all}");
        let (said, all) = run(&format!("--profile agent --workspace {}", work.join("below").display()), top.path());
        assert!(said.starts_with(&format!("{}/below\nwrote\n", work.display())), "{all}");
        assert!(work.join("new").exists() && work.join("below/new").exists());
    });
}

#[test]
fn languages_are_never_defined_by_the_working_directory() {
    let place = place();
    for directory in ["palisade/languages", ".config/palisade/languages", "x/palisade/languages"] {
        std::fs::create_dir_all(place.home().join(directory)).unwrap();
        place.file(&format!("{directory}/broken.toml"), "no language");
    }
    place.file("a.sh", "echo ran\n");
    let run = |config: &str, home: &str| {
        let mut command = palisade(&place, "plan --no-config a.sh");
        text(&place.output(command.env("XDG_CONFIG_HOME", config).env("HOME", home)))
    };
    let is_read = |said: &str| said.contains("broken.toml");
    assert!(
        is_read(&run(place.home().join("x").to_str().unwrap(), "/")),
        "the definition counts where it is the user's"
    );
    for (config, home) in [("", "/"), ("x", "/"), ("", ""), ("", "x")] {
        assert!(!is_read(&run(config, home)), "{config:?} {home:?}: {}", run(config, home));
    }
    assert!(is_read(&run("", place.home().to_str().unwrap())), "what is empty is unset");
}
