//! Plain behaviour: programs that only end, speak or wait in a particular way.
//!
//! Most never come back to print a line; what they do is the answer.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked};
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "exit", arguments: "CODE", about: "exits with CODE, silently", needs: "-", place: Place::Itself, run: exit },
    Operation { name: "raise", arguments: "SIGNAL", about: "sends itself the signal with that number, with its default action", needs: "-", place: Place::Itself, run: raise },
    Operation { name: "abort", arguments: "", about: "aborts, silently", needs: "-", place: Place::Itself, run: |_| std::process::abort() },
    Operation { name: "segfault", arguments: "", about: "writes to address 0, silently", needs: "-", place: Place::Itself, run: segfault },
    Operation { name: "binary-output", arguments: "", about: "prints the bytes 0 to 255 and nothing else", needs: "-", place: Place::Itself, run: binary },
    Operation { name: "close-stdio", arguments: "[SECONDS]", about: "closes stdin, stdout and stderr, lives on for SECONDS (1), exits with 0", needs: "-", place: Place::Itself, run: close_stdio },
    Operation { name: "count-stdin", arguments: "", about: "reads stdin to its end and tells how long it was", needs: "-", place: Place::Itself, run: count_stdin },
    Operation { name: "sleep", arguments: "SECONDS", about: "sleeps; fractions are allowed", needs: "-", place: Place::Itself, run: sleep },
    Operation { name: "print-environment", arguments: "", about: "prints NAME=VALUE lines and nothing else", needs: "-", place: Place::Itself, run: print_environment },
    Operation { name: "print-ids", arguments: "", about: "prints `uid= euid= gid= egid= groups=` and nothing else", needs: "-", place: Place::Itself, run: print_ids },
];

/// Prints exactly these bytes and exits with 0.
fn speak(bytes: &[u8]) -> Answer {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(blocked("write to stdout"))?;
    std::process::exit(0)
}

fn exit(arguments: &Arguments) -> Answer {
    std::process::exit(arguments.number(0, "CODE", 255)? as i32)
}

fn raise(arguments: &Arguments) -> Answer {
    let signal = arguments.number(0, "SIGNAL", 64)? as i32;
    // SAFETY: plain numbers. No core file: `core_pattern` may point at a program of the host.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    Ok(format!("survived signal {signal}"))
}

fn segfault(_: &Arguments) -> Answer {
    // SAFETY: none; this is the point. Rust's handler for stack overflows hands other faults on to the default action.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 0);
        #[cfg(not(target_arch = "x86_64"))]
        libc::raise(libc::SIGSEGV);
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!("mov dword ptr [{zero}], 1", zero = in(reg) 0_u64);
    }
    Ok("survived writing to address 0".into())
}

fn binary(_: &Arguments) -> Answer {
    let bytes: Vec<u8> = (0..=255).collect();
    speak(&bytes)
}

fn close_stdio(arguments: &Arguments) -> Answer {
    let seconds = if arguments.optional(0).is_some() { arguments.number(0, "SECONDS", 600)? } else { 1 };
    // SAFETY: nothing uses them any more.
    unsafe {
        libc::close(0);
        libc::close(1);
        libc::close(2);
    }
    std::thread::sleep(Duration::from_secs(seconds));
    std::process::exit(0)
}

fn count_stdin(_: &Arguments) -> Answer {
    let (mut total, mut block) = (0_u64, vec![0_u8; 65_536]);
    let mut input = std::io::stdin().lock();
    loop {
        match input.read(&mut block).map_err(blocked("read stdin"))? {
            0 => return Ok(format!("stdin had {total} bytes")),
            count => total += count as u64,
        }
    }
}

fn sleep(arguments: &Arguments) -> Answer {
    let text = arguments.text(0, "SECONDS")?;
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=3600.0).contains(seconds));
    let seconds = seconds.ok_or_else(|| Stop::Inconclusive(format!("SECONDS must be 0 to 3600, not `{text}`")))?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    Ok(format!("slept {seconds} s"))
}

fn print_environment(_: &Arguments) -> Answer {
    let mut bytes = Vec::new();
    for (name, value) in std::env::vars_os() {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(b'=');
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(b'\n');
    }
    speak(&bytes)
}

fn print_ids(_: &Arguments) -> Answer {
    speak(format!("{}\n", crate::privileges::ids()).as_bytes())
}
