//! PHP's older extension, pecl memcache. The newer one is libmemcached.

use alloc::{borrow::Cow, boxed::Box, format, vec::Vec};

use super::{
    Kind, Scheme, SchemeError, Server, Weights,
    points::{Drawing, Ties, repeated},
    ring::{KeyHash, Locate, Remainder},
};
use crate::hash::{crc32, fnv1a_32};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PhpMemcache {
    strategy: Strategy,
    function: HashFunction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Standard,
    Consistent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HashFunction {
    Crc32,
    Fnv,
}

/// # PHP's ext-memcache 4.0 (pecl memcache)
///
/// Not to be confused with ext-memcached: for that one see [`Scheme::ketama`] and [`Scheme::libmemcached_modula`]. Before a
/// key is hashed, each of its bytes up to the space becomes `_`.
impl Scheme {
    /// `memcache.hash_strategy = standard` with `hash_function = crc32`: bits 16 to 30 of CRC-32, modulo a list in which each
    /// server stands as often as its weight says. **Trap**: a hash of 0 counts as 1, unlike in
    /// [`Scheme::python_memcached`]. Golden file: `php_memcache_standard_crc32`.
    pub fn php_memcache_standard_crc32() -> Self {
        Self::php_memcache(Strategy::Standard, HashFunction::Crc32)
    }

    /// `memcache.hash_strategy = standard` with `hash_function = fnv`: the same with 32-bit FNV-1a over signed bytes. Golden
    /// file: `php_memcache_standard_fnv`.
    pub fn php_memcache_standard_fnv() -> Self {
        Self::php_memcache(Strategy::Standard, HashFunction::Fnv)
    }

    /// `memcache.hash_strategy = consistent` with `hash_function = crc32`, the default of today: 160 points for each unit of
    /// weight, the CRC-32 of `host:port-0` and so on. **Trap**: no plain ring. 1,024 buckets are filled from the ring, and a key
    /// goes to the bucket of its hash modulo 1,024. Golden file: `php_memcache_consistent_crc32`.
    pub fn php_memcache_consistent_crc32() -> Self {
        Self::php_memcache(Strategy::Consistent, HashFunction::Crc32)
    }

    /// `memcache.hash_strategy = consistent` with `hash_function = fnv`. Golden file: `php_memcache_consistent_fnv`.
    pub fn php_memcache_consistent_fnv() -> Self {
        Self::php_memcache(Strategy::Consistent, HashFunction::Fnv)
    }

    fn php_memcache(strategy: Strategy, function: HashFunction) -> Self {
        Self::of(Kind::PhpMemcache(PhpMemcache { strategy, function }))
    }
}

impl PhpMemcache {
    pub(super) fn weights(self) -> Weights {
        Weights::Positive
    }

    pub(super) fn locate(self, servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
        let hash = match (self.strategy, self.function) {
            (Strategy::Standard, HashFunction::Crc32) => |key: &[u8]| fifteen_bits(crc32(&cleaned(key))),
            (Strategy::Standard, HashFunction::Fnv) => |key: &[u8]| fifteen_bits(fnv1a_32(&cleaned(key))),
            (Strategy::Consistent, HashFunction::Crc32) => |key: &[u8]| crc32(&cleaned(key)),
            (Strategy::Consistent, HashFunction::Fnv) => |key: &[u8]| fnv1a_32(&cleaned(key)),
        };
        let owners = match self.strategy {
            Strategy::Standard => repeated((0..=u16::MAX).zip(servers.iter().map(Server::weight)))?,
            Strategy::Consistent => self.buckets(servers)?,
        };
        Ok(Box::new(Remainder { hash: KeyHash::Plain(hash), owners }))
    }

    fn buckets(self, servers: &[Server]) -> Result<Box<[u16]>, SchemeError> {
        let hash = match self.function {
            HashFunction::Crc32 => crc32,
            HashFunction::Fnv => fnv1a_32,
        };
        let mut drawing = Drawing::new();
        for (place, server) in (0..=u16::MAX).zip(servers) {
            let name = server.host_port();
            let points = u64::from(server.weight()) * 160;
            drawing.reserve(points)?;
            drawing.add(place, (0..points).map(|number| hash(format!("{name}-{number}").as_bytes())))?;
        }
        let points = drawing.finish(Ties::First)?;
        Ok((0..BUCKETS).map(|bucket| points.from(bucket * (u32::MAX / BUCKETS))).collect())
    }
}

const BUCKETS: u32 = 1024;

fn fifteen_bits(hash: u32) -> u32 {
    ((hash >> 16) & 0x7fff).max(1)
}

/// Only keys that cannot be sent as text need a copy.
fn cleaned(key: &[u8]) -> Cow<'_, [u8]> {
    if key.iter().all(|byte| *byte > b' ') {
        return Cow::Borrowed(key);
    }
    let clean = |byte: &u8| if *byte > b' ' { *byte } else { b'_' };
    Cow::Owned(key.iter().map(clean).collect::<Vec<u8>>())
}
