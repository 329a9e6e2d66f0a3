//! Words of a program's that reach a listener outside, and traffic of others that reaches a program.

use crate::operation::{Answer, Arguments, Operation, Place, Stop, blocked, check};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixStream};
use std::time::Duration;

#[rustfmt::skip] // a table
pub(super) const OPERATIONS: &[Operation] = &[
    Operation { name: "tell-tcp", arguments: "ADDRESS PORT TEXT", about: "sends TEXT by TCP", needs: "a listener", place: Place::Child, run: tcp },
    Operation { name: "tell-udp", arguments: "ADDRESS PORT TEXT", about: "sends TEXT as a datagram; success means that the kernel took it", needs: "a route", place: Place::Child, run: udp },
    Operation { name: "tell-unix", arguments: "PATH TEXT", about: "sends TEXT to a unix socket in the file system", needs: "a listener", place: Place::Child, run: unix },
    Operation { name: "tell-abstract", arguments: "NAME TEXT", about: "sends TEXT to an abstract unix socket", needs: "a listener", place: Place::Child, run: abstract_socket },
    Operation { name: "serve", arguments: "PORT", about: "listens at a port of all addresses", needs: "nobody listens there", place: Place::Child, run: serve },
    Operation { name: "sniff", arguments: "MARKER", about: "takes packets from all interfaces, and tells what follows MARKER in one", needs: "CAP_NET_RAW", place: Place::Child, run: sniff },
];

fn destination(arguments: &Arguments) -> Result<SocketAddr, Stop> {
    let text = arguments.text(0, "ADDRESS")?;
    let address: IpAddr = text.parse().map_err(|_| Stop::Inconclusive(format!("`{text}` is no address")))?;
    Ok(SocketAddr::new(address, arguments.number(1, "PORT", 65535)? as u16))
}

fn tcp(arguments: &Arguments) -> Answer {
    let (address, text) = (destination(arguments)?, arguments.text(2, "TEXT")?);
    let call = format!("connect {address}");
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).map_err(blocked(call))?;
    stream.write_all(text.as_bytes()).map_err(blocked("send"))?;
    Ok(format!("sent {} bytes to {address}", text.len()))
}

fn udp(arguments: &Arguments) -> Answer {
    let (address, text) = (destination(arguments)?, arguments.text(2, "TEXT")?);
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(blocked("socket(UDP)"))?;
    socket.send_to(text.as_bytes(), address).map_err(blocked(format!("sendto {address}")))?;
    Ok(format!("sent a datagram of {} bytes to {address}", text.len()))
}

fn unix(arguments: &Arguments) -> Answer {
    let (path, text) = (arguments.text(0, "PATH")?, arguments.text(1, "TEXT")?);
    let mut stream = UnixStream::connect(path).map_err(blocked(format!("connect {path}")))?;
    stream.write_all(text.as_bytes()).map_err(blocked("send"))?;
    Ok(format!("sent {} bytes to {path}", text.len()))
}

fn abstract_socket(arguments: &Arguments) -> Answer {
    let (name, text) = (arguments.text(0, "NAME")?, arguments.text(1, "TEXT")?);
    let address = UnixAddress::from_abstract_name(name).map_err(blocked("abstract name"))?;
    let mut stream = UnixStream::connect_addr(&address).map_err(blocked(format!("connect @{name}")))?;
    stream.write_all(text.as_bytes()).map_err(blocked("send"))?;
    Ok(format!("sent {} bytes to @{name}", text.len()))
}

fn serve(arguments: &Arguments) -> Answer {
    let port = arguments.number(0, "PORT", 65535)? as u16;
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(blocked(format!("bind port {port}")))?;
    // Held until this process ends.
    std::mem::forget(listener);
    Ok(format!("listens at port {port}"))
}

fn sniff(arguments: &Arguments) -> Answer {
    let marker = arguments.text(0, "MARKER")?.as_bytes();
    let all = i32::from((libc::ETH_P_ALL as u16).to_be());
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: plain numbers.
    let fd = check("socket(AF_PACKET)", unsafe { libc::socket(libc::AF_PACKET, kind, all) })? as i32;
    crate::hold::here("socket(AF_PACKET) is open");
    let mut packet = vec![0_u8; 65_536];
    let mut count = 0;
    loop {
        // SAFETY: the buffer is live and its length its own.
        let length = unsafe { libc::recv(fd, packet.as_mut_ptr().cast(), packet.len(), 0) };
        if length <= 0 {
            return Ok(format!("socket(AF_PACKET) gave {count} packets, none with the marker"));
        }
        count += 1;
        let bytes = &packet[..length as usize];
        if let Some(at) = bytes.windows(marker.len().max(1)).position(|window| window == marker) {
            let end = bytes.len().min(at + marker.len() + 64);
            return Ok(format!("a packet of somebody else's had {}", super::shown(&bytes[at..end])));
        }
    }
}
