//! What a program may reach, as sets that can be narrowed.
//!
//! Not here: who holds it (a backend), resolving names.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use serde::{Serialize, Serializer};

/// What the program may reach. Each allows everything that those above it allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkPolicy {
    /// An own network namespace whose loopback is down; internet sockets are refused.
    #[default]
    None,
    /// An own network namespace with a loopback of its own.
    Loopback,
    /// An own network namespace, and connections to **these destinations outside**.
    Custom(Destinations),
    /// **The host's network, whole.**
    AllowAll,
}

impl NetworkPolicy {
    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::Loopback, _) | (_, Self::Loopback) => Self::Loopback,
            (Self::AllowAll, narrower) | (narrower, Self::AllowAll) => narrower.clone(),
            (Self::Custom(a), Self::Custom(b)) => Self::Custom(a.meet(b)),
        }
    }
}

impl fmt::Display for NetworkPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Loopback => f.write_str("loopback"),
            Self::Custom(destinations) => write!(f, "custom: {destinations}"),
            Self::AllowAll => f.write_str("allow-all"),
        }
    }
}

/// Hosts outside, each with its ports, and who may be asked for their addresses.
///
/// Always in its normal form: no host stands here that a wider one covers with the same ports. So two values are equal if
/// and only if they allow the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Destinations {
    hosts: BTreeMap<Host, Ports>,
    dns: Dns,
}

impl Destinations {
    /// Every pair of a host and a port of its set. Ports of a host that is named twice, or lies within another, add up.
    #[must_use]
    pub fn new(pairs: impl IntoIterator<Item = (Host, Ports)>, dns: Dns) -> Self {
        let mut hosts: BTreeMap<Host, Ports> = BTreeMap::new();
        for (host, ports) in pairs {
            let known = hosts.entry(host).or_default();
            *known = known.join(&ports);
        }
        let mut this = Self { hosts, dns };
        this.normalize();
        this
    }

    /// Each host with its ports.
    pub fn hosts(&self) -> impl Iterator<Item = (&Host, &Ports)> {
        self.hosts.iter()
    }

    /// Who may be asked for addresses.
    #[must_use]
    pub const fn dns(&self) -> &Dns {
        &self.dns
    }

    /// Whether a connection to this host and port is allowed. `host` is a name or an address as text.
    #[must_use]
    pub fn allows(&self, host: &Host, port: u16) -> bool {
        self.ports_of(host).contains(port)
    }

    /// What both allow.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        // Two hosts are apart or one lies within the other, so what both name is named by one of them.
        let named: BTreeSet<&Host> = self.hosts.keys().chain(other.hosts.keys()).collect();
        let pairs = named.into_iter().map(|host| (host.clone(), self.ports_of(host).meet(&other.ports_of(host))));
        Self::new(pairs, self.dns.meet(&other.dns))
    }

    /// All ports that are allowed for `host`, by itself or within a wider one.
    fn ports_of(&self, host: &Host) -> Ports {
        let around = self.hosts.iter().filter(|(known, _)| known.covers(host));
        around.fold(Ports::default(), |sum, (_, ports)| sum.join(ports))
    }

    fn normalize(&mut self) {
        let full: BTreeMap<Host, Ports> = self
            .hosts
            .keys()
            .map(|host| (host.clone(), self.ports_of(host)))
            .filter(|(_, ports)| !ports.is_empty())
            .collect();
        let is_new = |host: &Host, ports: &Ports| {
            !full.iter().any(|(wider, theirs)| wider != host && wider.covers(host) && theirs == ports)
        };
        self.hosts =
            full.iter().filter(|(host, ports)| is_new(host, ports)).map(|(h, p)| (h.clone(), p.clone())).collect();
    }
}

impl fmt::Display for Destinations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hosts.is_empty() {
            f.write_str("nothing")?;
        }
        for (number, (host, ports)) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}:{ports}", if number > 0 { ", " } else { "" })?;
        }
        match &self.dns {
            Dns::Any => Ok(()),
            dns @ Dns::Only(_) => write!(f, "; dns {dns}"),
        }
    }
}

/// A host or a set of hosts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// Every name and every address: `*`.
    Any,
    /// One name, in lower case: `example.org`.
    Name(String),
    /// Every name below this one, not itself: `*.example.org`.
    Below(String),
    /// Addresses that begin with the same bits: `192.0.2.0/24`; one address has them all.
    Net(IpAddr, u8),
}

impl Host {
    /// Whether everything that `other` stands for is in here.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_below = |name: &str, top: &str| name.strip_suffix(top).is_some_and(|rest| rest.ends_with('.'));
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Name(a), Self::Name(b)) => a == b,
            (Self::Below(top), Self::Name(name)) => is_below(name, top),
            (Self::Below(top), Self::Below(name)) => name == top || is_below(name, top),
            (Self::Net(a, bits), Self::Net(b, more)) => bits <= more && first_bits(*a, *bits) == first_bits(*b, *bits),
            _ => false,
        }
    }
}

