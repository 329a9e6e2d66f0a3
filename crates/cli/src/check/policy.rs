//! Which policy: a shipped one by its name, or a file.
//!
//! Not here: what a policy can say (`palisade-check`).

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use palisade_spec::validator::Order;

use super::Failed;

/// The names of the shipped ones.
pub(super) const SHIPPED: [&str; 3] = ["default", "permissive", "strict"];

/// Larger files are no policies, in bytes.
const LARGEST: u64 = 1 << 20;

/// A policy that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(super) order: Order,
}

impl Policy {
    pub(crate) fn name(&self) -> &str {
        &self.order.policy
    }
}

/// A name, or a file: what has a slash or ends in .toml.
pub(crate) fn find(name: &str) -> Result<Policy, Failed> {
    if SHIPPED.contains(&name) {
        return Ok(Policy { order: Order { policy: name.to_owned(), text: None } });
    }
    if !name.contains('/') && !name.ends_with(".toml") {
        return Err(Failed::new(
            format!("there is no validation policy `{name}`"),
            &format!("there are {}; write a file of your own as ./NAME.toml", SHIPPED.join(", ")),
        ));
    }
    match text(Path::new(name)) {
        Ok(text) => Ok(Policy { order: Order { policy: name.to_owned(), text: Some(text) } }),
        Err(error) => Err(Failed::new(format!("cannot read the policy {name}: {error}"), "")),
    }
}

fn text(path: &Path) -> io::Result<String> {
    // Of a FIFO, opening would wait for a writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(text)
}
