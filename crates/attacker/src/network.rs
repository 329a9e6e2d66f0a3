//! Network: reaching others, and socket families that a program has no business with.

use crate::lookup;
use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::time::Duration;

#[rustfmt::skip] // a table
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation { name: "tcp-connect", arguments: "HOST PORT", about: "connects by TCP", needs: "a listener", place: Place::Child, run: tcp_connect },
    Operation { name: "udp-send", arguments: "HOST PORT", about: "sends a datagram; success means that the kernel took it", needs: "a route", place: Place::Child, run: udp_send },
    Operation { name: "abstract-unix-connect", arguments: "NAME", about: "connects to an abstract unix socket", needs: "a listener", place: Place::Child, run: abstract_connect },
    Operation { name: "unix-connect", arguments: "PATH", about: "connects to a unix socket in the file system", needs: "a listener", place: Place::Child, run: unix_connect },
    Operation { name: "socket-packet", arguments: "", about: "opens an AF_PACKET socket", needs: "CAP_NET_RAW", place: Place::Child, run: |_| socket("AF_PACKET", libc::AF_PACKET, libc::SOCK_RAW, 0) },
    Operation { name: "socket-raw", arguments: "", about: "opens a raw ICMP socket", needs: "CAP_NET_RAW", place: Place::Child, run: |_| socket("AF_INET, SOCK_RAW", libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP) },
    Operation { name: "socket-vsock", arguments: "", about: "opens an AF_VSOCK socket", needs: "kernel with vsock", place: Place::Child, run: |_| socket("AF_VSOCK", libc::AF_VSOCK, libc::SOCK_STREAM, 0) },
    Operation { name: "socket-alg", arguments: "", about: "opens an AF_ALG socket", needs: "kernel with AF_ALG", place: Place::Child, run: |_| socket("AF_ALG", libc::AF_ALG, libc::SOCK_SEQPACKET, 0) },
    Operation { name: "socket-netlink", arguments: "", about: "opens a NETLINK_ROUTE socket", needs: "-", place: Place::Child, run: |_| socket("AF_NETLINK", libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE) },
    Operation { name: "socket-bluetooth", arguments: "", about: "opens a Bluetooth HCI socket", needs: "kernel with Bluetooth", place: Place::Child, run: |_| socket("AF_BLUETOOTH", libc::AF_BLUETOOTH, libc::SOCK_RAW, 1) },
];

fn destination(arguments: &Arguments) -> Result<SocketAddr, Stop> {
    let port = arguments.number(1, "PORT", 65535)? as u16;
    Ok(SocketAddr::new(lookup::address(arguments.text(0, "HOST")?)?, port))
}

fn tcp_connect(arguments: &Arguments) -> Answer {
    let address = destination(arguments)?;
    let call = format!("connect {address}");
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(blocked(call))?;
    let local = stream.local_addr().map_err(blocked("getsockname"))?;
    Ok(format!("connected from {local} to {address}"))
}

fn udp_send(arguments: &Arguments) -> Answer {
    let address = destination(arguments)?;
    let socket =
        UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).map_err(blocked("socket(UDP)"))?;
    socket.connect(address).map_err(blocked(format!("connect {address}")))?;
    let count = socket.send(b"hostile").map_err(blocked(format!("send {address}")))?;
    Ok(format!("sent {count} bytes to {address}"))
}

fn abstract_connect(arguments: &Arguments) -> Answer {
    let name = arguments.text(0, "NAME")?;
    let address = UnixAddress::from_abstract_name(name).map_err(blocked("abstract name"))?;
    UnixStream::connect_addr(&address).map_err(blocked(format!("connect @{name}")))?;
    Ok(format!("connected to @{name}"))
}

fn unix_connect(arguments: &Arguments) -> Answer {
    let path = arguments.text(0, "PATH")?;
    UnixStream::connect(path).map_err(blocked(format!("connect {path}")))?;
    Ok(format!("connected to {path}"))
}

fn socket(name: &str, family: i32, kind: i32, protocol: i32) -> Answer {
    // SAFETY: plain numbers; the child that holds the descriptor ends right after.
    let fd = check(format!("socket({name})"), unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    Ok(format!("socket({name}) gave descriptor {fd}"))
}
