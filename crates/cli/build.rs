//! Links what a launch runs through together (`launch.ld`): fewer pages are touched, and a start takes less time.

use std::{env, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=launch.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    if is("PROFILE", "release") && is("CARGO_CFG_TARGET_OS", "linux") {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("launch.ld");
        println!("cargo:rustc-link-arg-bin=palisade=-T");
        println!("cargo:rustc-link-arg-bin=palisade={}", script.display());
    }
}
