//! An interpreter that waits for its source, as part of a job; and what it is told.
//!
//! It is the plain interpreter, started as for a file that is still empty. Before it opens that file, it runs a program of its
//! language's definition, which loads modules, says that it is ready by one byte on standard output, and reads its order from
//! standard input: a line with the order's length, then strings with a NUL byte behind each: how many arguments, the arguments,
//! then variables, `NAME=value`. The source is written to the file before the order is sent, and what stands behind the order is
//! the program's own input. Not here: starting one, and telling it (`supervise::zygote`).

use palisade_spec::Request;

use crate::{
    error::StartError,
    job::{Job, Zygote},
    language::{WORK, Waiting},
    resolve::set,
};

/// What an interpreter says when it waits.
pub(crate) const READY: u8 = 0;

/// What an interpreter is told.
#[derive(Debug)]
pub(crate) struct Order<'a> {
    /// The content of its source file.
    pub(crate) source: &'a [u8],
    /// The program's own arguments.
    pub(crate) arguments: &'a [String],
    /// Variables more.
    pub(crate) environment: &'a [(String, String)],
}

impl Order<'_> {
    /// As it is sent.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![self.arguments.len().to_string()];
        strings.extend(self.arguments.iter().cloned());
        strings.extend(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        let strings: String = strings.into_iter().map(|string| string + "\0").collect();
        format!("{}\n{strings}", strings.len()).into_bytes()
    }
}

/// That an interpreter can wait with this request.
pub(crate) fn check(request: &Request) -> Result<(), StartError> {
    if let Some(work) = &request.work {
        return Err(StartError::Path {
            path: work.clone(),
            because: "it would be /work, and that is where the source will be".to_owned(),
            hint: "run a command in that directory, such as `python3 FILE`".to_owned(),
        });
    }
    Ok(())
}

/// Makes a job one of an interpreter that waits.
pub(crate) fn give(waiting: Waiting, job: &mut Job) {
    let Waiting { step, paths, source, bootstrap, text } = waiting;
    job.command = step.argv;
    job.directory = WORK.into();
    job.zygote = Some(Zygote { source: source.into(), bootstrap: bootstrap.into(), text, paths });
}

/// Leads the interpreter of a job to its bootstrap, now that all variables are set.
pub(crate) fn find_bootstrap(job: &mut Job) {
    for (name, first) in job.zygote.iter().flat_map(|zygote| &zygote.paths) {
        let set_already = job.environment.iter().find(|(known, value)| known == name && !value.is_empty());
        let value = set_already.map_or_else(|| first.clone(), |(_, rest)| format!("{first}:{rest}"));
        set(&mut job.environment, name.clone(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_says_its_length_and_keeps_every_string_apart() {
        let arguments = ["a b".to_owned(), String::new(), "ü".to_owned()];
        let environment = [("NAME".to_owned(), "x=y\nz".to_owned())];
        let order = Order { source: b"", arguments: &arguments, environment: &environment };
        assert_eq!(order.bytes(), "21\n3\0a b\0\0ü\0NAME=x=y\nz\0".as_bytes());
    }
}
