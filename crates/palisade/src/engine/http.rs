//! HTTP over a unix socket, for a client that would use the network. Not here: what is said (`client.rs`).

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::{
    fs::{OFlags, fcntl_setfl},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use ureq::{
    Agent, Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport},
    },
};

/// A client of whoever listens at `socket`. It takes every status for an answer.
pub(super) fn agent(socket: &Path) -> Agent {
    let config = Config::builder().http_status_as_error(false).max_redirects(0).proxy(None).build();
    Agent::with_parts(config, At(Arc::from(socket)), Nowhere)
}

/// Connects without waiting for somebody who does not take connections.
pub(super) fn open(socket: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&fd, &SocketAddrUnix::new(socket)?)?;
    fcntl_setfl(&fd, OFlags::empty())?;
    Ok(UnixStream::from(fd))
}

#[derive(Debug)]
struct At(Arc<Path>);

impl Connector for At {
    type Out = Stream;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<Stream>, Error> {
        let (inward, outward) = (details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Stream {
            stream: open(&self.0)?,
            buffers: LazyBuffers::new(inward, outward),
            path: self.0.to_path_buf(),
        }))
    }
}

/// No name is ever looked up.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(([127, 0, 0, 1], 80).into());
        Ok(addresses)
    }
}

struct Stream {
    stream: UnixStream,
    buffers: LazyBuffers,
    path: PathBuf,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stream").field(&self.path).finish()
    }
}

impl Transport for Stream {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_timeout(left(&timeout))?;
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output).map_err(|error| in_time(error, &timeout))
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_read_timeout(left(&timeout))?;
        let amount = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => break answer.map_err(|error| in_time(error, &timeout))?,
            }
        };
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// Kept connections are not used again: an engine closes them when it likes.
    fn is_open(&mut self) -> bool {
        false
    }
}

/// No timeout is one of nothing, which the kernel takes for none at all.
fn left(timeout: &NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|left| *left)
}

fn in_time(error: io::Error, timeout: &NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => Error::Io(error),
    }
}
