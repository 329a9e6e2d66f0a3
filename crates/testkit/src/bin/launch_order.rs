//! Writes `crates/cli/launch.ld`: the functions that a launch runs through, for the linker to put beside each other.
//!
//! Each page of a program's file that is touched costs a page fault at the start and some more when the process ends, and a launch
//! runs through a tenth of `palisade`, spread over all of it. This steps through launches, one instruction after the other, and
//! names what it met. Names are written without their hashes, so the list survives other versions; a name that is gone moves
//! nothing. Not here: the linking (`crates/cli/build.rs`).
//!
//! `cargo rustc --release -p palisade-cli --bin palisade -- -C strip=none`, then
//! `cargo run -p palisade-testkit --bin launch-order -- target/x86_64-unknown-linux-gnu/release/palisade`, on x86-64.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a tool for developers: it fails where it stands")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write,
    fs, io,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    ptr,
};

/// How launches are spelt that are looked at, from the project's folder.
const LAUNCHES: [&[&str]; 3] =
    [&["run", "--", "/usr/bin/true"], &["run", "--json", "examples/hello.py"], &["run", "--", "/no/such"]];

/// A name without its hash can mean many functions. It is left out if that moves more than this, in bytes, and more than twice what
/// is run.
const WASTE: u64 = 2048;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a crate of the workspace");
    let palisade = fs::canonicalize(env::args_os().nth(1).expect("a path of palisade")).expect("palisade is there");
    let functions = functions(&palisade);
    assert!(functions.len() > 1000, "{} has no symbols: build it with -C strip=none", palisade.display());
    let mut met: Vec<&Function> = Vec::new();
    for words in LAUNCHES {
        for at in stepped(Command::new(&palisade).args(words).current_dir(root)) {
            if let Some((_, function)) = functions.range(..=at).next_back()
                && at < function.end
                && !met.iter().any(|known| ptr::eq(*known, function))
            {
                met.push(function);
            }
        }
    }
    let bytes = |name: &str, of: &mut dyn Iterator<Item = &Function>| -> u64 {
        of.filter(|function| function.name == name).map(|function| function.size).sum()
    };
    let mut seen = BTreeSet::new();
    let mut script =
        "/* Written by `launch-order` of the crate testkit, which says what it is for. */\nSECTIONS\n{\n  \
                      .text.launch :\n  {\n"
            .to_owned();
    for name in met.iter().map(|function| &function.name).filter(|name| seen.insert(name.as_str())) {
        let (run, all) = (bytes(name, &mut met.iter().copied()), bytes(name, &mut functions.values()));
        if all - run < WASTE || all < 2 * run {
            writeln!(script, "    *(.text.{name}17h*)").expect("memory");
        }
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    fs::write(root.join("crates/cli/launch.ld"), script).expect("the project can be written");
}

/// A Rust function of a program.
struct Function {
    /// Mangled, up to the hash.
    name: String,
    size: u64,
    end: u64,
}

/// The functions of a program by their addresses.
fn functions(program: &Path) -> BTreeMap<u64, Function> {
    let listed = Command::new("nm").args(["--defined-only", "--print-size"]).arg(program).output().expect("nm");
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let function = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [start, size, "t" | "T" | "w" | "W", name] = words[..] else { return None };
        let (start, size) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(size, 16).ok()?);
        let hash = name.rfind("17h")?;
        Some((start, Function { name: name[..hash].to_owned(), size, end: start + size }))
    };
    text.lines().filter_map(function).collect()
}

/// Where `struct user` of x86-64 has the instruction pointer, in bytes (sys/user.h).
const INSTRUCTION: libc::c_long = 16 * 8;

/// Every place that a command's first process comes to, in order, each once.
#[allow(clippy::zombie_processes, reason = "the loop waits for it")]
fn stepped(command: &mut Command) -> Vec<u64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let trace = || {
        // SAFETY: this request reads none of its arguments.
        match unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: it makes one system call.
    let child = unsafe { command.pre_exec(trace) }.spawn().expect("palisade starts");
    let pid = child.id() as libc::pid_t;
    let (mut places, mut seen, mut status) = (Vec::new(), BTreeSet::new(), 0);
    // SAFETY: `status` outlives the call, which writes it.
    while unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) } == pid && libc::WIFSTOPPED(status) {
        let signal = Some(libc::WSTOPSIG(status)).filter(|signal| *signal != libc::SIGTRAP).unwrap_or(0);
        // SAFETY: the process is this one's own child, and stopped; a word of it is read, and it goes on.
        let at = unsafe {
            let at = libc::ptrace(libc::PTRACE_PEEKUSER, pid, INSTRUCTION, 0) as u64;
            libc::ptrace(libc::PTRACE_SINGLESTEP, pid, 0, signal);
            at
        };
        if seen.insert(at) {
            places.push(at);
        }
    }
    places
}
