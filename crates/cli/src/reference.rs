//! Completion scripts and manual pages, made of the same definitions as the parser and `--help`.
//!
//! Not here: the definitions (`args.rs`). What is hidden there is not told here either.

use std::{fs, io, path::Path};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::{args::Cli, print};

/// Prints the script for a shell.
pub(crate) fn completions(shell: Shell) -> i32 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), "palisade", &mut script);
    print::data(&String::from_utf8_lossy(&script))
}

/// Prints the main page, or writes all of them and prints their names.
pub(crate) fn man(directory: Option<&Path>) -> i32 {
    // Manual pages are what `help` would say.
    let mut command = visible().disable_help_subcommand(true);
    command.build();
    let done = match directory {
        None => page(&command),
        Some(directory) => fs::create_dir_all(directory).and_then(|()| write(&command, directory)),
    };
    match done {
        Ok(text) => print::data(&text),
        Err(error) => print::failure(&error, directory),
    }
}

fn page(command: &Command) -> io::Result<String> {
    let source = format!("palisade {}", env!("CARGO_PKG_VERSION"));
    let mut text = Vec::new();
    Man::new(command.clone()).source(source).manual("palisade manual").render(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Writes the pages of a command and of those below it, and gives the files' names, one a line.
fn write(command: &Command, directory: &Path) -> io::Result<String> {
    let path = directory.join(format!("{}.1", command.get_display_name().unwrap_or_else(|| command.get_name())));
    fs::write(&path, page(command)?)?;
    let below = command.get_subcommands().map(|command| write(command, directory)).collect::<io::Result<String>>()?;
    Ok(format!("{}\n{below}", path.display()))
}

/// The command without what is hidden, which the generators would show.
fn visible() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect::<Vec<_>>();
    Command::new("palisade")
        .version(env!("CARGO_PKG_VERSION"))
        .about(all.get_about().cloned().unwrap_or_default())
        .subcommand_required(true)
        .subcommands(shown)
}