/// An address without what follows its first bits.
fn first_bits(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(v4) & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & mask))
        }
    }
}

/// Why a destination could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// No host.
    #[error(
        "`{0}` is not a host: write a name (example.org), all names below one (*.example.org), an address or a range of \
             addresses (192.0.2.0/24)"
    )]
    Host(String),
    /// No port.
    #[error("`{0}` is not a port: write a number from 1 to 65535, or a range such as 8000-8100")]
    Port(String),
    /// No endpoint.
    #[error("`{0}` is not an endpoint: write HOST:PORT, such as example.org:443 or [2001:db8::1]:443")]
    Endpoint(String),
    /// No server.
    #[error("`{0}` is not the address of a name server: write one such as 192.0.2.53")]
    Server(String),
}

impl FromStr for Host {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let bad = || DestinationError::Host(text.to_owned());
        if text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            // An address of version 4 in the clothes of version 6 is that address.
            let address = address.to_canonical();
            return Ok(Self::Net(address, width(address)));
        }
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| bad())?;
            let bits: u8 = bits.parse().map_err(|_| bad())?;
            // Bits behind the range would be a mistake about its size.
            if bits > width(address) || first_bits(address, bits) != address {
                return Err(bad());
            }
            return Ok(Self::Net(address, bits));
        }
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_label = |label: &str| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A last label of digits alone would be an address to some and a name to others.
        let last_is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() > 253 || last_is_number || !name.split('.').all(is_label) {
            return Err(bad());
        }
        Ok(if below { Self::Below(name) } else { Self::Name(name) })
    }
}

const fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Name(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
            Self::Net(address @ IpAddr::V4(_), 32) => write!(f, "{address}"),
            Self::Net(address @ IpAddr::V6(_), 128) => write!(f, "[{address}]"),
            Self::Net(address @ IpAddr::V6(_), bits) => write!(f, "[{address}/{bits}]"),
            Self::Net(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

impl Serialize for Host {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A set of ports, as ranges that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// Every port.
    #[must_use]
    pub fn any() -> Self {
        Self(vec![(1, u16::MAX)])
    }

    /// One.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Self::of([(port, port)])
    }

    /// All of these ranges, first and last port each.
    #[must_use]
    pub fn of(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut sorted: Vec<(u16, u16)> = ranges
            .into_iter()
            .map(|(first, last)| (first.max(1), last))
            .filter(|(first, last)| first <= last)
            .collect();
        sorted.sort_unstable();
        let mut joined: Vec<(u16, u16)> = Vec::new();
        for (first, last) in sorted {
            match joined.last_mut() {
                Some(before) if u32::from(first) <= u32::from(before.1) + 1 => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// Whether this port is among them.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those in both.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| (a.0.max(b.0), a.1.min(b.1))));
        Self::of(pairs)
    }

    /// Those in one or the other.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self::of(self.0.iter().chain(&other.0).copied())
    }
}

impl FromStr for Ports {
    type Err = DestinationError;

    /// One port, or a range: `443`, `8000-8100`.
    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let port = |part: &str| part.parse::<u16>().ok().filter(|port| *port > 0);
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self::of([(first, last)])),
            _ => Err(DestinationError::Port(text.to_owned())),
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::any() {
            return f.write_str("*");
        }
        for (number, (first, last)) in self.0.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            if first == last { write!(f, "{comma}{first}") } else { write!(f, "{comma}{first}-{last}") }?;
        }
        Ok(())
    }
}

impl Serialize for Ports {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A host with ports: `example.org:443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where.
    pub host: Host,
    /// Which ports there.
    pub ports: Ports,
}

impl FromStr for Endpoint {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        let bad = || DestinationError::Endpoint(text.to_owned());
        let (host, ports) = text.rsplit_once(':').ok_or_else(bad)?;
        let host = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
            Some(inner) => inner.and_then(|inner| inner.parse().ok()).filter(|host| matches!(host, Host::Net(..))),
            // An address of version 6 without brackets has colons of its own.
            None if host.contains(':') => None,
            None => Some(host.parse()?),
        };
        Ok(Self { host: host.ok_or_else(bad)?, ports: ports.parse()? })
    }
}

/// Name servers that may be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dns {
    /// The host's own.
    #[default]
    Any,
    /// These alone; none: names cannot be resolved.
    Only(BTreeSet<IpAddr>),
}

impl Dns {
    /// Those that both allow.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Any, narrower) | (narrower, Self::Any) => narrower.clone(),
            (Self::Only(a), Self::Only(b)) => Self::Only(a & b),
        }
    }
}

impl fmt::Display for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Only(servers) if servers.is_empty() => f.write_str("none"),
            Self::Only(servers) => f.write_str(&servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
        }
    }
}

impl Serialize for Dns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
