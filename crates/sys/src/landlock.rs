//! Landlock: a second wall around files, after the mounts.
//!
//! Raw calls, because the rules name files of a root that only the child can see, and the child must not allocate; the
//! `landlock` crate does. Constants from include/uapi/linux/landlock.h. Not here: which rules a policy needs.

use std::ffi::CString;

use crate::call::{self, Errno};
use crate::raw::sys;

const CREATE_RULESET_VERSION: u32 = 1;
const RULE_PATH_BENEATH: u32 = 1;

/// Rights to files (`LANDLOCK_ACCESS_FS_*`).
pub mod access {
    /// Execute a file.
    pub const EXECUTE: u64 = 1;
    /// Write to a file.
    pub const WRITE_FILE: u64 = 1 << 1;
    /// Read a file.
    pub const READ_FILE: u64 = 1 << 2;
    /// List a directory.
    pub const READ_DIR: u64 = 1 << 3;
    /// Truncate a file (ABI 3).
    pub const TRUNCATE: u64 = 1 << 14;
    /// Device ioctls (ABI 5).
    pub const IOCTL_DEV: u64 = 1 << 15;
    /// Make device nodes.
    pub const MAKE_CHAR: u64 = 1 << 6;
    /// Make block device nodes.
    pub const MAKE_BLOCK: u64 = 1 << 11;
    /// Read and execute.
    pub const READ: u64 = EXECUTE | READ_FILE | READ_DIR;
    /// Everything but device nodes and device ioctls.
    pub const WRITE: u64 = ((1 << 15) - 1) & !MAKE_CHAR & !MAKE_BLOCK;
    /// What makes sense for something that is not a directory.
    pub const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;
}

/// What a process may still do. Everything that is handled and not named is forbidden.
#[derive(Debug, Default)]
pub struct Rules {
    /// File rights that are restricted.
    handled_files: u64,
    /// TCP rights that are restricted (ABI 4), none granted.
    handled_network: u64,
    /// Scopes: abstract sockets and signals stay inside (ABI 6).
    scoped: u64,
    /// Paths beneath which rights are granted.
    beneath: Vec<(CString, u64)>,
}

/// What is forbidden on TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tcp {
    /// Binding and connecting.
    Forbidden,
    /// Nothing.
    Free,
}

impl Rules {
    /// Restricts everything that the kernel's `abi` knows.
    #[must_use]
    pub fn everything(abi: u32, tcp: Tcp) -> Self {
        let files = match abi {
            0 => 0,
            1 => (1 << 13) - 1,
            2 => (1 << 14) - 1,
            3 | 4 => (1 << 15) - 1,
            _ => (1 << 16) - 1,
        };
        Self {
            handled_files: files,
            handled_network: if abi >= 4 && tcp == Tcp::Forbidden { 3 } else { 0 },
            scoped: if abi >= 6 { 3 } else { 0 },
            beneath: Vec::new(),
        }
    }

    /// Grants rights beneath a path of the new root; those that this kernel does not know are left out.
    pub fn allow(&mut self, path: CString, rights: u64) {
        self.beneath.push((path, rights & self.handled_files));
    }

    /// Applies the rules to the calling thread. In the child: no allocation.
    pub(crate) fn restrict_self(&self) -> Result<(), Errno> {
        let attributes = [self.handled_files, self.handled_network, self.scoped];
        // Older kernels accept a longer structure if the rest is zero.
        // SAFETY: pointer and size describe `attributes`, which the kernel only reads.
        let ruleset =
            unsafe { sys!(SYS_landlock_create_ruleset, attributes.as_ptr(), size_of_val(&attributes), 0) }? as i32;
        for (path, rights) in &self.beneath {
            let fd = call::open(path.as_ptr(), libc::O_PATH, 0)?;
            #[repr(C, packed)]
            struct PathBeneath {
                rights: u64,
                parent: i32,
            }
            let rule = PathBeneath { rights: *rights, parent: fd };
            // SAFETY: `rule` has the layout of struct landlock_path_beneath_attr and is only read.
            let added = unsafe { sys!(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &raw const rule, 0) };
            call::close(fd);
            added?;
        }
        // SAFETY: scalar arguments.
        let restricted = unsafe { sys!(SYS_landlock_restrict_self, ruleset, 0) };
        call::close(ruleset);
        restricted.map(drop)
    }
}

/// The kernel's Landlock version; 0 if it has none.
#[must_use]
pub fn abi() -> u32 {
    // SAFETY: with this flag the kernel reads no memory.
    let answer = unsafe { sys!(SYS_landlock_create_ruleset, 0, 0, CREATE_RULESET_VERSION) };
    answer.ok().and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
}
