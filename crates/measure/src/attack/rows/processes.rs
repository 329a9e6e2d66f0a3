//! Processes that are not the program's.

use std::{process::Command, time::Duration};

use palisade_spec::{Guarantee, LimitsAsk};

use super::{Staged, row};
use crate::attack::{
    Attack, Group,
    ground::Ground,
    host::{Attacker, attackers},
    scene::{Scene, soon},
    victim::{Helper, Victim},
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    on("kill-process", "kills a process by its number", "the process has ended", kill),
    on("find-and-kill", "looks for a process by its command line and kills it", "the process has ended", find_and_kill),
    on("stop-process", "stops a process", "the process is stopped", stop),
    on("slow-process", "takes a process's priority away", "the process has another nice value", slow),
    on("read-command-lines", "reads other processes' arguments", "it printed a word of a command line", command_lines),
    on("read-environment", "reads another process's environment", "it printed a word of it", environment),
    on("read-memory", "reads another process's memory", "it printed what is there", memory),
    on("steal-descriptor", "takes an open file from another process", "it printed what is in the file", descriptor),
    on("trace-process", "traces a process", "the process has a tracer", trace),
    on("stop-launcher", "stops the process that started it", "a process of the host above it is stopped", stop_launcher),
    row(Group::HostProcesses, Guarantee::Time, "stop-clock", "stops the process that started it, and lives for 1 s, where 0.2 s are allowed", "it lives to the end, or whoever keeps the time was stopped", stop_clock),
    on("outlive", "leaves a process behind, in a session of its own", "the process lives on when the run has ended", outlive),
];

const fn on(name: &'static str, about: &'static str, effect: &'static str, stage: fn(&Ground) -> Staged) -> Attack {
    row(Group::HostProcesses, Guarantee::Processes, name, about, effect, stage)
}

fn kill(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    Ok(dies(Scene::of(["signal-process", &victim.pid()]), victim))
}

fn find_and_kill(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    Ok(dies(Scene::of(["kill-marked", &victim.in_command_line]), victim))
}

fn dies(scene: Scene, mut victim: Victim) -> Scene {
    scene.after(move |told| {
        told.soon(|| victim.helper.ended().map(|status| format!("process {} ended: {status}", victim.pid())))
    })
}

fn stop(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    let pid = victim.pid();
    Ok(Scene::of(["stop-process", &pid]).after(move |told| {
        told.soon(|| (victim.process().state() == Some('T')).then(|| format!("process {pid} is stopped")))
    }))
}

fn slow(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    let pid = victim.pid();
    // Field 19 of proc_pid_stat(5): the nice value.
    let slowed = move |_: &_| {
        let nice = victim.process().number(19)?;
        (nice > 10).then(|| format!("process {} has a nice value of {nice}", victim.pid()))
    };
    Ok(Scene::of(["slow-process", &pid]).after(slowed))
}

fn command_lines(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    let secret = victim.in_command_line.clone();
    Ok(Scene::of(["read-command-lines"]).told(secret, "an argument of another process").keep(victim))
}

fn environment(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    let words = ["steal".to_owned(), format!("/proc/{}/environ", victim.pid())];
    let secret = victim.in_environment.clone();
    Ok(Scene::of(words).told(secret, "a variable of another process").keep(victim))
}

fn memory(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    let length = victim.in_memory.len().to_string();
    let scene = Scene::of(["steal-memory", &victim.pid(), &victim.address, &length]);
    Ok(scene.told(victim.in_memory.clone(), "the memory of another process").keep(victim))
}

fn descriptor(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    let scene = Scene::of(["steal-descriptor", &victim.pid(), &victim.descriptor]);
    Ok(scene.told(victim.in_memory.clone(), "a file that only another process has open").keep(victim))
}

fn trace(ground: &Ground) -> Staged {
    let victim = Victim::new(ground)?;
    let pid = victim.pid();
    let traced = move |_: &[Attacker]| {
        let tracer = victim.process().status("TracerPid")?;
        (tracer != "0").then(|| format!("process {} is traced by {tracer}", victim.pid()))
    };
    Ok(Scene::of(["ptrace-attach", &pid]).held(traced))
}

/// Outside, its parent is a process that was made to be one. Inside, that is for the wall to say.
fn stop_launcher(_: &Ground) -> Staged {
    let own = std::process::id();
    let above = move |attackers: &[Attacker]| {
        let above_one =
            |one: &Attacker| std::iter::successors(one.parent(), |one| one.parent()).take_while(|one| one.0 != own);
        // One that is in a pid namespace of the wall's own ends with it, and is nobody's on the host.
        let above: Vec<Attacker> = attackers.iter().flat_map(above_one).filter(|one| one.is_of_host()).collect();
        let stopped = soon(|| above.iter().find(|one| one.state() == Some('T')))?;
        let pid = i32::try_from(stopped.0).ok().and_then(rustix::process::Pid::from_raw)?;
        // It may be one that has to go on for the run to end.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::CONT);
        Some(format!("process {}, which started it, was stopped", stopped.0))
    };
    let mut scene = Scene::of(["stop-parent"]).held(above);
    scene.supervised = Some(Duration::from_secs(10));
    Ok(scene)
}

/// If it is this process that is stopped, the guard lets it go on and tells.
fn stop_clock(ground: &Ground) -> Staged {
    let mut command = Command::new(ground.attacker());
    command.args(["--leash", "guard", &std::process::id().to_string()]);
    let (mut guard, _) = Helper::start(&mut command, "")?;
    let time = Duration::from_millis(200);
    let limits = LimitsAsk { wall_time: Some(time), ..LimitsAsk::default() };
    let mut scene = Scene::of(["stop-clock", "1"]).limits(limits).after(move |told| {
        let said = guard.end();
        let late = told.believes() && told.took >= Duration::from_millis(900);
        match said.ends_with(" 0 times") {
            true => late.then(|| format!("it spoke after {} ms", told.took.as_millis())),
            false => Some(said),
        }
    });
    scene.supervised = Some(time);
    Ok(scene)
}

fn outlive(_: &Ground) -> Staged {
    Ok(Scene::of(["outlive", "20"]).after(|told| {
        let left = attackers(&told.token);
        left.first().map(|one| format!("process {} lives on", one.0))
    }))
}
