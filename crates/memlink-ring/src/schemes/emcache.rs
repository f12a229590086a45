//! The Python client emcache.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use super::{Kind, Scheme, Server, ring::Locate};
use crate::hash::murmur3::Murmur3Wide;

/// # emcache 1.3 (Python)
impl Scheme {
    /// The Python client emcache: the server with the greatest score of key, host and port, joined without separators
    /// (`key10.0.0.111211`).
    ///
    /// A lookup takes time in proportion to the servers. **Broken in the original**: the score is meant to be 32 bits of
    /// MurmurHash3, but operators bind otherwise than their author thought, and four signed bytes are combined into few distinct
    /// values. Equal scores are frequent, and go to the server whose own name has the greater one. It is reproduced here; ten
    /// servers still share keys within some 2 %. Golden file: `emcache_rendezvous`.
    pub fn emcache_rendezvous() -> Self {
        Self::of(Kind::Emcache)
    }
}

pub(super) fn locate(servers: &[Server]) -> Box<dyn Locate> {
    let mut names: Vec<(u32, String, u16)> = (0..=u16::MAX)
        .zip(servers)
        .map(|(place, server)| {
            let name = format!("{}{}", server.host(), server.port());
            (score(Murmur3Wide::new().write(name.as_bytes())), name, place)
        })
        .collect();
    // Of equal scores the one wins whose name has the greater score, then the one that is listed first: it comes last.
    names.sort_by_key(|(own, _, place)| (*own, u16::MAX - place));
    Box::new(Emcache { names: names.into_iter().map(|(_, name, place)| (name.into_boxed_str(), place)).collect() })
}

struct Emcache {
    names: Box<[(Box<str>, u16)]>,
}

impl Locate for Emcache {
    fn locate(&self, key: &[u8]) -> u16 {
        let started = Murmur3Wide::new().write(key);
        let score = |(name, place): &(Box<str>, u16)| (score(started.write(name.as_bytes())), *place);
        // The last of equal ones.
        self.names.iter().map(score).max_by_key(|(score, _)| *score).map_or(0, |(_, place)| place)
    }

    fn bytes(&self) -> usize {
        self.names.iter().map(|(name, _)| name.len() + size_of::<(Box<str>, u16)>()).sum()
    }
}

/// The first four bytes, each extended by its sign to a number of 32 bits, of which the upper three keep what lies above them.
fn score(hash: Murmur3Wide) -> u32 {
    let [b0, b1, b2, b3, ..] = hash.finish().to_le_bytes().map(|byte| i32::from(byte as i8) as u32);
    (b3 & 0xff00_0000) | (b2 & 0xffff_0000) | (b1 & 0xffff_ff00) | b0
}
