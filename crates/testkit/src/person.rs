//! Who runs a program: root or an ordinary user.

use crate::need::need;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The user and group id that [`Person::Ordinary`] has when the tests run as root. It needs no entry in /etc/passwd.
pub const ORDINARY_ID: u32 = 12345;

/// Who runs a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    /// Uid 0. Not to be had when the tests run as somebody else.
    Root,
    /// [`ORDINARY_ID`] without supplementary groups when the tests run as root, else whoever runs them.
    Ordinary,
}

impl Person {
    /// Both, for tests that must hold for either.
    pub const ALL: [Self; 2] = [Self::Root, Self::Ordinary];

    /// A place for this person to run programs from, or `None`, loudly, if the tests do not run as root and would
    /// have to (see [`need`]).
    ///
    /// # Errors
    /// If the home directory cannot be made or given away.
    pub fn seat(self) -> io::Result<Option<Seat>> {
        if self == Self::Root && !need("root") {
            return Ok(None);
        }
        let switch = self == Self::Ordinary && effective_uid() == 0;
        let mut builder = tempfile::Builder::new();
        builder.prefix("palisade-home-");
        // The caller's TMPDIR may be closed to another person.
        let home = if switch { builder.tempdir_in("/tmp")? } else { builder.tempdir()? };
        if switch {
            chown(home.path(), Some(ORDINARY_ID), Some(ORDINARY_ID))?;
        }
        Ok(Some(Seat { home, switch }))
    }
}

/// A person's home directory, mode 0700, removed when dropped.
#[derive(Debug)]
pub struct Seat {
    home: TempDir,
    /// Whether commands change from root to [`ORDINARY_ID`].
    switch: bool,
}

impl Seat {
    /// A command that will run as this person, in their home directory, with `HOME` set to it.
    ///
    /// The rest of the environment is inherited, except that a person who is not the caller loses `TMPDIR` and
    /// `XDG_RUNTIME_DIR`, which point at the caller's places, and that engines of this process are named ([`crate::Engine`]).
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir(self.home.path()).env("HOME", self.home.path()).envs(crate::engine::environment());
        if self.switch {
            // `uid` drops all supplementary groups when called as root and no groups are given (its documentation).
            command.uid(ORDINARY_ID).gid(ORDINARY_ID).env_remove("TMPDIR").env_remove("XDG_RUNTIME_DIR");
        }
        command
    }

    /// The home directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The user id that commands will have.
    #[must_use]
    pub fn uid(&self) -> u32 {
        if self.switch { ORDINARY_ID } else { effective_uid() }
    }

    /// A copy of a program that this person can reach, mode 0755, for targets below a private directory such as /root.
    ///
    /// # Errors
    /// If the program cannot be copied.
    pub fn lend(&self, program: &Path) -> io::Result<PathBuf> {
        let name = program.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let copy = self.home.path().join(name);
        // Not by `fs::copy`: a thread that forks meanwhile inherits the writing descriptor, and until its child has
        // executed something the copy cannot be (ETXTBSY).
        let status = Command::new("cp").arg("--").args([program, &copy]).status()?;
        if !status.success() {
            return Err(io::Error::other(format!("cp {} failed with {status}", program.display())));
        }
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755))?;
        Ok(copy)
    }
}

/// The caller's effective user id.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_person_is_not_root_and_has_a_home_of_their_own() {
        let seat = Person::Ordinary.seat().unwrap().unwrap();
        let script = "id -u; id -G; echo $HOME; pwd; touch here && echo writable";
        let output = seat.command("/bin/sh").args(["-c", script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let home = seat.home().display().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], seat.uid().to_string(), "{text}");
        assert_ne!(lines[0], "0");
        if effective_uid() == 0 {
            assert_eq!(lines[1], ORDINARY_ID.to_string(), "no supplementary groups: {text}");
        }
        assert_eq!(lines[2..], [home.as_str(), home.as_str(), "writable"]);
    }

    #[test]
    fn a_lent_program_runs_for_an_ordinary_person() {
        let seat = Person::Ordinary.seat().unwrap().unwrap();
        let copy = seat.lend(Path::new("/bin/true")).unwrap();
        assert!(seat.command(copy).status().unwrap().success());
    }

    #[test]
    fn a_home_goes_with_its_seat() {
        let seat = Person::Ordinary.seat().unwrap().unwrap();
        let home = seat.home().to_owned();
        drop(seat);
        assert!(!home.exists());
    }
}
