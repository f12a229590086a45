//! twemproxy, also called nutcracker.

use alloc::{borrow::ToOwned, boxed::Box, string::String, vec::Vec};

use super::{
    Kind, Scheme, SchemeError, Server, Weights,
    ketama::{self, Shares},
    points::{Drawing, Ties, repeated},
    ring::{Circle, KeyHash, Locate, Remainder},
};
use crate::hash::Hash;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Twemproxy {
    distribution: Distribution,
    hash: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distribution {
    Ketama,
    Modula,
}

/// # twemproxy (nutcracker), commit 60aaf85
///
/// A server's name is its alias ([`Server::with_alias`]) if the configuration has one, else the host, with `:port` where the
/// port is not 11211. **Trap**: twemproxy sorts servers by name when it reads its configuration, shorter names first; that
/// order, not the file's, counts the entries of `modula`. `hash_tag` is [`KeyPart::Tag`](super::KeyPart::Tag).
impl Scheme {
    /// `distribution: ketama`: a ring of 160 points for each server, more or fewer by weight, as in
    /// [`Scheme::libmemcached_ketama_weighted`]. The points are from MD5 whatever `hash` is; that is for keys alone, and
    /// [`Hash::Fnv1a64`] unless configured.
    ///
    /// **Broken in the original**: `hash: crc32` ([`Hash::Crc15`]) gives 15 bits, and so *every* key goes to the server of the
    /// first points of the ring. It is reproduced here; `crc32a` ([`Hash::Crc32`]) is the whole CRC. Golden files:
    /// `twemproxy_ketama_*`.
    pub fn twemproxy_ketama(hash: Hash) -> Self {
        Self::of(Kind::Twemproxy(Twemproxy { distribution: Distribution::Ketama, hash }))
    }

    /// `distribution: modula`: the hash modulo a list in which each server stands as often as its weight says, in the order of
    /// sorted names. Golden files: `twemproxy_modula_*`.
    pub fn twemproxy_modula(hash: Hash) -> Self {
        Self::of(Kind::Twemproxy(Twemproxy { distribution: Distribution::Modula, hash }))
    }
}

impl Twemproxy {
    pub(super) fn weights(self) -> Weights {
        Weights::Positive
    }

    pub(super) fn locate(self, servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
        let hash = KeyHash::Plain(self.hash.function());
        let mut order: Vec<(String, u16, u32)> =
            (0..=u16::MAX).zip(servers).map(|(place, server)| (name(server), place, server.weight())).collect();
        order.sort_by(|(one, ..), (other, ..)| (one.len(), one).cmp(&(other.len(), other)));

        if self.distribution == Distribution::Modula {
            let owners = repeated(order.into_iter().map(|(_, place, weight)| (place, weight)))?;
            return Ok(Box::new(Remainder { hash, owners }));
        }
        let shares = Shares::new(servers);
        let mut drawing = Drawing::new();
        for (name, place, weight) in order {
            ketama::draw(&mut drawing, place, &name, shares.strings(weight))?;
        }
        Ok(Box::new(Circle { hash, points: drawing.finish(Ties::First)? }))
    }
}

fn name(server: &Server) -> String {
    server.alias().map_or_else(|| server.short(), ToOwned::to_owned)
}
