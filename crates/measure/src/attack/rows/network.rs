//! Others that can be reached, and their traffic.

use std::{
    fs,
    io::{self, Read},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::Duration,
};

use palisade_spec::Guarantee;

use super::{Staged, row};
use crate::attack::{
    Arena, Attack, Group,
    ground::{Ground, failed, secret},
    host::{Attacker, own_namespace},
    scene::Scene,
};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[Attack] = &[
    on("exfiltrate-tcp", "sends a secret to a listener on the loopback, by TCP", "the listener has heard it", |_| tcp(Ipv4Addr::LOCALHOST.into())),
    on("exfiltrate-tcp6", "the same by IPv6", "the listener has heard it", |_| tcp(Ipv6Addr::LOCALHOST.into())),
    on("exfiltrate-udp", "sends a secret as a datagram", "the receiver has got it", udp),
    Attack { arena: Arena::OwnNetwork, ..on("metadata-service", "speaks to the cloud's metadata service at 169.254.169.254", "a listener at that address has heard it", metadata) },
    on("serve-a-port", "listens at a port of the host", "a client outside is connected to it", serve),
    on("see-connections", "reads the table of the host's sockets", "it printed a socket of the host's", see_connections),
    on("sniff-packets", "takes packets from the host's interfaces", "it printed what others said to each other", sniff),
    on("raw-socket", "opens a raw socket", "the host's network has it", |_| Ok(socket("socket-raw", "RAW", Of::Network))),
    on("netlink-socket", "opens a socket to the host's network configuration", "the host's network has it", |_| Ok(socket("socket-netlink", "NETLINK", Of::Network))),
    on("vsock", "opens a socket to the hypervisor", "it holds one of the host's kernel", |_| Ok(socket("socket-vsock", "AF_VSOCK", Of::Kernel))),
];

const fn on(name: &'static str, about: &'static str, effect: &'static str, stage: fn(&Ground) -> Staged) -> Attack {
    row(Group::Network, Guarantee::Network, name, about, effect, stage)
}

/// What a listener that does not wait has been told by everybody who has connected.
pub(super) fn heard<S: Read>(mut accept: impl FnMut() -> io::Result<S>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(stream) = accept() {
        // What the sender has not written before its end it never will.
        let _ = stream.take(1 << 16).read_to_end(&mut all);
    }
    all
}

pub(super) fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
}

/// A listener at an address, and a scene in which it is told a secret.
fn listen(address: SocketAddr) -> Staged {
    let listener = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let listener = listener.map_err(|error| failed("listen", &error))?;
    let address = listener.local_addr().map_err(|error| failed("listen", &error))?;
    let secret = secret();
    let words = ["tell-tcp".to_owned(), address.ip().to_string(), address.port().to_string(), secret.clone()];
    Ok(Scene::of(words).after(move |_| {
        let accept = || {
            let (stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(Duration::from_secs(1)))?;
            Ok(stream)
        };
        holds(&heard(accept), &secret).then(|| format!("the listener at {address} has heard it"))
    }))
}

fn tcp(address: std::net::IpAddr) -> Staged {
    listen(SocketAddr::new(address, 0))
}

fn metadata(ground: &Ground) -> Staged {
    let address = Ipv4Addr::new(169, 254, 169, 254);
    ground.help(&["loopback", &address.to_string()])?;
    listen((address, 80).into())
}

fn udp(_: &Ground) -> Staged {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| {
        socket.set_nonblocking(true)?;
        Ok((socket.local_addr()?, socket))
    });
    let (address, socket) = socket.map_err(|error| failed("make a socket", &error))?;
    let secret = secret();
    let words = ["tell-udp".to_owned(), address.ip().to_string(), address.port().to_string(), secret.clone()];
    Ok(Scene::of(words).after(move |_| {
        let mut bytes = [0_u8; 512];
        let count = socket.recv(&mut bytes).ok()?;
        holds(&bytes[..count], &secret).then(|| format!("the receiver at {address} has got it"))
    }))
}

fn serve(_: &Ground) -> Staged {
    // A port that was free a moment ago.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| Ok(listener.local_addr()?.port()));
    let port = port.map_err(|error| failed("find a port", &error))?;
    Ok(Scene::of(["serve", &port.to_string()]).held(move |_| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let connected = TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok();
        connected.then(|| format!("a client outside is connected to {address}"))
    }))
}

fn see_connections(_: &Ground) -> Staged {
    use std::os::fd::AsRawFd;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| failed("listen", &error))?;
    let name = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd()));
    let name = name.map_err(|error| failed("look at a socket", &error))?.to_string_lossy().into_owned();
    let inode = name.trim_start_matches("socket:[").trim_end_matches(']');
    // In its column of the table.
    let secret = format!(" {inode} ");
    Ok(Scene::of(["steal", "/proc/net/tcp"]).told(secret, "a socket of the host's").keep(listener))
}

fn sniff(_: &Ground) -> Staged {
    let make = || {
        let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok((UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, receiver.local_addr()?, receiver))
    };
    let (sender, address, receiver) = make().map_err(|error: io::Error| failed("make sockets", &error))?;
    let marker = format!("marker {}", crate::attack::ground::random());
    let secret = secret();
    let text = format!("{marker}{secret}");
    let speak = move |_: &[Attacker]| {
        // The effect is not that it is sent.
        let _ = sender.send_to(text.as_bytes(), address);
        None
    };
    let scene = Scene::of(["sniff".to_owned(), marker]).held(speak);
    Ok(scene.told(secret, "what two others said to each other").keep(receiver))
}

/// Whose a socket is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The network namespace's in which it was made.
    Network,
    /// The kernel's, whatever namespace it was made in.
    Kernel,
}

/// Opens a socket, and looks for one of that protocol in the attackers' hands.
fn socket(operation: &str, protocol: &'static str, of: Of) -> Scene {
    let own = own_namespace("net");
    Scene::of([operation]).held(move |attackers| {
        attackers.iter().find_map(|one| {
            if of == Of::Network && one.namespace("net") != own {
                return None;
            }
            let sockets = one.descriptors();
            let held = sockets.iter().find(|fd| fd.protocol().as_deref() == Some(protocol))?;
            Some(format!("process {} holds {}, which is of {protocol} in the host's network", one.0, held.target))
        })
    })
}
