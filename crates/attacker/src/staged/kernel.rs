//! The kernel itself: its settings, its memory, its keys. Files are only opened, and held; nothing is written to them.

use super::shown;
use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, blocked, system_call};
use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "hold-open", arguments: "read|write PATH…", about: "opens the first of these files that it can, and keeps it open; neither reads nor writes", needs: "root for most", place: Place::Child, run: hold_open },
    Operation { name: "find-key", arguments: "NAME", about: "finds a key in its user's keyring and reads it", needs: "kernel with keys", place: Place::Child, run: find_key },
];

fn hold_open(arguments: &Arguments) -> Answer {
    let write = arguments.text(0, "read|write")? == "write";
    arguments.text(1, "PATH")?;
    any(arguments.0[1..].iter().map(|path| {
        let mut options = OpenOptions::new();
        options.read(!write).write(write).custom_flags(libc::O_NONBLOCK);
        let how = if write { "for writing" } else { "for reading" };
        let file = options.open(path).map_err(blocked(format!("open {path} {how}")))?;
        // Held until this process ends.
        std::mem::forget(file);
        Ok(format!("opened {path} {how}"))
    }))
}

/// keyctl(2): KEY_SPEC_USER_KEYRING.
const USER_KEYRING: usize = -4_isize as usize;

fn find_key(arguments: &Arguments) -> Answer {
    let name = c_text(arguments.text(0, "NAME")?)?;
    // KEYCTL_SEARCH, KEYCTL_READ.
    let words = [10, USER_KEYRING, c"user".as_ptr() as usize, name.as_ptr() as usize, 0];
    let id = system_call("keyctl(KEYCTL_SEARCH)", libc::SYS_keyctl, &words)?;
    let mut bytes = [0_u8; 256];
    let words = [11, id as usize, bytes.as_mut_ptr() as usize, bytes.len()];
    let length = system_call("keyctl(KEYCTL_READ)", libc::SYS_keyctl, &words)?;
    Ok(format!("key {id} is {}", shown(&bytes[..bytes.len().min(length as usize)])))
}

/// Puts a key into its user's keyring, lets the kernel forget it after two minutes, and takes it out when the input ends.
pub(super) fn plant_key(arguments: &Arguments) -> Answer {
    let (name, value) = (c_text(arguments.text(0, "NAME")?)?, arguments.text(1, "VALUE")?);
    let (kind, text) = (c"user".as_ptr() as usize, value.as_ptr() as usize);
    let words = [kind, name.as_ptr() as usize, text, value.len(), USER_KEYRING];
    let id = system_call("add_key", libc::SYS_add_key, &words)? as usize;
    // KEYCTL_SET_TIMEOUT; KEYCTL_SETPERM: all for who has it and for its user.
    system_call("keyctl(KEYCTL_SET_TIMEOUT)", libc::SYS_keyctl, &[15, id, 120])?;
    system_call("keyctl(KEYCTL_SETPERM)", libc::SYS_keyctl, &[5, id, 0x3f3f_0000])?;
    crate::hold::here("the key is in its place");
    // KEYCTL_UNLINK.
    system_call("keyctl(KEYCTL_UNLINK)", libc::SYS_keyctl, &[9, id, USER_KEYRING])?;
    Ok(format!("key {id} was there"))
}

fn c_text(text: &str) -> Result<CString, Stop> {
    CString::new(text).map_err(|_| Stop::Inconclusive("an argument has a NUL".into()))
}
