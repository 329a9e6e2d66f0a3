//! Rights, and what they open.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::PathBuf,
};

use palisade_spec::Guarantee;

use super::{Staged, is_root, row, text};
use crate::attack::{
    Attack, Group,
    ground::{Ground, failed, mode, random},
    host::{Attacker, own_namespace},
    scene::{Scene, soon},
    victim::Victim,
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    row(Group::Privileges, Guarantee::Files, "escape", "leaves the sandbox by `..`, chroot, /proc/1/root, setns and handles, and makes a file", "the file is there", escape),
    on("set-user-id", "executes a set-user-id program of another user", "a process has the other's id", set_user_id),
    on("become-root", "becomes user 0", "a process of it is the host's root", |_| Ok(become_root())),
    on("capabilities", "uses the capabilities that it was left", "it has some over the host", |_| Ok(capabilities())),
    on("release-agent", "has the kernel run a program when a cgroup is empty", "the program has run, outside", release_agent),
    on("join-namespace", "enters the network namespace of another process", "it is in it", join_namespace),
    on("real-time", "takes a real-time priority, or a negative nice value", "the host's scheduler has it so", |_| Ok(real_time())),
];

const fn on(name: &'static str, about: &'static str, effect: &'static str, stage: fn(&Ground) -> Staged) -> Attack {
    row(Group::Privileges, Guarantee::Privileges, name, about, effect, stage)
}

fn appears(scene: Scene, path: PathBuf) -> Scene {
    scene.after(move |told| told.soon(|| path.exists().then(|| format!("{} is there", path.display()))))
}

fn escape(ground: &Ground) -> Staged {
    let directory = ground.fresh("outside")?;
    // Whoever comes so far shall not fail for want of a permission.
    mode(&directory, 0o777).map_err(|error| failed("open a directory", &error))?;
    let path = directory.join("escaped");
    Ok(appears(Scene::of(["escape", &text(&path)]), path))
}

fn set_user_id(ground: &Ground) -> Staged {
    let program = if is_root() { own_set_user_id(ground)? } else { of_the_system()? };
    let mut scene = Scene::of(["run-setuid", &text(&program)]).held(|attackers| {
        let children = attackers.iter().flat_map(|one| one.children());
        let mut changed = children.filter_map(|one| Some((one, one.uids()?))).filter(|(_, (real, now))| real != now);
        changed.next().map(|(one, (real, now))| format!("process {} of user {real} runs as {now}", one.0))
    });
    scene.given = vec![program];
    Ok(scene)
}

/// Root's neighbour is somebody else: a copy of the attacker that belongs to nobody.
fn own_set_user_id(ground: &Ground) -> Result<PathBuf, String> {
    let copy = ground.copy_of_attacker()?;
    chown(&copy, Some(65534), None)
        .and_then(|()| mode(&copy, 0o4755))
        .map_err(|error| failed("give a file away", &error))?;
    Ok(copy)
}

/// A program of root's that everybody may execute and that says how it is used.
fn of_the_system() -> Result<PathBuf, String> {
    let known = ["mount", "su", "umount", "passwd", "chsh", "newgrp", "sudo"];
    let paths = known.iter().map(|name| PathBuf::from("/usr/bin").join(name));
    let set = |path: &PathBuf| fs::metadata(path).is_ok_and(|data| data.uid() == 0 && data.mode() & 0o4001 == 0o4001);
    paths.into_iter().find(set).ok_or_else(|| "no set-user-id program of root's is known here".to_owned())
}

fn become_root() -> Scene {
    Scene::of(["setuid-zero"]).held(|attackers| {
        let root =
            attackers.iter().find(|one| one.uids().is_some_and(|(real, effective)| real == 0 && effective == 0))?;
        Some(format!("process {} has user id 0 of the host", root.0))
    })
}

fn capabilities() -> Scene {
    Scene::of(["capabilities"]).held(|attackers| {
        let own = own_namespace("user");
        attackers.iter().find_map(|one| {
            let set = one.status("CapEff").filter(|set| set.bytes().any(|digit| digit != b'0'))?;
            (one.namespace("user") == own).then(|| format!("process {} has {set} in the host's user namespace", one.0))
        })
    })
}

/// In a hierarchy that was not there before and is nobody else's: the host's own groups are left alone.
fn release_agent(ground: &Ground) -> Staged {
    let directory = ground.fresh("outside")?;
    let (script, path) = (directory.join("agent"), directory.join("ran"));
    let text_of = format!("#!/bin/sh\necho ran >{}\n", path.display());
    let made = fs::write(&script, text_of).and_then(|()| mode(&script, 0o755));
    made.map_err(|error| failed("make a script", &error))?;
    let name = format!("palisade-attack-{}", random());
    let seen = path.clone();
    let scene = Scene::of(["release-agent", &name, &text(&script)]).held(move |_| {
        // The kernel starts it later, from a queue.
        soon(|| seen.exists().then(|| "the kernel has run the attacker's script outside, as root".to_owned()))
    });
    Ok(appears(scene, path))
}

fn join_namespace(ground: &Ground) -> Staged {
    // A thread of its own, which goes to another network and leaves the victim there.
    let victim = std::thread::scope(|scope| {
        let there = || {
            palisade_sys::empty_network().map_err(|error| failed("make a network namespace", &error))?;
            Victim::free(ground)
        };
        scope.spawn(there).join().unwrap_or_else(|_| Err("the thread panicked".to_owned()))
    })?;
    let wanted = victim.process().namespace("net").ok_or("the victim cannot be looked at")?;
    let words = ["setns".to_owned(), format!("/proc/{}/ns/net", victim.pid())];
    let joined = move |attackers: &[Attacker]| {
        let inside = attackers.iter().find(|one| one.namespace("net").as_ref() == Some(&wanted))?;
        Some(format!("process {} is in {}", inside.0, wanted.display()))
    };
    Ok(Scene::of(words).held(joined).keep(victim))
}

fn real_time() -> Scene {
    Scene::of(["realtime-priority"]).held(|attackers| {
        attackers.iter().find_map(|one| {
            // proc_pid_stat(5): 19 nice, 41 scheduling policy; 1 and 2 are real-time ones.
            let (nice, policy) = (one.number(19)?, one.number(41)?);
            let taken = nice < 0 || policy == 1 || policy == 2;
            taken.then(|| format!("process {} has scheduling policy {policy} and a nice value of {nice}", one.0))
        })
    })
}
