//! Exhaustion: disk space, inodes, output, file size, depth.
//!
//! Files are unlinked as soon as they are open, so that a killed program leaves nothing.

use crate::child::{reached, write_all};
use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check, errno_name};
use crate::scratch::Scratch;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "tmpfs-fill", arguments: "PATH BYTES", about: "writes BYTES into an unlinked file in directory PATH", needs: "as much free space", place: Place::Child, run: fill },
    Operation { name: "inode-fill", arguments: "PATH N", about: "makes N empty files in directory PATH and removes them", needs: "as many free inodes", place: Place::Child, run: inodes },
    Operation { name: "output-flood", arguments: "BYTES", about: "writes BYTES of `x` to stdout, then the answer on a line of its own", needs: "somebody reads", place: Place::Itself, run: flood },
    Operation { name: "file-size", arguments: "PATH BYTES", about: "makes an unlinked sparse file of BYTES in directory PATH, with a byte at its end", needs: "-", place: Place::Child, run: file_size },
    Operation { name: "deep-directories", arguments: "PATH N", about: "nests N directories below PATH and removes them", needs: "-", place: Place::Child, run: deep },
];

fn after(stop: Stop, count: u64, what: &str) -> Stop {
    match stop {
        Stop::Blocked(wall) => Stop::Blocked(format!("{wall} after reaching {count} {what}")),
        doubt => doubt,
    }
}

/// A file without a name in `directory`. A fatal SIGXFSZ becomes EFBIG.
fn nameless(directory: &Path) -> Result<File, Stop> {
    // SAFETY: ignores a signal in this child only.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
    let path = directory.join(format!("palisade-hostile-{}", std::process::id()));
    let create = format!("create {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(blocked(create))?;
    std::fs::remove_file(&path).map_err(|error| Stop::Inconclusive(format!("created, but not removed: {error}")))?;
    Ok(file)
}

fn fill(arguments: &Arguments) -> Answer {
    let mut file = nameless(Path::new(arguments.text(0, "PATH")?))?;
    let wanted = arguments.number(1, "BYTES", 64 << 30)?;
    let block = vec![b'x'; 65_536];
    let mut written = 0;
    while written < wanted {
        let piece = block.len().min((wanted - written) as usize);
        match file.write(&block[..piece]) {
            Ok(count) => written += count as u64,
            Err(error) => return Err(after(blocked("write")(error), written, "bytes")),
        }
        reached(written);
    }
    crate::hold::here("the file is open");
    Ok(format!("reached {written} bytes in one file"))
}

fn within(directory: &str) -> Result<Scratch, Stop> {
    let call = format!("mkdir in {directory}");
    Scratch::within(Path::new(directory)).map_err(|errno| Stop::Blocked(format!("{call}: {}", errno_name(errno))))
}

fn inodes(arguments: &Arguments) -> Answer {
    let scratch = within(arguments.text(0, "PATH")?)?;
    let wanted = arguments.number(1, "N", 10_000_000)?;
    for count in 0..wanted {
        let path = scratch.path().join(count.to_string());
        File::create_new(path).map_err(blocked("create")).map_err(|stop| after(stop, count, "files"))?;
        reached(count + 1);
    }
    let held = File::open(scratch.path()).map_err(blocked("open the directory"))?;
    crate::hold::here("the directory is open");
    drop(held);
    Ok(format!("reached {wanted} files in one directory"))
}

fn flood(arguments: &Arguments) -> Answer {
    let wanted = arguments.number(0, "BYTES", 64 << 30)?;
    let block = vec![b'x'; 65_536];
    let mut written = 0;
    while written < wanted {
        let piece = block.len().min((wanted - written) as usize);
        if let Err(errno) = write_all(1, &block[..piece]) {
            return Err(Stop::Blocked(format!("write to stdout: {} after about {written} bytes", errno_name(errno))));
        }
        written += piece as u64;
    }
    let _ = write_all(1, b"\n");
    Ok(format!("reached {written} bytes of output"))
}

fn file_size(arguments: &Arguments) -> Answer {
    let wanted = arguments.number(1, "BYTES", 1 << 42)?;
    let file = nameless(Path::new(arguments.text(0, "PATH")?))?;
    file.set_len(wanted).map_err(blocked(format!("ftruncate to {wanted}")))?;
    if wanted > 0 {
        file.write_at(b"x", wanted - 1).map_err(blocked(format!("pwrite at {}", wanted - 1)))?;
    }
    let reached = file.metadata().map_err(blocked("fstat"))?.len();
    crate::hold::here("the file is open");
    Ok(format!("reached a file of {reached} bytes"))
}

fn deep(arguments: &Arguments) -> Answer {
    let scratch = within(arguments.text(0, "PATH")?)?;
    let wanted = arguments.number(1, "N", 1_000_000)?;
    std::env::set_current_dir(scratch.path()).map_err(blocked("chdir"))?;
    let mut depth = 0;
    let mut answer = Ok(());
    // By relative names: the absolute one soon is longer than PATH_MAX, which also keeps remove_dir_all from working.
    while depth < wanted && answer.is_ok() {
        // SAFETY: terminated strings.
        answer = check("mkdir", unsafe { libc::mkdir(c"d".as_ptr(), 0o700) })
            // SAFETY: as above.
            .and_then(|_| check("chdir", unsafe { libc::chdir(c"d".as_ptr()) }))
            .map(|_| depth += 1);
        reached(depth);
    }
    // SAFETY: terminated strings. A directory that was made but not entered is the first to go.
    unsafe {
        libc::rmdir(c"d".as_ptr());
        for _ in 0..depth {
            libc::chdir(c"..".as_ptr());
            libc::rmdir(c"d".as_ptr());
        }
    }
    answer.map(|()| format!("reached a depth of {depth}")).map_err(|stop| after(stop, depth, "directories"))
}
