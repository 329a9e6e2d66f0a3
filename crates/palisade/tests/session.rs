//! Sessions by the library: what an input has to itself, and what is shared between inputs and looks at unfinished ones.
//!
//! Not here: languages, answers and the end of a session, which `palisade repl` shows (`cli/tests/repl.rs`).
#![allow(clippy::unwrap_used, clippy::panic, reason = "not library code")]
#![cfg(target_os = "linux")]

use std::time::Duration;

use palisade::{
    Printed, Session, Sink,
    spec::{Bytes, Evaluation, InputOutcome, LimitKind, Outcome, Program, Request},
};
use palisade_testkit::wait_for;

/// Long enough for a busy host.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session in Python that is there, with these seconds of elapsed and processor time for an input.
fn session(wall: u64, cpu: u64, output: u64) -> Session {
    let mut request = Request::new(Program::Session { language: "python".to_owned() });
    request.policy.limits.wall_time = Some(Duration::from_secs(wall));
    request.policy.limits.cpu_time = Some(Duration::from_secs(cpu));
    request.policy.limits.output = Some(Bytes(output));
    let mut session = Session::start(request, Duration::from_secs(3600)).unwrap();
    assert_eq!(evaluate(&mut session, "").outcome, InputOutcome::Finished);
    session
}

fn evaluate(session: &mut Session, code: &str) -> Evaluation {
    session.evaluate(code, &mut Sink::Keep).unwrap()
}

/// Makes each look at an unfinished input print something, as background work may at any time.
const TALKATIVE: &str = "import codeop\nlook = codeop._maybe_compile\ndef said(*a):\n    print('a line')\n    return look(*a)\n\
                         codeop._maybe_compile = said";

#[test]
fn an_empty_input_has_its_limit_and_not_that_of_the_start() {
    let mut session = session(2, 60, 1000);
    // What compiles nothing takes longer than an input may, and less than the language may to be there.
    let slow = "import builtins, time\ncompiled = builtins.compile\ndef slow(code, *a, **k):\n    \
                end = time.monotonic() + (0 if code else 15)\n    while time.monotonic() < end: pass\n    \
                return compiled(code, *a, **k)\nbuiltins.compile = slow";
    assert_eq!(evaluate(&mut session, slow).outcome, InputOutcome::Finished);
    let empty = evaluate(&mut session, "");
    assert_eq!(empty.outcome, InputOutcome::LimitHit { limit: LimitKind::WallTime }, "{empty:?}");
}

#[test]
fn looking_at_an_unfinished_input_gives_background_work_no_more_processor_time() {
    let mut session = session(60, 2, 1000);
    let burn = "import threading\nthreading.Thread(target=exec, args=('while True: pass',), daemon=True).start()";
    assert_eq!(evaluate(&mut session, burn).outcome, InputOutcome::Finished);
    let ended = wait_for(PATIENCE, || !session.may_go_on("(").unwrap());
    assert!(ended, "each look gives it more");
    let over = evaluate(&mut session, "1");
    let report = over.session.unwrap();
    assert_eq!(report.outcome, Outcome::LimitHit { limit: LimitKind::CpuTime }, "{report:?}");
}

#[test]
fn what_is_printed_between_two_looks_is_kept_up_to_the_limit() {
    for (limit, kept) in [(1000, "a line\n".repeat(3)), (10, "a line\na l".to_owned())] {
        let mut session = session(60, 60, limit);
        evaluate(&mut session, TALKATIVE);
        for _ in 0..3 {
            assert!(session.may_go_on("(").unwrap());
        }
        let told = evaluate(&mut session, "1");
        assert_eq!(String::from_utf8_lossy(&told.stdout.kept), kept);
        assert_eq!((told.stdout.total, told.stdout.cut), (21, limit == 10), "all of it is counted");
        // Nor is it lost if an input is refused, or none comes any more.
        assert!(session.may_go_on("(").unwrap());
        session.evaluate(&"#".repeat((16 << 20) + 1), &mut Sink::Keep).unwrap_err();
        let mut passed = Vec::new();
        session.end(&mut Sink::Pass(&mut |which, bytes| passed.push((which, bytes.to_vec())))).unwrap();
        assert_eq!(passed, [(Printed::Output, b"a line\n".to_vec())]);
    }
}

#[test]
fn the_longest_honest_answer_is_one_whatever_the_limit() {
    for limit in [0, 1, 100] {
        let mut session = session(60, 60, limit);
        let long = "class E(Exception): pass\nE.__name__ = '\\U0001f600' * 999\nraise E('\\U0001f600' * 999)";
        let told = evaluate(&mut session, long);
        let error = told.error.unwrap();
        for text in [&error.name, &error.message, &error.trace] {
            assert_eq!(text.chars().count() as u64, limit, "{error:?}");
        }
        assert_eq!((&error.name, told.truncated), (&"\u{1f600}".repeat(limit as usize), true));
        assert_eq!(evaluate(&mut session, "''").outcome, InputOutcome::Finished);
    }
}
