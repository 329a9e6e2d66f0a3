//! The examples do what they say.
#![allow(clippy::unwrap_used, reason = "not library code")]
#![cfg(target_os = "linux")]

mod common;

#[allow(dead_code, unreachable_pub, reason = "its main function is not used here")]
#[path = "../examples/task.rs"]
mod task;

#[test]
fn a_recipe_is_built_from_sources_and_layers() {
    if !palisade_testkit::need("gcc") {
        return;
    }
    common::as_everybody(|place| {
        assert_eq!(task::recipe(place).unwrap(), "hello from a sysroot, hello\n");
        assert!(place.join("hello/work/outputs/usr/bin/hello").is_file());
    });
}
