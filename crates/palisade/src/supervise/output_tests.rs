//! When a run's streams are at their end.

use std::{error::Error, io};

use palisade_spec::{Input, Output, OutputExcess};
use rustix::io::write;

use super::Streams;

fn streams() -> io::Result<(Streams, crate::native::Pipes)> {
    Streams::new(Input::Empty, &Output::Keep, 1 << 20, OutputExcess::Cut)
}

#[test]
fn what_nobody_can_write_to_ends_although_it_is_open() -> Result<(), Box<dyn Error>> {
    // As after a program that has sent its output to itself and ended: the kernel has not closed it yet.
    let (mut streams, open_yet) = streams()?;
    write(&open_yet.0[1], b"the last words")?;
    streams.ended(true);
    streams.serve()?;
    assert!(streams.is_drained());
    assert_eq!(streams.output[0].stream.kept, b"the last words");
    Ok(())
}

#[test]
fn what_a_daemon_passes_on_is_waited_for() -> Result<(), Box<dyn Error>> {
    let (mut streams, pipes) = streams()?;
    streams.ended(false);
    streams.serve()?;
    assert!(!streams.is_drained());
    drop(pipes);
    streams.serve()?;
    assert!(streams.is_drained());
    Ok(())
}
