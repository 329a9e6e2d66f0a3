//! Kernel features, each with a script that shows it.
//!
//! In: a [`Feature`]. Out: a [`Finding`]. A trial that shows a wall also makes the attempt that the wall has to refuse;
//! where it can, it first shows that the attempt succeeds without. Not here: the scripts (`show`),
//! cgroups (`cgroup`), causes (`explain`).

use std::{ffi::CString, fs, ops::ControlFlow, os::unix::ffi::OsStrExt, path::Path};

use palisade_sys::{
    Child, IdMap, Namespaces, Op, Script, notify,
    seccomp::{Action, Arch, Call, Rule, Rules, SockFilter, compile},
    spawn,
};

use super::{
    Finding, Group, Status,
    circumstances::Circumstances,
    show::script,
    trial::{Outcome, PATIENCE, attempt, readable},
};
use crate::host::Host;

/// What a kernel may be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "`row` says what each one is")]
pub enum Feature {
    Clone3,
    PidFd,
    OwnProc,
    UserNamespace,
    IdMaps,
    MountNamespace,
    PidNamespace,
    NetworkNamespace,
    IpcNamespace,
    UtsNamespace,
    CgroupNamespace,
    PrivateMounts,
    Tmpfs,
    ReadOnlyBind,
    PivotRoot,
    NewProc,
    Loopback,
    Overlay,
    ManyLayers,
    Terminals,
    NoNewPrivileges,
    Capabilities,
    Filter,
    Notifications,
    Landlock,
    CloseRange,
    Keyring,
}

use Feature as F;

impl Feature {
    /// Every one, in an order in which each comes after those it needs.
    pub const ALL: [Self; 27] = [
        F::Clone3,
        F::PidFd,
        F::CloseRange,
        F::OwnProc,
        F::UserNamespace,
        F::IdMaps,
        F::MountNamespace,
        F::PidNamespace,
        F::NetworkNamespace,
        F::IpcNamespace,
        F::UtsNamespace,
        F::CgroupNamespace,
        F::PrivateMounts,
        F::Tmpfs,
        F::ReadOnlyBind,
        F::PivotRoot,
        F::NewProc,
        F::Overlay,
        F::ManyLayers,
        F::Terminals,
        F::Loopback,
        F::NoNewPrivileges,
        F::Capabilities,
        F::Keyring,
        F::Filter,
        F::Notifications,
        F::Landlock,
    ];

    /// Its name, what needs it, and what a trial that succeeds has shown.
    const fn row(self) -> (&'static str, &'static str, &'static str) {
        match self {
            F::Clone3 => ("clone3", "every run", "a process was made"),
            F::PidFd => ("pidfd", "every run", "a process was killed and awaited by descriptor"),
            F::CloseRange => ("close_range", "every run", "every descriptor from 3 on was marked"),
            F::OwnProc => ("/proc", "every run", "a child's entry names this process as its parent"),
            F::UserNamespace => ("user namespace", "native sandbox", "made"),
            F::IdMaps => ("id maps", "native sandbox", "written, and the mapped ids taken"),
            F::MountNamespace => ("mount namespace", "native sandbox", "made"),
            F::PidNamespace => ("pid namespace", "native sandbox", "made"),
            F::NetworkNamespace => ("network namespace", "closed network", "made"),
            F::IpcNamespace => ("ipc namespace", "native sandbox", "made"),
            F::UtsNamespace => ("uts namespace", "native sandbox", "made, and the host named"),
            F::CgroupNamespace => ("cgroup namespace", "native sandbox", "made"),
            F::PrivateMounts => ("private mounts", "native sandbox", "every mount was made private"),
            F::Tmpfs => ("tmpfs of one's own", "native sandbox", "mounted and written; its inode limit refused a file"),
            F::ReadOnlyBind => (
                "recursive read-only bind",
                "native sandbox",
                "a write succeeded before, and failed with EROFS after it, through a submount too",
            ),
            F::PivotRoot => ("pivot_root", "native sandbox", "the host's /usr was gone"),
            F::NewProc => ("new /proc", "native sandbox", "mounted, and it shows the namespace's own pid 1"),
            F::Overlay => ("overlay of one's own", "layers", "mounted and written"),
            F::ManyLayers => ("overlay of many layers", "more than 64 layers", "mounted and read"),
            F::Terminals => ("terminals of one's own", "--tty", "a devpts was mounted, and a terminal of it opened"),
            F::Loopback => ("loopback", "--network=loopback", "brought up"),
            F::NoNewPrivileges => ("no_new_privs", "every wall", "set and read back"),
            F::Capabilities => {
                ("giving up capabilities", "native sandbox", "the host could be named before, and not (EPERM) after it")
            }
            F::Keyring => ("session keyring", "native sandbox", "an empty one was started, or there are none"),
            F::Filter => ("seccomp filter", "native sandbox", "a filtered call failed as the filter said"),
            F::Notifications => (
                "seccomp notifications",
                "violations in the report",
                "a filtered call was reported, and failed as it was told",
            ),
            F::Landlock => ("Landlock", "second wall around files", "reading / succeeded before, and failed after it"),
        }
    }

