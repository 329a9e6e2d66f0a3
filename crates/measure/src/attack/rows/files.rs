//! Files that are not the program's.

use std::{
    ffi::OsString,
    fs,
    io::Write,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use palisade_spec::Guarantee;

use super::{Staged, row, text};
use crate::attack::{
    Attack, Group,
    ground::{Ground, failed, mode, random, secret},
    host::Attacker,
    scene::Scene,
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    files("delete-config", "deletes ~/.config with all that is in it", "the directory is gone", delete_config),
    files("read-passwd", "reads /etc/passwd", "what it read is the host's file, byte for byte", read_passwd),
    files("read-ssh-key", "reads ~/.ssh/id_ed25519", "it printed the key", |ground| read(ground, ".ssh/id_ed25519")),
    files("list-home", "lists a directory in the home", "it printed a name that is only there", list_home),
    files("plant-startup-file", "adds a line to ~/.profile", "the file has changed", plant),
    files("read-host-tmp", "reads a file in the host's /tmp", "it printed what is in it", |_| read_in(&std::env::temp_dir())),
    files("read-host-shm", "reads a file in the host's /dev/shm", "it printed what is in it", |_| read_in(Path::new("/dev/shm"))),
    files("read-by-proc-root", "reads a file through /proc/1/root and /proc/PARENT/root", "it printed what is in it", by_proc_root),
    files("read-by-links", "reads a file through links and `..`", "it printed what is in it", by_links),
    files("read-by-handle", "opens a file by its number, past all directories (\"shocker\")", "it printed what is in it", by_handle),
    files("write-read-only", "writes to a file that it was given to read", "the file has changed", write_read_only),
    files("leave-file", "leaves a file in the host's /tmp", "the file is there when the run has ended", leave_file),
    files("plant-git-hook", "plants a hook in the repository that it was given as its workspace", "the hook is there", plant_git_hook),
    row(Group::HostFiles, Guarantee::Privileges, "plant-set-user-id", "makes a set-user-id program in its workspace", "the host has it there", plant_set_user_id),
    files("read-disk", "opens a disk of the host, or makes a node of its own for it", "it holds the disk open", disk),
];

const fn files(name: &'static str, about: &'static str, effect: &'static str, stage: fn(&Ground) -> Staged) -> Attack {
    row(Group::HostFiles, Guarantee::Files, name, about, effect, stage)
}

fn delete_config(ground: &Ground) -> Staged {
    let config = ground.home()?.path.join(".config");
    let gone = config.clone();
    let effect = move |_: &_| (!gone.exists()).then(|| format!("{} is gone", gone.display()));
    Ok(Scene::of(["delete-tree", &text(&config)]).after(effect))
}

fn read_passwd(_: &Ground) -> Staged {
    let path = "/etc/passwd";
    let bytes = fs::read(path).map_err(|error| failed("read /etc/passwd", &error))?;
    let bytes = &bytes[..bytes.len().min(64 << 10)];
    // As the attacker sums it up: FNV-1a of 64 bits.
    let sum = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let same = format!("{} bytes, sum {sum:016x}", bytes.len());
    let effect =
        move |told: &crate::attack::scene::Told| told.has(&same).then(|| format!("it read the host's: {same}"));
    Ok(Scene::of(["fingerprint", path]).after(effect))
}

fn read(ground: &Ground, name: &str) -> Staged {
    let home = ground.home()?;
    Ok(Scene::of(["steal".to_owned(), text(&home.path.join(name))]).told(home.secret, "what is in the file"))
}

fn list_home(ground: &Ground) -> Staged {
    let home = ground.home()?;
    Ok(Scene::of(["list-names", &text(&home.path.join("private"))]).told(home.secret, "the name of a file"))
}

fn plant(ground: &Ground) -> Staged {
    change(ground.home()?.path.join(".profile"))
}

/// Appends to a file.
fn change(path: PathBuf) -> Staged {
    let before = fs::read(&path).map_err(|error| failed("read a file", &error))?;
    let scene = Scene::of(["write-file", &text(&path), "keep"]);
    Ok(scene.after(move |_| {
        let changed = fs::read(&path).ok()? != before;
        changed.then(|| format!("{} has another content", path.display()))
    }))
}

fn write_read_only(ground: &Ground) -> Staged {
    let (path, _) = file(ground)?;
    // Whoever is let through by the wall shall not fail for want of a permission.
    mode(&path, 0o666).map_err(|error| failed("open a file", &error))?;
    let mut scene = change(path.clone())?;
    scene.given = vec![path];
    Ok(scene)
}

/// A file that is gone when dropped, whoever made it.
#[derive(Debug)]
struct Gone(PathBuf);

impl Drop for Gone {
    fn drop(&mut self) {
        // It is there only if the attack succeeded.
        let _ = fs::remove_file(&self.0);
    }
}

fn leave_file(_: &Ground) -> Staged {
    let path = std::env::temp_dir().join(format!("palisade-attack-{}", random()));
    let left = path.clone();
    let scene = Scene::of(["write-file", &text(&path), "keep"]).keep(Gone(path));
    Ok(scene.after(move |_| left.exists().then(|| format!("{} is there", left.display()))))
}

/// A directory that the program may change.
fn workspace(ground: &Ground) -> Result<PathBuf, String> {
    let path = ground.fresh("workspace")?;
    mode(&path, 0o777).map_err(|error| failed("open a directory", &error))?;
    Ok(path)
}

fn plant_git_hook(ground: &Ground) -> Staged {
    let workspace = workspace(ground)?;
    let hooks = workspace.join(".git/hooks");
    let made = fs::create_dir_all(&hooks).and_then(|()| {
        fs::write(workspace.join(".git/HEAD"), "ref: refs/heads/main\n")?;
        fs::write(workspace.join(".git/config"), "[core]\n\tbare = false\n")?;
        mode(&hooks, 0o777)
    });
    made.map_err(|error| failed("make a repository", &error))?;
    let hook = hooks.join("post-checkout");
    let mut scene = Scene::of(["write-file", &text(&hook), "keep"]);
    scene.workspace = Some(workspace);
    Ok(scene.after(move |_| hook.exists().then(|| format!("{} is there", hook.display()))))
}

fn plant_set_user_id(ground: &Ground) -> Staged {
    let workspace = workspace(ground)?;
    let program = workspace.join("program");
    let mut scene = Scene::of(["plant-set-user-id", &text(&program)]);
    scene.workspace = Some(workspace);
    Ok(scene.after(move |_| {
        let data = fs::metadata(&program).ok().filter(|data| data.mode() & 0o4001 == 0o4001)?;
        Some(format!("{} runs as user {} for everybody", program.display(), data.uid()))
    }))
}

fn read_in(directory: &Path) -> Staged {
    let file = tempfile::Builder::new().prefix("palisade-attack-").tempfile_in(directory);
    let mut file = file.map_err(|error| failed("make a file", &error))?;
    let secret = secret();
    let made = writeln!(file, "{secret}").and_then(|()| mode(file.path(), 0o644));
    made.map_err(|error| failed("make a file", &error))?;
    Ok(Scene::of(["steal", &text(file.path())]).told(secret, "what is in the file").keep(file))
}

fn file(ground: &Ground) -> Result<(PathBuf, String), String> {
    let secret = secret();
    Ok((ground.file("secret", &format!("{secret}\n"))?, secret))
}

fn by_proc_root(ground: &Ground) -> Staged {
    let (path, secret) = file(ground)?;
    Ok(Scene::of(["via-proc-1-root", &text(&path)]).told(secret, "what is in the file"))
}

fn by_links(ground: &Ground) -> Staged {
    let (path, secret) = file(ground)?;
    Ok(Scene::of(["symlink-out", &text(&path)]).told(secret, "what is in the file"))
}

fn by_handle(ground: &Ground) -> Staged {
    let (path, secret) = file(ground)?;
    let handle = ground.help(&["handle-of", &text(&path)])?;
    let (kind, hex) = handle.split_once(' ').ok_or("the file has no handle")?;
    Ok(Scene::of(["steal-by-handle", kind, hex]).told(secret, "what is in the file"))
}

/// The host's first disk that has a node: its path and number.
fn first_disk() -> Option<(PathBuf, u64)> {
    let mut names: Vec<_> = fs::read_dir("/sys/class/block").ok()?.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let size = |name: &OsString| fs::read_to_string(Path::new("/sys/class/block").join(name).join("size"));
    // The empty ones last, such as loop devices that nobody uses.
    names.sort_by_key(|name| size(name).is_ok_and(|size| size.trim() == "0"));
    let nodes = names.into_iter().map(|name| Path::new("/dev").join(name));
    let mut disks = nodes.filter_map(|path| {
        let data = fs::metadata(&path).ok().filter(|data| data.file_type().is_block_device())?;
        // Whether it can be opened at all: an empty drive has a node too.
        let usable = fs::File::open(&path).is_ok() || !super::is_root();
        usable.then(|| (path, data.rdev()))
    });
    disks.next()
}

fn disk(_: &Ground) -> Staged {
    let (path, number) = first_disk().ok_or("no disk has a node in /dev that can be opened")?;
    Ok(device('b', &path, number))
}

/// Opens a device, and looks whether a descriptor of an attacker's is of it.
pub(super) fn device(kind: char, path: &Path, number: u64) -> Scene {
    let (major, minor) = (rustix::fs::major(number), rustix::fs::minor(number));
    let words = ["open-device", &kind.to_string(), &major.to_string(), &minor.to_string(), &text(path)];
    let name = text(path);
    let holds = move |attackers: &[Attacker]| {
        attackers.iter().find_map(|one| {
            let of_device = |data: fs::Metadata| {
                let file = data.file_type();
                data.rdev() == number && if kind == 'b' { file.is_block_device() } else { file.is_char_device() }
            };
            let open = one.descriptors().iter().any(|fd| fs::metadata(&fd.path).is_ok_and(of_device));
            open.then(|| format!("process {} holds {name} ({major}:{minor}) open", one.0))
        })
    };
    Scene::of(words).held(holds)
}
