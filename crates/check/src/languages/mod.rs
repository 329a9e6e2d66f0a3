//! One file for each language: its table of roles, what it offers to reach things by name, how it imports.

pub(crate) mod c;
pub(crate) mod cpp;
pub(crate) mod go;
pub(crate) mod java;
pub(crate) mod javascript;
pub(crate) mod python;
pub(crate) mod rust;