    /// Those without which it cannot be tried.
    const fn needs(self) -> &'static [Self] {
        match self {
            F::Clone3 => &[],
            F::PidFd
            | F::CloseRange
            | F::OwnProc
            | F::UserNamespace
            | F::NoNewPrivileges
            | F::Keyring
            | F::Filter
            | F::Notifications
            | F::Landlock => &[F::Clone3],
            F::IdMaps => &[F::UserNamespace, F::OwnProc],
            F::MountNamespace
            | F::PidNamespace
            | F::NetworkNamespace
            | F::IpcNamespace
            | F::UtsNamespace
            | F::CgroupNamespace => &[F::UserNamespace],
            F::ManyLayers => &[F::Overlay],
            F::PrivateMounts => &[F::MountNamespace],
            F::Tmpfs => &[F::PrivateMounts, F::IdMaps],
            F::ReadOnlyBind | F::PivotRoot | F::Overlay => &[F::Tmpfs],
            F::Terminals => &[F::PivotRoot],
            F::NewProc => &[F::Tmpfs, F::PidNamespace],
            F::Loopback => &[F::NetworkNamespace],
            F::Capabilities => &[F::UtsNamespace, F::IdMaps],
        }
    }

    /// Whether the native sandbox does without it, and says so. A Landlock that is there and does not hold is worse
    /// than none: runs would report it.
    const fn is_optional(self, host: &Host) -> bool {
        match self {
            F::Overlay | F::ManyLayers | F::Terminals | F::Loopback => true,
            F::Landlock => host.landlock == 0,
            _ => false,
        }
    }
}

/// What keeps the native sandbox from holding, if it is among the `findings` that [`findings`] gave.
pub(super) fn cause<'a>(findings: &'a [Finding], host: &Host) -> Option<&'a Finding> {
    let essential = Feature::ALL.into_iter().zip(findings).filter(|(feature, _)| !feature.is_optional(host));
    essential.map(|(_, finding)| finding).find(|finding| finding.status == Status::NotUsable)
}

/// Tries every feature.
pub(super) fn findings(host: &Host, circumstances: &Circumstances) -> Vec<Finding> {
    let mut findings: Vec<(Feature, Finding)> = Vec::with_capacity(Feature::ALL.len());
    for feature in Feature::ALL {
        let needed = feature.needs();
        let failed = findings.iter().find(|(f, finding)| needed.contains(f) && finding.status == Status::NotUsable);
        let finding = match failed {
            Some((_, needed)) => not_tried(feature, &needed.feature),
            None => tried(feature, host, circumstances),
        };
        findings.push((feature, finding));
    }
    findings.into_iter().map(|(_, finding)| finding).collect()
}

/// Tries one, and those it needs before it. The first that fails is the answer.
pub(super) fn finding(feature: Feature, host: &Host, circumstances: &Circumstances) -> Finding {
    for needed in feature.needs() {
        let needed = finding(*needed, host, circumstances);
        if needed.status == Status::NotUsable {
            return needed;
        }
    }
    tried(feature, host, circumstances)
}

fn not_tried(feature: Feature, needed: &str) -> Finding {
    let (name, needed_by, _) = feature.row();
    Finding {
        group: Group::Kernel,
        feature: name.to_owned(),
        status: Status::NotUsable,
        evidence: format!("not tried: it needs {needed}"),
        fix: None,
        needed_by: needed_by.to_owned(),
    }
}

fn tried(feature: Feature, host: &Host, circumstances: &Circumstances) -> Finding {
    let (name, needed_by, shown) = feature.row();
    let mut finding = Finding {
        group: Group::Kernel,
        feature: name.to_owned(),
        status: Status::Usable,
        evidence: shown.to_owned(),
        fix: None,
        needed_by: needed_by.to_owned(),
    };
    let outcome = outcome(feature, host);
    if outcome != Outcome::Ready {
        let explanation = outcome.errno().map(|errno| circumstances.explain(feature, errno)).unwrap_or_default();
        finding.status = Status::NotUsable;
        finding.evidence = match explanation.because {
            Some(because) => format!("{}; {because}", outcome.tell()),
            None => outcome.tell(),
        };
        finding.fix = explanation.fix;
    } else if feature == F::Landlock {
        landlock_level(host.landlock, &mut finding);
    } else if feature == F::IdMaps {
        let ids = host.ids;
        finding.evidence = format!("{} outside became {} inside", ids.uid, ids.inside.0);
    }
    finding
}

/// What each Landlock version lacks that a later one has, and the Linux that has it (landlock(7), "Versions").
const LANDLOCK: [(u32, &str, &str); 5] = [
    (2, "moving files between directories", "5.19"),
    (3, "truncation", "6.2"),
    (4, "TCP", "6.7"),
    (5, "device ioctls", "6.10"),
    (6, "abstract sockets and signals", "6.12"),
];

