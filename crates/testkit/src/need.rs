//! What a test needs of its host, found by trying it.

use crate::person::{ORDINARY_ID, effective_uid};
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether the host has `feature`. If not, says `SKIPPED: reason` on stderr.
///
/// | feature | tried |
/// |---|---|
/// | `root` | effective uid 0 |
/// | `userns` | an ordinary user makes a user namespace |
/// | `cgroup` | a child group with the pids controller is made and removed, v1 or v2 |
/// | `cgroup-v2` | the same, v2 only |
/// | `landlock` | the ABI version is asked for |
/// | `docker`, `podman` | the engine's program answers; tests start one of their own ([`crate::Engine`]) |
/// | any other word | the program of that name, or its usual one, answers to being asked for its version |
///
/// # Panics
/// If the feature is missing and `PALISADE_MUST_RUN` names it: a list separated by commas, or `all`.
#[track_caller]
#[must_use]
pub fn need(feature: &str) -> bool {
    let list = std::env::var("PALISADE_MUST_RUN").unwrap_or_default();
    decide(feature, &list, probe(feature))
}

#[track_caller]
#[allow(clippy::panic, clippy::print_stderr, reason = "for tests: a skip must be seen, a forbidden skip must fail")]
fn decide(feature: &str, must_run: &str, found: Result<(), String>) -> bool {
    let Err(reason) = found else { return true };
    let message = format!("SKIPPED: {feature} is not available: {reason}");
    // Past the test harness, which hides what `eprintln!` prints in a test that passes.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{message}\n").as_bytes());
    if must_run.split(',').map(str::trim).any(|word| word == "all" || word == feature) {
        panic!("{message}\nhint: PALISADE_MUST_RUN={must_run} forbids the skip");
    }
    false
}

fn probe(feature: &str) -> Result<(), String> {
    match feature {
        "root" if effective_uid() == 0 => Ok(()),
        "root" => Err(format!("the tests run as uid {}", effective_uid())),
        "userns" => user_namespace(),
        "cgroup" => cgroup("/sys/fs/cgroup/pids").or_else(|one| cgroup_two().map_err(|two| format!("{one}; {two}"))),
        "cgroup-v2" => cgroup_two(),
        "landlock" => landlock(),
        "docker" => answers("dockerd", "--version"),
        "java" | "javac" => answers(feature, "-version"),
        "go" => answers("go", "version"),
        "native" => Ok(()),
        "bubblewrap" => answers("bwrap", "--version"),
        "gvisor" => answers("runsc", "--version"),
        "chroot" => answers("chroot", "--version"),
        "qemu" => answers("qemu-system-x86_64", "--version"),
        "nspawn" => answers("systemd-nspawn", "--version"),
        "lxc" => answers("lxc-execute", "--version"),
        "wine" => answers("wine64", "--version"),
        "python" => answers("python3", "--version"),
        other => answers(other, "--version"),
    }
}

/// Runs a program with one question. A shim that only pretends to be there fails.
fn answers(program: &str, question: &str) -> Result<(), String> {
    let mut command = Command::new(program);
    command.arg(question).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program} {question}` failed with {status}")),
        Err(error) => Err(format!("`{program}`: {error}")),
    }
}

fn user_namespace() -> Result<(), String> {
    let mut status = 0;
    // SAFETY: the child of a process with threads makes system calls only; `status` outlives the call.
    let errno = unsafe {
        let child = libc::fork();
        if child == -1 {
            return Err(format!("fork: {}", std::io::Error::last_os_error()));
        }
        if child == 0 {
            // Straight to the kernel: glibc's wrapper would signal threads that this copy does not have.
            if libc::geteuid() == 0 {
                let id = ORDINARY_ID;
                libc::syscall(libc::SYS_setresuid, id, id, id);
            }
            let code = if libc::unshare(libc::CLONE_NEWUSER) == 0 { 0 } else { *libc::__errno_location() };
            libc::_exit(code);
        }
        while libc::waitpid(child, &raw mut status, 0) == -1 && *libc::__errno_location() == libc::EINTR {}
        libc::WEXITSTATUS(status)
    };
    match (errno, libc::WIFEXITED(status)) {
        (0, true) => Ok(()),
        (errno, true) => Err(format!("unshare(CLONE_NEWUSER): {}", std::io::Error::from_raw_os_error(errno))),
        _ => Err("the child that tried unshare(CLONE_NEWUSER) was killed".into()),
    }
}

/// Makes and removes a group below `parent` and looks for the pids controller in it.
fn cgroup(parent: &str) -> Result<(), String> {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let group = Path::new(parent).join(format!("palisade-need-{}-{number}", std::process::id()));
    // Not create_dir_all: where nothing is mounted there, a plain directory would be made.
    std::fs::create_dir(&group).map_err(|error| format!("mkdir {}: {error}", group.display()))?;
    let works = group.join("pids.max").exists();
    std::fs::remove_dir(&group).map_err(|error| format!("rmdir {}: {error}", group.display()))?;
    if works { Ok(()) } else { Err(format!("a group below {parent} has no pids controller")) }
}

/// In the caller's own group's parent, where an ordinary user's delegation ends.
fn cgroup_two() -> Result<(), String> {
    let own = std::fs::read_to_string("/proc/self/cgroup").map_err(|error| format!("/proc/self/cgroup: {error}"))?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).ok_or("no cgroup v2 hierarchy")?;
    let place = Path::new("/sys/fs/cgroup").join(own);
    let places = [place.parent().unwrap_or(&place), &place];
    let tried = places.iter().filter(|place| place.starts_with("/sys/fs/cgroup"));
    let mut reason = "no cgroup v2 hierarchy".to_owned();
    for place in tried {
        match cgroup(&place.display().to_string()) {
            Ok(()) => return Ok(()),
            Err(why) => reason = why,
        }
    }
    Err(reason)
}

fn landlock() -> Result<(), String> {
    // SAFETY: LANDLOCK_CREATE_RULESET_VERSION (1) takes no structure.
    match unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0_usize, 0_usize, 1_usize) } {
        -1 => Err(format!("landlock_create_ruleset: {}", std::io::Error::last_os_error())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_that_is_there_is_needed_without_a_word() {
        assert!(decide("x", "all", Ok(())));
        assert!(need("ls"));
    }

    #[test]
    fn a_missing_feature_is_a_skip_unless_it_is_named() {
        assert!(!decide("x", "", Err("it is a test".into())));
        assert!(!decide("x", "y, xx", Err("it is a test".into())));
    }

    #[test]
    #[should_panic(expected = "SKIPPED: x is not available: it is a test")]
    fn a_missing_feature_that_must_run_panics() {
        decide("x", "y, x", Err("it is a test".into()));
    }

    #[test]
    #[should_panic(expected = "forbids the skip")]
    fn all_names_every_feature() {
        decide("x", "all", Err("it is a test".into()));
    }

    #[test]
    fn an_unknown_program_is_missing_and_the_reason_names_it() {
        let reason = probe("palisade-no-such-program").unwrap_err();
        assert!(reason.contains("palisade-no-such-program"), "{reason}");
    }

    #[test]
    fn probing_leaves_no_group_behind() {
        let before = crate::Residue::now();
        let _ = probe("cgroup");
        let left: Vec<_> = before_groups(&before);
        assert!(left.iter().all(|line| !line.contains(&format!("palisade-need-{}-", std::process::id()))), "{left:?}");
    }

    fn before_groups(before: &crate::Residue) -> Vec<String> {
        crate::Residue::now().since(before).into_iter().filter(|line| line.starts_with("cgroup")).collect()
    }
}
