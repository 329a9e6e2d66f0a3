//! A file tree with no more than `true` and a shell, for methods that bring none: the host's own programs and the libraries
//! that they are linked with.
//!
//! Out: a directory; the same as a tar or as a cpio archive. Not here: who runs it (`recipes`).

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The program that does nothing, and the one that looks around.
pub(super) const PROGRAM: &str = "/usr/bin/true";
pub(super) const SHELL: &str = "/bin/sh";
/// What a virtual machine needs beside, and what can connect. Left out where they are not.
const BESIDE: [&str; 2] = ["/usr/bin/mount", "/usr/bin/bash"];

/// Builds the tree below a directory that is there.
pub(super) fn build(root: &Path) -> Result<(), String> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: io::Error| format!("{path}: {error}")
    };
    for directory in
        ["usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "proc", "sys", "dev", "run", "tmp", "root", "var"]
    {
        fs::create_dir_all(root.join(directory)).map_err(failed(root))?;
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name)).map_err(failed(root))?;
    }
    let mut files = BTreeSet::new();
    for program in [PROGRAM, SHELL].into_iter().chain(BESIDE.into_iter().filter(|program| Path::new(program).exists()))
    {
        files.insert(PathBuf::from(program));
        files.extend(libraries(Path::new(program))?);
    }
    for file in files {
        let inside = root.join(file.strip_prefix("/").unwrap_or(&file));
        if let Some(directory) = inside.parent() {
            fs::create_dir_all(directory).map_err(failed(directory))?;
        }
        fs::copy(&file, &inside).map_err(failed(&file))?;
        // mount(8) is set-uid.
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o755)).map_err(failed(&inside))?;
    }
    // systemd-nspawn takes no directory for a system that has none.
    fs::write(root.join("usr/lib/os-release"), "ID=palisade-bench\n").map_err(failed(root))?;
    symlink("../usr/lib/os-release", root.join("etc/os-release")).map_err(failed(root))
}

/// Which libraries a program of this host is linked with, and its loader: what ldd(1) says. None if it is static.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, String> {
    let output = Command::new("ldd").arg(program).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("ldd (Debian package libc-bin): {error}"))?;
    Ok(linked(&String::from_utf8_lossy(&output.stdout)))
}

fn linked(text: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let place = line.split_once("=>").map_or(line, |(_, place)| place);
        place.split_whitespace().next().filter(|word| word.starts_with('/')).map(PathBuf::from)
    };
    text.lines().filter_map(path).collect()
}

/// Writes the tree as a tar archive.
pub(super) fn tar(root: &Path, out: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(out);
    archive.follow_symlinks(false);
    archive.mode(tar::HeaderMode::Deterministic);
    archive.append_dir_all(".", root)?;
    archive.into_inner()?.flush()
}

/// Writes the tree as what a kernel unpacks into its first file system, with `init` as its first process.
/// The format: Documentation/driver-api/early-userspace/buffer-format.rst of Linux, "newc".
pub(super) fn initramfs(root: &Path, init: &str, mut out: impl Write) -> io::Result<()> {
    let mut inode = 0;
    let mut entry = |name: &str, mode: u32, device: (u32, u32), data: &[u8]| {
        inode += 1;
        let fields = [inode, mode, 0, 0, 1, 0, data.len() as u32, 0, 0, device.0, device.1, name.len() as u32 + 1, 0];
        let mut head = String::from("070701");
        fields.iter().for_each(|field| head.push_str(&format!("{field:08x}")));
        head.push_str(name);
        head.push('\0');
        let pad = |length: usize| [0_u8; 3][..length.wrapping_neg() % 4].to_vec();
        out.write_all(head.as_bytes())?;
        out.write_all(&pad(head.len()))?;
        out.write_all(data)?;
        out.write_all(&pad(data.len()))
    };
    let mut below = vec![root.to_owned()];
    while let Some(directory) = below.pop() {
        for found in fs::read_dir(&directory)? {
            let path = found?.path();
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            let meta = path.symlink_metadata()?;
            let mode = meta.permissions().mode();
            if meta.is_symlink() {
                entry(&name, mode, (0, 0), fs::read_link(&path)?.to_string_lossy().as_bytes())?;
            } else if meta.is_dir() {
                entry(&name, mode, (0, 0), &[])?;
                below.push(path);
            } else {
                entry(&name, mode, (0, 0), &fs::read(&path)?)?;
            }
        }
    }
    // S_IFCHR and the numbers of the console: without it the first process has no output.
    entry("dev/console", 0o020_600, (5, 1), &[])?;
    entry("init", 0o100_755, (0, 0), init.as_bytes())?;
    entry("TRAILER!!!", 0, (0, 0), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_ldd_says() {
        let text = "\tlinux-vdso.so.1 (0x0000)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0000)\n\t\
                    /lib64/ld-linux-x86-64.so.2 (0x0000)\n";
        assert_eq!(linked(text), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from));
        assert!(linked("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn an_archive_for_a_kernel_has_aligned_entries_and_an_end() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("dev")).unwrap();
        fs::write(directory.path().join("file"), "12345").unwrap();
        let mut bytes = Vec::new();
        initramfs(directory.path(), "#!/bin/sh\n", &mut bytes).unwrap();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let starts: Vec<usize> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(starts.len(), 5, "dev, file, dev/console, init and the trailer: {text}");
        assert!(starts.iter().all(|at| at % 4 == 0), "{starts:?}");
    }
}
