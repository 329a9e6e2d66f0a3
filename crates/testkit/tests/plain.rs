//! Plain behaviours do what they say, and nothing that an operation is given makes it dangerous.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use palisade_testkit::{hostile, need, wait_for};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

fn run(words: &[&str]) -> Output {
    Command::new(hostile()).args(words).stdin(Stdio::null()).output().unwrap()
}

fn line(words: &[&str]) -> (String, Option<i32>) {
    let output = run(words);
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
}

#[test]
fn exit_keeps_its_code_and_its_silence() {
    let output = run(&["exit", "42"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(42), 0));
}

#[test]
fn signals_end_it_as_asked() {
    assert_eq!(run(&["raise", "15"]).status.signal(), Some(libc::SIGTERM));
    assert_eq!(run(&["abort"]).status.signal(), Some(libc::SIGABRT));
    assert_eq!(run(&["segfault"]).status.signal(), Some(libc::SIGSEGV));
}

#[test]
fn binary_output_is_every_byte_once() {
    assert_eq!(run(&["binary-output"]).stdout, (0..=255).collect::<Vec<u8>>());
}

#[test]
fn close_stdio_ends_the_output_before_the_program() {
    let output = run(&["close-stdio", "0"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
}

#[test]
fn the_environment_is_printed_as_it_is() {
    let output = Command::new(hostile()).arg("print-environment").env_clear().env("A", "b c").output().unwrap();
    assert_eq!(output.stdout, b"A=b c\n");
}

#[test]
fn ids_are_printed_in_one_line() {
    let (text, code) = line(&["print-ids"]);
    assert!(text.starts_with("uid=") && text.contains(" euid=") && text.contains(" groups="), "{text}");
    assert_eq!((text.lines().count(), code), (1, Some(0)));
}

#[test]
fn a_flood_ends_with_its_answer_on_a_line_of_its_own() {
    let (text, _) = line(&["output-flood", "70000"]);
    let (flood, answer) = text.split_once('\n').unwrap();
    assert_eq!(flood, "x".repeat(70_000));
    assert_eq!(answer, "SUCCEEDED reached 70000 bytes of output\n");
}

#[test]
fn a_missing_or_senseless_argument_is_inconclusive() {
    for words in [&["read-file"][..], &["fork-bomb", "many"], &["fork-bomb", "99999999"], &["nothing"], &[]] {
        let (text, code) = line(words);
        assert!(text.starts_with("INCONCLUSIVE ") && code == Some(11), "{words:?}: {text}");
    }
}

#[test]
fn no_operation_takes_everybody_or_init_as_its_process() {
    for name in ["signal-process", "ptrace-attach", "process-vm-read", "pidfd-getfd"] {
        for pid in ["0", "1", "-1"] {
            let (text, code) = line(&[name, pid]);
            assert!(text.starts_with("INCONCLUSIVE ") && code == Some(11), "{name} {pid}: {text}");
        }
    }
}

#[test]
fn outside_nothing_but_signal_0_goes_to_init() {
    // The namespace is told, so that the guard holds where the tests themselves run in a container.
    let own = std::fs::read_link("/proc/self/ns/pid").unwrap().display().to_string();
    let inode = own.trim_start_matches("pid:[").trim_end_matches(']');
    for signal in ["KILL", "STOP"] {
        let (text, _) = line(&["signal-init", signal, inode]);
        let guarded = text.contains("nothing else was sent") || text == "BLOCKED kill(1, 0): EPERM\n";
        assert!(guarded, "{text}");
    }
}

#[test]
fn a_blocked_attack_names_the_call_and_the_errno() {
    let (text, code) = line(&["read-file", "/palisade-no-such-file"]);
    assert_eq!((text.as_str(), code), ("BLOCKED open /palisade-no-such-file: ENOENT\n", Some(10)));
}

#[test]
fn a_limited_attack_tells_how_far_it_got() {
    // `ulimit` stands in for a sandbox.
    let script = format!("ulimit -f 0; {} file-size /tmp 10", hostile().display());
    let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
    assert_eq!(output.stdout, b"BLOCKED ftruncate to 10: EFBIG\n");
    let script = format!("ulimit -n 20; {} descriptors 100", hostile().display());
    let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("BLOCKED dup: EMFILE after reaching "), "{text}");
}

#[test]
fn a_killed_attack_still_answers() {
    let script = format!("ulimit -t 1; {} cpu-burn 1 20", hostile().display());
    let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("BLOCKED killed by SIG") && text.contains(" after reaching "), "{text}");
}

