//! Python's uhashring, and meta-memcache, which uses it.

use alloc::{boxed::Box, format};

use super::{
    Kind, Scheme, SchemeError, Server, Weights, ketama,
    points::{Drawing, Points, Ties},
    ring::Locate,
};
use crate::hash::md5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uhashring {
    Default,
    Ketama,
    MetaMemcache,
}

/// # uhashring 2.5 and meta-memcache 4.3 (Python)
///
/// Nodes are named `host:port`, with brackets around IPv6. A key goes to the first point **after** its hash, never at it.
impl Scheme {
    /// uhashring's own hash: 160 points for each unit of weight, which are whole MD5s of `host:port-0` and so on, as numbers of
    /// 128 bits. Golden file: `uhashring_default_weighted`.
    pub fn uhashring_default() -> Self {
        Self::of(Kind::Uhashring(Uhashring::Default))
    }

    /// uhashring with `hash_fn="ketama"`: `40 * nodes * weight / sum of weights` strings, in integers, four points from the MD5
    /// of each, and the first of four for a key. Golden files: `uhashring_ketama` and `_weighted`.
    pub fn uhashring_ketama() -> Self {
        Self::of(Kind::Uhashring(Uhashring::Ketama))
    }

    /// The Python client meta-memcache: [`Scheme::uhashring_default`] without weights. Golden file:
    /// `meta_memcache_py_hashring`.
    pub fn meta_memcache_py_hashring() -> Self {
        Self::of(Kind::Uhashring(Uhashring::MetaMemcache))
    }
}

impl Uhashring {
    pub(super) fn weights(self) -> Weights {
        if self == Uhashring::MetaMemcache { Weights::None } else { Weights::Draining }
    }

    pub(super) fn locate(self, servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
        let places = (0..=u16::MAX).zip(servers);
        if self == Uhashring::Ketama {
            let sum: u64 = servers.iter().map(|server| u64::from(server.weight())).sum();
            let mut drawing = Drawing::new();
            for (place, server) in places {
                let strings = 40 * servers.len() as u64 * u64::from(server.weight()) / sum.max(1);
                // No share is above the whole, which is 40 for each of 65,535 servers.
                ketama::draw(&mut drawing, place, &server.bracketed(), strings as u32)?;
            }
            return Ok(Box::new(Narrow { points: drawing.finish(Ties::Last)? }));
        }
        let mut drawing = Drawing::new();
        for (place, server) in places {
            let name = server.bracketed();
            let points = u64::from(server.weight()) * 160;
            drawing.reserve(points)?;
            drawing.add(place, (0..points).map(|number| md5::number(format!("{name}-{number}").as_bytes())))?;
        }
        Ok(Box::new(Wide { points: drawing.finish(Ties::Last)? }))
    }
}

struct Narrow {
    points: Points<u32>,
}

impl Locate for Narrow {
    fn locate(&self, key: &[u8]) -> u16 {
        self.points.after(md5::first4(key))
    }

    fn bytes(&self) -> usize {
        self.points.bytes()
    }
}

struct Wide {
    points: Points<u128>,
}

impl Locate for Wide {
    fn locate(&self, key: &[u8]) -> u16 {
        self.points.after(md5::number(key))
    }

    fn bytes(&self) -> usize {
        self.points.bytes()
    }
}
