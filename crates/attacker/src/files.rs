//! Host files: reading, writing and listing what should not be there.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, any, blocked};
use crate::scratch::Scratch;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "read-file", arguments: "PATH", about: "reads a file", needs: "PATH is readable outside", place: Place::Child, run: read_file },
    Operation { name: "write-file", arguments: "PATH [keep]", about: "appends to a file or creates it, then undoes that unless told to keep it", needs: "PATH is writable outside", place: Place::Child, run: write_file },
    Operation { name: "list-dir", arguments: "PATH", about: "lists a directory", needs: "PATH is a directory outside", place: Place::Child, run: list_directory },
    Operation { name: "via-proc-1-root", arguments: "PATH", about: "reads a file through /proc/1/root, then /proc/PARENT/root", needs: "PATH is readable outside; root, or the parent is one's own", place: Place::Child, run: via_proc_root },
    Operation { name: "symlink-out", arguments: "PATH", about: "reads a file through absolute and climbing symbolic links and `..`", needs: "PATH is readable outside; a writable directory", place: Place::Child, run: symlink_out },
    Operation { name: "write-readonly-submount", arguments: "PATH", about: "creates a file in a directory that is a mount below a read-only one", needs: "PATH is a writable directory outside", place: Place::Child, run: write_submount },
];

fn read(path: &Path) -> Answer {
    let mut file = File::open(path).map_err(blocked(format!("open {}", path.display())))?;
    let mut bytes = [0_u8; 48];
    let count = file.read(&mut bytes).map_err(blocked(format!("read {}", path.display())))?;
    Ok(format!("{} begins with \"{}\"", path.display(), bytes[..count].escape_ascii()))
}

fn absolute(arguments: &Arguments) -> Result<&Path, Stop> {
    let path = Path::new(arguments.text(0, "PATH")?);
    if path.is_absolute() { Ok(path) } else { Err(Stop::Inconclusive("PATH must be absolute".into())) }
}

fn read_file(arguments: &Arguments) -> Answer {
    read(Path::new(arguments.text(0, "PATH")?))
}

fn write_file(arguments: &Arguments) -> Answer {
    let path = Path::new(arguments.text(0, "PATH")?);
    let keep = arguments.optional(1) == Some("keep");
    let before = path.metadata().ok().map(|data| data.len());
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(blocked(format!("open {} for writing", path.display())))?;
    let written = file.write_all(b"written by hostile\n");
    let data = file.metadata().map_err(blocked("fstat"))?;
    if !keep {
        let undone = match before {
            Some(length) if data.is_file() => file.set_len(length),
            Some(_) => Ok(()),
            None => std::fs::remove_file(path),
        };
        undone.map_err(|error| Stop::Inconclusive(format!("could not restore {}: {error}", path.display())))?;
    }
    written.map_err(blocked(format!("write {}", path.display())))?;
    Ok(format!("wrote to {} (device {:#x}, inode {})", path.display(), data.dev(), data.ino()))
}

fn list_directory(arguments: &Arguments) -> Answer {
    let path = Path::new(arguments.text(0, "PATH")?);
    let entries = std::fs::read_dir(path).map_err(blocked(format!("opendir {}", path.display())))?;
    let names: Vec<_> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    Ok(format!("{} has {} entries: {}", path.display(), names.len(), names[..names.len().min(8)].join(" ")))
}

fn via_proc_root(arguments: &Arguments) -> Answer {
    let path = absolute(arguments)?;
    // The parent of this child is `hostile` itself; its root is ours, so the grandparent is the one that matters.
    let grandparent = std::fs::read_to_string(format!("/proc/{}/stat", std::os::unix::process::parent_id()))
        .ok()
        .and_then(|stat| stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1).map(str::to_owned)));
    let processes = std::iter::once("1".to_owned()).chain(grandparent.filter(|pid| pid != "0" && pid != "1"));
    any(processes.map(|pid| read(Path::new(&format!("/proc/{pid}/root{}", path.display())))))
}

fn symlink_out(arguments: &Arguments) -> Answer {
    let path = absolute(arguments)?;
    let climb = format!("{}{}", "../".repeat(40), path.display());
    let scratch = Scratch::new();
    let through = |name: &str, target: &str| match &scratch {
        Ok(scratch) => {
            let link = scratch.path().join(name);
            std::os::unix::fs::symlink(target, &link).map_err(blocked("symlink"))?;
            read(&link)
        }
        Err(_) => Err(Stop::Inconclusive("no directory is writable".into())),
    };
    any([
        through("absolute", &path.display().to_string()),
        through("climbing", &climb),
        read(Path::new(&climb)),
        read(&PathBuf::from(format!("/proc/self/cwd/{climb}"))),
    ])
}

fn write_submount(arguments: &Arguments) -> Answer {
    let directory = Path::new(arguments.text(0, "PATH")?);
    let path = directory.join(format!("palisade-hostile-{}", std::process::id()));
    let create = format!("create {}", path.display());
    let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(blocked(create))?;
    let device = file.metadata().map_or(0, |data| data.dev());
    std::fs::remove_file(&path).map_err(|error| Stop::Inconclusive(format!("created, but not removed: {error}")))?;
    Ok(format!("created a file in {} (device {device:#x})", directory.display()))
}
