//! From a launch to a program that runs in a container of an engine.
//!
//! Not here: what the engine does (`crate::engine`), how the agent is heard (`guest.rs`).

use std::os::fd::OwnedFd;

use palisade_spec::Input;

use super::{
    Connection, LOOKS, Left, Run, Times,
    launching::{make_group, refuse_weakened},
    meter::Meter,
    now,
    output::Streams,
    process::Process,
    verdict::Acts,
};
use crate::{
    engine::{Container, Engine},
    error::StartError,
    foreign,
    native::{Handle, Launch, handles},
};

/// Starts the container and has its agent start the program.
pub(super) fn start<'a>(
    launch: &'a Launch,
    engine: &Engine,
    connection: &'a Connection<'a>,
    stdin: Input,
) -> Result<Run<'a>, StartError> {
    refuse_weakened(launch, connection.strictness, &launch.weakened)?;
    let order = |stdin| foreign::order(launch, engine.agent(), stdin);
    let (limit, excess) = (launch.job.limits.output.0, connection.excess);
    let (streams, pipes) =
        Streams::of_agent(stdin, order, &connection.output, limit, excess).map_err(StartError::io("make pipes"))?;
    let cloned = now();
    // Whoever cancels meanwhile is heard when the agent is: this is bounded.
    let container = Container::start(launch, engine, &pipes, connection.upkeep)?;
    drop(pipes); // the agent has them
    let mut acts = Acts::new();
    let mut meter = Meter::new(None, launch.room());
    let mut left = Left { user: launch.ids.uid, ..Left::default() };
    let times = Times { begun: connection.begun, cloned, ..Times::default() };
    let group = match &launch.cgroup {
        // A group of ours stands in for the engine's, which has none.
        Some(_) => make_group(launch, &mut acts),
        None => None,
    };
    refuse_weakened(launch, connection.strictness, &acts.weakened)?;
    match group {
        Some(group) => {
            container.join(&group).map_err(StartError::io("put the container into a cgroup"))?;
            meter = Meter::new(Some(group), launch.room());
        }
        None => {
            let group = container.group().map_err(StartError::io("find the container's cgroup"))?;
            container.narrow(&group, &launch.settings()).map_err(StartError::io("set the program's limits"))?;
            meter.lend(group);
        }
    }
    let given = handles(&launch.job).into_iter().map(|handle| match handle {
        Handle::Place(path) => container.directory(&path),
        Handle::Upper | Handle::Blank => Err(std::io::ErrorKind::Unsupported.into()),
    });
    let given = given.collect::<std::io::Result<Vec<OwnedFd>>>();
    let mut given = given.map_err(StartError::io("open the container's directories"))?.into_iter();
    if let Some(proc) = given.next() {
        meter.watch(proc);
    }
    left.take(&launch.job, given);
    let times = Times { started: container.started, ..times };
    let mut run = Run {
        launch,
        connection,
        child: Process::Container(container),
        streams,
        typed: Input::Empty,
        terminal: None,
        meter,
        listener: None,
        acts,
        stop: None,
        times,
        exit: None,
        alone: false,
        looks: LOOKS,
        failed: None,
        told_all: false,
        made: false,
        left,
    };
    run.until_started()?;
    Ok(run)
}
