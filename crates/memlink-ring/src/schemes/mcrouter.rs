//! mcrouter: remainders, its consistent hash "ch3", and rendezvous.

mod ch3;
mod rendezvous;

use alloc::{borrow::ToOwned, boxed::Box, vec::Vec};

use super::{
    KeyPart, Kind, Scheme, SchemeError, Server, Weights,
    ring::{KeyHash, Locate, Remainder},
};
use crate::hash::{crc32, murmur2::murmur64a};
use ch3::{Ch3, WeightedCh3};
use rendezvous::{Rendezvous, WeightedRendezvous};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mcrouter {
    Crc32,
    Ch3,
    WeightedCh3,
    Rendezvous,
    WeightedRendezvous,
}

/// # mcrouter 9d7f4342
///
/// All of them pass over a routing prefix `/region/cluster/` and stop hashing at `|#|`
/// ([`KeyPart::Mcrouter`]). Weights in mcrouter are fractions from 0 to 1; here a weight counts as a part of the greatest one,
/// or of the number given to [`Scheme::weight_of_one`].
impl Scheme {
    /// `"hash_func": "Crc32"`: 31 bits of CRC-32, modulo the pool. Golden file: `mcrouter_crc32`.
    pub fn mcrouter_crc32() -> Self {
        Self::mcrouter(Mcrouter::Crc32)
    }

    /// `"hash_func": "Ch3"`, the default: a decision tree over a stream of bits from Murmur64A.
    ///
    /// **Trap**: servers are known by their place in the pool; only one added at its end, or removed there, moves no key between
    /// others. [`Scheme::salt`] is the route's `salt`. Golden files: `mcrouter_ch3` and `mcrouter_ch3_salt`.
    pub fn mcrouter_ch3() -> Self {
        Self::mcrouter(Mcrouter::Ch3)
    }

    /// `"hash_func": "WeightedCh3"`: the same, and a server of weight below 1 turns keys away, which are then hashed again with
    /// digits appended, 32 times at most. Golden file: `mcrouter_weighted_ch3`.
    pub fn mcrouter_weighted_ch3() -> Self {
        Self::mcrouter(Mcrouter::WeightedCh3)
    }

    /// `"hash_func": "Rendezvous"` over `host:port` (brackets around IPv6), or over tags where the configuration has them
    /// ([`Server::with_alias`]).
    ///
    /// A lookup takes time in proportion to the servers. Golden file: `mcrouter_rendezvous`.
    pub fn mcrouter_rendezvous() -> Self {
        Self::mcrouter(Mcrouter::Rendezvous)
    }

    /// `"hash_func": "WeightedRendezvous"`: the same with scores `weight / -ln(u)`.
    ///
    /// The logarithm is that of one library here, the same on every machine; the original takes the system's, and two of them may
    /// differ in the last bit. Only a key whose two best scores are that close could go elsewhere. Golden file:
    /// `mcrouter_weighted_rendezvous`.
    pub fn mcrouter_weighted_rendezvous() -> Self {
        Self::mcrouter(Mcrouter::WeightedRendezvous)
    }

    fn mcrouter(kind: Mcrouter) -> Self {
        Self { part: KeyPart::Mcrouter, ..Self::of(Kind::Mcrouter(kind)) }
    }
}

impl Mcrouter {
    pub(super) fn weights(self) -> Weights {
        if self.is_weighted() { Weights::Draining } else { Weights::None }
    }

    pub(super) fn is_weighted(self) -> bool {
        matches!(self, Mcrouter::WeightedCh3 | Mcrouter::WeightedRendezvous)
    }

    pub(super) fn locate(
        self,
        servers: &[Server],
        salt: Option<&[u8]>,
        one: Option<u32>,
    ) -> Result<Box<dyn Locate>, SchemeError> {
        // The list is no longer than `u16` can count.
        let len = servers.len() as u16;
        Ok(match self {
            Mcrouter::Crc32 => {
                let hash = KeyHash::Plain(|key| crc32(key) & 0x7fff_ffff);
                Box::new(Remainder { hash, owners: (0..len).collect() })
            }
            Mcrouter::Ch3 => Box::new(Ch3 { len, salt: salt.unwrap_or_default().into() }),
            Mcrouter::WeightedCh3 => {
                // The original compares whole numbers: what is left of a fraction of 2^32 - 1.
                let limit = |weight| (weight * f64::from(u32::MAX)) as u32;
                let limits = weights(servers, one)?.into_iter().map(limit).collect();
                Box::new(WeightedCh3 { limits })
            }
            Mcrouter::Rendezvous => Box::new(Rendezvous { hashes: tag_hashes(servers).collect() }),
            Mcrouter::WeightedRendezvous => {
                let tags = tag_hashes(servers).zip(weights(servers, one)?).collect();
                Box::new(WeightedRendezvous { tags })
            }
        })
    }
}

/// Weights as fractions of 1.
fn weights(servers: &[Server], one: Option<u32>) -> Result<Vec<f64>, SchemeError> {
    let greatest = servers.iter().map(Server::weight).max().unwrap_or(0);
    let one = one.unwrap_or(greatest);
    if let Some(server) = servers.iter().position(|server| server.weight() > one) {
        return Err(SchemeError::WeightTooLarge { server });
    }
    Ok(servers.iter().map(|server| f64::from(server.weight()) / f64::from(one)).collect())
}

fn tag_hashes(servers: &[Server]) -> impl Iterator<Item = u64> {
    let tag = |server: &Server| server.alias().map_or_else(|| server.bracketed(), ToOwned::to_owned);
    servers.iter().map(move |server| murmur64a(tag(server).as_bytes(), SEED))
}

/// The seed of all hashes but that of a rendezvous' key.
const SEED: u64 = 4_193_360_111;
