use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host name or an IP literal (without brackets), resolved at every dial, and a port.
    Tcp {
        /// Lower case, and an IPv6 address in its shortest form.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// The path of a Unix domain socket.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no host in front of the port.
    #[error("the address {0:?} has no host; write host, host:port or [ipv6]:port")]
    NoHost(String),
    /// The port is not a number from 1 to 65535. As it was written, if it is five digits or fewer: anything else may be the password of a
    /// URL that lacks its `@`, and stands in no error.
    #[error("the port {0:?} is not a number from 1 to 65535; a user and a password stand in front of an @")]
    Port(String),
    /// An IPv6 literal is not one, or lacks its brackets. As it was written if it has brackets, else up to its first colon: what follows
    /// may be a password.
    #[error("the address {0:?} is not valid; an IPv6 address with a port is written [::1]:11211")]
    Ipv6(String),
    /// A character that no host name has.
    #[error("the host {0:?} contains a character that no host name has")]
    Host(String),
}

impl Address {
    /// The port memcached listens on unless told otherwise.
    pub const DEFAULT_PORT: u16 = 11211;

    /// Reads `host`, `host:port`, `ipv4`, `[ipv6]`, `[ipv6]:port` or a bare IPv6 literal; without a port it is
    /// `default_port`.
    ///
    /// # Errors
    ///
    /// [`AddressError`], which says what would be right.
    pub fn parse(text: &str, default_port: u16) -> Result<Address, AddressError> {
        let (host, port) = split_port(text)?;
        let port = match port {
            None => default_port,
            Some(digits) => parse_port(digits)?,
        };
        if host.is_empty() {
            return Err(AddressError::NoHost(text.to_owned()));
        }
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        // Only an IPv6 address has a zone.
        let has_stray_zone = host.contains('%') && !is_ipv6(host);
        if has_stray_zone || !host.chars().all(allowed) {
            return Err(AddressError::Host(host.to_owned()));
        }
        Ok(Address::Tcp { host: canonical(host), port })
    }
}

/// One spelling for what is the same.
fn canonical(host: &str) -> String {
    let (address, zone) = host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
    match (address.parse::<std::net::Ipv6Addr>(), zone) {
        (Ok(address), None) => address.to_string(),
        (Ok(address), Some(zone)) => format!("{address}%{zone}"),
        (Err(_), _) => host.to_ascii_lowercase(),
    }
}

/// With a zone or without.
fn is_ipv6(host: &str) -> bool {
    host.split('%').next().unwrap_or(host).parse::<std::net::Ipv6Addr>().is_ok()
}

/// Divides at the port, and takes the brackets off an IPv6 literal.
fn split_port(text: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or_else(|| AddressError::Ipv6(text.to_owned()))?;
        if !is_ipv6(host) {
            return Err(AddressError::Ipv6(text.to_owned()));
        }
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(AddressError::Ipv6(text.to_owned())),
        };
    }
    match text.split_once(':') {
        None => Ok((text, None)),
        Some((_, rest)) if rest.contains(':') && is_ipv6(text) => Ok((text, None)),
        Some((begin, rest)) if rest.contains(':') => Err(AddressError::Ipv6(format!("{begin}:..."))),
        Some((host, port)) => Ok((host, Some(port))),
    }
}

/// Digits of the largest port.
const PORT_LEN_MAX: usize = 5;

fn parse_port(digits: &str) -> Result<u16, AddressError> {
    let only_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.parse::<u16>() {
        Ok(port) if only_digits && port != 0 => Ok(port),
        _ if digits.len() <= PORT_LEN_MAX && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(AddressError::Port(digits.to_owned()))
        }
        _ => Err(AddressError::Port("...".to_owned())),
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, Address::DEFAULT_PORT)
    }
}

/// `host:port`, `[ipv6]:port` or the path: always with the port, so that two spellings of one server look the same.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_spelling() {
        for (text, shown) in [
            ("cache-1", "cache-1:11211"),
            ("Cache-1:11212", "cache-1:11212"),
            ("10.0.0.1", "10.0.0.1:11211"),
            ("10.0.0.1:00011212", "10.0.0.1:11212"),
            ("::1", "[::1]:11211"),
            ("[::1]", "[::1]:11211"),
            ("[2001:DB8::1]:1", "[2001:db8::1]:1"),
            ("fe80::1%eth0", "[fe80::1%eth0]:11211"),
            ("[FE80:0::1%eth0]", "[fe80::1%eth0]:11211"),
            ("[0:0:0:0:0:0:0:1]", "[::1]:11211"),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_in_no_error() {
        for text in [
            "ada:sesame",
            "ada:sesame%40host",
            "ada:1sesame",
            "ada:0123456789",
            "ada:ses:ame",
            ":sesame",
            "[::1]:sesame",
        ] {
            let error = text.parse::<Address>().expect_err(text);
            let shown = format!("{error} {error:?}");
            assert!(!["sesame", "ses:", "ame", "0123"].iter().any(|part| shown.contains(part)), "{text}: {shown}");
        }
        assert!("a:70000".parse::<Address>().unwrap_err().to_string().contains("\"70000\""));
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for text in [
            "", ":11211", "a:", "a:0", "a:70000", "a:+1", "a:1x", "[::1", "[::1]x", "[a]:1", "a:b:c", "a%00b", "a%:1",
            "a b", "a/b", "a@b",
        ] {
            let error = text.parse::<Address>().expect_err(text);
            assert!(!error.to_string().is_empty(), "{text}");
        }
    }
}
