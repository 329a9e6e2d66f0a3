//! Policies and arguments that tests go through.

#![allow(dead_code, reason = "every test file uses some of it")]

use palisade_sys::seccomp::{Denied, Families, Forks, Is, Policy, Rule, Test};

pub(crate) fn policies() -> impl Iterator<Item = Policy> {
    let denied = [Denied::Errno, Denied::Notify, Denied::Kill];
    let forks = [Forks::Free, Forks::Notify];
    let families = [Families::Unix, Families::UnixInet, Families::UnixInetRoute];
    denied.into_iter().flat_map(move |denied| {
        forks.into_iter().flat_map(move |forks| families.map(|families| Policy { denied, forks, families }))
    })
}

/// Every combination of arguments around what the rule compares with. Only for hand-written rules: the number of
/// combinations is the product over the arguments.
pub(crate) fn arguments(rule: &Rule) -> Vec<[u64; 6]> {
    let mut values: [Vec<u64>; 6] = std::array::from_fn(|_| vec![0, u64::MAX]);
    for test in rule.arms.iter().flat_map(|arm| &arm.tests) {
        values[test.arg as usize].extend(interesting(test));
    }
    for list in &mut values {
        list.sort_unstable();
        list.dedup();
    }
    let mut all = vec![[0; 6]];
    for (index, list) in values.iter().enumerate().filter(|(_, list)| list.len() > 2) {
        all = all.into_iter().flat_map(|args| list.iter().map(move |value| with(args, index, *value))).collect();
    }
    all.extend([[u64::MAX; 6], [1; 6]]);
    all
}

/// Each value that the test compares with, its neighbours, and the same with bits that the mask does not see.
pub(crate) fn interesting(test: &Test) -> Vec<u64> {
    let wanted = match &test.is {
        Is::Equal(value) | Is::AtLeast(value) | Is::AtMost(value) => vec![*value],
        Is::OneOf(set) => set.clone(),
        Is::NonZero => (0..64).map(|bit| 1 << bit).filter(|bit| bit & test.mask != 0).collect(),
    };
    let near = |value: u64| [value, value.wrapping_add(1), value.wrapping_sub(1), value | !test.mask, value | 1 << 32];
    wanted.into_iter().flat_map(near).collect()
}

pub(crate) fn with(mut args: [u64; 6], index: usize, value: u64) -> [u64; 6] {
    args[index] = value;
    args
}
