//! What a program can learn about the host, and what of the caller reaches it.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;

use common::{Place, everyone, text};
use palisade_testkit::{Person, need};

#[test]
fn the_command_line_of_palisade_is_not_readable_inside() {
    everyone(|place| {
        // The sandbox's pid 1 is a copy of palisade: its command line names host paths and variables.
        let secret = place.file("secret-name.sh", "");
        let mut command = place.shell("", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
        let mut whole = place.seat.command(&place.palisade);
        whole.args(["run", "--allow-read"]).arg(&secret).args(command.get_args().skip(1));
        let output = place.output(whole.env("PALISADE_TEST", place.token()));
        command.env_clear();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!said.contains("secret-name"), "/proc tells {said}");
    });
}

#[test]
fn the_environment_is_small_and_fixed() {
    everyone(|place| {
        let mut command = place.run("--json --setenv A=b", "$H print-environment");
        command.env("SECRET", "x").env("LD_PRELOAD", "").env("BASH_ENV", "/etc/profile").env("LC_ALL", "xx");
        let report = place.report_of(&mut command);
        let mut names: Vec<&str> = report.stdout().lines().map(|line| line.split('=').next().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, ["A", "HOME", "LANG", "PALISADE_TEST", "PATH", "TMPDIR"]);
    });
}

#[test]
fn a_variable_can_be_replaced_and_only_by_name() {
    everyone(|place| {
        let report = place.shell_report("--setenv HOME=/work --setenv E=", "echo ${HOME}-${E-unset}");
        assert_eq!(report.stdout(), "/work-\n");
    });
}

#[test]
fn only_three_descriptors_are_open_whatever_the_caller_had() {
    everyone(|place| {
        let run = place.palisade.display();
        let script = format!("exec 5</etc/hostname 9>/dev/null 200</; exec {run} run -- /bin/sh -c 'ls /proc/$$/fd'");
        let mut command = place.seat.command("/bin/bash");
        let output = place.output(command.args(["-c", &script]).env("PALISADE_TEST", place.token()));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n1\n2\n", "{}", text(&output));
    });
}

#[test]
fn the_ids_and_names_of_the_host_are_not_told() {
    everyone(|place| {
        let report = place.shell_report("", "id -u; id -g; id -un; hostname; cat /proc/sys/kernel/hostname; id -G");
        assert_eq!(report.stdout(), "1000\n1000\nuser\nsandbox\nsandbox\n1000\n");
    });
}

#[test]
fn the_root_holds_nothing_of_the_host_but_its_programs() {
    everyone(|place| {
        let report =
            place.shell_report("", "ls -A /; echo --; ls -A /etc; echo --; ls -A /work /dev/shm /home /root /var 2>&1");
        let parts: Vec<&str> = report.stdout().split("--\n").collect();
        let usual = [
            "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "nix", "proc", "sbin", "tmp", "usr", "work",
            ".empty",
        ];
        assert!(parts[0].lines().all(|name| usual.contains(&name)), "/ holds {}", parts[0]);
        for secret in ["shadow", "ssh", "hostname", "machine-id", "sudoers", "fstab", "resolv.conf"] {
            assert!(!parts[1].lines().any(|name| name == secret), "/etc holds {secret}");
        }
        for gone in ["/home", "/root", "/var"] {
            assert!(parts[2].contains(&format!("'{gone}': No such file")), "{}", parts[2]);
        }
    });
}

#[test]
fn no_users_but_the_own_are_in_passwd() {
    everyone(|place| {
        let report = place.shell_report("", "cut -d: -f1 /etc/passwd");
        assert_eq!(report.stdout(), "user\nnobody\n");
    });
}

