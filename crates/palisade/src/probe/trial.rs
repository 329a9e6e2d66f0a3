//! One script in one throwaway child, and what came of it.
//!
//! Not here: which scripts (`kernel`, `cgroup`), what a failure means (`explain`).

use std::{
    io,
    ops::ControlFlow,
    os::fd::{AsFd, OwnedFd},
    time::{Duration, Instant},
};

use palisade_sys::{Child, IdMap, Op, Record, Script, spawn};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

/// A trial takes a millisecond; one that takes this long hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every step succeeded.
    Ready,
    /// clone3 failed.
    NotBorn {
        /// Why.
        errno: i32,
    },
    /// The id maps could not be written.
    NotMapped {
        /// Why.
        errno: i32,
    },
    /// A step failed.
    Failed {
        /// In words.
        step: String,
        /// Why; 0 if it succeeded and should not have.
        errno: i32,
    },
    /// The child ended without a word, as one that a filter kills.
    Killed,
    /// The child said nothing.
    Silent,
}

impl Outcome {
    /// The kernel's answer, if there was one.
    pub(super) fn errno(&self) -> Option<i32> {
        match self {
            Self::NotBorn { errno } | Self::NotMapped { errno } | Self::Failed { errno, .. } => Some(*errno),
            Self::Ready | Self::Killed | Self::Silent => None,
        }
    }

    /// In words.
    pub(super) fn tell(&self) -> String {
        let says = |errno: &i32| io::Error::from_raw_os_error(*errno);
        match self {
            Self::Ready => "every step succeeded".to_owned(),
            Self::NotBorn { errno } => format!("clone3: {}", says(errno)),
            Self::NotMapped { errno } => format!("write the id maps: {}", says(errno)),
            Self::Failed { step, errno: 0 } => format!("{step}: it was not"),
            Self::Failed { step, errno } => format!("{step}: {}", says(errno)),
            Self::Killed => "the child was killed".to_owned(),
            Self::Silent => format!("the child did not answer within {} s", PATIENCE.as_secs()),
        }
    }
}

/// Runs `script`, writing `ids` if it waits for them and giving it the cgroup files `join` if it waits for those.
///
/// `meet` is called with the descriptors that the child gives away; the trial has succeeded if it breaks.
pub(super) fn attempt(
    script: &Script,
    ids: Option<IdMap>,
    join: &[OwnedFd],
    meet: &mut dyn FnMut(&Child, Vec<OwnedFd>) -> ControlFlow<()>,
) -> Outcome {
    let child = match spawn(script) {
        Ok(child) => child,
        Err(error) => return Outcome::NotBorn { errno: errno_of(&error) },
    };
    if let Some(ids) = ids
        && let Err(error) = child.map_ids(ids)
    {
        // A step before may have failed, and its record says more.
        return match story(&child, script, meet, Duration::from_millis(100)) {
            Outcome::Ready | Outcome::Silent | Outcome::Killed => Outcome::NotMapped { errno: errno_of(&error) },
            failed => failed,
        };
    }
    if script.ops.iter().any(|op| matches!(op, Op::JoinCgroups)) {
        let files: Vec<_> = join.iter().map(AsFd::as_fd).collect();
        // If this fails, the child has failed before and says so.
        let _ = child.go(&files);
    }
    story(&child, script, meet, PATIENCE)
}

fn story(
    child: &Child,
    script: &Script,
    meet: &mut dyn FnMut(&Child, Vec<OwnedFd>) -> ControlFlow<()>,
    patience: Duration,
) -> Outcome {
    let deadline = Instant::now() + patience;
    loop {
        match child.record() {
            Ok(Some(Record::Ready { .. })) => return Outcome::Ready,
            Ok(Some(Record::Failed { step, errno })) => {
                let step = script.step(step).map_or_else(|| "start a program".to_owned(), ToString::to_string);
                return Outcome::Failed { step, errno };
            }
            Ok(Some(Record::Handles(handles))) => {
                if meet(child, handles).is_break() {
                    return Outcome::Ready;
                }
            }
            Ok(Some(Record::Stands { .. } | Record::Exited { .. })) => {}
            Ok(None) => return Outcome::Killed,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !readable(child.control(), deadline.saturating_duration_since(Instant::now())) {
                    return Outcome::Silent;
                }
            }
            Err(error) => return Outcome::Failed { step: "read its report".to_owned(), errno: errno_of(&error) },
        }
    }
}

/// Waits until `fd` is readable. `false`: it has not become so in time.
pub(super) fn readable(fd: impl AsFd, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], timeout.as_ref()) {
            Err(Errno::INTR) => {}
            answer => return answer.is_ok_and(|count| count > 0),
        }
    }
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
