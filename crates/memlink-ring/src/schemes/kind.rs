use alloc::boxed::Box;

use super::{
    Scheme, SchemeError, Server, dalli, emcache, evcache, folsom, key::Prefix, libmemcached, mcrouter, memcached_proxy,
    php_memcache, pymemcache, remainders, ring::Locate, rust_memcache, spymemcached, twemproxy, uhashring,
};

/// Whose scheme it is; what it is exactly is in a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Libmemcached(libmemcached::Libmemcached),
    PhpMemcache(php_memcache::PhpMemcache),
    Twemproxy(twemproxy::Twemproxy),
    MemcachedProxy(memcached_proxy::MemcachedProxy),
    Plain(remainders::Plain),
    Dalli,
    Uhashring(uhashring::Uhashring),
    Pymemcache(pymemcache::Pymemcache),
    Emcache,
    Spymemcached(spymemcached::Spymemcached),
    Evcache,
    Folsom,
    Mcrouter(mcrouter::Mcrouter),
    RustMemcache,
}

/// What weights a scheme takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weights {
    /// None: every weight is 1.
    None,
    /// From 1 up.
    Positive,
    /// From 0 up; a server of weight 0 has no keys.
    Draining,
}

impl Kind {
    pub(super) fn weights(self) -> Weights {
        match self {
            Kind::Libmemcached(kind) => kind.weights(),
            Kind::PhpMemcache(kind) => kind.weights(),
            Kind::Twemproxy(kind) => kind.weights(),
            Kind::MemcachedProxy(kind) => kind.weights(),
            Kind::Plain(kind) => kind.weights(),
            Kind::Uhashring(kind) => kind.weights(),
            Kind::Spymemcached(kind) => kind.weights(),
            Kind::Mcrouter(kind) => kind.weights(),
            Kind::Dalli => Weights::Draining,
            Kind::Pymemcache(_) | Kind::Emcache | Kind::Evcache | Kind::Folsom | Kind::RustMemcache => Weights::None,
        }
    }

    /// Which options of [`Scheme`] it has, beside those of all.
    pub(super) fn has_sorting(self) -> bool {
        matches!(self, Kind::Libmemcached(_))
    }

    pub(super) fn has_seed(self) -> bool {
        matches!(self, Kind::MemcachedProxy(kind) if kind.has_seed())
    }

    pub(super) fn has_salt(self) -> bool {
        self == Kind::Mcrouter(mcrouter::Mcrouter::Ch3)
    }

    pub(super) fn has_weight_of_one(self) -> bool {
        matches!(self, Kind::Mcrouter(kind) if kind.is_weighted())
    }

    /// Whether an alias stands for host and port.
    pub(super) fn has_aliases(self) -> bool {
        matches!(self, Kind::Twemproxy(_) | Kind::Mcrouter(_))
    }

    /// Makes what finds the servers. They have been checked.
    pub(super) fn locate(self, scheme: &Scheme, servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
        let hashed_prefix = match &scheme.prefix {
            Prefix::Hashed(prefix) => Some(prefix.as_ref()),
            _ => None,
        };
        match self {
            Kind::Libmemcached(kind) => kind.locate(servers, scheme.sorted, hashed_prefix),
            Kind::PhpMemcache(kind) => kind.locate(servers),
            Kind::Twemproxy(kind) => kind.locate(servers),
            Kind::MemcachedProxy(kind) => kind.locate(servers, scheme.seed.as_deref()),
            Kind::Plain(kind) => kind.locate(servers),
            Kind::Dalli => dalli::locate(servers),
            Kind::Uhashring(kind) => kind.locate(servers),
            Kind::Pymemcache(kind) => Ok(kind.locate(servers)),
            Kind::Emcache => Ok(emcache::locate(servers)),
            Kind::Spymemcached(kind) => kind.locate(servers),
            Kind::Evcache => evcache::locate(servers),
            Kind::Folsom => folsom::locate(servers),
            Kind::Mcrouter(kind) => kind.locate(servers, scheme.salt.as_deref(), scheme.one),
            Kind::RustMemcache => Ok(rust_memcache::locate(servers)),
        }
    }
}
