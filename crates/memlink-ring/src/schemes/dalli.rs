//! The Ruby client dalli.

use alloc::{boxed::Box, format};

use sha1::{Digest, Sha1};

use super::{
    Kind, Scheme, SchemeError, Server,
    points::{Drawing, Points, Ties},
    ring::Locate,
};
use crate::hash::crc32;

/// # dalli 5.0.6
impl Scheme {
    /// The Ruby client dalli: `160 * servers * weight / sum of weights` points for each server, the first 32 bits of the SHA-1
    /// of `host:port:0` and so on (port always, IPv6 without brackets). A key's hash is CRC-32, and it goes to the last point
    /// **at or before** it, unlike in every other ring here.
    ///
    /// In dalli a namespace is part of the key before this, and a key of more than 250 bytes was shortened with MD5: give the
    /// key as it is sent. When a server is down, dalli hashes again for another: so does [`Router::route_again`](crate::Router::route_again), which is
    /// asked only where stand-ins are wanted. Golden files: `dalli` and
    /// `dalli_noweights`.
    pub fn dalli() -> Self {
        Self::of(Kind::Dalli)
    }
}

pub(super) fn locate(servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
    let sum: u64 = servers.iter().map(|server| u64::from(server.weight())).sum();
    let mut drawing = Drawing::new();
    for (place, server) in (0..=u16::MAX).zip(servers) {
        let name = server.host_port();
        // As Ruby does it: a product of integers, then one division of doubles.
        let product = servers.len() as u64 * 160 * u64::from(server.weight());
        let points = (product as f64 / sum as f64) as u64;
        drawing.reserve(points)?;
        drawing.add(place, (0..points).map(|number| point(format!("{name}:{number}").as_bytes())))?;
    }
    Ok(Box::new(Dalli { points: drawing.finish(Ties::First)? }))
}

fn point(text: &[u8]) -> u32 {
    let [a, b, c, d, ..] = <[u8; 20]>::from(Sha1::digest(text));
    u32::from_be_bytes([a, b, c, d])
}

struct Dalli {
    points: Points<u32>,
}

impl Locate for Dalli {
    fn locate(&self, key: &[u8]) -> u16 {
        self.points.until(crc32(key))
    }

    fn bytes(&self) -> usize {
        self.points.bytes()
    }
}
