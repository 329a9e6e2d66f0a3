//! Instructions of classic BPF, and an assembler that writes a program from its end to its beginning.
//!
//! Backwards, because BPF only jumps forward: whatever an instruction jumps to has been written already, its distance
//! is known, and a jump that would not fit into 8 bits gets its stepping stone without a second pass.

use super::rule::Action;

/// One instruction, `struct sock_filter` of linux/filter.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SockFilter {
    /// What to do: `BPF_*` bits.
    pub code: u16,
    /// Instructions to skip if a condition holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand: a constant, an offset into `seccomp_data`, a jump distance or an answer.
    pub k: u32,
}

/// Loads a 32-bit word of `seccomp_data` into the accumulator.
pub(super) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(super) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(super) const IF_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
pub(super) const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(super) const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K

/// Offsets into `struct seccomp_data`: nr, arch, instruction pointer, six arguments of 64 bits, little endian.
pub(super) const NR: u32 = 0;
pub(super) const ARCH: u32 = 4;
pub(super) const ARGS: u32 = 16;

/// An instruction already written; counted from the program's end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(usize);

/// The longest jump of a conditional instruction is 255. The rest is room for the stepping stones of the same
/// instruction, which push each other's targets one further.
const REACH: usize = 250;

#[derive(Default)]
pub(super) struct Assembler {
    backwards: Vec<SockFilter>,
    /// The latest `return` of each action, shared by all that can reach it.
    returns: Vec<(Action, Label)>,
}

impl Assembler {
    pub(super) fn with_capacity(instructions: usize) -> Self {
        Self { backwards: Vec::with_capacity(instructions), returns: Vec::new() }
    }

    /// The program in the order of execution.
    pub(super) fn finish(mut self) -> Vec<SockFilter> {
        self.backwards.reverse();
        self.backwards
    }

    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) -> Label {
        self.backwards.push(SockFilter { code, jt, jf, k });
        Label(self.backwards.len() - 1)
    }

    /// How many instructions the next one would have to skip to get to `to`.
    const fn distance(&self, to: Label) -> usize {
        self.backwards.len() - 1 - to.0
    }

    /// `return action`, shared if one is near.
    pub(super) fn give(&mut self, action: Action) -> Label {
        if let Some((_, label)) = self.returns.iter().find(|(known, _)| *known == action)
            && self.distance(*label) <= REACH
        {
            return *label;
        }
        let label = self.push(RETURN, 0, 0, word(action));
        self.returns.retain(|(known, _)| *known != action);
        self.returns.push((action, label));
        label
    }

    /// `if accumulator <op> k { yes } else { no }`.
    pub(super) fn branch(&mut self, op: u16, k: u32, yes: Label, no: Label) -> Label {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.near(yes), self.near(no));
        // `near` has brought both below 255; a greater one would be our bug and must not become a wrong jump.
        let hop = |to| u8::try_from(self.distance(to)).ok();
        match (hop(yes), hop(no)) {
            (Some(jt), Some(jf)) => self.push(op, jt, jf, k),
            _ => self.push(RETURN, 0, 0, word(Action::KillProcess)),
        }
    }

    /// One instruction that changes the accumulator, then `next`.
    pub(super) fn then(&mut self, code: u16, k: u32, next: Label) -> Label {
        if self.distance(next) > 0 {
            self.step(next);
        }
        self.push(code, 0, 0, k)
    }

    /// A place within reach of the next instruction that leads to `to`.
    fn near(&mut self, to: Label) -> Label {
        if self.distance(to) <= REACH { to } else { self.step(to) }
    }

    /// An instruction here that does what `to` does: a copy of a `return`, else an unconditional jump (32-bit offset).
    fn step(&mut self, to: Label) -> Label {
        match self.backwards.get(to.0) {
            Some(&SockFilter { code: RETURN, k, .. }) => self.push(RETURN, 0, 0, k),
            // A program is at most 4096 long (`compile` checks), so this never truncates in one that is used.
            _ => self.push(JUMP, 0, 0, u32::try_from(self.distance(to)).unwrap_or(u32::MAX)),
        }
    }
}

/// The value that a filter returns for `action` (`SECCOMP_RET_*`).
const fn word(action: Action) -> u32 {
    match action {
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        Action::Errno(number) => libc::SECCOMP_RET_ERRNO | number as u32,
        Action::Notify => libc::SECCOMP_RET_USER_NOTIF,
        Action::Trap => libc::SECCOMP_RET_TRAP,
        Action::KillProcess => libc::SECCOMP_RET_KILL_PROCESS,
    }
}
