//! `internal-typescript SOURCE ARTEFACT`: runs inside the sandbox as the compile step of a .ts file.

use std::{fs, path::Path};

use crate::{args::Typescript, print};

pub(crate) fn compile(paths: &Typescript) -> i32 {
    let name = paths.source.file_name().map_or_else(|| "main.ts".into(), |name| name.to_string_lossy());
    let source = match fs::read(&paths.source) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => return print::failure(&error, Some(&paths.source)),
    };
    match palisade_typescript::to_javascript(&source, &name) {
        Ok(javascript) => match write(&paths.artefact, &javascript) {
            Ok(()) => 0,
            Err(error) => print::failure(&error, Some(&paths.artefact)),
        },
        Err(problems) => print::problems(&problems),
    }
}

/// A directory that Node starts whichever module system it holds: `package.json` names the file.
fn write(artefact: &Path, javascript: &palisade_typescript::JavaScript) -> std::io::Result<()> {
    let main = format!("main.{}", javascript.module.extension());
    fs::create_dir_all(artefact)?;
    fs::write(artefact.join(&main), &javascript.code)?;
    fs::write(artefact.join("package.json"), format!("{{\"main\":\"{main}\"}}\n"))
}
