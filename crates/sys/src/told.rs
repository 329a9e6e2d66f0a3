//! What a process is told to execute that has waited for it: [`Stdio::Told`](crate::Stdio::Told).
//!
//! The strings travel in a memory file whose layout the parent makes, so that the child only adds an address to offsets. Not
//! here: when it waits and what it has done before (`child.rs`).

use std::{
    ffi::{CStr, CString, c_char},
    fs::File,
    io::{self, Write},
    os::fd::{BorrowedFd, OwnedFd},
};

use libc::c_int;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::{
    call::{self, Errno},
    raw::sys,
    record::{self, EXECUTE, FDS, SOON},
};

/// How often a process looks for a program that comes soon. Some tens of microseconds: its parent makes pipes meanwhile.
const LOOKS: u32 = 256;

/// A program for a process that waits.
#[derive(Debug)]
pub struct Told<'a> {
    /// Its standard input, output and error.
    pub stdio: [BorrowedFd<'a>; 3],
    /// Where it starts.
    pub directory: &'a CStr,
    /// Paths to try in turn.
    pub candidates: &'a [CString],
    /// Its arguments, its own name first.
    pub arguments: &'a [CString],
    /// Its environment, `NAME=value`.
    pub environment: &'a [CString],
}

impl Told<'_> {
    /// All strings in one file, and its length: the offset of the directory, then three lists of offsets, each with a 0 at its
    /// end, then the strings.
    pub(crate) fn file(&self) -> io::Result<(OwnedFd, usize)> {
        let lists = [self.candidates, self.arguments, self.environment];
        let words = 1 + lists.iter().map(|list| list.len() + 1).sum::<usize>();
        let mut end = words * size_of::<u64>();
        let mut offsets = Vec::with_capacity(words);
        let mut strings = Vec::new();
        let mut add = |string: &CStr| {
            let at = end as u64;
            strings.extend_from_slice(string.to_bytes_with_nul());
            end += string.to_bytes_with_nul().len();
            at
        };
        offsets.push(add(self.directory));
        for list in lists {
            offsets.extend(list.iter().map(|string| add(string)));
            offsets.push(0);
        }
        let mut bytes: Vec<u8> = offsets.into_iter().flat_map(u64::to_ne_bytes).collect();
        bytes.append(&mut strings);
        let mut file = File::from(memfd_create(c"palisade-program", MemfdFlags::CLOEXEC)?);
        file.write_all(&bytes)?;
        Ok((file.into(), bytes.len()))
    }
}

/// The same in the child: pointers into memory that stays until it executes.
#[derive(Clone, Copy)]
pub(crate) struct Heard {
    pub(crate) stdio: [c_int; 3],
    pub(crate) directory: *const c_char,
    pub(crate) candidates: *const *const c_char,
    pub(crate) arguments: *const *const c_char,
    pub(crate) environment: *const *const c_char,
}

/// Waits for a program. `ECANCELED` if the parent is gone or says something else.
pub(crate) fn hear(control: c_int) -> Result<Heard, Errno> {
    let mut fds = [-1; FDS];
    let (mut message, mut count) = record::receive(control, &mut fds)?;
    if message[0] == SOON {
        (message, count) = record::receive_after(LOOKS, control, &mut fds)?;
    }
    if message[0] != EXECUTE || count != 4 {
        return Err(libc::ECANCELED);
    }
    let ([input, output, error, file, ..], length) = (fds, message[1] as usize);
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new private mapping of a file that has this length, at an address of the kernel's choice.
    let base = unsafe { sys!(SYS_mmap, 0, length, access, libc::MAP_PRIVATE, file, 0) }? as *mut u64;
    let mut next = base;
    let mut word = || {
        // SAFETY: the parent has laid the file out so that the fourth 0, or an earlier string, ends what is read: see `file`.
        unsafe {
            let word = next;
            if *word != 0 {
                *word += base as u64;
            }
            next = next.add(1);
            word.cast::<*const c_char>()
        }
    };
    let directory = word();
    let mut list = || {
        let first = word();
        let mut last = first;
        // SAFETY: `word` gives pointers into the mapping.
        while unsafe { !(*last).is_null() } {
            last = word();
        }
        first.cast_const()
    };
    let (candidates, arguments, environment) = (list(), list(), list());
    call::close(file);
    // SAFETY: as above.
    let directory = unsafe { *directory };
    Ok(Heard { stdio: [input, output, error], directory, candidates, arguments, environment })
}
