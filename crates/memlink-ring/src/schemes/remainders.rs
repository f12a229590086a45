//! Clients of several languages that take a remainder over a list: gomemcache, python-memcached, Perl, meta-memcache.

use alloc::boxed::Box;

use super::{
    Kind, Scheme, SchemeError, Server, Weights,
    points::repeated,
    ring::{KeyHash, Locate, Remainder},
};
use crate::hash::{crc15, crc32};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Gomemcache,
    Crc15,
    MetaMemcache,
}

/// # Remainders: gomemcache, python-memcached, Cache::Memcached, meta-memcache
///
/// The list counts, in its order: any change of it moves nearly all keys.
impl Scheme {
    /// The Go client bradfitz/gomemcache, commit 8d39553: CRC-32 of the key's first 256 bytes, modulo the list.
    ///
    /// It has no weights, but takes an address several times: a weight says how often it is listed, one after the other. Golden
    /// files: `gomemcache` and `gomemcache_repeated`.
    pub fn gomemcache() -> Self {
        Self::of(Kind::Plain(Plain::Gomemcache))
    }

    /// The Python client python-memcached 1.62: bits 16 to 30 of CRC-32, modulo a list in which each server stands as often as
    /// its weight says. Golden files: `python_memcached` and `_noweights`.
    pub fn python_memcached() -> Self {
        Self::of(Kind::Plain(Plain::Crc15))
    }

    /// The Perl client Cache::Memcached 1.30: the same as [`Scheme::python_memcached`]. Golden file: `perl_cache_memcached`.
    pub fn perl_cache_memcached() -> Self {
        Self::python_memcached()
    }

    /// The Python client meta-memcache 4.3 with its non-consistent provider: CRC-32 modulo the list, without weights.
    /// Golden file: `meta_memcache_py_nonconsistent`.
    pub fn meta_memcache_py_nonconsistent() -> Self {
        Self::of(Kind::Plain(Plain::MetaMemcache))
    }
}

impl Plain {
    pub(super) fn weights(self) -> Weights {
        if self == Plain::MetaMemcache { Weights::None } else { Weights::Draining }
    }

    pub(super) fn locate(self, servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
        let hash = match self {
            Plain::Gomemcache => |key: &[u8]| crc32(key.get(..256).unwrap_or(key)),
            Plain::Crc15 => crc15,
            Plain::MetaMemcache => crc32,
        };
        let owners = repeated((0..=u16::MAX).zip(servers.iter().map(Server::weight)))?;
        Ok(Box::new(Remainder { hash: KeyHash::Plain(hash), owners }))
    }
}
