//! Netflix's Java client EVCache.

use alloc::{borrow::ToOwned, boxed::Box, format};

use super::{
    Kind, Scheme, SchemeError, Server,
    ketama::{self, STRINGS},
    points::{Drawing, Ties},
    ring::{Circle, KeyHash, Locate},
    server::java_address,
};
use crate::hash::Hash;

/// # EVCache fa8721e (Java)
impl Scheme {
    /// EVCache's locator for one zone: 40 strings `host/ip:11211-0` and so on for each server, four points from the MD5 of each.
    ///
    /// **Traps**: the port in the string is always 11211, so two servers on one host have the same points and the later has
    /// them all. The IP address is hashed ([`Server::with_address`]); for a server given by IP address it stands on both sides,
    /// unless a reverse lookup finds Java a name. `hash.on.partial.key` is [`KeyPart::Partial`](super::KeyPart::Partial).
    /// Golden files: `evcache_ketama` and `_partial_key`.
    pub fn evcache_ketama() -> Self {
        Self::of(Kind::Evcache)
    }
}

pub(super) fn locate(servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
    let mut drawing = Drawing::new();
    for (place, server) in (0..=u16::MAX).zip(servers) {
        let address = server.address().ok_or(SchemeError::NoAddress { server: usize::from(place) })?;
        let ip = java_address(address);
        let host = if server.literal().is_some() { ip.clone() } else { server.host().to_owned() };
        ketama::draw(&mut drawing, place, &format!("{host}/{ip}:11211"), STRINGS)?;
    }
    let hash = KeyHash::Plain(Hash::Md5.function());
    Ok(Box::new(Circle { hash, points: drawing.finish(Ties::Last)? }))
}
