//! libmemcached, and PHP's ext-memcached, which is made of it.

use alloc::{boxed::Box, format, vec::Vec};

use super::{
    Kind, Scheme, SchemeError, Server, Weights,
    ketama::{self, Shares},
    points::{Drawing, Ties},
    ring::{Circle, KeyHash, Locate, Remainder},
};
use crate::hash::Hash;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Libmemcached {
    distribution: Distribution,
    hash: Hash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Distribution {
    Modula,
    Ketama,
    KetamaWeighted,
    KetamaSpy,
    KetamaSpyWeighted,
}

/// # libmemcached 1.1.4, and PHP's ext-memcached 3.2
///
/// Host names are hashed as they were configured, without the port if it is 11211, and without brackets around IPv6. Weight 0 is read
/// as 1 there, and refused here. With more than 100 servers Debian's library stops the program in its ketama; the rings here go
/// on by the same rule.
impl Scheme {
    /// *The* ketama: libmemcached with `MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED`, and PHP's ext-memcached with
    /// `OPT_LIBKETAMA_COMPATIBLE`. The same as [`Scheme::libmemcached_ketama_weighted`] with [`Hash::Md5`].
    pub fn ketama() -> Self {
        Self::libmemcached_ketama_weighted(Hash::Md5)
    }

    /// libmemcached's default distribution: the hash modulo the number of servers, in the order of the list.
    ///
    /// libmemcached and PHP use [`Hash::OneAtATime`] unless told otherwise. **Traps**: the original takes weights and ignores
    /// them, which is an error here; any change of the list moves nearly all keys; with `SORT_HOSTS` the order is another
    /// ([`Scheme::sort_hosts`]). Golden files: `libmemcached_modula_*`.
    pub fn libmemcached_modula(hash: Hash) -> Self {
        Self::libmemcached(Distribution::Modula, hash)
    }

    /// libmemcached with `MEMCACHED_BEHAVIOR_KETAMA`, PHP with `DISTRIBUTION_CONSISTENT`: a ring of 100 points for each
    /// server, which are the hashes of `host-0` to `host-99` (`host:port-0` where the port is not 11211).
    ///
    /// **Traps**: points *and* keys are hashed with `hash`, which is [`Hash::OneAtATime`] and not MD5 unless it was set. The first
    /// weight above 1 turns the whole ring into that of [`Scheme::libmemcached_ketama_weighted`], MD5 points and all, as it
    /// does in the original. Golden files: `libmemcached_ketama_default`, `_md5`, `_fnv1a_32`, and `*_autoweight`.
    pub fn libmemcached_ketama(hash: Hash) -> Self {
        Self::libmemcached(Distribution::Ketama, hash)
    }

    /// libmemcached with `MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED`: a ring of 160 points for each server, more or fewer by weight,
    /// four from each MD5 of `host-0`, `host-1` and so on (`host:port-0` where the port is not 11211).
    ///
    /// Keys are hashed with MD5, too, unless `BEHAVIOR_HASH` is set afterwards: `hash` is for keys alone. **Traps**: the number of
    /// points is computed in 32-bit floating point, so that equal weights get 156 points and not 160 with 25, 47, 50, 55 servers
    /// and others; it depends on the number of servers and the sum of weights, so that a server added moves some keys between
    /// others. Golden files: `libmemcached_ketama_weighted`, `_noweights`, `_fnv1a_32`, `_ns_hashed`, and
    /// `php_memcached_libketama_compatible`.
    pub fn libmemcached_ketama_weighted(hash: Hash) -> Self {
        Self::libmemcached(Distribution::KetamaWeighted, hash)
    }

    /// libmemcached with `MEMCACHED_DISTRIBUTION_CONSISTENT_KETAMA_SPY`: as [`Scheme::libmemcached_ketama`], with points from
    /// `/host:port-0` to `-99`, slash and port always.
    ///
    /// **Trap**: it was made to agree with spymemcached and no longer does; see [`Scheme::spymemcached_ketama`]. The first
    /// weight above 1 turns it into [`Scheme::libmemcached_ketama_spy_weighted`]. Golden file: `libmemcached_ketama_spy` (with
    /// [`Hash::Md5`]).
    pub fn libmemcached_ketama_spy(hash: Hash) -> Self {
        Self::libmemcached(Distribution::KetamaSpy, hash)
    }

    /// libmemcached with `KETAMA_WEIGHTED` and then the distribution `KETAMA_SPY`: as
    /// [`Scheme::libmemcached_ketama_weighted`], with points from `/host:port-0` and so on. Golden file:
    /// `libmemcached_ketama_spy_weighted` (with [`Hash::Md5`]).
    pub fn libmemcached_ketama_spy_weighted(hash: Hash) -> Self {
        Self::libmemcached(Distribution::KetamaSpyWeighted, hash)
    }

    fn libmemcached(distribution: Distribution, hash: Hash) -> Self {
        Self::of(Kind::Libmemcached(Libmemcached { distribution, hash }))
    }
}

impl Libmemcached {
    pub(super) fn weights(self) -> Weights {
        if self.distribution == Distribution::Modula { Weights::None } else { Weights::Positive }
    }

    /// `order` has the places of the servers, sorted or not; `prefix` is hashed with the key.
    pub(super) fn locate(
        self,
        servers: &[Server],
        sorted: bool,
        prefix: Option<&[u8]>,
    ) -> Result<Box<dyn Locate>, SchemeError> {
        let mut order: Vec<(u16, &Server)> = (0..=u16::MAX).zip(servers).collect();
        if sorted {
            order.sort_by_key(|(_, server)| (server.host(), server.port()));
        }
        let function = self.hash.function();
        let hash = match prefix {
            Some(prefix) => KeyHash::Prefixed { prefix: prefix.into(), function },
            None => KeyHash::Plain(function),
        };
        if self.distribution == Distribution::Modula {
            let owners = order.into_iter().map(|(place, _)| place).collect();
            return Ok(Box::new(Remainder { hash, owners }));
        }

        let shares = self.is_weighted(servers).then(|| Shares::new(servers));
        let mut drawing = Drawing::new();
        for (place, server) in order {
            let name = self.name(server);
            match shares {
                Some(shares) => ketama::draw(&mut drawing, place, &name, shares.strings(server.weight()))?,
                None => drawing.add(place, (0..100).map(|number| function(format!("{name}-{number}").as_bytes())))?,
            }
        }
        // Equal points go to the server that comes first.
        Ok(Box::new(Circle { hash, points: drawing.finish(Ties::First)? }))
    }

    fn is_weighted(self, servers: &[Server]) -> bool {
        match self.distribution {
            Distribution::KetamaWeighted | Distribution::KetamaSpyWeighted => true,
            _ => servers.iter().any(|server| server.weight() > 1),
        }
    }

    fn name(self, server: &Server) -> alloc::string::String {
        match self.distribution {
            Distribution::KetamaSpy | Distribution::KetamaSpyWeighted => format!("/{}", server.host_port()),
            _ => server.short(),
        }
    }
}
