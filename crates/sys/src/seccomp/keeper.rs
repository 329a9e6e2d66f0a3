//! Calls by which a program could order the process that keeps its sandbox.
//!
//! That process is number 1 there, and has the program's user: the kernel would let the program give it the least share of
//! the processor, or a limit. It is what ends the sandbox: killed, it has to run once more, and with `SCHED_IDLE` beside
//! 50 busy threads that took minutes. What a program does to its own processes stays free. Not here: signals, which the
//! kernel keeps from process 1, and what needs a look into its memory, which it does not let anybody have.

use libc::{EPERM, PRIO_USER};

use super::{
    call::Call,
    guarded::equal,
    quiet::errno,
    rule::{Action, Arg, Rule},
};

const KEEPER: i32 = 1;
/// Of `ioprio_set` (linux/ioprio.h): all processes of a user.
const IOPRIO_WHO_USER: i32 = 3;

pub(super) fn keeper() -> [Rule; 7] {
    let of_process = |call| Rule::new(call, Action::Allow).when([equal(Arg::First, KEEPER)], errno(EPERM));
    // All processes of a user are the keeper too.
    let of_many = |call, user| {
        Rule::new(call, Action::Allow)
            .when([equal(Arg::First, user)], errno(EPERM))
            .when([equal(Arg::Second, KEEPER)], errno(EPERM))
    };
    [
        of_process(Call::sched_setaffinity),
        of_process(Call::sched_setattr),
        of_process(Call::sched_setparam),
        of_process(Call::sched_setscheduler),
        of_process(Call::prlimit64),
        of_many(Call::setpriority, PRIO_USER as i32),
        of_many(Call::ioprio_set, IOPRIO_WHO_USER),
    ]
}
