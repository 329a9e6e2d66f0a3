//! Which policy: a shipped one by its name, or a file.
//!
//! Not here: what a policy can say (`palisade-check`).

use std::{fs, path::Path};

use palisade_spec::validator::Order;

use super::Failed;

/// The names of the shipped ones.
pub(super) const SHIPPED: [&str; 3] = ["default", "permissive", "strict"];

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
    match fs::read_to_string(Path::new(name)) {
        Ok(text) => Ok(Policy { order: Order { policy: name.to_owned(), text: Some(text) } }),
        Err(error) => Err(Failed::new(format!("cannot read the policy {name}: {error}"), "")),
    }
}
