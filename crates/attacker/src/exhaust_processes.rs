//! Exhaustion: processes, threads, CPU, and programs that will not go away.

use crate::child::{end, fork, pipe, reached, reached_more, reached_so_far, wait, wait_for_close};
use crate::operation::{Answer, Arguments, Operation, Place, Stop, check};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "fork-bomb", arguments: "N", about: "has N children at once; they end with it", needs: "N below the limits", place: Place::Child, run: fork_bomb },
    Operation { name: "thread-bomb", arguments: "N", about: "has N more threads at once", needs: "N below the limits", place: Place::Child, run: thread_bomb },
    Operation { name: "zombie-flood", arguments: "N", about: "has N dead children that it has not waited for", needs: "N below the limits", place: Place::Child, run: zombies },
    Operation { name: "cpu-burn", arguments: "PROCESSES SECONDS", about: "keeps processes busy and tells the CPU time they got", needs: "-", place: Place::Child, run: burn },
    Operation { name: "stop-everything", arguments: "SECONDS", about: "stops itself and two children; a kernel timer continues it after SECONDS", needs: "-", place: Place::Itself, run: stop_everything },
    Operation { name: "escape-session", arguments: "FILE MILLISECONDS", about: "leaves a grandchild in its own session, without stdio, that writes FILE later", needs: "FILE is writable", place: Place::Itself, run: escape },
    Operation { name: "ignore-signals", arguments: "SECONDS", about: "ignores and blocks every signal that it can for SECONDS", needs: "-", place: Place::Itself, run: ignore_signals },
];

fn fork_bomb(arguments: &Arguments) -> Answer {
    let wanted = arguments.number(0, "N", 20_000)?;
    let (reading, writing) = pipe()?;
    let mut children = Vec::new();
    let mut answer = Ok(());
    let writer = writing.as_raw_fd();
    while (children.len() as u64) < wanted && answer.is_ok() {
        let child = fork(|| {
            // SAFETY: the child's copy, which would keep the pipe open for its brothers.
            unsafe { libc::close(writer) };
            wait_for_close(&reading);
            0
        });
        answer = child.map(|pid| children.push(pid));
        reached(children.len() as u64);
    }
    at_height(&answer, children.len());
    end(&children);
    drop(writing);
    conclude(answer, children.len() as u64, "children at once")
}

/// Holds where all was reached.
fn at_height(answer: &Result<(), Stop>, count: usize) {
    if answer.is_ok() {
        crate::hold::here(&format!("{count} at once"));
    }
}

/// Puts what was reached into the answer.
fn conclude(answer: Result<(), Stop>, count: u64, what: &str) -> Answer {
    match answer {
        Ok(()) => Ok(format!("reached {count} {what}")),
        Err(Stop::Blocked(wall)) => Err(Stop::Blocked(format!("{wall} after reaching {count} {what}"))),
        Err(Stop::Inconclusive(doubt)) => Err(Stop::Inconclusive(format!("{doubt} after reaching {count} {what}"))),
    }
}

fn thread_bomb(arguments: &Arguments) -> Answer {
    let wanted = arguments.number(0, "N", 20_000)?;
    let (mut threads, mut senders, mut answer) = (Vec::new(), Vec::new(), Ok(()));
    while (threads.len() as u64) < wanted && answer.is_ok() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().stack_size(64 << 10).spawn(move || receiver.recv().is_ok());
        answer = thread.map(|thread| threads.push(thread)).map_err(crate::operation::blocked("clone (thread)"));
        senders.push(sender);
        reached(threads.len() as u64);
    }
    at_height(&answer, threads.len());
    drop(senders);
    let count = threads.len() as u64;
    for thread in threads {
        let _ = thread.join();
    }
    conclude(answer, count, "threads at once")
}

fn zombies(arguments: &Arguments) -> Answer {
    let wanted = arguments.number(0, "N", 20_000)?;
    let mut children = Vec::new();
    let mut answer = Ok(());
    while (children.len() as u64) < wanted && answer.is_ok() {
        answer = fork(|| 0).map(|pid| children.push(pid));
        reached(children.len() as u64);
    }
    at_height(&answer, children.len());
    for pid in &children {
        wait(*pid);
    }
    conclude(answer, children.len() as u64, "zombies at once")
}

