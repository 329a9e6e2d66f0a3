//! A terminal for the program through the library: what is typed is in the request, what is shown is in the report.
#![allow(clippy::unwrap_used, reason = "tests: the helpers too")]
#![cfg(target_os = "linux")]

use palisade::spec::{Backend, Input, Program, Report, Request, Terminal};

fn shell(script: &str, stdin: Input, backend: Backend) -> Report {
    let request = Request {
        arguments: vec!["-c".to_owned(), script.to_owned()],
        stdin,
        terminal: Some(Terminal { rows: 11, columns: 77 }),
        backend,
        ..Request::new(Program::Command("/bin/sh".to_owned()))
    };
    palisade::run(request).unwrap()
}

#[test]
fn a_program_is_typed_to_and_its_screen_is_kept() {
    for backend in [Backend::Native, Backend::None] {
        let script = "tty; stty size; read a; echo got $a; cat >/tmp/rest; wc -c </tmp/rest; echo error >&2; exit 3";
        let script =
            if backend == Backend::None { script.replace("/tmp/rest", "/dev/null") } else { script.to_owned() };
        let report = shell(&script, Input::Bytes(b"one\ntwo\nthree".to_vec()), backend);
        let said = String::from_utf8_lossy(&report.stdout.kept).into_owned();
        assert_eq!(report.exit_code, 3, "{backend:?}: {said}");
        // The echo of what is typed may stand between any two of them.
        for wanted in ["/dev/pts/0\r\n", "11 77\r\n", "got one\r\n", "error\r\n"] {
            assert!(said.contains(wanted), "{backend:?}: {wanted:?} is not in {said:?}");
        }
        assert!(backend == Backend::None || said.contains("9\r\n"), "two, a line end, three: {said:?}");
        assert_eq!((report.stdout.total, report.stderr.total), (said.len() as u64, 0));
    }
}

#[test]
fn no_input_is_an_end_of_input() {
    let report = shell("cat; echo read $?", Input::Empty, Backend::Native);
    assert!(String::from_utf8_lossy(&report.stdout.kept).ends_with("read 0\r\n"), "{report:#?}");
}

#[test]
fn a_program_can_have_more_terminals_and_not_without_end() {
    let script =
        "bash -c 'n=10; while eval \"exec $n<>/dev/ptmx\"; do n=$((n+1)); done 2>/dev/null; ls /dev/pts | wc -l'";
    let report = shell(script, Input::Empty, Backend::Native);
    let said = String::from_utf8_lossy(&report.stdout.kept).into_owned();
    assert!(said.ends_with("33\r\n"), "32, and the node that makes them: {said}");
}

#[test]
fn nobody_else_s_use_of_the_terminal_can_be_changed() {
    let report = shell("chmod 666 /dev/pts/0; mknod /tmp/x c 5 2", Input::Empty, Backend::Native);
    let said = String::from_utf8_lossy(&report.stdout.kept).into_owned();
    assert!(said.contains("Read-only file system") && said.contains("mknod: "), "{said}");
}
