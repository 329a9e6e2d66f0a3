//! The requests that every wall gets.
//!
//! `$DIR` is the person's home. There, before each, are `given` (a file), `tree` (with `a`, `sub/b` and `secret`), `shared` (a
//! directory that anybody may write to) and no `out`.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use crate::common::Place;

/// One request.
pub(crate) struct Request {
    /// What it is about, for the manual.
    pub(crate) name: &'static str,
    /// Options of `palisade run`.
    pub(crate) options: &'static str,
    /// What is run.
    pub(crate) program: Program,
    /// What it reads.
    pub(crate) input: Input,
    /// How the outcome begins on palisade's own wall.
    pub(crate) outcome: &'static str,
    /// How it begins where no cgroup holds limits, if that is otherwise.
    pub(crate) weakly: Option<&'static str>,
    /// If it is interrupted: as soon as this file is in the home.
    pub(crate) cancelled_after: Option<&'static str>,
    /// What is looked at on the host when it has ended, below the home.
    pub(crate) after: &'static str,
}

pub(crate) enum Program {
    /// A command's words.
    Words(&'static [&'static str]),
    /// A shell script.
    Shell(&'static str),
    /// A source file: its name, its text, its arguments.
    Source(&'static str, &'static str, &'static [&'static str]),
}

pub(crate) enum Input {
    Nothing,
    Text(&'static str),
    /// All byte values, so many times over.
    Bytes(usize),
}

use Input::{Bytes, Nothing, Text};
use Program::{Shell, Source, Words};

const fn request(name: &'static str, options: &'static str, program: Program, outcome: &'static str) -> Request {
    Request { name, options, program, input: Nothing, outcome, weakly: None, cancelled_after: None, after: "" }
}

impl Request {
    const fn reading(self, input: Input) -> Self {
        Self { input, ..self }
    }

