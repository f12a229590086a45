//! The Java client spymemcached.

use alloc::{boxed::Box, format, string::String};

use super::{
    Kind, Scheme, SchemeError, Server, Weights,
    ketama::{self, STRINGS, Shares},
    points::{Drawing, Ties},
    ring::{Circle, KeyHash, Locate, Remainder},
    server::java_address,
};
use crate::hash::{Hash, crc15, java, md5};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spymemcached {
    Ketama { format: SpyFormat, weighted: bool },
    ArrayMod(SpyHash),
}

/// How spymemcached names a server before it hashes it: its `KetamaNodeKeyFormatter.Format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpyFormat {
    /// The default: `host/ip:port` for a host given by name, `ip:port` for an IP address. IPv6 is written in full and in
    /// brackets, as since JDK 14: `[2001:db8:0:0:0:0:0:1]:11211`.
    Spymemcached,
    /// `host`, with `:port` where the port is not 11211.
    Libmemcached,
}

/// The hash of keys of spymemcached's array locator: its `DefaultHashAlgorithm`.
///
/// Those that are not standard work on Java's characters, UTF-16 units, and not on bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SpyHash {
    /// `String.hashCode`, without sign.
    Native,
    /// Fifteen bits of CRC-32, as [`Hash::Crc15`].
    Crc,
    /// 32-bit FNV-1 of characters.
    Fnv1_32,
    /// 32-bit FNV-1a of characters.
    Fnv1a32,
    /// The lower half of 64-bit FNV-1 of characters.
    Fnv1_64,
    /// The lower half of 64-bit FNV-1a of characters: the real one, unlike [`Hash::Fnv1a64`].
    Fnv1a64,
    /// The first four bytes of MD5, as [`Hash::Md5`].
    Ketama,
}

/// # spymemcached 2.12.3 (Java)
///
/// Read from the original itself; the fork that Amazon's ElastiCache client is made of has not been held against it. A server's
/// address is what *Java* takes it for: asking an `InetSocketAddress` made from an IP address for its host name changes how it
/// prints, and with it the ring.
impl Scheme {
    /// `Locator.CONSISTENT` with ketama's hash and without weights: 40 strings for each server, four points from the MD5 of
    /// each.
    ///
    /// **Traps**: not spymemcached's default locator, which is [`Scheme::spymemcached_arraymod`]. With [`SpyFormat::Spymemcached`] the
    /// IP address a name resolves to is hashed ([`Server::with_address`]), so that a server with a new address moves its
    /// keys. With [`SpyFormat::Libmemcached`] it equals libmemcached's ketama only while no weights are given and rounding
    /// spares that. Golden files: `spymemcached_ketama` and `_format_libmemcached`.
    pub fn spymemcached_ketama(format: SpyFormat) -> Self {
        Self::of(Kind::Spymemcached(Spymemcached::Ketama { format, weighted: false }))
    }

    /// The same with weights given, all 1 or not: the number of strings is computed as libmemcached does. With
    /// [`SpyFormat::Libmemcached`] it is [`Scheme::ketama`]. Golden files: `spymemcached_ketama_weighted` and
    /// `_weighted_format_libmemcached`.
    pub fn spymemcached_ketama_weighted(format: SpyFormat) -> Self {
        Self::of(Kind::Spymemcached(Spymemcached::Ketama { format, weighted: true }))
    }

    /// `Locator.ARRAY_MOD`, spymemcached's default: the hash modulo the list, with [`SpyHash::Native`] unless configured. Golden
    /// files: `spymemcached_arraymod_native`, `_crc` and `_fnv1_64`; the other hashes by `hashes.json`.
    pub fn spymemcached_arraymod(hash: SpyHash) -> Self {
        Self::of(Kind::Spymemcached(Spymemcached::ArrayMod(hash)))
    }
}

impl SpyHash {
    /// The hash of `key`.
    #[must_use]
    pub fn of(self, key: &[u8]) -> u32 {
        self.function()(key)
    }

    fn function(self) -> fn(&[u8]) -> u32 {
        match self {
            SpyHash::Native => java::string_hash,
            SpyHash::Crc => crc15,
            SpyHash::Fnv1_32 => java::fnv1_32,
            SpyHash::Fnv1a32 => java::fnv1a_32,
            SpyHash::Fnv1_64 => java::fnv1_64,
            SpyHash::Fnv1a64 => java::fnv1a_64,
            SpyHash::Ketama => md5::first4,
        }
    }
}

impl Spymemcached {
    pub(super) fn weights(self) -> Weights {
        match self {
            Spymemcached::Ketama { weighted: true, .. } => Weights::Draining,
            _ => Weights::None,
        }
    }

    pub(super) fn locate(self, servers: &[Server]) -> Result<Box<dyn Locate>, SchemeError> {
        let (format, weighted) = match self {
            Spymemcached::ArrayMod(hash) => {
                let owners = (0..=u16::MAX).zip(servers).map(|(place, _)| place).collect();
                return Ok(Box::new(Remainder { hash: KeyHash::Plain(hash.function()), owners }));
            }
            Spymemcached::Ketama { format, weighted } => (format, weighted),
        };
        let shares = weighted.then(|| Shares::new(servers));
        let mut drawing = Drawing::new();
        for (place, server) in (0..=u16::MAX).zip(servers) {
            let name = match format {
                SpyFormat::Libmemcached => server.short(),
                SpyFormat::Spymemcached => {
                    socket_address(server).ok_or(SchemeError::NoAddress { server: usize::from(place) })?
                }
            };
            let strings = shares.map_or(STRINGS, |shares| shares.strings(server.weight()));
            ketama::draw(&mut drawing, place, &name, strings)?;
        }
        let hash = KeyHash::Plain(Hash::Md5.function());
        Ok(Box::new(Circle { hash, points: drawing.finish(Ties::Last)? }))
    }
}

/// What `InetSocketAddress.toString` prints, without the slash that begins it when there is no name.
fn socket_address(server: &Server) -> Option<String> {
    let address = server.address()?;
    let ip = java_address(address);
    let ip = if address.is_ipv6() { format!("[{ip}]") } else { ip };
    let port = server.port();
    Some(match server.literal() {
        Some(_) => format!("{ip}:{port}"),
        None => format!("{}/{ip}:{port}", server.host()),
    })
}
