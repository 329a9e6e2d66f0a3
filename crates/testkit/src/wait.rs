//! Waiting for an event instead of sleeping for a guess.

use std::time::{Duration, Instant};

/// Asks again and again until the answer is yes or `deadline` has passed. Returns the last answer.
///
/// Asks at least once, and once more at the end, so a slow machine does not turn a yes into a no.
pub fn wait_for(deadline: Duration, mut happened: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    while start.elapsed() < deadline {
        if happened() {
            return true;
        }
        std::thread::sleep(pause.min(deadline.saturating_sub(start.elapsed())));
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    happened()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_has_happened_is_seen_even_without_time() {
        assert!(wait_for(Duration::ZERO, || true));
    }

    #[test]
    fn waiting_ends_at_the_deadline_with_a_no() {
        let start = Instant::now();
        assert!(!wait_for(Duration::from_millis(30), || false));
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn an_event_that_happens_later_is_seen() {
        let mut asked = 0;
        assert!(wait_for(Duration::from_secs(10), || {
            asked += 1;
            asked == 4
        }));
        assert_eq!(asked, 4);
    }
}