    const fn then(self, after: &'static str) -> Self {
        Self { after, ..self }
    }
}

const C: &str =
    "#include <stdio.h>\nint main(int n, char **v) { for (int i = 1; i < n; i++) printf(\"[%s]\", v[i]); return n; }\n";
const FORKS: &str = "i=0; while [ $i -lt 40 ]; do sleep 30 & i=$((i+1)); done; wait";
const THREADS: &str = "import os,threading,time\nos.close(2)\nfor i in range(80): threading.Thread(target=time.sleep,args=(30,),daemon=True).start()";
const SOCKETS: &str = "import socket\ns=socket.socket(); s.bind(('127.0.0.1',0)); s.listen()\nc=socket.create_connection(s.getsockname())\n\
                       a,_=s.accept(); a.sendall(b'hello'); print(c.recv(5))";

/// All of them.
#[rustfmt::skip] // a table
pub(crate) const REQUESTS: &[Request] = &[
    // How a program ends.
    request("exit status 0", "", Words(&["true"]), "exited 0"),
    request("exit status 7", "", Shell("exit 7"), "exited 7"),
    request("exit status 137 is no signal", "", Shell("exit 137"), "exited 137"),
    request("exit status 255", "", Shell("exit 255"), "exited 255"),
    request("SIGKILL by itself", "", Shell("kill -KILL $$"), "signalled SIGKILL"),
    request("SIGTERM by itself", "", Shell("kill -TERM $$"), "signalled SIGTERM"),
    request("SIGSEGV by itself", "", Shell("kill -SEGV $$"), "signalled SIGSEGV"),
    request("SIGABRT of an abort", "", Words(&["python3", "-c", "import os; os.abort()"]), "signalled SIGABRT"),
    request("a program that is not there", "", Words(&["no-such-program"]), "error 127"),
    request("a file that is no program", "", Words(&["/etc/os-release"]), "error 126"),
    Request { cancelled_after: Some("shared/begun"), ..request("cancellation", "--allow-write $DIR/shared", Shell("echo seen; touch $DIR/shared/begun; exec sleep 60"), "cancelled") },
    request("children that outlive the program", "", Shell("sleep 60 & (setsid sleep 60 &) ; echo gone"), "exited 0"),
    request("orphans are reaped", "", Shell("for i in 1 2 3 4 5; do (true &); done; sleep 0.3; ls -d /proc/[0-9]* | wc -l >/dev/null; grep -l '^State:.Z' /proc/[0-9]*/status; echo none"), "exited 0"),
    // What it reads.
    request("a line of input", "", Words(&["cat"]), "exited 0").reading(Text("hello\n")),
    request("no input", "", Words(&["wc", "-c"]), "exited 0"),
    request("binary input and output", "", Words(&["cat"]), "exited 0").reading(Bytes(4)),
    request("a megabyte of input", "", Words(&["sha256sum"]), "exited 0").reading(Bytes(4096)),
    request("input that nobody reads", "", Words(&["true"]), "exited 0").reading(Bytes(4096)),
    // What it is told.
    request("arguments with spaces, newlines, quotes", "", Words(&["printf", "[%s]", "a b", "c\nd", "'\"", "", "*", "$HOME", "--", "-x", "ä漢"]), "exited 0"),
    request("environment", "--setenv A=1 --setenv B==x", Shell("env | sort"), "exited 0"),
    request("working directory", "", Shell("pwd; ls -a"), "exited 0"),
    request("mode mask and nice value", "", Shell("umask; nice"), "exited 0"),
    request("signals have their default meaning", "", Shell("grep -E 'Sig(Ign|Blk|Cgt)' /proc/self/status"), "exited 0"),
    request("descriptors", "", Shell("ls /proc/self/fd | wc -l"), "exited 0"),
    // Who it is.
    request("user and group", "", Shell("id -u; id -g; id -G"), "exited 0"),
    request("no privileges", "", Shell("grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status"), "exited 0"),
    request("name of the host", "", Words(&["uname", "-n"]), "exited 0"),
    // What it sees and changes.
    request("what is at the top", "", Shell("ls -A / | grep -v -x -e .empty -e .palisade"), "exited 0"),
    request("nothing of the host's users", "", Shell("cat /etc/passwd; ls /root /home 2>&1"), "exited"),
    request("the system is read-only", "", Shell("touch /usr/x /etc/x /x; echo $?"), "exited 0"),
    request("scratch space", "", Shell("for d in /tmp /dev/shm; do echo x > $d/f && cat $d/f; stat -c %a $d; done"), "exited 0"),
    request("devices", "", Shell("head -c3 /dev/zero | od -An -c; echo x >/dev/null; head -c4 /dev/urandom | wc -c; ls /dev"), "exited 0"),
    request("a file that is given", "--file $DIR/given:/work/in/given", Shell("cat in/given; echo x >> in/given"), "exited"),
    request("a directory to be read", "--allow-read $DIR/tree", Shell("cd $DIR/tree && cat a sub/b && touch x; ls"), "exited 0"),
    request("a directory with something hidden", "--allow-read $DIR/tree --hide $DIR/tree/secret", Shell("cat $DIR/tree/secret; cat $DIR/tree/a"), "exited 0"),
    request("a directory to be changed", "--allow-write $DIR/shared", Shell("echo new > $DIR/shared/new; mkdir $DIR/shared/d"), "exited 0").then("shared"),
    request("an overlay", "--overlay $DIR/tree", Shell("echo changed > a; rm sub/b; cat a"), "exited 0").then("tree"),
    request("outputs", "--output *.txt --out $DIR/out", Shell("echo result > r.txt; echo no > r.log; mkdir d; echo x > d/y.txt"), "exited 0").then("out"),
    // What it reaches.
    request("no network", "", Words(&["python3", "-c", "import socket; socket.socket()"]), "exited 1"),
    request("a loopback of its own", "--network=loopback", Words(&["python3", "-c", SOCKETS]), "exited 0"),
    // What it may use.
    request("elapsed time", "--time-limit 700ms", Shell("echo before; sleep 60"), "limit-hit wall-time"),
    request("processor time", "--cpu-time-limit 500ms", Shell("while :; do :; done"), "limit-hit cpu-time"),
    request("memory", "--memory-limit 64M", Words(&["python3", "-c", "x = bytearray(300 << 20)"]), "limit-hit memory"),
    request("processes", "--process-limit 8", Shell(FORKS), "limit-hit processes"),
    Request { weakly: Some("exited 1"), ..request("threads", "--thread-limit 20", Words(&["python3", "-c", THREADS]), "limit-hit threads") },
    request("descriptors of a process", "--descriptor-limit 32", Shell("ulimit -n"), "exited 0"),
    request("size of a file", "--file-size-limit 1M", Shell("head -c 3000000 /dev/zero > /tmp/x"), "exited"),
    request("size of a file, by the program itself", "--file-size-limit 1M", Words(&["python3", "-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('/tmp/x', 'wb').write(bytes(3000000))"]), "limit-hit disk"),
    request("size of scratch space", "--tmp-size 1M", Shell("head -c 3000000 /dev/zero > /tmp/x; echo $?; stat -c %s /tmp/x"), "exited 0"),
    request("files in scratch space", "--tmp-inodes 64", Shell("i=0; while [ $i -lt 99 ] && true 2>/dev/null > /tmp/$i; do i=$((i+1)); done; [ $i -lt 99 ]"), "exited"),
    request("output that is cut", "--output-limit 100", Shell("seq 1000"), "exited 0"),
    request("output that kills", "--output-limit 100 --on-output-limit kill", Shell("seq 60; exec sleep 60"), "limit-hit output"),
    request("eight megabytes of output", "--output-limit 9M", Words(&["head", "-c", "8000000", "/dev/zero"]), "exited 0"),
    // What it tries.
    request("a hostile call is denied and named", "", Words(&["unshare", "-U", "true"]), "exited 1"),
    request("a hostile call kills", "--on-hostile-call kill", Shell("exec unshare -U true 2>/dev/null"), "violation unshare"),
    // Source files.
    request("a script", "", Source("s.py", "import sys\nprint(sys.argv[1:], __file__)\n", &["a b"]), "exited 0"),
    request("a compiled program", "", Source("p.c", C, &["a b", "c"]), "exited 3"),
    request("a program that does not compile", "", Source("p.c", "int main( {", &[]), "exited 1"),
];

impl Request {
    /// Makes what it finds on the host.
    pub(crate) fn stage(&self, place: &Place) {
        let home = place.home();
        for name in ["tree", "shared", "out", "source"] {
            let _ = fs::remove_dir_all(home.join(name));
        }
        fs::create_dir_all(home.join("tree/sub")).unwrap();
        fs::create_dir(home.join("shared")).unwrap();
        fs::create_dir(home.join("source")).unwrap();
        for (name, content) in
            [("given", "given\n"), ("tree/a", "a\n"), ("tree/sub/b", "b\n"), ("tree/secret", "secret\n")]
        {
            fs::write(home.join(name), content).unwrap();
        }
        if let Source(name, text, _) = self.program {
            fs::write(home.join("source").join(name), text).unwrap();
        }
        // What is made here belongs to the person who runs it.
        let made = ["tree", "tree/sub", "tree/sub/b", "tree/a", "tree/secret", "shared", "given"];
        for name in made {
            let _ = std::os::unix::fs::chown(home.join(name), Some(place.seat.uid()), Some(place.seat.uid()));
        }
        fs::set_permissions(home.join("shared"), fs::Permissions::from_mode(0o777)).unwrap();
        fs::set_permissions(home, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Whether it is about what the program reaches.
    pub(crate) fn is_of_network(&self) -> bool {
        self.name == "no network" || self.options.contains("--network")
    }

    pub(crate) fn command(&self, place: &Place, more: &str, backend: &str) -> Command {
        let expand = |word: &str| word.replace("$DIR", &place.home().display().to_string());
        let mut command = place.palisade("run --json --quiet --no-config --backend");
        let options = self.options.split_whitespace().chain(more.split_whitespace());
        command.arg(backend).args(options.map(expand));
        match &self.program {
            Words(words) => command.arg("--").args(words.iter().map(|word| expand(word))),
            Shell(script) => command.args(["--", "/bin/sh", "-c"]).arg(expand(script)),
            Source(name, _, arguments) => command.arg(place.home().join("source").join(name)).args(*arguments),
        };
        command
    }

    pub(crate) fn input(&self) -> Vec<u8> {
        match self.input {
            Nothing => Vec::new(),
            Text(text) => text.into(),
            Bytes(times) => (0..=u8::MAX).collect::<Vec<_>>().repeat(times),
        }
    }

    /// What it left on the host.
    pub(crate) fn after(&self, place: &Place) -> String {
        if self.after.is_empty() {
            return String::new();
        }
        let mut command = place.seat.command("sh");
        // Names, owners, modes, contents.
        let script = "cd \"$1\" && find . -printf '%P %u %m\\n' | sort && find . -type f | sort | xargs cat";
        let output = command.args(["-c", script, "sh"]).arg(place.home().join(self.after)).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