fn burn(arguments: &Arguments) -> Answer {
    let processes = arguments.number(0, "PROCESSES", 256)?;
    let time = Duration::from_secs(arguments.number(1, "SECONDS", 600)?);
    let start = Instant::now();
    let mut children = Vec::new();
    let mut answer = Ok(());
    for _ in 0..processes {
        let child = fork(|| {
            let mut number = 1_u64;
            while start.elapsed() < time {
                for _ in 0..10_000 {
                    number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                }
            }
            0
        });
        match child {
            Ok(pid) => children.push(pid),
            Err(stop) => {
                answer = Err(stop);
                break;
            }
        }
    }
    for pid in &children {
        let status = wait(*pid);
        if libc::WIFSIGNALED(status) {
            answer = Err(Stop::Blocked(crate::child::ending(status)));
        }
    }
    // SAFETY: a structure of plain numbers, filled by the kernel.
    let usage = unsafe {
        let mut usage = std::mem::zeroed::<libc::rusage>();
        check("getrusage", libc::getrusage(libc::RUSAGE_CHILDREN, &raw mut usage))?;
        usage
    };
    let used = usage.ru_utime.tv_sec as u64 * 1000 + usage.ru_utime.tv_usec as u64 / 1000;
    reached_more(used);
    let what = format!("ms of CPU time in {} processes and {} ms", children.len(), start.elapsed().as_millis());
    conclude(answer, reached_so_far().max(used), &what)
}

/// A timer of the kernel's own, which continues this process even when nobody else does.
fn continue_after(seconds: u64) -> Result<(), Stop> {
    // SAFETY: structures of plain numbers, live for the calls.
    unsafe {
        let mut event = std::mem::zeroed::<libc::sigevent>();
        event.sigev_notify = libc::SIGEV_SIGNAL;
        event.sigev_signo = libc::SIGCONT;
        let mut timer = std::mem::zeroed::<libc::timer_t>();
        check("timer_create", libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer))?;
        let mut when = std::mem::zeroed::<libc::itimerspec>();
        when.it_value.tv_sec = seconds.max(1) as i64;
        check("timer_settime", libc::timer_settime(timer, 0, &raw const when, std::ptr::null_mut()))?;
    }
    Ok(())
}

fn stop_everything(arguments: &Arguments) -> Answer {
    let seconds = arguments.number(0, "SECONDS", 600)?;
    continue_after(seconds)?;
    let mut children = Vec::new();
    for _ in 0..2 {
        let child = fork(|| {
            // SAFETY: plain numbers. A stopped child of a dead parent would stay for ever.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::raise(libc::SIGSTOP);
            }
            0
        });
        children.extend(child.ok());
    }
    let start = Instant::now();
    // SAFETY: stops this process until somebody continues it.
    let stopped = check("raise(SIGSTOP)", unsafe { libc::raise(libc::SIGSTOP) });
    let count = children.len();
    end(&children);
    stopped?;
    Ok(format!("was stopped with {count} children for {} ms", start.elapsed().as_millis()))
}

fn escape(arguments: &Arguments) -> Answer {
    let file = arguments.text(0, "FILE")?.to_owned();
    let pause = Duration::from_millis(arguments.number(1, "MILLISECONDS", 60_000)?);
    let child = fork(|| {
        // SAFETY: plain numbers; a new session, away from the launcher's.
        unsafe { libc::setsid() };
        let grandchild = fork(|| {
            // Whoever reads the program's output sees it end.
            // SAFETY: descriptors that this process does not use any more.
            unsafe {
                libc::close(0);
                libc::close(1);
                libc::close(2);
            }
            std::thread::sleep(pause);
            i32::from(std::fs::write(&file, b"escaped\n").is_err())
        });
        i32::from(grandchild.is_err())
    })?;
    match libc::WEXITSTATUS(wait(child)) {
        0 => Ok(format!("a grandchild will write {file} after {} ms", pause.as_millis())),
        _ => Err(Stop::Blocked("the child could not fork".into())),
    }
}

fn ignore_signals(arguments: &Arguments) -> Answer {
    let time = Duration::from_secs(arguments.number(0, "SECONDS", 600)?);
    // SAFETY: plain numbers and a live set; KILL and STOP are refused by the kernel, as they should be.
    unsafe {
        for signal in 1..65 {
            libc::signal(signal, libc::SIG_IGN);
        }
        let mut all = std::mem::zeroed::<libc::sigset_t>();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, std::ptr::null_mut());
    }
    std::thread::sleep(time);
    Ok(format!("ignored all signals for {} ms", time.as_millis()))
}
