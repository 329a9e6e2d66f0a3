//! Whether a method keeps a program away from the host: found by asking a shell within it, not by a table.
//!
//! The shell uses nothing but what is built into it (and into bash, if it is there), so that every method can run it as it runs
//! any other program; what it sees is judged here. Not here: breaking out, which `palisade attack` tries.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::ground::Ground;

/// What a program sees of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Processes.
    pub processes: Sight,
    /// Files of the user and of the system.
    pub files: Sight,
    /// Network interfaces and connections.
    pub network: Sight,
}

/// One kind of thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Whether it is seen. Nothing if that could not be found out.
    pub seen: Option<bool>,
    /// Where that is known from.
    pub evidence: String,
}

impl Seen {
    /// Whether nothing of the host is seen.
    #[must_use]
    pub fn is_isolated(&self) -> bool {
        self.each().iter().all(|(_, sight)| sight.seen == Some(false))
    }

    /// All three, by their names.
    #[must_use]
    pub fn each(&self) -> [(&'static str, &Sight); 3] {
        [("processes", &self.processes), ("files", &self.files), ("network", &self.network)]
    }

    /// In a few words: `yes`, or what is seen.
    #[must_use]
    pub fn words(&self) -> String {
        if self.is_isolated() {
            return "yes".to_owned();
        }
        let names = |seen| {
            let of = self.each().into_iter().filter(move |(_, sight)| sight.seen == seen);
            of.map(|(name, _)| name).collect::<Vec<_>>().join(", ")
        };
        match (names(Some(true)), names(None)) {
            (sees, unknown) if sees.is_empty() => format!("unknown: {unknown}"),
            (sees, unknown) if unknown.is_empty() => format!("no: {sees}"),
            (sees, unknown) => format!("no: {sees} (unknown: {unknown})"),
        }
    }
}

impl Sight {
    fn new(seen: bool, evidence: impl Into<String>) -> Self {
        Self { seen: Some(seen), evidence: evidence.into() }
    }
}

/// Before every line of an answer: what else is on the stream is somebody else's.
const MARK: &str = "palisade-probe:";
/// Names of a home directory that are looked for.
const NAMES: usize = 8;
/// How long the shell counts after it has answered, so that the method's memory can be measured.
const COUNT: u32 = 150_000;

/// The question: a script for any POSIX shell. Not even /dev/null can be opened everywhere, so what is not wanted is closed.
pub(super) fn script(ground: &Ground) -> String {
    let pid = std::process::id();
    let port = format!("{:04X}", ground.port());
    let secret = ground.secret_file();
    let (home, names) = home();
    let exist: Vec<String> = names.iter().map(|name| format!("[ -e '{}' ]", home.join(name).display())).collect();
    let home = if exist.is_empty() { "false".to_owned() } else { exist.join(" && ") };
    format!(
        "say() {{ printf '%s%s\\n' '{MARK}' \"$*\"; }}\n\
         say begin\n\
         kill -0 {pid} 2>&- && say signal\n\
         {{ read -r line </proc/{pid}/stat && say \"stat $line\"; }} 2>&-\n\
         {{ while IFS= read -r line; do say \"passwd $line\"; done </etc/passwd; }} 2>&-\n\
         {{ read -r line <'{secret}' && say \"secret $line\"; }} 2>&-\n\
         {home} && say home\n\
         {{ while read -r number local rest; do\n\
         say sockets\n\
         case \"$local\" in *:{port}) say listener;; esac\n\
         done </proc/net/tcp; }} 2>&-\n\
         {{ while read -r name rest; do\n\
         case \"$name\" in *:*) say \"interface ${{name%%:*}}\";; esac\n\
         done </proc/net/dev; }} 2>&-\n\
         if command -v bash >/dev/null 2>&1; then say connects\n\
         bash -c 'exec 3<>/dev/tcp/127.0.0.1/{number}' 2>&- && say connected; fi\n\
         say end\n\
         i=0; while [ $i -lt {COUNT} ]; do i=$((i+1)); done",
        secret = secret.display(),
        number = ground.port(),
    )
}

/// The user's home directory, and some names in it that a shell takes for themselves and that a new home has not.
fn home() -> (PathBuf, Vec<String>) {
    // What is in / is everywhere.
    let home = std::env::home_dir().filter(|home| home.components().count() > 1 && home.is_absolute());
    let home = home.unwrap_or_default();
    let plain = |text: &str| text.chars().all(|sign| sign.is_ascii_alphanumeric() || "._-/".contains(sign));
    if !plain(&home.to_string_lossy()) {
        return (home, Vec::new());
    }
    let entries = fs::read_dir(&home).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| plain(name) && !Path::new("/etc/skel").join(name).exists());
    names.sort();
    names.truncate(NAMES);
    (home, names)
}

