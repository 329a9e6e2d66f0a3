//! Environments (R30): packages, a search path and variables that programs get, made once and shown read-only.
//!
//! ```text
//! Recipe ─create→ Draft ─one rename→ Store ─open→ Environment ─Request::activated→ /env in the sandbox
//! ```
//!
//! Packages are installed by the language's own installer, inside a sandbox whose only writable directory is the draft's.
//! What that leaves is copied, not adopted. Which installer, which variables, which places: `language/packages/*.toml`. Not
//! here: the manifest's type (`palisade_spec`), what a launch does with an environment beside showing it.

mod activate;
mod archive;
mod create;
mod draft;
mod error;
mod install;
mod interpreter;
mod lock;
mod name;
mod store;
mod tree;

pub(crate) use activate::{PLACE, activate, fits};
pub use archive::{ForeignProfile, Imported};
pub use create::{Internet, Recipe, Scripts};
pub use error::EnvironmentError;
pub use lock::{Change, Difference, Lock, Locked, LockedFile, LockedLink};
pub(crate) use name::check as check_name;
pub use store::{Listed, Store, Verification};

/// Name of the manifest in an environment.
const MANIFEST: &str = "environment.toml";
