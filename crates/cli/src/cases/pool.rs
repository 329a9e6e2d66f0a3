//! Several pieces of work at one time, in order.
//!
//! Not here: what the work is. Each sandbox ends with the thread that started it, so a thread stays with its work.

use std::{
    num::NonZeroUsize,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

/// Whether more work is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Yes.
    GoOn,
    /// No. What is under way comes to its end.
    Stop,
}

/// Does `task` with each of `work`, no more than `jobs` at one time. `seen` is told of each result as it comes, on the
/// calling thread. The results are in the order of the work; what was not begun is `None`.
pub(crate) fn work<W: Sync, T: Send>(
    work: &[W],
    jobs: NonZeroUsize,
    task: impl Fn(&W) -> (T, Then) + Sync,
    mut seen: impl FnMut(&T),
) -> Vec<Option<T>> {
    let mut results: Vec<Option<T>> = work.iter().map(|_| None).collect();
    let (next, halted) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.get().min(work.len()) {
            let (sender, next, halted, task) = (sender.clone(), &next, &halted, &task);
            scope.spawn(move || {
                while !halted.load(Ordering::Acquire) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = work.get(number) else { return };
                    let (result, then) = task(piece);
                    if then == Then::Stop {
                        halted.store(true, Ordering::Release);
                    }
                    // The receiver lives until every sender is gone.
                    let _ = sender.send((number, result));
                }
            });
        }
        drop(sender);
        for (number, result) in receiver {
            seen(&result);
            if let Some(place) = results.get_mut(number) {
                *place = Some(result);
            }
        }
    });
    results
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn jobs(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    #[test]
    fn results_come_in_the_order_of_the_work_and_each_once() {
        let mut seen = 0;
        let numbers: Vec<u32> = (0..50).collect();
        let results = work(&numbers, jobs(4), |number| (number * 2, Then::GoOn), |_| seen += 1);
        assert_eq!(results, numbers.iter().map(|number| Some(number * 2)).collect::<Vec<_>>());
        assert_eq!(seen, 50);
        assert!(work(&[(); 0], jobs(4), |()| ((), Then::GoOn), |()| ()).is_empty());
    }

    #[test]
    fn as_many_work_at_one_time_as_there_are_jobs() {
        // Each waits for two others.
        let barrier = Barrier::new(3);
        assert_eq!(work(&[(); 9], jobs(3), |()| (barrier.wait(), Then::GoOn), |_| ()).len(), 9);
    }

    #[test]
    fn after_a_stop_nothing_more_is_begun() {
        let then = |number| if number == 2 { Then::Stop } else { Then::GoOn };
        let results = work(&[0, 1, 2, 3, 4], jobs(1), |number| (*number, then(*number)), |_| ());
        assert_eq!(results, [Some(0), Some(1), Some(2), None, None]);
    }
}
