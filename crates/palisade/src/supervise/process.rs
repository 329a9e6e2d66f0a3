//! What is waited for, killed and heard of, whoever has made it: our own pid 1, or a container of an engine.

use std::{io, os::fd::BorrowedFd};

use palisade_spec::{Backend, Weakening};
use palisade_sys::{Child, Record};

use crate::engine::Container;

/// The first process of a sandbox.
#[derive(Debug)]
pub(super) enum Process {
    /// A child of this process.
    Own(Child),
    /// That of a daemon, which tells nothing: its agent does.
    Container(Container),
}

impl Process {
    /// Readable when everything in the sandbox has ended.
    pub(super) fn pidfd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own(child) => child.pidfd(),
            Self::Container(container) => container.pidfd(),
        }
    }

    /// Readable when there is a record, or never will be one.
    pub(super) fn control(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own(child) => child.control(),
            Self::Container(container) => container.pidfd(),
        }
    }

    /// As [`Child::record`].
    pub(super) fn record(&self) -> io::Result<Option<Record>> {
        match self {
            Self::Own(child) => child.record(),
            Self::Container(_) => Ok(None),
        }
    }

    /// Kills it, and with it everything in its pid namespace.
    pub(super) fn kill(&self) {
        match self {
            Self::Own(child) => child.kill(),
            Self::Container(container) => container.kill(),
        }
    }

    /// What an engine has not removed of it. Of our own, the kernel leaves nothing.
    pub(super) fn remove(&mut self, engine: Backend) -> Option<Weakening> {
        match self {
            Self::Own(_) => None,
            Self::Container(container) => container.remove(engine.name()),
        }
    }

    /// Waits until it has ended.
    pub(super) fn reap(&mut self) {
        match self {
            Self::Own(child) => child.reap(),
            Self::Container(container) => container.reap(),
        }
    }
}
