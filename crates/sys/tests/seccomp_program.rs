//! The compiled program, run by a small interpreter, against what the rules say.

#![allow(clippy::pedantic, clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "not library code")]

mod common;

use common::{arguments, interesting, policies, with};
use palisade_sys::seccomp::{
    Action, Arch, Arg, Arm, Call, CompileError, INT, Is, Rule, Rules, SockFilter, Test, compile,
};
use proptest::prelude::*;

const ARCHES: [Arch; 2] = [Arch::X86_64, Arch::Aarch64];

/// Runs a program as the kernel does. Returns its answer and the number of instructions executed.
fn run(program: &[SockFilter], arch: u32, nr: u32, args: &[u64; 6]) -> (u32, usize) {
    let mut data = vec![nr, arch, 0xdead_beef, 0xdead_beef];
    data.extend(args.iter().flat_map(|arg| [*arg as u32, (arg >> 32) as u32]));
    let (mut at, mut accumulator, mut steps) = (0, 0, 0);
    loop {
        let SockFilter { code, jt, jf, k } = program[at];
        at += 1;
        steps += 1;
        let mut jump = |holds: bool| at += usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = data[k as usize / 4],
            0x54 => accumulator &= k,
            0x06 => return (k, steps),
            0x05 => at += k as usize,
            0x15 => jump(accumulator == k),
            0x25 => jump(accumulator > k),
            0x35 => jump(accumulator >= k),
            0x45 => jump(accumulator & k != 0),
            other => panic!("instruction {other:#x} at {}", at - 1),
        }
    }
}

fn word(action: Action) -> u32 {
    match action {
        Action::Allow => 0x7fff_0000,
        Action::Errno(number) => 0x0005_0000 | u32::from(number),
        Action::Notify => 0x7fc0_0000,
        Action::Trap => 0x0003_0000,
        Action::KillProcess => 0x8000_0000,
    }
}

fn agree(rules: &Rules, arch: Arch, program: &[SockFilter], nr: u32, args: &[u64; 6]) {
    let (answer, _) = run(program, arch.audit(), nr, args);
    assert_eq!(answer, word(rules.decide(arch, nr, args)), "{arch:?} {nr} {:?} {args:x?}", Call::at(arch, nr));
}

#[test]
fn every_policy_compiles_to_what_its_rules_say_for_every_number_and_both_architectures() {
    for policy in policies() {
        let rules = policy.rules();
        for arch in ARCHES {
            let program = compile(&rules, arch).unwrap();
            assert!(program.len() < 400, "{} instructions", program.len());
            for nr in (0..=600).chain([0x3fff_ffff, 0x4000_0000, 0x4000_0001, 0x4000_0200, 0x8000_0000, u32::MAX]) {
                for args in [[0; 6], [u64::MAX; 6], [1, 2, 3, 4, 5, 6]] {
                    agree(&rules, arch, &program, nr, &args);
                }
            }
            for rule in &rules.rules {
                let Some(nr) = rule.call.number(arch) else { continue };
                for args in arguments(rule) {
                    agree(&rules, arch, &program, nr, &args);
                }
            }
        }
    }
}

#[test]
fn another_architecture_is_killed_whatever_it_calls() {
    for policy in policies() {
        for arch in ARCHES {
            let program = compile(&policy.rules(), arch).unwrap();
            // i386, arm, x86_64 or aarch64 (the other one), nonsense.
            for other in [0x4000_0003, 0x4000_0028, 0xc000_003e, 0xc000_00b7, 0, u32::MAX] {
                if other != arch.audit() {
                    for nr in 0..=600 {
                        assert_eq!(run(&program, other, nr, &[0; 6]).0, word(Action::KillProcess));
                    }
                }
            }
        }
    }
}

#[test]
fn x32_numbers_are_killed_even_if_everything_is_allowed() {
    let rules = Rules { rules: vec![], otherwise: Action::Allow };
    let program = compile(&rules, Arch::X86_64).unwrap();
    for nr in [0x4000_0000, 0x4000_0000 + 59, 0x4000_0000 + 512] {
        assert_eq!(run(&program, Arch::X86_64.audit(), nr, &[0; 6]).0, word(Action::KillProcess));
    }
}

