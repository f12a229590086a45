//! The Rust crate `memcache`, its module `exp`.

use alloc::{boxed::Box, vec::Vec};

use super::{Kind, Scheme, Server, ring::Locate};
use crate::hash::sip;

/// # The crate memcache 0.21.0 (Rust)
impl Scheme {
    /// The default router of `memcache::exp`: the server with the greatest mix of the hash of its name `host:port` and of the
    /// key.
    ///
    /// A lookup takes time in proportion to the servers. **Trap**: the hash is the standard library's `DefaultHasher`, which Rust
    /// may change in any release. This is what rustc 1.95 on a 64-bit machine computes; a program built with another one may
    /// differ, and nothing tells. Golden file: `rust_memcache_exp_rendezvous`.
    pub fn rust_memcache_exp_rendezvous() -> Self {
        Self::of(Kind::RustMemcache)
    }
}

pub(super) fn locate(servers: &[Server]) -> Box<dyn Locate> {
    let hashes: Vec<u64> = servers.iter().map(|server| sip::rust_default(server.bracketed().as_bytes())).collect();
    Box::new(RustMemcache { hashes: hashes.into() })
}

struct RustMemcache {
    hashes: Box<[u64]>,
}

impl Locate for RustMemcache {
    fn locate(&self, key: &[u8]) -> u16 {
        let key = sip::rust_default(key);
        let scores = self.hashes.iter().map(|hash| mix(key ^ hash));
        // The first of equal ones.
        let best = |best: (u16, u64), next: (u16, u64)| if next.1 > best.1 { next } else { best };
        (0..=u16::MAX).zip(scores).reduce(best).map_or(0, |(place, _)| place)
    }

    fn bytes(&self) -> usize {
        size_of_val(self.hashes.as_ref())
    }
}

/// The last step of SplitMix64.
fn mix(number: u64) -> u64 {
    let once = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}