#[test]
fn the_host_s_load_of_proc_is_covered() {
    everyone(|place| {
        let script = "for f in kallsyms kcore keys key-users modules interrupts timer_list sched_debug; do \
                      [ -s /proc/$f ] && head -c1 /proc/$f >/dev/null 2>&1 && cat /proc/$f | head -1; done; \
                      ls /proc/acpi /proc/bus /proc/irq /proc/scsi /proc/driver 2>/dev/null | grep -v : ; true";
        let report = place.shell_report("", script);
        assert_eq!(report.stdout().trim(), "", "{:#}", report.json["stdout"]);
    });
}

#[test]
fn the_terminal_of_the_caller_is_out_of_reach() {
    if !need("script") {
        return;
    }
    everyone(|place| {
        // A terminal of its own for palisade; the program has none, so nothing can be typed into it.
        let inside =
            "test -t 0 || test -t 1 || test -t 2 || (: </dev/tty) 2>/dev/null && echo reached || echo out of reach";
        let line = format!("{} run -- /bin/sh -c '{inside}'", place.palisade.display());
        let mut command = place.seat.command("script");
        let output = place.output(command.args(["-qec", &line, "/dev/null"]).env("PALISADE_TEST", place.token()));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("out of reach"), "{}", text(&output));
    });
}

#[test]
fn an_abstract_socket_of_the_host_stays_out_of_reach_with_a_loopback_too() {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};
    everyone(|place| {
        let name = place.token();
        let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let outside = place.seat.command(&place.hostile).args(["abstract-unix-connect", &name]).output().unwrap();
        assert_eq!(outside.status.code(), Some(0));
        for network in ["none", "loopback", "allow-all"] {
            let report = place.report(&format!("--network={network}"), &format!("$H abstract-unix-connect {name}"));
            assert_eq!(report.outcome(), "exited 10", "--network={network}: {}", report.stdout());
        }
    });
}

#[test]
fn a_listener_of_the_host_is_reached_only_with_the_whole_network() {
    everyone(|place| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let line = format!("$H tcp-connect 127.0.0.1 {}", listener.local_addr().unwrap().port());
        for (network, exit) in [("none", 10), ("loopback", 10), ("allow-all", 0)] {
            let report = place.report(&format!("--network={network}"), &line);
            assert_eq!(report.outcome(), format!("exited {exit}"), "--network={network}: {}", report.stdout());
        }
    });
}

#[test]
fn a_set_user_id_program_gains_nothing() {
    everyone(|place| {
        let report =
            place.shell_report("", "for p in su mount passwd sudo; do $(command -v $p) --version; done 2>&1; id -u");
        assert!(report.stdout().ends_with("1000\n"), "{}", report.stdout());
    });
}

/// Marks a file that it may only read, and reads the mark: as root, another's file, which the kernel refuses by itself.
const MARK: &str = "import fcntl, struct, sys
f = open(sys.argv[1])
for command, argument in ((1036, struct.pack('Q', 3)), (1024, 0), (1026, 1)):
    try:
        fcntl.fcntl(f, command, argument)
        print('done', end=' ')
    except OSError as error:
        print(error.errno, end=' ')
";

#[test]
fn a_program_leaves_no_mark_and_no_lease_on_a_file_that_it_may_only_read() {
    if !need("python") {
        return;
    }
    let place = Place::new(Person::Ordinary).unwrap();
    let (script, file) = (place.file("mark.py", MARK), place.file("own", "1"));
    rustix::fs::chown(&file, Some(rustix::fs::Uid::from_raw(place.seat.uid())), None).unwrap();
    let mut outside = std::process::Command::new("python3");
    outside.arg(&script).arg(&file);
    let outside = text(&place.output(&mut outside));
    // The hint and the lease; a notification needs a directory.
    assert!(outside.contains("done done 20"), "{outside}");
    let (script, file) = (script.display(), file.display());
    let report =
        place.report(&format!("--allow-read {script} --allow-read {file}"), &format!("python3 {script} {file}"));
    assert_eq!(report.stdout(), "22 22 22 ", "{:#}", report.json);
}
