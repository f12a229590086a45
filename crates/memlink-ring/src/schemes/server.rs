use alloc::{borrow::ToOwned, format, string::String};
use core::{
    fmt::Write,
    net::{IpAddr, Ipv6Addr},
};

use super::ServerError;

/// One server as the other clients' configurations name it.
///
/// The text of the host counts, letter by letter: most schemes hash it as it was configured. `cache-1` and
/// `cache-1.example` are two servers to every one of them, wherever they lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    host: String,
    port: u16,
    weight: u32,
    alias: Option<String>,
    address: Option<IpAddr>,
}

/// memcached's port, which some clients leave out of the name they hash.
const DEFAULT_PORT: u16 = 11211;

impl Server {
    /// A server of weight 1. An IPv6 address is given without brackets.
    ///
    /// # Errors
    ///
    /// [`ServerError::Host`].
    pub fn new(host: impl Into<String>, port: u16) -> Result<Self, ServerError> {
        let host = host.into();
        let bad = |letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '/' | '[' | ']');
        let colons = host.contains(':') && host.parse::<Ipv6Addr>().is_err();
        if host.is_empty() || host.contains(bad) || colons {
            return Err(ServerError::Host);
        }
        Ok(Self { host, port, weight: 1, alias: None, address: None })
    }

    /// Reads `host`, `host:port` or `host:port:weight`, where the port is 11211 unless given.
    ///
    /// An IPv6 address with a port stands in brackets, `[2001:db8::1]:11211`. What a host name resolves to may follow it as
    /// Java writes it, `cache-1/10.0.0.1:11211` ([`Server::address`]), and an alias as twemproxy reads it, after a space:
    /// `10.0.0.1:11211:1 node0` ([`Server::alias`]).
    ///
    /// ```
    /// # use memlink_ring::schemes::Server;
    /// let server = Server::parse("cache-1.example:11311:2")?;
    /// assert_eq!((server.host(), server.port(), server.weight()), ("cache-1.example", 11311, 2));
    /// assert!(Server::parse("/run/memcached.sock").is_err());
    /// # Ok::<(), memlink_ring::schemes::ServerError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ServerError`], by the part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, ServerError> {
        let (text, alias) = text.split_once(' ').map_or((text, None), |(text, alias)| (text, Some(alias)));
        let (name, rest) = match text.split_once('/') {
            Some((name, rest)) => (Some(name), rest),
            None => (None, text),
        };
        let (host, numbers) = split_host(rest).ok_or(ServerError::Host)?;
        let (port, weight) = numbers.split_once(':').map_or((numbers, None), |(port, weight)| (port, Some(weight)));
        let port = if numbers.is_empty() { DEFAULT_PORT } else { port.parse().map_err(|_| ServerError::Port)? };
        let mut server = Self::new(name.unwrap_or(host), port)?;
        if let Some(weight) = weight {
            server.weight = weight.parse().map_err(|_| ServerError::Weight)?;
        }
        if name.is_some() {
            server.address = Some(host.parse().map_err(|_| ServerError::Address)?);
        }
        server.alias = alias.filter(|alias| !alias.is_empty()).map(ToOwned::to_owned);
        Ok(server)
    }

    /// How much of the keys it takes, relative to the others; 1 unless set. Most schemes have weights of their own meaning,
    /// some have none and refuse any but 1.
    #[must_use]
    pub fn with_weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// A name of its own: twemproxy hashes it in place of host and port, and mcrouter's rendezvous schemes do if their
    /// configuration has tags. Other schemes do not look at it.
    #[must_use]
    pub fn with_alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// What the host name resolves to. Java clients hash it together with the name: spymemcached and EVCache need it for
    /// hosts given by name. Other schemes do not look at it.
    #[must_use]
    pub fn with_address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// The host as it was given, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The weight.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// The alias, if it has one.
    #[must_use]
    pub fn alias(&self) -> Option<&str> {
        self.alias.as_deref()
    }

    /// The IP address: what was set, or the host itself if that is one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address.or_else(|| self.literal())
    }

    /// The host, if it is written as an IP address.
    pub(super) fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host:port`, without brackets around IPv6.
    pub(super) fn host_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// `host:port`, with brackets around IPv6.
    pub(super) fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]:{}", self.host, self.port) } else { self.host_port() }
    }

    /// As libmemcached names it: `host` if the port is 11211, else `host:port`.
    pub(super) fn short(&self) -> String {
        if self.port == DEFAULT_PORT { self.host.clone() } else { self.host_port() }
    }
}

/// What Java's `InetAddress.getHostAddress` prints: IPv6 in full, without leading zeros and without `::`.
pub(super) fn java_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}"),
        IpAddr::V6(address) => {
            let mut text = String::new();
            for (place, segment) in address.segments().into_iter().enumerate() {
                // Writing to a string cannot fail.
                _ = write!(text, "{}{segment:x}", if place == 0 { "" } else { ":" });
            }
            text
        }
    }
}

/// The host, without brackets, and what follows its colon.
fn split_host(text: &str) -> Option<(&str, &str)> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').filter(|(host, _)| host.parse::<Ipv6Addr>().is_ok())?;
        return match rest.strip_prefix(':') {
            Some("") => None,
            Some(numbers) => Some((host, numbers)),
            None => rest.is_empty().then_some((host, rest)),
        };
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some((text, ""));
    }
    match text.split_once(':') {
        Some((_, "")) => None,
        Some(parts) => Some(parts),
        None => Some((text, "")),
    }
}
