use alloc::{boxed::Box, sync::Arc};
use core::fmt;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{KeyPart, key};
use crate::Router;
use crate::router::with_attempt;

/// The servers of a list, as one [`Scheme`](super::Scheme) spreads keys over them.
///
/// Data and nothing else: no sockets, no clock, no state between lookups. Cloning shares it.
///
/// A lookup hashes the key and searches a sorted array or takes a remainder; it allocates nothing for keys that can be
/// sent as text. Only rendezvous schemes take time in proportion to the servers. `docs/routing.md` has figures.
#[derive(Clone)]
pub struct SchemeRing {
    pub(super) part: KeyPart,
    pub(super) prefix: key::Prefix,
    pub(super) locate: Arc<dyn Locate>,
}

impl SchemeRing {
    /// The longest list of servers.
    pub const SERVERS_MAX: usize = u16::MAX as usize;

    /// The most points of a ring, and the most entries of a list with servers repeated by weight: 2,097,152, enough for 13,107
    /// servers of 160 points. A ring that large holds 12 MiB (uhashring's 36 MiB), and twice that while it is made.
    pub const POINTS_MAX: usize = 1 << 21;

    /// The server of `key`, as an index into the list the ring was made from.
    ///
    /// `key` may be a routing key in place of the key that is sent. Keys that the original refuses, such as bytes that are no
    /// text where it takes text only, have a server here, too, but no other client to agree with.
    #[inline]
    #[must_use]
    pub fn route(&self, key: &[u8]) -> usize {
        self.hashed(key, |text| usize::from(self.locate.locate(text)))
    }

    /// Calls `then` with what is hashed of `key`.
    #[inline]
    fn hashed<R>(&self, key: &[u8], then: impl FnOnce(&[u8]) -> R) -> R {
        match &self.prefix {
            key::Prefix::None => then(self.part.of(key)),
            key::Prefix::Skipped(prefix) => then(self.part.of(key.strip_prefix(prefix.as_ref()).unwrap_or(key))),
            key::Prefix::Hashed(prefix) => key::joined(prefix, self.part.of(key), then),
        }
    }

    /// How many bytes of memory the ring takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.locate.bytes()
    }
}

impl Router for SchemeRing {
    fn route(&self, key: &[u8]) -> usize {
        SchemeRing::route(self, key)
    }

    /// The digits stand in front of what is hashed, so keys of one tag still live together.
    fn route_again(&self, key: &[u8], attempt: u32) -> usize {
        self.hashed(key, |text| with_attempt(text, attempt, |text| usize::from(self.locate.locate(text))))
    }
}

/// Leaves out the points, which would fill a log.
impl fmt::Debug for SchemeRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SchemeRing").finish_non_exhaustive()
    }
}

/// From what is hashed of a key to a server. Every scheme ends in one.
pub(super) trait Locate: Send + Sync {
    /// An index into the list of servers.
    fn locate(&self, key: &[u8]) -> u16;

    /// What it holds on the heap.
    fn bytes(&self) -> usize;
}

/// The only server of a list has every key, in all schemes.
pub(super) struct Sole;

impl Locate for Sole {
    fn locate(&self, _key: &[u8]) -> u16 {
        0
    }

    fn bytes(&self) -> usize {
        0
    }
}

/// How the key's hash of 32 bits is made.
pub(super) enum KeyHash {
    Plain(fn(&[u8]) -> u32),
    /// The lower half of XXH3-64.
    Xxh3 {
        seed: u64,
    },
    /// Of the key after a prefix, as libmemcached joins the two.
    Prefixed {
        prefix: Box<[u8]>,
        function: fn(&[u8]) -> u32,
    },
}

impl KeyHash {
    pub(super) fn of(&self, key: &[u8]) -> u32 {
        match self {
            KeyHash::Plain(function) => function(key),
            KeyHash::Xxh3 { seed } => xxh3_64_with_seed(key, *seed) as u32,
            KeyHash::Prefixed { prefix, function } => key::libmemcached_prefixed(prefix, key, *function),
        }
    }
}

/// The remainder of the hash chooses from a list, in which a server may stand several times.
pub(super) struct Remainder {
    pub(super) hash: KeyHash,
    /// Invariant: never empty, and short enough for `u32`.
    pub(super) owners: Box<[u16]>,
}

impl Locate for Remainder {
    fn locate(&self, key: &[u8]) -> u16 {
        let place = self.hash.of(key) % (self.owners.len() as u32).max(1);
        self.owners.get(place as usize).copied().unwrap_or(0)
    }

    fn bytes(&self) -> usize {
        size_of_val(self.owners.as_ref())
    }
}

/// The hash chooses the first point at it or after it.
pub(super) struct Circle {
    pub(super) hash: KeyHash,
    pub(super) points: super::points::Points<u32>,
}

impl Locate for Circle {
    fn locate(&self, key: &[u8]) -> u16 {
        self.points.from(self.hash.of(key))
    }

    fn bytes(&self) -> usize {
        self.points.bytes()
    }
}
