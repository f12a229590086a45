//! Spotify's Java client folsom.

use alloc::boxed::Box;
use core::iter;

use super::{
    Kind, Scheme, SchemeError, Server,
    points::{Drawing, Ties},
    ring::{Circle, KeyHash, Locate},
};
use crate::hash::murmur3::murmur3;

/// # folsom 1.21 (Java)
impl Scheme {
    /// folsom's ketama, which is ketama by name only: 100 points for each server, MurmurHash3 of `host:port` (brackets around
    /// IPv6), then of the four bytes of the point before, and so on; keys by the same hash.
    ///
    /// **Trap**: points and hashes are *signed*, so the ring begins in the middle. The original passes over servers that are not
    /// connected; this is the ring of all of them. Golden file: `folsom_ketama`.
    pub fn folsom_ketama() -> Self {
        Self::of(Kind::Folsom)
    }
}

pub(super) fn locate(servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
    let mut drawing = Drawing::new();
    for (place, server) in (0..=u16::MAX).zip(servers) {
        let first = murmur3(server.bracketed().as_bytes());
        let chain = iter::successors(Some(first), |point| Some(murmur3(&point.to_le_bytes())));
        drawing.add(place, chain.take(100).map(in_order))?;
    }
    let hash = KeyHash::Plain(|key| in_order(murmur3(key)));
    Ok(Box::new(Circle { hash, points: drawing.finish(Ties::Last)? }))
}

/// Numbers without sign in the order that `number` has with one.
fn in_order(number: u32) -> u32 {
    number ^ (1 << 31)
}
