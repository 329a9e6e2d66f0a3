//! `palisade pool start`: a process of its own that keeps the pool, or this one.
//!
//! Not here: what it does then (`keep.rs`).

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

use palisade::{Pool, Preparation, Prepared, StartError, prepare};
use rustix::process::{Resource, getrlimit};

use super::{Failure, Start, Trouble, keep::Keeper, place::Claim};
use crate::{
    config::{self, Held},
    print, request,
};

/// Starts the process, and returns when its sandboxes stand.
pub(super) fn apart() -> i32 {
    palisade_sys::keep_from_programs();
    // `pool start`, and what was said behind it.
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    words.insert(2.min(words.len()), "--announce".into());
    let mut command = Command::new("/proc/self/exe");
    command.arg0("palisade").args(words).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return print::failure(&format_args!("cannot start a process for the pool: {error}"), None),
    };
    let mut said = String::new();
    let heard = child.stdout.take().map(|mut stdout| stdout.read_to_string(&mut said));
    match heard {
        Some(Ok(_)) if !said.is_empty() => print::data(&said),
        // It has told why.
        _ => match child.wait() {
            Ok(status) => status.code().unwrap_or(125),
            Err(error) => print::failure(&error, None),
        },
    }
}

/// Keeps it in this process, until it is told to end.
pub(super) fn here(args: Start) -> i32 {
    match keep(args) {
        Ok(()) => 0,
        Err(Failure::Start(error)) => print::start_error(&error, false),
        Err(Failure::Trouble(trouble)) => print::trouble(&trouble),
    }
}

fn keep(args: Start) -> Result<(), Failure> {
    // Before there is any other thread.
    let stop = palisade_sys::signals::receive(&palisade_sys::signals::STOP)?;
    if args.announce {
        // Out of reach of the terminal, and of its Ctrl-C.
        rustix::process::setsid().map_err(io::Error::from)?;
    }
    if getrlimit(Resource::Cpu).current.is_some() {
        let hint =
            "raise it (`ulimit -t unlimited`) where the pool is started; each program has its own `--cpu-time-limit`";
        return Err(Trouble::new(
            "the limit of processor time (`ulimit -t`) would end the pool, and every program in it",
            hint,
        )
        .into());
    }
    if args.wants.check.is_some() {
        return Err(unfit("each program would be looked at first (--check)").into());
    }
    let claim = Claim::new()?;
    let held = config::hold(&args.wants, args.on_output_limit)?;
    print::notices(&held.settled.notices);
    let prepared = prepared(&args, &held, &claim)?;
    let likeness = prepared.likeness().map_err(unfit)?;
    std::env::set_current_dir("/")?;
    let keeper = Keeper::new(args.size, || {
        let pool = Pool::new(prepared, args.size)?;
        pool.fill()?;
        Ok::<_, Failure>((pool, likeness))
    })?;
    let listener = claim.listen()?;
    let (size, pid) = (args.size, std::process::id());
    let sandboxes = if size == 1 { "sandbox stands" } else { "sandboxes stand" };
    let said = print::announce(&format!("{size} {sandboxes} ready, kept by process {pid}\n"));
    if args.announce {
        said?;
        leave_streams()?;
    }
    keeper.serve(listener, stop)?;
    Ok(())
}

/// What each sandbox is: one for commands, or for source files of a language.
fn prepared(args: &Start, held: &Held, claim: &Claim) -> Result<Prepared, Failure> {
    let wants = &args.wants;
    if wants.language.is_none() {
        let wanted = request::command("true".to_owned(), Vec::new(), wants, held)
            .map_err(|refused| Trouble::new(refused.what, refused.hint))?;
        return match prepare(&wanted, None)? {
            Preparation::Ready(prepared) => Ok(prepared),
            Preparation::Failed(_) => Err(unfit("it is compiled").into()),
        };
    }
    let source = claim.example()?;
    let prepared = prepare(&request::source(source.clone(), Vec::new(), wants, held), None);
    // It is open, or of no use.
    let _ = fs::remove_file(source);
    match prepared? {
        Preparation::Ready(prepared) => Ok(prepared.for_any_source().map_err(unfit)?),
        Preparation::Failed(_) => Err(unfit("its programs are compiled first").into()),
    }
}

fn unfit(because: &str) -> Trouble {
    let hint = "leave out what is more than files to read and an interpreter: such runs make a sandbox of their own";
    Trouble::new(format!("sandboxes of this kind cannot stand ready for others: {because}"), hint)
}

/// Nobody waits for the end of this process's streams.
fn leave_streams() -> io::Result<()> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(())
}

impl From<io::Error> for Failure {
    fn from(source: io::Error) -> Self {
        Self::Start(StartError::Io { doing: "keep a pool", source })
    }
}
