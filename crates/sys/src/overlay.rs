//! Overlays: several directories shown as one, only the uppermost of them writable.
//!
//! In: directories, opened without following links, so that nobody can exchange one for a link in the meantime. Out: a
//! detached mount, or one at a place. Not here: which layers, and where they are shown (`palisade::native`).
//!
//! The kernel looks a layer up by name, so a descriptor is named through /proc. That has two more uses: the name is short,
//! and the program finds no host path in its mount table. The rules of `child.rs` hold: no allocation, no panic.

use libc::{c_char, c_int, c_uint};

use crate::{
    call::{self, Errno},
    raw::sys,
    script::{LayerRole, Slot},
    step::{State, kept},
};

const FSCONFIG_SET_FLAG: c_uint = 0;
const FSCONFIG_SET_STRING: c_uint = 1;
const FSCONFIG_CMD_CREATE: c_uint = 6;
const FSOPEN_CLOEXEC: c_uint = 1;
const FSMOUNT_CLOEXEC: c_uint = 1;

/// What mount(2) takes of options: one page, with the final NUL.
const PAGE: usize = 4096;

/// Where a descriptor of this process can be looked up.
const NAME: &[u8] = b"/proc/self/fd/";

/// Opens a directory, in whose path no symbolic link is followed, as a layer.
pub(crate) fn open_layer(path: *const c_char) -> Result<c_int, Errno> {
    call::open_without_links(path, libc::O_PATH | libc::O_DIRECTORY)
}

/// Starts an overlay: a file system context.
pub(crate) fn begin() -> Result<c_int, Errno> {
    // SAFETY: the name is a static C string.
    let context = unsafe { sys!(SYS_fsopen, c"overlay".as_ptr(), FSOPEN_CLOEXEC) }? as c_int;
    // What an overlay notes in extended attributes goes to `user.`: others are closed to the owner of a user namespace.
    configure(context, FSCONFIG_SET_FLAG, c"userxattr".as_ptr(), std::ptr::null())?;
    Ok(context)
}

/// Adds a layer; of lower ones, each lies below those before it. Who may reach the directory is asked now.
pub(crate) fn add(context: c_int, role: LayerRole, path: *const c_char) -> Result<(), Errno> {
    let key = match role {
        LayerRole::Lower => c"lowerdir+",
        LayerRole::Upper => c"upperdir",
        LayerRole::Work => c"workdir",
    };
    let layer = open_layer(path)?;
    let mut name = Text { bytes: [0; PAGE], length: 0 };
    let added = name
        .push_name_of(layer)
        .and_then(|()| configure(context, FSCONFIG_SET_STRING, key.as_ptr(), name.bytes.as_ptr().cast()));
    call::close(layer);
    added
}

/// Mounts it, detached. Whoever calls this acts on the layers from now on, whoever uses the overlay.
pub(crate) fn finish(context: c_int, attributes: u64) -> Result<c_int, Errno> {
    configure(context, FSCONFIG_CMD_CREATE, std::ptr::null(), std::ptr::null())?;
    // SAFETY: scalar arguments.
    unsafe { sys!(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes) }.map(|fd| fd as c_int)
}

/// Mounts an overlay of opened layers at a place, with all of them in one option.
pub(crate) fn mount(state: &State, lower: &[Slot], upper: Option<[Slot; 2]>, at: *const c_char) -> Result<(), Errno> {
    let mut options = Text { bytes: [0; PAGE], length: 0 };
    let mut before: &[u8] = b"userxattr,lowerdir=";
    for slot in lower {
        options.push(before)?;
        options.push_name_of(kept(state, slot.0)?)?;
        before = b":";
    }
    if let Some([upper, work]) = upper {
        options.push(b",upperdir=")?;
        options.push_name_of(kept(state, upper.0)?)?;
        options.push(b",workdir=")?;
        options.push_name_of(kept(state, work.0)?)?;
    }
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    let data = options.bytes.as_ptr().cast();
    call::mount(c"overlay".as_ptr(), at, c"overlay".as_ptr(), flags, data)?;
    for slot in lower.iter().chain(upper.iter().flatten()) {
        call::close(kept(state, slot.0)?);
    }
    Ok(())
}

fn configure(context: c_int, command: c_uint, key: *const c_char, value: *const c_char) -> Result<(), Errno> {
    // SAFETY: key and value are null where the command takes none, else C strings that live across the call.
    unsafe { sys!(SYS_fsconfig, context, command, key, value, 0) }.map(drop)
}

/// A C string of bounded length: what is not written yet is NUL.
struct Text {
    bytes: [u8; PAGE],
    length: usize,
}

impl Text {
    fn push(&mut self, more: &[u8]) -> Result<(), Errno> {
        let end = self.length + more.len();
        if end >= PAGE {
            return Err(libc::E2BIG);
        }
        self.bytes.get_mut(self.length..end).ok_or(libc::E2BIG)?.copy_from_slice(more);
        self.length = end;
        Ok(())
    }

    fn push_name_of(&mut self, fd: c_int) -> Result<(), Errno> {
        self.push(NAME)?;
        let mut digits = [0; 10];
        let mut rest = fd;
        let mut first = digits.len();
        while first == digits.len() || rest > 0 {
            first -= 1;
            *digits.get_mut(first).ok_or(libc::E2BIG)? = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.push(digits.get(first..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(fd: c_int) -> String {
        let mut text = Text { bytes: [0; PAGE], length: 0 };
        text.push_name_of(fd).unwrap();
        String::from_utf8(text.bytes[..text.length].to_vec()).unwrap()
    }

    #[test]
    fn a_descriptor_is_named_by_its_number() {
        assert_eq!(name_of(0), "/proc/self/fd/0");
        assert_eq!(name_of(10), "/proc/self/fd/10");
        assert_eq!(name_of(i32::MAX), "/proc/self/fd/2147483647");
    }

    #[test]
    fn options_end_with_a_nul_within_the_page() {
        let mut text = Text { bytes: [0; PAGE], length: 0 };
        assert_eq!(text.push(&[b'x'; PAGE - 1]), Ok(()));
        assert_eq!(text.push(b"x"), Err(libc::E2BIG));
        assert_eq!(text.bytes.last(), Some(&0));
    }
}
