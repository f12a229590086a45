//! Hashes of other clients, a file each: standard ones from crates, odd ones written out.
//!
//! All are functions of bytes alone, the same on every machine, whatever its byte order or the size of a pointer.

mod crc;
mod fnv;
mod hsieh;
pub(crate) mod java;
mod jenkins;
pub(crate) mod md5;
pub(crate) mod murmur2;
pub(crate) mod murmur3;
mod one_at_a_time;
pub(crate) mod sip;
pub(crate) mod spooky;

pub(crate) use crc::{crc15, crc32};
pub(crate) use fnv::fnv1a_32;

/// A hash of keys that libmemcached or twemproxy knows by a name.
///
/// All have 32 bits. The byte-wise ones take bytes of 0x80 and more as *negative* numbers, as the originals do, so beyond
/// ASCII they differ from the published functions. They are held against the originals' answers for 400 keys
/// (`hashes.json` of the golden vectors).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hash {
    /// Jenkins' one-at-a-time: libmemcached's default (`DEFAULT`), twemproxy's `one_at_a_time`.
    OneAtATime,
    /// The first four bytes of MD5, little-endian.
    Md5,
    /// Fifteen bits of CRC-32: `(crc >> 16) & 0x7fff`. libmemcached's `CRC`, twemproxy's `crc32`. Fit for a remainder only:
    /// on a ring all its values fall together.
    Crc15,
    /// All of CRC-32: twemproxy's `crc32a`. libmemcached has no such hash.
    Crc32,
    /// CRC-16 in an unmasked register of 32 bits: twemproxy's `crc16`. libmemcached has no such hash.
    Crc16,
    /// 32-bit FNV-1.
    Fnv1_32,
    /// 32-bit FNV-1a.
    Fnv1a32,
    /// The lower half of 64-bit FNV-1.
    Fnv1_64,
    /// Named after 64-bit FNV-1a, but computed in 32 bits. twemproxy's default.
    Fnv1a64,
    /// Paul Hsieh's SuperFastHash. Most builds of libmemcached refuse it.
    Hsieh,
    /// MurmurHash2, seeded with the length.
    Murmur,
    /// MurmurHash3 for x86, seeded with the length. twemproxy has no such hash.
    Murmur3,
    /// Jenkins' lookup3.
    Jenkins,
}

impl Hash {
    /// The hash of `bytes`.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> u32 {
        self.function()(bytes)
    }

    pub(crate) fn function(self) -> fn(&[u8]) -> u32 {
        match self {
            Hash::OneAtATime => one_at_a_time::one_at_a_time,
            Hash::Md5 => md5::first4,
            Hash::Crc15 => crc15,
            Hash::Crc32 => crc32,
            Hash::Crc16 => crc::crc16,
            Hash::Fnv1_32 => fnv::fnv1_32,
            Hash::Fnv1a32 => fnv1a_32,
            Hash::Fnv1_64 => fnv::fnv1_64,
            Hash::Fnv1a64 => fnv::fnv1a_64,
            Hash::Hsieh => hsieh::hsieh,
            Hash::Murmur => murmur2::murmur2,
            Hash::Murmur3 => murmur3::murmur3_by_len,
            Hash::Jenkins => jenkins::jenkins,
        }
    }
}

/// A byte as C's signed `char` becomes an `unsigned int`.
fn signed(byte: u8) -> u32 {
    i32::from(byte as i8) as u32
}

/// Up to eight bytes as a number, the first in the lowest place; what is missing is 0.
#[inline]
fn little_endian(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    let len = bytes.len().min(8);
    word[..len].copy_from_slice(&bytes[..len]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use alloc::{boxed::Box, vec::Vec};

    use super::*;

    /// Those of the golden vectors' hashes that are not public; `tests/it` has the others.
    #[test]
    fn inner_hashes_equal_the_originals() {
        check("folly_spookyv2_32_seed_face2014", |key| spooky::spooky32(key, 0xface_2014).into());
        check("folsom_murmur3_32_signed", |key| i64::from(murmur3::murmur3(key) as i32) as u64);
        check("mcrouter_crc32", |key| crc32(key).into());
        check("mcrouter_murmur64a_seed4193360111", |key| murmur2::murmur64a(key, 4_193_360_111));
        check("memcached_proxy_xxh3", xxhash_rust::xxh3::xxh3_64);
    }

    fn check(name: &str, hash: fn(&[u8]) -> u64) {
        let columns = include_str!("../../tests/golden/hashes.txt").lines().filter_map(|line| line.split_once(' '));
        let (_, column) = columns.into_iter().find(|(other, _)| *other == name).expect("a column of that name");
        let values: Vec<u64> = column.split(' ').map(|value| value.parse::<i128>().expect("a number") as u64).collect();
        let keys: Vec<Box<[u8]>> = include_str!("../../tests/golden/keys.txt").lines().map(unescaped).collect();
        assert_eq!((values.len(), keys.len()), (400, 400));
        for (key, value) in keys.iter().zip(values) {
            assert_eq!(hash(key), value, "{name}: {}", key.escape_ascii());
        }
    }

    fn unescaped(line: &str) -> Box<[u8]> {
        let mut parts = line.split("\\x");
        let mut key = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let (digits, rest) = part.split_at(2);
            key.push(u8::from_str_radix(digits, 16).expect("two digits"));
            key.extend(rest.as_bytes());
        }
        key.into()
    }

    /// A hash that is written in pieces must not depend on where they are cut.
    #[test]
    fn pieces_hash_as_the_whole() {
        let text: Vec<u8> = (0..70).collect();
        for end in 0..text.len() {
            for cut in 0..=end {
                let (one, other) = text[..end].split_at(cut);
                let narrow = murmur3::Murmur3::new(7).write(one).write(other).finish();
                assert_eq!(narrow, murmur3::Murmur3::new(7).write(&text[..end]).finish());
                let wide = murmur3::Murmur3Wide::new().write(one).write(other).finish();
                assert_eq!(wide, murmur3::Murmur3Wide::new().write(&text[..end]).finish());
            }
        }
    }
}
