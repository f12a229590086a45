//! Schemes by name, for configurations and command lines.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use super::{Hash, ProxyHash, ProxyRing, Scheme, SpyFormat, SpyHash, UnknownScheme};

/// # Names
///
/// The name of a scheme is that of its golden file, without what concerns options and the list of servers; a hash of keys that can be chosen
/// stands at its end.
impl Scheme {
    /// The name of every scheme, aliases left out, in groups by client.
    ///
    /// ```
    /// # use memlink_ring::schemes::Scheme;
    /// assert!(Scheme::names().iter().any(|name| name == "twemproxy_ketama_fnv1a_64"));
    /// ```
    #[must_use]
    pub fn names() -> Vec<String> {
        all().map(|(name, _)| name).collect()
    }

    /// The name of this scheme, which [`str::parse`] reads. Options are not part of it.
    #[must_use]
    pub fn name(&self) -> String {
        all().find(|(_, scheme)| scheme.kind == self.kind).map(|(name, _)| name).unwrap_or_default()
    }
}

/// Reads a name of [`Scheme::names`] or an alias:
///
/// | alias | scheme |
/// |---|---|
/// | `ketama`, `php_memcached_libketama_compatible` | `libmemcached_ketama_weighted_md5` |
/// | `libmemcached_ketama_weighted` | `libmemcached_ketama_weighted_md5` |
/// | `libmemcached_ketama_spy`, `..._spy_weighted` | the same with `_md5` |
/// | `php_memcached_default` | `libmemcached_modula_default` |
/// | `php_memcached_consistent` | `libmemcached_ketama_default` |
/// | `perl_cache_memcached` | `python_memcached` |
/// | `pior_jump_xxh3` | `memcached_proxy_jump` |
/// | `memcached_proxy_ring_default` | `memcached_proxy_ring_default_xxh3` |
impl FromStr for Scheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Self, UnknownScheme> {
        if let Some((_, scheme)) = ALIASES.iter().find(|(alias, _)| *alias == name) {
            return Ok(scheme());
        }
        all().find(|(known, _)| known == name).map(|(_, scheme)| scheme).ok_or(UnknownScheme)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// A few dozen, made when asked for: names are read once in the life of a program.
fn all() -> impl Iterator<Item = (String, Scheme)> {
    let single = SINGLE.iter().map(|(name, scheme)| (String::from(*name), scheme()));
    let hashed = HASHED.iter().flat_map(|(family, hashes, scheme)| {
        hashes.iter().map(move |(hash_name, hash)| ([family, *hash_name].concat(), scheme(*hash)))
    });
    let array = SPY_HASHES.iter().map(|(hash_name, hash)| {
        (["spymemcached_arraymod_", hash_name].concat(), Scheme::spymemcached_arraymod(*hash))
    });
    let rings = PROXY_RINGS.iter().flat_map(|(ring_name, ring)| {
        PROXY_HASHES.iter().map(move |(hash_name, hash)| {
            (["memcached_proxy_ring_", ring_name, hash_name].concat(), Scheme::memcached_proxy_ring(*ring, *hash))
        })
    });
    hashed.chain(rings).chain(array).chain(single)
}

type Named<T> = (&'static str, T);

const ALIASES: &[Named<fn() -> Scheme>] = &[
    ("ketama", Scheme::ketama),
    ("php_memcached_libketama_compatible", Scheme::ketama),
    ("libmemcached_ketama_weighted", Scheme::ketama),
    ("libmemcached_ketama_spy", || Scheme::libmemcached_ketama_spy(Hash::Md5)),
    ("libmemcached_ketama_spy_weighted", || Scheme::libmemcached_ketama_spy_weighted(Hash::Md5)),
    ("php_memcached_default", || Scheme::libmemcached_modula(Hash::OneAtATime)),
    ("php_memcached_consistent", || Scheme::libmemcached_ketama(Hash::OneAtATime)),
    ("perl_cache_memcached", Scheme::perl_cache_memcached),
    ("pior_jump_xxh3", Scheme::pior_jump_xxh3),
    ("memcached_proxy_ring_default", || Scheme::memcached_proxy_ring(ProxyRing::Default, ProxyHash::Xxh3)),
];

const SINGLE: &[Named<fn() -> Scheme>] = &[
    ("php_memcache_standard_crc32", Scheme::php_memcache_standard_crc32),
    ("php_memcache_standard_fnv", Scheme::php_memcache_standard_fnv),
    ("php_memcache_consistent_crc32", Scheme::php_memcache_consistent_crc32),
    ("php_memcache_consistent_fnv", Scheme::php_memcache_consistent_fnv),
    ("memcached_proxy_jump", Scheme::memcached_proxy_jump),
    ("gomemcache", Scheme::gomemcache),
    ("dalli", Scheme::dalli),
    ("pymemcache_rendezvous", Scheme::pymemcache_rendezvous),
    ("pymemcache_rendezvous_bytes_key", Scheme::pymemcache_rendezvous_bytes_key),
    ("python_memcached", Scheme::python_memcached),
    ("emcache_rendezvous", Scheme::emcache_rendezvous),
    ("uhashring_default", Scheme::uhashring_default),
    ("uhashring_ketama", Scheme::uhashring_ketama),
    ("meta_memcache_py_hashring", Scheme::meta_memcache_py_hashring),
    ("meta_memcache_py_nonconsistent", Scheme::meta_memcache_py_nonconsistent),
    ("folsom_ketama", Scheme::folsom_ketama),
    ("spymemcached_ketama", || Scheme::spymemcached_ketama(SpyFormat::Spymemcached)),
    ("spymemcached_ketama_format_libmemcached", || Scheme::spymemcached_ketama(SpyFormat::Libmemcached)),
    ("spymemcached_ketama_weighted", || Scheme::spymemcached_ketama_weighted(SpyFormat::Spymemcached)),
    ("spymemcached_ketama_weighted_format_libmemcached", || {
        Scheme::spymemcached_ketama_weighted(SpyFormat::Libmemcached)
    }),
    ("evcache_ketama", Scheme::evcache_ketama),
    ("mcrouter_crc32", Scheme::mcrouter_crc32),
    ("mcrouter_ch3", Scheme::mcrouter_ch3),
    ("mcrouter_weighted_ch3", Scheme::mcrouter_weighted_ch3),
    ("mcrouter_rendezvous", Scheme::mcrouter_rendezvous),
    ("mcrouter_weighted_rendezvous", Scheme::mcrouter_weighted_rendezvous),
    ("rust_memcache_exp_rendezvous", Scheme::rust_memcache_exp_rendezvous),
];

/// The beginning of the names, the hashes of keys, and the scheme.
type Family = (&'static str, &'static [Named<Hash>], fn(Hash) -> Scheme);

const HASHED: &[Family] = &[
    ("libmemcached_modula_", LIBMEMCACHED_HASHES, Scheme::libmemcached_modula),
    ("libmemcached_ketama_", LIBMEMCACHED_HASHES, Scheme::libmemcached_ketama),
    ("libmemcached_ketama_weighted_", LIBMEMCACHED_HASHES, Scheme::libmemcached_ketama_weighted),
    ("libmemcached_ketama_spy_", LIBMEMCACHED_HASHES, Scheme::libmemcached_ketama_spy),
    ("libmemcached_ketama_spy_weighted_", LIBMEMCACHED_HASHES, Scheme::libmemcached_ketama_spy_weighted),
    ("twemproxy_ketama_", TWEMPROXY_HASHES, Scheme::twemproxy_ketama),
    ("twemproxy_modula_", TWEMPROXY_HASHES, Scheme::twemproxy_modula),
];

const LIBMEMCACHED_HASHES: &[Named<Hash>] = &[
    ("default", Hash::OneAtATime),
    ("md5", Hash::Md5),
    ("crc", Hash::Crc15),
    ("fnv1_64", Hash::Fnv1_64),
    ("fnv1a_64", Hash::Fnv1a64),
    ("fnv1_32", Hash::Fnv1_32),
    ("fnv1a_32", Hash::Fnv1a32),
    ("hsieh", Hash::Hsieh),
    ("murmur", Hash::Murmur),
    ("murmur3", Hash::Murmur3),
    ("jenkins", Hash::Jenkins),
];

const TWEMPROXY_HASHES: &[Named<Hash>] = &[
    ("one_at_a_time", Hash::OneAtATime),
    ("md5", Hash::Md5),
    ("crc16", Hash::Crc16),
    ("crc32", Hash::Crc15),
    ("crc32a", Hash::Crc32),
    ("fnv1_64", Hash::Fnv1_64),
    ("fnv1a_64", Hash::Fnv1a64),
    ("fnv1_32", Hash::Fnv1_32),
    ("fnv1a_32", Hash::Fnv1a32),
    ("hsieh", Hash::Hsieh),
    ("murmur", Hash::Murmur),
    ("jenkins", Hash::Jenkins),
];

const SPY_HASHES: &[Named<SpyHash>] = &[
    ("native", SpyHash::Native),
    ("crc", SpyHash::Crc),
    ("fnv1_32", SpyHash::Fnv1_32),
    ("fnv1a_32", SpyHash::Fnv1a32),
    ("fnv1_64", SpyHash::Fnv1_64),
    ("fnv1a_64", SpyHash::Fnv1a64),
    ("ketama", SpyHash::Ketama),
];

const PROXY_RINGS: &[Named<ProxyRing>] = &[
    ("default", ProxyRing::Default),
    ("ketama", ProxyRing::Ketama),
    ("twemproxy", ProxyRing::Twemproxy),
    ("evcache", ProxyRing::Evcache),
];

const PROXY_HASHES: &[Named<ProxyHash>] = &[("_xxh3", ProxyHash::Xxh3), ("_md5", ProxyHash::Md5)];