/// Judges an answer. Nothing if the shell has not come to its end.
pub(super) fn judge(answer: &str, ground: &Ground) -> Option<Seen> {
    let own = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    judged(answer, &Truth { stat: &own, users: &users, secret: &ground.secret })
}

/// How it is on the host.
struct Truth<'a> {
    /// /proc/PID/stat of the process that is looked for.
    stat: &'a str,
    /// /etc/passwd.
    users: &'a str,
    secret: &'a str,
}

fn judged(answer: &str, truth: &Truth<'_>) -> Option<Seen> {
    // A console may put its own signs before and after.
    let lines = || answer.lines().filter_map(|line| Some(line.trim_end().split_once(MARK)?.1));
    let says = |word: &str| lines().any(|line| line == word);
    let told = |word: &str| lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect::<Vec<_>>();
    if !says("begin") || !says("end") {
        return None;
    }
    // The number may be somebody else's in there; the time at which a process started is not.
    let stat = told("stat").first().copied().and_then(started);
    let processes = match stat {
        Some(found) if Some(found) == started(truth.stat) => Sight::new(true, "read palisade's own process in /proc"),
        Some(_) => Sight::new(false, "another process has that number"),
        None if says("signal") => Sight::new(true, "palisade's own process takes signals from it"),
        None => Sight::new(false, "palisade's own process is not there"),
    };
    let users = told("passwd");
    let is_hosts = !users.is_empty() && users.iter().copied().eq(truth.users.lines());
    let seen: Vec<&str> = [
        (is_hosts, "/etc/passwd is the host's"),
        (told("secret").contains(&truth.secret), "read a file below /var/tmp that is none of its business"),
        (says("home"), "sees what is in the user's home directory"),
    ]
    .into_iter()
    .filter_map(|(seen, words)| seen.then_some(words))
    .collect();
    let files = if seen.is_empty() {
        let own = if users.is_empty() { "there is no /etc/passwd" } else { "/etc/passwd is another one" };
        Sight::new(false, format!("{own}; neither the user's home directory nor a file below /var/tmp is there"))
    } else {
        Sight::new(true, seen.join("; "))
    };
    let interfaces = told("interface");
    let names = if interfaces.is_empty() { "none".to_owned() } else { interfaces.join(", ") };
    let network = if says("connected") {
        Sight::new(true, format!("reached a port of the host's loopback; interfaces: {names}"))
    } else if says("listener") {
        Sight::new(true, format!("sees a socket of the host's loopback; interfaces: {names}"))
    } else if says("connects") {
        Sight::new(false, format!("could not reach the host's loopback; interfaces: {names}"))
    } else if says("sockets") || !interfaces.is_empty() {
        Sight::new(false, format!("the host's sockets are not there; interfaces: {names}"))
    } else {
        Sight { seen: None, evidence: "it has neither /proc to look at nor bash to connect with".to_owned() }
    };
    Some(Seen { processes, files, network })
}

/// Number and starting time of a process: fields 1 and 22 of proc_pid_stat(5).
fn started(stat: &str) -> Option<(&str, &str)> {
    let (pid, rest) = stat.split_once(' ')?;
    Some((pid, rest.rsplit_once(')')?.1.split_whitespace().nth(19)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
    const TRUTH: Truth<'_> = Truth { stat: STAT, users: "root:x\nme:x\n", secret: "word" };

    fn of(lines: &[&str]) -> Option<Seen> {
        let text: String = lines.iter().map(|line| format!("{MARK}{line}\r\n")).collect();
        judged(&text, &TRUTH)
    }

    #[test]
    fn whoever_sees_all_is_not_isolated() {
        let stat = format!("stat {STAT}");
        let all =
            ["begin", "signal", &stat, "passwd root:x", "passwd me:x", "secret word", "home", "sockets", "listener"];
        let seen = of(&[&all[..], &["interface lo", "end"]].concat()).unwrap();
        assert!(seen.each().iter().all(|(_, sight)| sight.seen == Some(true)), "{seen:?}");
        assert_eq!(seen.words(), "no: processes, files, network");
    }

    #[test]
    fn whoever_sees_none_of_it_is() {
        let other = STAT.replace("4711", "12");
        let stat = format!("stat {other}");
        let seen = of(&["begin", "signal", &stat, "passwd root:x", "sockets", "interface lo", "end"]).unwrap();
        assert!(seen.is_isolated(), "{seen:?}");
        assert_eq!(seen.words(), "yes");
    }

    #[test]
    fn what_could_not_be_looked_at_is_unknown_and_no_isolation() {
        let seen = of(&["begin", "end"]).unwrap();
        assert_eq!((seen.network.seen, seen.is_isolated()), (None, false));
        assert_eq!(seen.words(), "unknown: network");
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(of(&["begin", "sockets"]), None);
    }
}
