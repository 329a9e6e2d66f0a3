//! Rules for programs whose files belong to somebody else on the disk: they make no file with a set-id bit.
//!
//! The file system of the sandbox ignores such bits; on the host, the file would run as its owner. Not here: whose files.

use super::{
    call::Call,
    quiet::errno,
    rule::{Arg, Arm, Is, Rule, Rules, Test},
};

/// `S_ISUID` and `S_ISGID`.
const SET_ID: u64 = 0o6000;

impl Rules {
    /// The same rules, except that a mode with a set-id bit is refused with `EPERM` wherever one is given: `chmod` and its
    /// kin, and calls that create a file. `openat2` passes its mode in memory, where a filter cannot read it, and fails
    /// as on a kernel without it. Directories and sockets get no such bit from the mode they are made with (`vfs_mkdir`,
    /// `unix_bind`).
    #[must_use]
    pub fn without_set_id(mut self) -> Self {
        let creating = u64::from((libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY).cast_unsigned());
        for rule in &mut self.rules {
            let (flags, mode) = match rule.call {
                Call::chmod | Call::fchmod | Call::creat | Call::mknod => (None, Arg::Second),
                Call::fchmodat | Call::fchmodat2 | Call::mknodat => (None, Arg::Third),
                Call::open => (Some(Arg::Second), Arg::Third),
                Call::openat => (Some(Arg::Third), Arg::Fourth),
                Call::openat2 => {
                    *rule = Rule::new(Call::openat2, errno(libc::ENOSYS));
                    continue;
                }
                _ => continue,
            };
            let set_id = Test::new(mode, SET_ID, Is::NonZero);
            // Without these flags there is no mode, and anything may be in its register.
            let tests =
                flags.map(|flags| Test::new(flags, creating, Is::NonZero)).into_iter().chain([set_id]).collect();
            rule.arms.insert(0, Arm { tests, action: errno(libc::EPERM) });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, Arch, Denied, Families, Forks, Policy};
    use super::*;

    fn decide(call: Call, args: [u64; 6]) -> Action {
        let policy = Policy { denied: Denied::Notify, forks: Forks::Free, families: Families::Unix };
        let number = call.number(Arch::X86_64).unwrap();
        policy.rules().without_set_id().decide(Arch::X86_64, number, &args)
    }

    #[test]
    fn a_set_id_bit_is_refused_and_other_modes_are_not() {
        let garbage = 0o4755;
        let create = u64::from(libc::O_CREAT.cast_unsigned());
        let temporary = u64::from(libc::O_TMPFILE.cast_unsigned());
        for (call, bad, good) in [
            (Call::chmod, [0, 0o4755, 0, 0, 0, 0], [0, 0o1777, 0, 0, 0, 0]),
            (Call::fchmod, [0, 0o2755, 0, 0, 0, 0], [0, 0o755, 0, 0, 0, 0]),
            (Call::fchmodat, [0, 0, 0o6755, 0, 0, 0], [0, 0, 0o755, garbage, 0, 0]),
            (Call::fchmodat2, [0, 0, 0o4000, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
            (Call::creat, [0, 0o4755, 0, 0, 0, 0], [0, 0o644, 0, 0, 0, 0]),
            (Call::open, [0, create, 0o4755, 0, 0, 0], [0, 0, garbage, 0, 0, 0]),
            (Call::openat, [0, 0, create, 0o4755, 0, 0], [0, 0, 0, garbage, 0, 0]),
            (Call::openat, [0, 0, temporary, 0o4755, 0, 0], [0, 0, 0o200_000, garbage, 0, 0]),
            (Call::mknod, [0, 0o104_755, 0, 0, 0, 0], [0, 0o100_644, 0, 0, 0, 0]),
            (Call::mknodat, [0, 0, 0o104_755, 0, 0, 0], [0, 0, 0o100_644, 0, 0, 0]),
        ] {
            assert_eq!(decide(call, bad), Action::Errno(libc::EPERM as u16), "{call:?}");
            assert_eq!(decide(call, good), Action::Allow, "{call:?}");
        }
        assert_eq!(decide(Call::openat2, [0; 6]), Action::Errno(libc::ENOSYS as u16));
    }
}
