//! Runs one after the other on a thread of their own, which share what no two of them can use to reach each other.
//!
//! That is the network namespace of a program that has no network: making one and having the kernel free it costs as much
//! as the other six together, twice. It is empty, its loopback is down, the filter lets the program make no socket
//! but those of its own host, and a run begins when every process of the one before has ended, so that no name of an abstract
//! socket is left. What differs from a namespace of its own: none of its users has any rights over it. Not here:
//! running (`prepare.rs`).

use std::{cell::RefCell, marker::PhantomData, os::fd::BorrowedFd};

use palisade_spec::{Input, NetworkPolicy, Output, Report};
use palisade_sys::{Script, empty_network};

use crate::{
    error::StartError,
    native::{Network, Wall},
    prepare::{Prepared, Watch},
    supervise::{Turn, now},
};

/// Runs of one [`Prepared`] program on one thread, one after the other: cheaper than as many by [`Prepared::run`].
///
/// Each has a sandbox of its own as there, with one exception. If this process is root and the program has no network, they
/// use one empty network namespace in turn.
///
/// ```
/// use palisade::{Lane, Preparation, prepare, spec::{Input, Output, Program, Request}};
///
/// let request = Request::new(Program::Command("cat".to_owned()));
/// let Preparation::Ready(program) = prepare(&request, None)? else { unreachable!("nothing is compiled") };
/// std::thread::scope(|scope| {
///     let lane = scope.spawn(|| {
///         let mut lane = Lane::new(&program);
///         for input in ["1\n", "2\n"] {
///             let report = lane.run(Input::Bytes(input.into()), Output::Keep, None, &|| ())?;
///             assert_eq!(report.stdout.kept, input.as_bytes());
///         }
///         Ok::<(), palisade::StartError>(())
///     });
///     lane.join().expect("it does not panic")
/// })?;
/// # Ok::<(), palisade::StartError>(())
/// ```
#[derive(Debug)]
pub struct Lane<'a> {
    prepared: &'a Prepared,
    network: Network,
    /// Made by the first run. It says the same for each of them.
    script: RefCell<Option<Script>>,
    /// Bound to its thread.
    of_thread: PhantomData<*const ()>,
}

impl<'a> Lane<'a> {
    /// Begins a lane on the calling thread, **which may lose its network for good**, together with every thread and process
    /// that it starts afterwards: give the lane a thread of its own.
    pub fn new(prepared: &'a Prepared) -> Self {
        let launch = prepared.launch();
        let closed = launch.wall == Wall::Full && !launch.has_agent() && launch.job.network == NetworkPolicy::None;
        // Without the right to, as an ordinary user: each run makes its own, as ever.
        let entered = closed && empty_network().is_ok();
        let network = if entered { Network::OfThread } else { Network::New };
        Self { prepared, network, script: RefCell::default(), of_thread: PhantomData }
    }

    /// As [`Prepared::run`]. `ended` is called as soon as the program has ended, while its sandbox is still being torn
    /// down, which takes the kernel a while and no processor; it is not called for a program that was stopped.
    ///
    /// # Errors
    /// If the program could not be started; whatever it does afterwards is in the report.
    pub fn run(
        &mut self,
        stdin: Input,
        output: Output,
        cancel: Option<BorrowedFd<'_>>,
        ended: &dyn Fn(),
    ) -> Result<Report, StartError> {
        let watch = Watch { cancel, ended: Some(ended), ..Watch::default() };
        let turn = Turn { network: self.network, script: Some(&self.script), ..Turn::default() };
        self.prepared.run_on(turn, now(), stdin, output, watch)
    }
}
