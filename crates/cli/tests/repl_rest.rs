//! What becomes of a session between two inputs, while nobody asks it anything.
//!
//! Not here: what an input leaves running, and everything else that ends sessions (`repl.rs`).
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod common;
#[path = "common/talk.rs"]
mod talk;

use std::time::Duration;

use palisade_testkit::wait_for;
use talk::{Talk, everyone_who_has};

#[test]
fn a_session_outlives_an_input_that_has_used_all_of_its_processor_time() {
    for (language, tool, endless) in [("python", "python", "while True: pass"), ("javascript", "node", "for (;;) {}")] {
        everyone_who_has(tool, |place| {
            let mut talk = Talk::start(place, language, "--cpu-time-limit 1s --time-limit 60s");
            talk.ask(if language == "python" { "x = 41" } else { "const x = 41" });
            assert_eq!(talk.ask(endless)["outcome"]["limit"], "cpu-time");
            // Its supervisor looks a hundred times a second.
            assert!(!wait_for(Duration::from_secs(1), || talk.is_alone()), "it has ended by itself");
            assert_eq!(talk.value("x + 1"), "42");
            assert_eq!(talk.end(), 0);
        });
    }
}
