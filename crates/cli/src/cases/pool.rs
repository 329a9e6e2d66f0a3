//! Several pieces of work at one time, in order.
//!
//! Not here: what the work is. Each sandbox ends with the thread that started it, so a thread stays with its work.

use std::{
    cell::Cell,
    num::NonZeroUsize,
    sync::{
        Condvar, Mutex, PoisonError,
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

/// What `jobs` stands for: taken before a piece of work is begun, free again when its program has ended. The end of its
/// sandbox, for which the kernel takes its time and hardly any processor, is waited for without one.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    seats: &'a Seats,
    taken: Cell<bool>,
}

impl Seat<'_> {
    /// Lets the next piece of work begin.
    pub(crate) fn leave(&self) {
        if self.taken.replace(false) {
            // A thread that panics holds no seat while it does.
            *self.seats.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            self.seats.left.notify_one();
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[derive(Debug)]
struct Seats {
    free: Mutex<usize>,
    left: Condvar,
}

impl Seats {
    fn take(&self) -> Seat<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.left.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Seat { seats: self, taken: Cell::new(true) }
    }
}

/// Does `task` with each of `work`, no more than `jobs` at one time that have not left their seat. Each thread makes itself
/// a `state` first, which its pieces of work use in turn. `seen` is told of each result as it comes, on the calling thread.
/// The results are in the order of the work; what was not begun is `None`.
pub(crate) fn work<W: Sync, S, T: Send>(
    work: &[W],
    jobs: NonZeroUsize,
    state: impl Fn() -> S + Sync,
    task: impl Fn(&mut S, &W, &Seat<'_>) -> (T, Then) + Sync,
    mut seen: impl FnMut(&T),
) -> Vec<Option<T>> {
    let mut results: Vec<Option<T>> = work.iter().map(|_| None).collect();
    let (next, halted) = (AtomicUsize::new(0), AtomicBool::new(false));
    let seats = Seats { free: Mutex::new(jobs.get()), left: Condvar::new() };
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.get().saturating_mul(2).min(work.len()) {
            let (sender, next, halted, seats, state, task) = (sender.clone(), &next, &halted, &seats, &state, &task);
            scope.spawn(move || {
                let mut state = state();
                loop {
                    let seat = seats.take();
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(piece) = work.get(number).filter(|_| !halted.load(Ordering::Acquire)) else { return };
                    let (result, then) = task(&mut state, piece, &seat);
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
        let results = work(&numbers, jobs(4), || (), |(), number, _| (number * 2, Then::GoOn), |_| seen += 1);
        assert_eq!(results, numbers.iter().map(|number| Some(number * 2)).collect::<Vec<_>>());
        assert_eq!(seen, 50);
        assert!(work(&[(); 0], jobs(4), || (), |(), (), _| ((), Then::GoOn), |()| ()).is_empty());
    }

    #[test]
    fn as_many_work_at_one_time_as_there_are_jobs() {
        // Each waits for two others.
        let barrier = Barrier::new(3);
        assert_eq!(work(&[(); 9], jobs(3), || (), |(), (), _| (barrier.wait(), Then::GoOn), |_| ()).len(), 9);
    }

    #[test]
    fn after_a_stop_nothing_more_is_begun() {
        let then = |number| if number == 2 { Then::Stop } else { Then::GoOn };
        let results = work(&[0, 1, 2, 3, 4], jobs(1), || (), |(), number, _| (*number, then(*number)), |_| ());
        assert_eq!(results, [Some(0), Some(1), Some(2), None, None]);
    }

    #[test]
    fn no_more_work_is_begun_than_there_are_seats_whatever_is_still_being_ended() {
        let (seated, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let task = |(): &mut (), (): &(), seat: &Seat<'_>| {
            most.fetch_max(seated.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            seated.fetch_sub(1, Ordering::SeqCst);
            seat.leave();
            seat.leave();
            thread::yield_now();
            ((), Then::GoOn)
        };
        work(&[(); 200], jobs(2), || (), task, |()| ());
        assert!((1..=2).contains(&most.into_inner()));
    }

    #[test]
    fn work_that_has_left_its_seat_makes_room_before_it_is_done() {
        // With one seat, the first can only be done when the second has begun.
        let barrier = Barrier::new(2);
        let task = |(): &mut (), (): &(), seat: &Seat<'_>| {
            seat.leave();
            (barrier.wait(), Then::GoOn)
        };
        assert_eq!(work(&[(); 8], jobs(1), || (), task, |_| ()).len(), 8);
    }
}
