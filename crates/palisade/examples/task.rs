//! A recipe in the manner of BitBake, from sources to an installed program, each task in a sandbox.
//!
//! `cargo run -p palisade --example task` (needs user namespaces and gcc)
//!
//! Two dependencies are staged: a library for the target, and a code generator for this host. Each task gets them as
//! layers, and finds what the task before has left in its directory.
#![allow(clippy::print_stdout, reason = "an example says what it does")]

use std::{error::Error, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use palisade::{
    SandboxBuilder,
    spec::{Bytes, LimitsAsk},
};

/// What `libgreet` has installed: a header.
const HEADER: &str = "#define GREETING \"hello from a sysroot\"\n";

/// What `generator-native` has installed: a program that writes C.
const GENERATOR: &str = "#!/bin/sh\necho \"const char *name = \\\"$1\\\";\"\n";

const SOURCE: &str = r#"#include <greet.h>
#include <stdio.h>
extern const char *name;
int main(void) { printf("%s, %s\n", GREETING, name); }
"#;

const COMPILE: &str = r#"set -e
cd $B
generate "$PN" > name.c
gcc --sysroot=/ -I$WORKDIR/recipe-sysroot/usr/include -o hello $S/hello.c name.c
"#;

const INSTALL: &str = r#"set -e
install -D -m 755 $B/hello $D/usr/bin/hello
$D/usr/bin/hello
"#;

fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::temp_dir().join(format!("palisade-example-{}", std::process::id()));
    fs::create_dir(&place)?;
    let printed = recipe(&place);
    fs::remove_dir_all(&place)?;
    print!("{}", printed?);
    Ok(())
}

/// Stages the dependencies below `place`, runs the tasks, and returns what the installed program prints.
pub(crate) fn recipe(place: &Path) -> Result<String, Box<dyn Error>> {
    let [library, generator, task] = ["libgreet", "generator-native", "hello"].map(|name| place.join(name));
    write(&library.join("usr/include/greet.h"), HEADER)?;
    let program = generator.join("usr/bin/generate");
    write(&program, GENERATOR)?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    write(&task.join("work/src/hello.c"), SOURCE)?;

    let limits = LimitsAsk {
        wall_time: Some(Duration::from_secs(600)),
        cpu_time: Some(Duration::from_secs(600)),
        memory: Some(Bytes::mib(1024)),
        ..LimitsAsk::default()
    };
    for script in [COMPILE, INSTALL] {
        let report = SandboxBuilder::new()
            .sandbox_dir(&task)
            .script(script)
            .env("PN", "hello")
            .env("PATH", "/work/recipe-sysroot-native/usr/bin:/usr/bin:/bin")
            .target_dep(&library)
            .native_dep(&generator)
            .network(false)
            .limits(limits.clone())
            .build()?
            .execute()?;
        if !report.success {
            let log = fs::read_to_string(task.join("stderr.log"))?;
            return Err(format!("the task ended with {:?}: {log}", report.outcome).into());
        }
    }
    Ok(fs::read_to_string(task.join("stdout.log"))?)
}

fn write(file: &Path, content: &str) -> std::io::Result<()> {
    if let Some(directory) = file.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(file, content)
}
