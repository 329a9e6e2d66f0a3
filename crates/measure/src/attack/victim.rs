//! Processes that are made to be attacked, and helpers that hold something while an attack goes on.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use super::{
    ground::{Ground, failed, secret},
    host::Attacker,
};

/// A process of ours that holds still until it is dropped.
#[derive(Debug)]
pub(crate) struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts an operation, feeds it a line if there is one, and waits for its `HOLDING`.
    pub(crate) fn start(command: &mut Command, line: &str) -> Result<(Self, String), String> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = spawned.map_err(|error| failed("start a helper", &error))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let Some(output) = output else { return Err("a helper has no output".to_owned()) };
        let mut helper = Self { child, input, output: BufReader::new(output) };
        if let Some(input) = helper.input.as_mut().filter(|_| !line.is_empty()) {
            writeln!(input, "{line}").map_err(|error| failed("speak to a helper", &error))?;
        }
        let said = helper.line();
        match said.strip_prefix("HOLDING ") {
            Some(rest) => Ok((helper, rest.to_owned())),
            None => Err(said),
        }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        // What cannot be read has not been said.
        let _ = self.output.read_line(&mut line);
        line.trim_end().to_owned()
    }

    /// Ends its input, and gives its last line.
    pub(crate) fn end(&mut self) -> String {
        self.input = None;
        self.line()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Those that have something to take away do it when their input ends; a victim may be stopped, or not wait.
        self.input = None;
        if Attacker(self.child.id()).state() == Some('T') {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// A process with secrets in every place where a process can have some.
#[derive(Debug)]
pub(crate) struct Victim {
    pub(crate) helper: Helper,
    /// A word of its command line.
    pub(crate) in_command_line: String,
    /// In its environment.
    pub(crate) in_environment: String,
    /// In its memory, and in a file without a name.
    pub(crate) in_memory: String,
    /// Where in its memory.
    pub(crate) address: String,
    /// The descriptor of the file.
    pub(crate) descriptor: String,
}

impl Victim {
    pub(crate) fn new(ground: &Ground) -> Result<Self, String> {
        Self::leashed(ground, &["--leash"])
    }

    /// One that does not end with the thread that makes it.
    pub(crate) fn free(ground: &Ground) -> Result<Self, String> {
        Self::leashed(ground, &[])
    }

    fn leashed(ground: &Ground, leash: &[&str]) -> Result<Self, String> {
        let (in_command_line, in_environment, in_memory) = (secret(), secret(), secret());
        let mut command = Command::new(ground.attacker());
        command.args(leash).args(["victim", &in_command_line]).env("SECRET", &in_environment);
        let (helper, said) = Helper::start(&mut command, &in_memory)?;
        let (address, descriptor) = said.split_once(' ').ok_or("the victim does not say where its secret is")?;
        let (address, descriptor) = (address.to_owned(), descriptor.to_owned());
        Ok(Self { helper, in_command_line, in_environment, in_memory, address, descriptor })
    }

    pub(crate) fn pid(&self) -> String {
        self.helper.id().to_string()
    }

    pub(crate) fn process(&self) -> Attacker {
        Attacker(self.helper.id())
    }
}
