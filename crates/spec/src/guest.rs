//! What palisade and its agent inside a foreign wall say to each other, over the program's own three streams.
//!
//! Every wall passes three streams on, and few pass anything else. The [`Order`] comes first on the agent's standard input, then
//! the program's. On standard error, [`Word`]s stand among the program's bytes. Each is marked by a secret that only the agent
//! knows, one for each kind: who steals one from the pipe cannot say anything with it that was not said. Not here: what the
//! agent does with an order (`palisade-guest`), finding words in a stream (`palisade::supervise`).

use serde::{Deserialize, Serialize};

/// Bytes of the length before an order, little-endian.
pub const LENGTH: usize = 4;
/// Longest order, in bytes: arguments and environment of a program have at most 2 MiB (`execve(2)`), and JSON may need six
/// times as many.
pub const LONGEST_ORDER: usize = 16 << 20;

/// Bytes before every word, the same for a whole run.
pub const PREFIX: usize = 8;
/// Bytes of a secret.
pub const SECRET: usize = 16;
/// Longest body of a word, in bytes. With what is before it, one write to a pipe cannot be torn apart (`pipe(7)`).
pub const LONGEST_BODY: usize = 1024;

/// What marks the words of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secrets {
    /// Before every word.
    pub prefix: [u8; PREFIX],
    /// Then, by the kind of word ([`Word::kind`]).
    pub kinds: [[u8; SECRET]; Word::KINDS],
}

impl Secrets {
    /// The word as it is written.
    ///
    /// # Errors
    /// If it has no form in JSON, which every word has.
    pub fn mark(&self, word: &Word) -> serde_json::Result<Vec<u8>> {
        let body = serde_json::to_vec(word)?;
        let mut bytes = self.prefix.to_vec();
        bytes.extend(self.kinds[word.kind()]);
        bytes.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(body);
        Ok(bytes)
    }
}

/// The program that the agent starts, and what it gives up before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// How its words are marked.
    pub secrets: Secrets,
    /// Paths to try for the program, in turn.
    pub candidates: Vec<String>,
    /// The program's arguments, its own name first.
    pub arguments: Vec<String>,
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// Where it starts.
    pub directory: String,
    /// What it reads.
    pub stdin: Stdin,
    /// The network namespace outside, as `/proc/self/ns/net` names it, if the wall is to have made another one.
    pub outside: Option<String>,
    /// What is shown over what, before every privilege is given up: parts of a `/proc` that the wall's program has mounted.
    pub binds: Vec<(String, String)>,
    /// User and group that it becomes, if the agent is somebody else.
    pub identity: Option<(u32, u32)>,
    /// User and group that it is by another name, in a user namespace that it makes, if the wall has given it the wrong one.
    pub alias: Option<(u32, u32)>,
    /// Resource limits by number, soft and hard the same.
    pub rlimits: Vec<(u32, u64)>,
    /// Its system call filter: code, two jumps and operand of each instruction in one number, high bits first.
    pub filter: Vec<u64>,
    /// Who hears of hostile calls.
    pub calls: Calls,
    /// Whether it counts processes and threads: on a kernel that is not the host's, nobody else can.
    pub counts: bool,
}

/// What a program reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    /// Nothing.
    Nothing,
    /// What follows the order.
    Rest,
}

/// Who hears of hostile calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Calls {
    /// Nobody: the filter decides alone.
    Unheard,
    /// The agent, which tells of each and lets it fail with `EPERM`.
    Told,
    /// The agent, which tells of the first and lets its caller wait for the end.
    Awaited,
}

/// Something that the agent tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// The program has been executed.
    Started,
    /// It could not be.
    Failed {
        /// Doing what, in a hundred characters at most; `None` for executing the program.
        step: Option<String>,
        /// What the kernel said.
        errno: i32,
    },
    /// It made a hostile call.
    Called {
        /// The call's number.
        number: i32,
    },
    /// More of them than ever were there at one time.
    Counted {
        /// Processes of the program.
        processes: u32,
        /// Threads of all of them.
        threads: u32,
        /// Bytes of memory that their kernel has given out.
        memory: u64,
    },
    /// It has ended.
    Ended {
        /// As wait(2) tells.
        status: i32,
        /// Processor time of the program and the children it waited for, in microseconds.
        cpu_micros: u64,
        /// Numbers of the hostile calls that it made, each once: who has the other end of a pipe may take words out of it as long
        /// as somebody is there.
        calls: Vec<i32>,
    },
}

impl Word {
    /// Most calls in one word.
    pub const CALLS: usize = 100;

    /// How many kinds there are.
    pub const KINDS: usize = 5;

    /// Which secret marks it.
    #[must_use]
    pub const fn kind(&self) -> usize {
        match self {
            Self::Started => 0,
            Self::Failed { .. } => 1,
            Self::Called { .. } => 2,
            Self::Ended { .. } => 3,
            Self::Counted { .. } => 4,
        }
    }
}
