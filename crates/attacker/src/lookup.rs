//! Host names without getaddrinfo, which a static glibc does not have: numbers, /etc/hosts, one DNS query.

use crate::operation::{Stop, blocked};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

/// The first address of a host.
pub(crate) fn address(host: &str) -> Result<IpAddr, Stop> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    match known(&hosts, host) {
        Some(address) => Ok(address),
        None if host == "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        None => query(host),
    }
}

/// The host's address in the words of /etc/hosts, IPv4 before IPv6.
fn known(hosts: &str, host: &str) -> Option<IpAddr> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let matching = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse::<IpAddr>().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(host)).then_some(address)
    });
    matching.min_by_key(IpAddr::is_ipv6)
}

fn query(host: &str) -> Result<IpAddr, Stop> {
    let settings = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let server = settings.lines().find_map(|line| line.strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok());
    let Some(server) = server else {
        return Err(Stop::Blocked(format!("resolve {host}: /etc/resolv.conf names no server")));
    };
    let any: &str = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).map_err(blocked("socket(UDP)"))?;
    socket.connect((server, 53)).map_err(blocked(format!("connect to DNS server {server}")))?;
    socket.set_read_timeout(Some(Duration::from_secs(3))).map_err(blocked("setsockopt"))?;
    // Recursion desired, one question: type A, class IN (RFC 1035, 4.1).
    let mut message = vec![0x70, 0x61, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in host.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length));
        message.push(length.ok_or_else(|| Stop::Inconclusive(format!("`{host}` is not a host name")))?);
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    socket.send(&message).map_err(blocked(format!("send to DNS server {server}")))?;
    let mut reply = [0_u8; 1500];
    let count = socket.recv(&mut reply).map_err(blocked(format!("receive from DNS server {server}")))?;
    answer(&reply[..count], message.len())
        .ok_or_else(|| Stop::Blocked(format!("resolve {host}: DNS code {}, no address", reply[3] & 15)))
}

/// The first A record of a reply whose question ends at `offset`.
fn answer(reply: &[u8], mut offset: usize) -> Option<IpAddr> {
    let short = |at: usize| Some(u16::from_be_bytes([*reply.get(at)?, *reply.get(at + 1)?]));
    for _ in 0..short(6)? {
        while *reply.get(offset)? != 0 && *reply.get(offset)? < 0xC0 {
            offset += 1 + usize::from(*reply.get(offset)?);
        }
        offset += if *reply.get(offset)? == 0 { 1 } else { 2 };
        let (kind, length) = (short(offset)?, usize::from(short(offset + 8)?));
        if kind == 1 {
            let octets: [u8; 4] = reply.get(offset + 10..offset + 14)?.try_into().ok()?;
            return Some(Ipv4Addr::from(octets).into());
        }
        offset += 10 + length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_by_any_name_and_ipv4_comes_first() {
        let hosts = "::1 localhost\n127.0.0.1 localhost # here\n10.0.0.1 a b # c\n";
        assert_eq!(known(hosts, "LocalHost"), Some(Ipv4Addr::LOCALHOST.into()));
        assert_eq!(known(hosts, "b"), Some(Ipv4Addr::new(10, 0, 0, 1).into()));
        assert_eq!(known(hosts, "c"), None);
    }

    #[test]
    fn an_address_is_found_behind_an_alias_in_a_reply() {
        let head = [0x70, 0x61, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        let question = [1, b'a', 0, 0, 1, 0, 1];
        let alias = [0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 9, 0, 3, 1, b'b', 0];
        let address = [1, b'b', 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 198, 18, 0, 7];
        let reply = [&head[..], &question, &alias, &address].concat();
        assert_eq!(answer(&reply, head.len() + question.len()), Some(Ipv4Addr::new(198, 18, 0, 7).into()));
        for length in 0..reply.len() {
            assert_eq!(answer(&reply[..length], 19), None, "a reply cut at {length}");
        }
    }
}
