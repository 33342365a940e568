//! Where something listens: a host as the operator or a peer wrote it, and a port.

use core::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// A host as given: a literal address, or a name that somebody has to resolve.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A literal IPv4 or IPv6 address.
    Ip(IpAddr),
    /// A host name, kept in the spelling it came in (at most 255 visible characters).
    Name(Arc<str>),
}

impl Host {
    /// Reads a host: an address if it looks like one, else a name.
    ///
    /// `None` for what cannot be either: empty, longer than 255 bytes, or with characters that
    /// a hello or a configuration line could not carry back (space, comma, quotes, control).
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Self::Ip(ip));
        }
        let plain =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b',' | b'"' | b'\'' | b'\\' | b'#');
        (!text.is_empty() && text.len() <= 255 && text.bytes().all(plain))
            .then(|| Self::Name(Arc::from(text)))
    }

    /// The literal address, if it is one.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => write!(f, "{ip}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A host and a TCP port. Port 0 is legal in a file and means "never connect".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr {
    /// The host as given.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
}

impl Addr {
    /// An address from its parts.
    pub const fn new(host: Host, port: u16) -> Self {
        Self { host, port }
    }
}

impl fmt::Display for Addr {
    /// `host:port`, with brackets around an IPv6 address: the form of replica names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