/// A cgroup with a memory limit, v1 or v2, that goes when dropped.
struct Group(std::path::PathBuf);

impl Group {
    fn with_memory(mib: u64) -> Option<Self> {
        let name = format!("palisade-testkit-{}-memory", std::process::id());
        let kinds = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        kinds.iter().find_map(|(parent, file)| {
            let path = std::path::Path::new(parent).join(&name);
            std::fs::create_dir(&path).ok()?;
            let group = Self(path);
            std::fs::write(group.0.join(file), (mib << 20).to_string()).ok()?;
            Some(group)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        wait_for(Duration::from_secs(5), || std::fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn an_attack_that_runs_out_of_memory_tells_how_far_it_got() {
    if !need("root") {
        return;
    }
    let group = Group::with_memory(24);
    let Some(group) = group.as_ref().filter(|_| need("cgroup")) else { return };
    for words in ["memory 96", "memory-shared 96", "memory-memfd 96", "sysv-shm 96", "memory-many 24 4"] {
        let script = format!("echo 0 > {}/cgroup.procs; exec {} {words}", group.0.display(), hostile().display());
        let output = Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("BLOCKED ") && text.contains("killed by SIGKILL after reaching "), "{words}: {text}");
        assert_eq!(output.status.code(), Some(10));
    }
}

/// Makes a filter that answers one system call with `action` and lets all others pass, for use between fork and exec.
fn filter(call: libc::c_long, action: u32) -> impl FnMut() -> std::io::Result<()> {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, action),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    move || {
        let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: system calls only; the structures are live for them.
        let set = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1_u64, 0_u64, 0_u64, 0_u64);
            libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as u64, &raw const filter, 0_u64, 0_u64)
        };
        if set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    }
}

#[test]
fn a_filter_that_kills_is_reported_and_leaves_no_scratch_directory() {
    use std::os::unix::process::CommandExt as _;
    let directory = tempfile::tempdir().unwrap();
    for (words, call) in [
        (&["bpf"][..], libc::SYS_bpf),
        (&["mount-tmpfs"], libc::SYS_mount),
        (&["deep-directories", directory.path().to_str().unwrap(), "3"], libc::SYS_chdir),
    ] {
        for (action, expected) in
            [(libc::SECCOMP_RET_KILL_PROCESS, "killed by SIGSYS"), (libc::SECCOMP_RET_ERRNO | 38, "ENOSYS")]
        {
            let mut command = Command::new(hostile());
            command.args(words).env("TMPDIR", directory.path());
            // SAFETY: the closure makes system calls only.
            let output = unsafe { command.pre_exec(filter(call, action)) }.output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            // A filter on mount alone leaves fsopen open: an attack has more than one way.
            let other_way = words[0] == "mount-tmpfs" && text.contains("fsopen");
            assert!(text.contains(expected) && text.starts_with("BLOCKED ") || other_way, "{words:?}: {text}");
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "{words:?}");
        }
    }
}

#[test]
fn an_escaped_grandchild_writes_its_file_after_the_program_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("escaped");
    let (text, _) = line(&["escape-session", file.to_str().unwrap(), "300"]);
    assert!(text.starts_with("SUCCEEDED "), "{text}");
    assert!(!file.exists(), "it must come later");
    assert!(wait_for(Duration::from_secs(20), || file.exists()));
}
