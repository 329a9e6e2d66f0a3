//! The table of call numbers against two independent ones, and the tables of rules against each other.

#![allow(clippy::pedantic, clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "not library code")]

use std::collections::HashSet;

use palisade_sys::seccomp::{Action, Arch, Call, Denied, Families, Forks, Policy, Rules, compile, name_of};

fn rules(denied: Denied) -> Rules {
    Policy { denied, forks: Forks::Free, families: Families::Unix }.rules()
}

#[test]
fn numbers_and_names_are_those_of_the_crate_syscalls() {
    for nr in 0..600 {
        let ours = Call::at(Arch::X86_64, nr).map(Call::name);
        // Missing there.
        if !matches!(nr, 335 | 336) {
            assert_eq!(ours, syscalls::x86_64::Sysno::new(nr as usize).map(|call| call.name()), "x86_64 {nr}");
        }
        let ours = Call::at(Arch::Aarch64, nr).map(Call::name);
        let theirs = syscalls::aarch64::Sysno::new(nr as usize).map(|call| call.name());
        // They call it `fstatat`, and list calls of 32-bit architectures at 403..=423.
        if nr != 79 && !(403..=423).contains(&nr) {
            assert_eq!(ours, theirs, "aarch64 {nr}");
        }
    }
    assert_eq!(Call::newfstatat.number(Arch::Aarch64), Some(79));
}

#[test]
fn some_numbers_are_those_of_libc() {
    for (number, name) in [
        (libc::SYS_read, "read"),
        (libc::SYS_newfstatat, "newfstatat"),
        (libc::SYS_clone3, "clone3"),
        (libc::SYS_io_uring_setup, "io_uring_setup"),
        (libc::SYS_ptrace, "ptrace"),
        (libc::SYS_landlock_restrict_self, "landlock_restrict_self"),
        (libc::SYS_seccomp, "seccomp"),
    ] {
        assert_eq!(name_of(number as u32), Some(name));
    }
    assert_eq!(name_of(600), None);
}

#[test]
fn a_number_belongs_to_one_call() {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let numbers: Vec<_> = Call::ALL.iter().filter_map(|call| call.number(arch)).collect();
        assert_eq!(numbers.len(), numbers.iter().collect::<HashSet<_>>().len(), "{arch:?}");
    }
}

#[test]
fn a_call_has_one_rule() {
    let rules = rules(Denied::Notify);
    let calls: HashSet<_> = rules.rules.iter().map(|rule| rule.call).collect();
    assert_eq!(calls.len(), rules.rules.len());
}

/// What no table names gets `ENOSYS`. A call added to the number table shows up here, so somebody decides about it.
#[test]
fn calls_without_a_rule_are_these() {
    let rules = rules(Denied::Notify);
    let ruled: HashSet<_> = rules.rules.iter().map(|rule| rule.call).collect();
    let unruled: Vec<_> = Call::ALL.iter().filter(|call| !ruled.contains(call)).map(|call| call.name()).collect();
    let expected = "uselib ustat sysfs _sysctl getpmsg putpmsg afs_syscall tuxcall security set_thread_area \
                    get_thread_area epoll_ctl_old epoll_wait_old remap_file_pages vserver statmount listmount \
                    lsm_get_self_attr lsm_set_self_attr lsm_list_modules";
    assert_eq!(unruled.join(" "), expected);
}

#[test]
fn only_notifying_policies_need_a_listener() {
    for (denied, forks, needed) in [
        (Denied::Errno, Forks::Free, false),
        (Denied::Kill, Forks::Free, false),
        (Denied::Notify, Forks::Free, true),
        (Denied::Errno, Forks::Notify, true),
    ] {
        assert_eq!(Policy { denied, forks, families: Families::Unix }.rules().notifies(), needed);
    }
}

#[test]
fn a_second_rule_for_a_call_is_refused_by_name() {
    let mut rules = rules(Denied::Kill);
    rules.rules.push(palisade_sys::seccomp::Rule::new(Call::mount, Action::Allow));
    let error = compile(&rules, Arch::X86_64).unwrap_err();
    assert_eq!(error.to_string(), "two rules for the system call mount");
}
