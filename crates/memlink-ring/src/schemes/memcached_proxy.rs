//! The proxy inside memcached, and pior/memcache, which agrees with its default.

use alloc::{boxed::Box, format};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{
    Kind, Scheme, SchemeError, Server, Weights,
    ketama::{self, STRINGS},
    points::{Drawing, Ties},
    ring::{Circle, KeyHash, Locate},
};
use crate::hash::Hash;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemcachedProxy {
    Jump,
    Ring(ProxyRing, ProxyHash),
}

/// The `omode` of memcached's `mcp.dist_ring_hash`: how the points of a server are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyRing {
    /// 160 points: the lower halves of XXH3-64 of `host:port-0` and so on.
    Default,
    /// 40 strings `host:port-0` and so on, four points from the MD5 of each.
    Ketama,
    /// The same of `host-0` where the port is 11211. Unlike twemproxy's own it has no weights, does not sort, and loses no points to
    /// rounding.
    Twemproxy,
    /// The same of `host/host:port-0`, with the real port, unlike EVCache's own.
    Evcache,
}

/// The hash of keys with memcached's `mcp.dist_ring_hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyHash {
    /// The lower half of XXH3-64: the default, also with `omode = "ketama"`.
    Xxh3,
    /// MD5, as ketama: with `hash = mcp.dist_ring_hash.hash`. It has no seed.
    Md5,
}

/// # memcached's own proxy, commit 2d51e3647, and pior/memcache 0d16def
///
/// Without weights. The filters are [`KeyPart::TagOrEmpty`](super::KeyPart::TagOrEmpty) (`filter = "tags"`) and
/// [`KeyPart::Stop`](super::KeyPart::Stop) (`filter = "stop"`); the option `seed` is [`Scheme::seed`].
impl Scheme {
    /// `mcp.dist_jump_hash`, the proxy's default: jump hashing with XXH3-64 over the list.
    ///
    /// **Trap**: servers are known by their place in the list. Only a server added at its end, or removed there, moves no key
    /// between others. Golden files: `memcached_proxy_jump`, `_seed_hello`, `_tag_braces`, `_stop_pipe`.
    pub fn memcached_proxy_jump() -> Self {
        Self::of(Kind::MemcachedProxy(MemcachedProxy::Jump))
    }

    /// `mcp.dist_ring_hash` with one of its modes. A seed changes the hash of keys, not the points. Golden files:
    /// `memcached_proxy_ring_default`, `_default_seed_hello`, `_ketama_md5`, `_ketama_xxh3`, `_twemproxy_md5`,
    /// `_evcache_md5`.
    pub fn memcached_proxy_ring(points: ProxyRing, hash: ProxyHash) -> Self {
        Self::of(Kind::MemcachedProxy(MemcachedProxy::Ring(points, hash)))
    }

    /// The default of the Go client pior/memcache: the same as [`Scheme::memcached_proxy_jump`]. Golden file:
    /// `pior_jump_xxh3`.
    pub fn pior_jump_xxh3() -> Self {
        Self::memcached_proxy_jump()
    }
}

impl MemcachedProxy {
    pub(super) fn weights(self) -> Weights {
        Weights::None
    }

    /// Whether the hash of keys takes a seed.
    pub(super) fn has_seed(self) -> bool {
        !matches!(self, MemcachedProxy::Ring(_, ProxyHash::Md5))
    }

    pub(super) fn locate(self, servers: &[Server], seed: Option<&[u8]>) -> Result<Box<dyn Locate>, SchemeError> {
        // The seed is a text; its hash is what seeds.
        let seed = seed.map_or(0, xxh3_64);
        match self {
            // The list is no longer than `u16` can count.
            MemcachedProxy::Jump => Ok(Box::new(Jump { seed, len: servers.len() as u16 })),
            MemcachedProxy::Ring(points, hash) => {
                let hash = match hash {
                    ProxyHash::Xxh3 => KeyHash::Xxh3 { seed },
                    ProxyHash::Md5 => KeyHash::Plain(Hash::Md5.function()),
                };
                let mut drawing = Drawing::new();
                for (place, server) in (0..=u16::MAX).zip(servers) {
                    points.draw(&mut drawing, place, server)?;
                }
                Ok(Box::new(Circle { hash, points: drawing.finish(Ties::First)? }))
            }
        }
    }
}

impl ProxyRing {
    fn draw(self, drawing: &mut Drawing<u32>, place: u16, server: &Server) -> Result<(), SchemeError> {
        let name = match self {
            ProxyRing::Default | ProxyRing::Ketama => server.host_port(),
            ProxyRing::Twemproxy => server.short(),
            ProxyRing::Evcache => format!("{}/{}", server.host(), server.host_port()),
        };
        if self == ProxyRing::Default {
            let point = |number: u32| xxh3_64(format!("{name}-{number}").as_bytes()) as u32;
            return drawing.add(place, (0..160).map(point));
        }
        ketama::draw(drawing, place, &name, STRINGS)
    }
}

/// Lamping and Veach's jump hashing: walks ahead through the numbers of servers at which the key would change its place.
struct Jump {
    seed: u64,
    len: u16,
}

impl Locate for Jump {
    fn locate(&self, key: &[u8]) -> u16 {
        let mut state = xxh3_64_with_seed(key, self.seed);
        let (mut place, mut next) = (0, 0);
        while next < u64::from(self.len) {
            place = next;
            state = state.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
            // Both factors and the quotient are exactly those of the paper, so every machine rounds alike.
            let stretch = (1_u64 << 31) as f64 / ((state >> 33) + 1) as f64;
            next = ((place + 1) as f64 * stretch) as u64;
        }
        place as u16
    }

    fn bytes(&self) -> usize {
        size_of::<Self>()
    }
}
