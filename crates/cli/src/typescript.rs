//! `internal-typescript SOURCE ARTEFACT`: runs inside the sandbox as the compile step of a .ts file.
//!
//! With `-` for both it is a filter, for the inputs of a session.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use crate::{args::Typescript, print};

pub(crate) fn compile(paths: &Typescript) -> i32 {
    let name = paths.source.file_name().map_or_else(|| "main.ts".into(), |name| name.to_string_lossy());
    let is_filter = paths.source == Path::new("-");
    let bytes = if is_filter { read_all(io::stdin()) } else { fs::read(&paths.source) };
    let source = match bytes {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return print::failure(&error, Some(&paths.source)),
    };
    let name = if is_filter { "input.ts".into() } else { name };
    match palisade_typescript::to_javascript(&source, &name) {
        Ok(javascript) if is_filter => print::data(&javascript.code),
        Ok(javascript) => match write(&paths.artefact, &javascript) {
            Ok(()) => 0,
            Err(error) => print::failure(&error, Some(&paths.artefact)),
        },
        Err(problems) => print::problems(&problems),
    }
}

fn read_all(mut from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A directory that Node starts whichever module system it holds: `package.json` names the file.
fn write(artefact: &Path, javascript: &palisade_typescript::JavaScript) -> std::io::Result<()> {
    let main = format!("main.{}", javascript.module.extension());
    fs::create_dir_all(artefact)?;
    fs::write(artefact.join(&main), &javascript.code)?;
    fs::write(artefact.join("package.json"), format!("{{\"main\":\"{main}\"}}\n"))
}
