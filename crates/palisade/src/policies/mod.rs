//! Policies with a name (R46), as files.
//!
//! A named policy only narrows: what it does not say is open. Not here: how a request is held within one (`bound`), the
//! operator's ceiling (`ceiling`).

mod check;
mod file;
mod read;
mod store;
mod write;

pub use check::useless;
pub(crate) use file::{Owner, ceiling, text_of};
pub use file::{PolicyError, PolicyFile};
pub use read::Mode;
pub use store::{Listed, Origin, is_file_name, policies, policy_directories, policy_of};
pub use write::to_toml;