#[test]
fn a_call_is_decided_in_few_steps() {
    for policy in policies() {
        for arch in ARCHES {
            let program = compile(&policy.rules(), arch).unwrap();
            let longest = (0..=600).map(|nr| run(&program, arch.audit(), nr, &[0; 6]).1).max();
            assert!(longest <= Some(32), "{longest:?}");
        }
    }
}

#[test]
fn rules_longer_than_the_kernel_takes_are_refused() {
    let test = Test::new(Arg::First, INT, Is::OneOf((0..5000).collect()));
    let rule = Rule::new(Call::ioctl, Action::Allow).when([test], Action::KillProcess);
    let rules = Rules { rules: vec![rule], otherwise: Action::Allow };
    assert!(matches!(compile(&rules, Arch::X86_64), Err(CompileError::TooLong(5000..))));
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        (1..4u16).prop_map(Action::Errno),
        Just(Action::Notify),
        Just(Action::Trap),
        Just(Action::KillProcess)
    ]
}

/// Values that meet each other often, in either half or both.
fn value() -> impl Strategy<Value = u64> {
    let half = prop_oneof![0..4u64, Just(0x7fff_ffff), Just(0x8000_0000), Just(0xffff_fffe), Just(0xffff_ffff)];
    (half.clone(), half).prop_map(|(high, low)| high << 32 | low)
}

fn test() -> impl Strategy<Value = Test> {
    let arg = prop::sample::select(vec![Arg::First, Arg::Second, Arg::Third, Arg::Fourth, Arg::Fifth, Arg::Sixth]);
    let mask = prop_oneof![Just(INT), Just(u64::MAX), Just(0), value(), any::<u64>()];
    let is = prop_oneof![
        4 => value().prop_map(Is::Equal),
        3 => prop::collection::vec(value(), 0..6).prop_map(Is::OneOf),
        1 => prop::collection::vec(0..400u64, 250..320).prop_map(Is::OneOf),
        3 => Just(Is::NonZero),
        3 => value().prop_map(Is::AtLeast),
        3 => value().prop_map(Is::AtMost),
    ];
    (arg, mask, is).prop_map(|(arg, mask, is)| Test { arg, mask, is })
}

fn rules() -> impl Strategy<Value = Rules> {
    let arm = (prop::collection::vec(test(), 0..4), action()).prop_map(|(tests, action)| Arm { tests, action });
    let some = prop::sample::subsequence(Call::ALL.to_vec(), 0..60);
    let bodies = prop::collection::vec((prop::collection::vec(arm, 0..3), action()), 60);
    (some, bodies, action()).prop_map(|(calls, bodies, otherwise)| {
        let rules = calls.into_iter().zip(bodies);
        let rules = rules.map(|(call, (arms, otherwise))| Rule { call, arms, otherwise });
        Rules { rules: rules.collect(), otherwise }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_rules_compile_to_what_they_say(
        rules in rules(),
        args in prop::collection::vec(prop::array::uniform6(value()), 8),
    ) {
        for arch in ARCHES {
            let program = match compile(&rules, arch) {
                Ok(program) => program,
                Err(CompileError::TooLong(_)) => continue,
                Err(error) => panic!("{error}"),
            };
            for rule in &rules.rules {
                let Some(nr) = rule.call.number(arch) else { continue };
                for args in &args {
                    agree(&rules, arch, &program, nr, args);
                }
                for test in rule.arms.iter().flat_map(|arm| &arm.tests) {
                    for value in interesting(test).into_iter().take(12) {
                        agree(&rules, arch, &program, nr, &with(args[0], test.arg as usize, value));
                    }
                }
            }
            for nr in (0..=600).chain([0x4000_0000, u32::MAX]) {
                agree(&rules, arch, &program, nr, &args[0]);
            }
        }
    }
}
