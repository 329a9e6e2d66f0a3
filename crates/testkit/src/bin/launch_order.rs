//! Writes `crates/cli/launch.ld`: the functions that a launch runs through, for the linker to put beside each other.
//!
//! Each page of a program's file that is touched costs a page fault at the start and some more when the process ends, and a launch
//! runs through a tenth of `palisade`, spread over all of it. This steps through launches, one instruction after the other, and
//! names what it met. Names are written without their hashes, so the list survives other versions; a name that is gone moves
//! nothing. Not here: the linking (`crates/cli/build.rs`).
//!
//! `cargo rustc --release -p palisade-cli --bin palisade -- -C link-arg=-Wl,-Map=/tmp/map`, then
//! `cargo run -p palisade-testkit --bin launch-order -- target/x86_64-unknown-linux-gnu/release/palisade /tmp/map`, on x86-64.
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
    let [palisade, map] = [1, 2].map(|nth| env::args_os().nth(nth).expect("the paths of palisade and of its map"));
    let palisade = fs::canonicalize(palisade).expect("palisade is there");
    let pieces = pieces(&fs::read_to_string(map).expect("the map is there"));
    assert!(pieces.len() > 1000, "this is no map of lld's");
    let mut met: Vec<&Piece> = Vec::new();
    for words in LAUNCHES {
        for at in stepped(Command::new(&palisade).args(words).current_dir(root)) {
            if let Some((_, piece)) = pieces.range(..=at).next_back()
                && at < piece.end
                && !met.iter().any(|known| ptr::eq(*known, piece))
            {
                met.push(piece);
            }
        }
    }
    let bytes = |pattern: &str, of: &mut dyn Iterator<Item = &Piece>| -> u64 {
        of.filter(|piece| piece.pattern == pattern).map(|piece| piece.size).sum()
    };
    let mut seen = BTreeSet::new();
    let mut script =
        "/* Written by `launch-order` of the crate testkit, which says what it is for. */\nSECTIONS\n{\n  \
                      .text.launch :\n  {\n"
            .to_owned();
    for pattern in met.iter().map(|piece| &piece.pattern).filter(|pattern| seen.insert(pattern.as_str())) {
        let (run, all) = (bytes(pattern, &mut met.iter().copied()), bytes(pattern, &mut pieces.values()));
        if all - run < WASTE || all < 2 * run {
            writeln!(script, "    {pattern}").expect("memory");
        }
    }
    script.push_str("  }\n}\nINSERT BEFORE .text;\n");
    fs::write(root.join("crates/cli/launch.ld"), script).expect("the project can be written");
}

/// What the linker moves as a whole: a Rust function, or an object of the C library.
struct Piece {
    /// How a linker script finds it.
    pattern: String,
    size: u64,
    end: u64,
}

/// The pieces of code in a program by their addresses, from its map: address, the same again, size, alignment, and
/// `file:(section)` or `archive(member):(section)`.
fn pieces(map: &str) -> BTreeMap<u64, Piece> {
    let piece = |line: &str| {
        let mut words = line.split_whitespace();
        let mut number = || u64::from_str_radix(words.next()?, 16).ok();
        let (start, size) = (number()?, number().and_then(|_| number())?);
        let (file, section) = line.trim_end().strip_suffix(')')?.rsplit_once(":(")?;
        let name = section.strip_prefix(".text")?;
        let pattern = match name.rfind("17h") {
            // What the compiler takes to be seldom run is in .text.unlikely.
            Some(hash) => {
                let name = &name[name.find("._ZN")?..hash];
                format!("*(.text{name}17h* .text.unlikely{name}17h*)")
            }
            None => {
                let (archive, member) = file.rsplit('/').next()?.strip_suffix(')')?.split_once('(')?;
                format!("*{archive}:{member}({section})")
            }
        };
        Some((start, Piece { pattern, size, end: start + size }))
    };
    map.lines().filter_map(piece).collect()
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
