//! Rules → the program that the kernel runs before every system call.
//!
//! The kernel also runs it once per call number when it is installed, to learn which calls are always allowed. So it
//! is a balanced binary tree over ranges of numbers with the same action (about eight comparisons), not a list.
//! Not here: installing it.

use std::{error, fmt};

use super::bpf::{
    AND, ARCH, ARGS, Assembler, IF_ANY_BIT, IF_AT_LEAST, IF_EQUAL, IF_GREATER, LOAD, Label, NR, SockFilter,
};
use super::call::{Arch, Call};
use super::rule::{Action, Is, Rule, Rules, Test, X32};

/// `BPF_MAXINSNS`: the kernel refuses longer programs.
const LONGEST: usize = 4096;
/// Call numbers below this can have a rule; the table ends at 469.
const SPAN: u32 = 512;

/// Why rules are not a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileError {
    /// The second rule would never be asked.
    Twice(Call),
    /// The kernel takes at most 4096 instructions.
    TooLong(usize),
    /// The call's number does not fit into the tree.
    Number(Call),
}

impl fmt::Display for CompileError {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Twice(call) => write!(to, "two rules for the system call {}", call.name()),
            Self::TooLong(length) => {
                write!(to, "system call filter too long: {length} instructions, the kernel takes {LONGEST}")
            }
            Self::Number(call) => write!(to, "no room in the filter for the system call {}", call.name()),
        }
    }
}

impl error::Error for CompileError {}

/// What a range of call numbers gets.
#[derive(Clone, Copy)]
enum Leaf<'a> {
    Do(Action),
    Ask(&'a Rule),
}

/// Compiles `rules` for `arch`. Calls that do not exist there are left out.
///
/// A process of another architecture (32-bit calls through `int 0x80` included) or with an x32 call number is killed,
/// whatever the rules say.
///
/// # Errors
/// See [`CompileError`]. The rules of a [`Policy`](super::Policy) always compile (tests try all of them).
pub fn compile(rules: &Rules, arch: Arch) -> Result<Vec<SockFilter>, CompileError> {
    let ranges = ranges(rules, arch)?;
    let mut to = Assembler::with_capacity(LONGEST / 8);
    let kill = to.give(Action::KillProcess);
    let by_number = tree(&mut to, &ranges);
    let by_number = to.then(LOAD, NR, by_number);
    let start = to.branch(IF_EQUAL, arch.audit(), by_number, kill);
    to.then(LOAD, ARCH, start);
    let program = to.finish();
    if program.len() > LONGEST { Err(CompileError::TooLong(program.len())) } else { Ok(program) }
}

/// Neighbouring numbers with the same action, as (first number, leaf), ascending, from 0.
fn ranges<'a>(rules: &'a Rules, arch: Arch) -> Result<Vec<(u32, Leaf<'a>)>, CompileError> {
    let mut by_number: [Option<Leaf<'a>>; SPAN as usize] = [None; SPAN as usize];
    for rule in &rules.rules {
        let Some(number) = rule.call.number(arch) else { continue };
        let slot = by_number.get_mut(number as usize).ok_or(CompileError::Number(rule.call))?;
        let leaf = if rule.arms.is_empty() { Leaf::Do(rule.otherwise) } else { Leaf::Ask(rule) };
        if slot.replace(leaf).is_some() {
            return Err(CompileError::Twice(rule.call));
        }
    }
    let otherwise = Leaf::Do(rules.otherwise);
    let known = (0..).zip(by_number.iter().map(|leaf| leaf.unwrap_or(otherwise)));
    let unknown = [(SPAN, otherwise)];
    let x32 = (arch == Arch::X86_64).then_some((X32, Leaf::Do(Action::KillProcess)));
    let mut ranges = Vec::with_capacity(256);
    for (number, leaf) in known.chain(unknown).chain(x32) {
        match (ranges.last(), leaf) {
            (Some((_, Leaf::Do(before))), Leaf::Do(now)) if *before == now => {}
            _ => ranges.push((number, leaf)),
        }
    }
    Ok(ranges)
}

/// Finds the range of the number in the accumulator.
fn tree(to: &mut Assembler, ranges: &[(u32, Leaf)]) -> Label {
    match ranges {
        [] => to.give(Action::KillProcess),
        [(_, Leaf::Do(action))] => to.give(*action),
        [(_, Leaf::Ask(rule))] => ask(to, rule),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            let first = high.first().map_or(0, |(number, _)| *number);
            let high = tree(to, high);
            let low = tree(to, low);
            to.branch(IF_AT_LEAST, first, high, low)
        }
    }
}

