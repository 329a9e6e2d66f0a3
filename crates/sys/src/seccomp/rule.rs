//! What a filter is made of: actions, argument tests, rules. Plain data, and its plain meaning ([`Rules::decide`]).
//!
//! Not here: which calls (`policy` and its tables), the program for the kernel (`compile`).

use super::call::{Arch, Call};

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The call is made.
    Allow,
    /// The call is not made; it returns this error number (at most 4095; the kernel lowers greater ones).
    Errno(u16),
    /// The call waits for the answer of whoever holds the filter's listener; without a listener it returns `ENOSYS`.
    Notify,
    /// The thread gets `SIGSYS`, which a program can handle.
    Trap,
    /// The whole process dies of `SIGSYS`, which it cannot handle.
    KillProcess,
}

/// One of the six arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// `args[0]` of `seccomp_data`.
    First,
    /// `args[1]` of `seccomp_data`.
    Second,
    /// `args[2]` of `seccomp_data`.
    Third,
    /// `args[3]` of `seccomp_data`.
    Fourth,
    /// `args[4]` of `seccomp_data`.
    Fifth,
    /// `args[5]` of `seccomp_data`.
    Sixth,
}

impl Arg {
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

/// The part of an argument that counts where the kernel takes an `int` or `unsigned int`.
///
/// A test of all 64 bits would be a hole there: the kernel ignores the upper half, so `TIOCSTI | 1 << 32` is `TIOCSTI`
/// (CVE-2019-10063).
pub const INT: u64 = 0xffff_ffff;

/// A condition on `argument & mask`, unsigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Which argument.
    pub arg: Arg,
    /// The bits that count: [`INT`] for an `int`, `u64::MAX` for a `long`, else the flags that matter.
    pub mask: u64,
    /// What its masked bits have to be.
    pub is: Is,
}

/// What a masked argument is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Is {
    /// Exactly this.
    Equal(u64),
    /// One of these; never, if there are none.
    OneOf(Vec<u64>),
    /// At least one bit of the mask is set.
    NonZero,
    /// This or more.
    AtLeast(u64),
    /// This or less.
    AtMost(u64),
}

impl Test {
    /// A condition on the bits of `arg` that `mask` selects.
    #[must_use]
    pub const fn new(arg: Arg, mask: u64, is: Is) -> Self {
        Self { arg, mask, is }
    }

    fn holds(&self, args: &[u64; 6]) -> bool {
        let value = args[self.arg.index()] & self.mask;
        match &self.is {
            Is::Equal(wanted) => value == *wanted,
            Is::OneOf(set) => set.contains(&value),
            Is::NonZero => value != 0,
            Is::AtLeast(least) => value >= *least,
            Is::AtMost(most) => value <= *most,
        }
    }
}

/// If all `tests` hold, then `action`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Conditions, all of which have to hold; none always hold.
    pub tests: Vec<Test>,
    /// What happens then.
    pub action: Action,
}

/// What happens to one call: the first arm whose tests hold decides, else `otherwise`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The call it is about.
    pub call: Call,
    /// Exceptions, asked in this order.
    pub arms: Vec<Arm>,
    /// What happens if no arm decides.
    pub otherwise: Action,
}

impl Rule {
    /// The same action whatever the arguments are, until [`when`](Self::when) adds exceptions.
    #[must_use]
    pub const fn new(call: Call, otherwise: Action) -> Self {
        Self { call, arms: Vec::new(), otherwise }
    }

    /// Adds an arm that decides if all `tests` hold and no earlier arm did.
    #[must_use]
    pub fn when<const N: usize>(mut self, tests: [Test; N], action: Action) -> Self {
        self.arms.push(Arm { tests: tests.into(), action });
        self
    }

    fn actions(&self) -> impl Iterator<Item = Action> {
        self.arms.iter().map(|arm| arm.action).chain([self.otherwise])
    }
}

/// A whole filter as data. At most one rule per call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// In any order.
    pub rules: Vec<Rule>,
    /// For calls without a rule, numbers unknown to us included.
    pub otherwise: Action,
}

impl Rules {
    /// What these rules say about one call. The compiled program says the same; tests compare the two.
    #[must_use]
    pub fn decide(&self, arch: Arch, nr: u32, args: &[u64; 6]) -> Action {
        if arch == Arch::X86_64 && nr >= X32 {
            return Action::KillProcess;
        }
        let Some(rule) = self.rules.iter().find(|rule| rule.call.number(arch) == Some(nr)) else {
            return self.otherwise;
        };
        let arm = rule.arms.iter().find(|arm| arm.tests.iter().all(|test| test.holds(args)));
        arm.map_or(rule.otherwise, |arm| arm.action)
    }

    /// Whether some call waits for a supervisor, so that the filter has to be installed with a listener.
    #[must_use]
    pub fn notifies(&self) -> bool {
        let mut actions = self.rules.iter().flat_map(Rule::actions).chain([self.otherwise]);
        actions.any(|action| action == Action::Notify)
    }
}

/// From here on the numbers belong to x32, a second system call table on `x86_64` that would dodge every rule.
/// (`__X32_SYSCALL_BIT`; greater numbers without the bit do not exist.)
pub(super) const X32: u32 = 0x4000_0000;