fn landlock_level(abi: u32, finding: &mut Finding) {
    let lacks: Vec<_> = LANDLOCK.into_iter().filter(|(since, _, _)| abi < *since).collect();
    finding.evidence = format!("ABI {abi}: {}", finding.evidence);
    if let Some((_, _, linux)) = lacks.last() {
        let names: Vec<_> = lacks.iter().map(|(_, what, _)| *what).collect();
        finding.status = Status::Partial;
        finding.evidence.push_str(&format!("; it does not restrict {}", names.join(", ")));
        finding.fix = Some(format!("boot Linux {linux} or later"));
    }
}

fn outcome(feature: Feature, host: &Host) -> Outcome {
    if feature == F::PidFd {
        return kill_by_descriptor();
    }
    if feature == F::OwnProc {
        return find_in_proc();
    }
    let action = match feature {
        F::Filter => Some(Action::Errno(libc::EDOM as u16)),
        F::Notifications => Some(Action::Notify),
        _ => None,
    };
    match action.map(filter) {
        None => run(feature, host, Vec::new()),
        Some(Some(code)) => run(feature, host, code),
        Some(None) => Outcome::Failed { step: "compile a filter for this processor".to_owned(), errno: libc::ENOSYS },
    }
}

fn run(feature: Feature, host: &Host, code: Vec<SockFilter>) -> Outcome {
    let anchor =
        host.anchors.iter().find(|path| path.is_dir()).and_then(|path| CString::new(path.as_os_str().as_bytes()).ok());
    let script = script(feature, host, anchor.unwrap_or_else(|| c"/".to_owned()), code);
    let ids = script.ops.iter().any(|op| matches!(op, Op::AwaitIds)).then(|| id_map(host));
    attempt(&script, ids, &[], &mut |_, handles| {
        for handle in handles {
            let listener = notify::Listener::new(handle);
            if readable(&listener, PATIENCE)
                && let Ok(Some(call)) = listener.receive()
            {
                listener.answer(&call, notify::Answer::Fail(libc::EDOM));
            }
        }
        ControlFlow::Continue(())
    })
}

fn id_map(host: &Host) -> IdMap {
    let ids = host.ids;
    IdMap { uid: (ids.inside.0, ids.uid), gid: (ids.inside.1, ids.gid), groups: ids.groups }
}

/// A filter for chdir alone, which the scripts then call.
fn filter(action: Action) -> Option<Vec<SockFilter>> {
    let rules = Rules { rules: vec![Rule::new(Call::chdir, action)], otherwise: Action::Allow };
    compile(&rules, Arch::host()?).ok()
}

/// A child that waits for id maps that never come.
fn waiting() -> std::io::Result<Child> {
    spawn(&Script {
        namespaces: Namespaces::default(),
        cgroup: None,
        ops: vec![Op::AwaitIds],
        aside: Vec::new(),
        program: None,
    })
}

/// The id maps and the usage of a run are in /proc, which has to be that of this pid namespace.
fn find_in_proc() -> Outcome {
    match waiting() {
        Err(error) => Outcome::NotBorn { errno: error.raw_os_error().unwrap_or(libc::EIO) },
        Ok(child) => {
            let status = fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok());
            // In a foreign /proc, another process may have the child's number.
            let myself =
                fs::read_link("/proc/self").is_ok_and(|link| link == Path::new(&std::process::id().to_string()));
            if myself && parent == Some(std::process::id()) {
                Outcome::Ready
            } else {
                Outcome::Failed { step: format!("find a child in /proc/{}", child.pid()), errno: libc::ESRCH }
            }
        }
    }
}

fn kill_by_descriptor() -> Outcome {
    match waiting() {
        Err(error) => Outcome::NotBorn { errno: error.raw_os_error().unwrap_or(libc::EIO) },
        Ok(mut child) => {
            child.kill();
            if readable(child.pidfd(), PATIENCE) {
                child.reap();
                Outcome::Ready
            } else {
                Outcome::Silent
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_comes_after_those_it_needs() {
        for (index, feature) in Feature::ALL.into_iter().enumerate() {
            for needed in feature.needs() {
                assert!(Feature::ALL[..index].contains(needed), "{feature:?} before {needed:?}");
            }
        }
    }

    #[test]
    fn an_old_landlock_is_partial_and_says_what_it_lacks() {
        let level = |abi| {
            let mut finding = not_tried(F::Landlock, "");
            finding.status = Status::Usable;
            landlock_level(abi, &mut finding);
            finding
        };
        assert_eq!(level(7).status, Status::Usable);
        let three = level(3);
        assert_eq!(three.status, Status::Partial);
        assert!(
            three.evidence.ends_with("does not restrict TCP, device ioctls, abstract sockets and signals"),
            "{}",
            three.evidence
        );
        assert_eq!(three.fix.as_deref(), Some("boot Linux 6.12 or later"));
    }
}