/// The first arm whose tests all hold, else the rule's last word.
fn ask(to: &mut Assembler, rule: &Rule) -> Label {
    rule.arms.iter().rev().fold(to.give(rule.otherwise), |no, arm| {
        let yes = to.give(arm.action);
        arm.tests.iter().rev().fold(yes, |yes, one| test(to, one, yes, no))
    })
}

/// The accumulator holds 32 bits, so a test is one of the upper half followed by one of the lower half. A half that the
/// mask ignores is not loaded.
fn test(to: &mut Assembler, test: &Test, yes: Label, no: Label) -> Label {
    let halves = Halves::of(test);
    match &test.is {
        Is::Equal(value) => halves.equal(to, *value, yes, no),
        Is::OneOf(set) if halves.high.mask == 0 => halves.one_of_low(to, set, yes, no),
        Is::OneOf(set) => set.iter().rev().fold(no, |no, value| halves.equal(to, *value, yes, no)),
        Is::NonZero => {
            let low = halves.low.compare(to, IF_ANY_BIT, halves.low.mask, yes, no);
            halves.high.compare(to, IF_ANY_BIT, halves.high.mask, yes, low)
        }
        Is::AtLeast(least) => halves.at_least(to, *least, yes, no),
        Is::AtMost(most) => match most.checked_add(1) {
            Some(more) => halves.at_least(to, more, no, yes),
            None => yes,
        },
    }
}

/// One 32-bit half of an argument: where it is and which of its bits count.
#[derive(Clone, Copy)]
struct Half {
    offset: u32,
    mask: u32,
}

struct Halves {
    low: Half,
    high: Half,
}

const fn low(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}

const fn high(value: u64) -> u32 {
    (value >> 32) as u32
}

impl Half {
    /// Loads the half, then `next`.
    fn load(self, to: &mut Assembler, next: Label) -> Label {
        let next = if self.mask == u32::MAX { next } else { to.then(AND, self.mask, next) };
        to.then(LOAD, self.offset, next)
    }

    /// `if (half & mask) <op> k`, where a half without bits is 0.
    fn compare(self, to: &mut Assembler, op: u16, k: u32, yes: Label, no: Label) -> Label {
        if self.mask == 0 {
            let holds = match op {
                IF_EQUAL | IF_AT_LEAST => k == 0,
                _ => false, // nothing unsigned below 0, no bits in 0
            };
            return if holds { yes } else { no };
        }
        if yes == no {
            return yes;
        }
        let branch = to.branch(op, k, yes, no);
        if op == IF_ANY_BIT { to.then(LOAD, self.offset, branch) } else { self.load(to, branch) }
    }
}

impl Halves {
    const fn of(test: &Test) -> Self {
        let offset = ARGS + 8 * test.arg as u32;
        Self { low: Half { offset, mask: low(test.mask) }, high: Half { offset: offset + 4, mask: high(test.mask) } }
    }

    fn equal(&self, to: &mut Assembler, value: u64, yes: Label, no: Label) -> Label {
        let low = self.low.compare(to, IF_EQUAL, low(value), yes, no);
        self.high.compare(to, IF_EQUAL, high(value), low, no)
    }

    /// One load for the whole set.
    fn one_of_low(&self, to: &mut Assembler, set: &[u64], yes: Label, no: Label) -> Label {
        let possible = set.iter().rev().filter(|value| high(**value) == 0);
        if self.low.mask == 0 {
            return if set.contains(&0) { yes } else { no };
        }
        let chain = possible.fold(no, |no, value| to.branch(IF_EQUAL, low(*value), yes, no));
        if chain == no { no } else { self.low.load(to, chain) }
    }

    fn at_least(&self, to: &mut Assembler, least: u64, yes: Label, no: Label) -> Label {
        let low = self.low.compare(to, IF_AT_LEAST, low(least), yes, no);
        let equal = self.high.compare(to, IF_EQUAL, high(least), low, no);
        self.high.compare(to, IF_GREATER, high(least), yes, equal)
    }
}
