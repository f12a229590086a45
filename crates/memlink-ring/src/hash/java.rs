//! Hashes over the characters of a Java string: UTF-16 units, not bytes.

use super::fnv::{OFFSET_64, PRIME_64};

/// `String.hashCode`, as a number without sign.
pub(crate) fn string_hash(key: &[u8]) -> u32 {
    fold(key, 0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

pub(crate) fn fnv1_32(key: &[u8]) -> u32 {
    fold(key, 0x811c_9dc5, |hash: u32, unit| hash.wrapping_mul(0x0100_0193) ^ u32::from(unit))
}

pub(crate) fn fnv1a_32(key: &[u8]) -> u32 {
    fold(key, 0x811c_9dc5, |hash: u32, unit| (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193))
}

/// The lower half of 64 bits, as spymemcached cuts it.
pub(crate) fn fnv1_64(key: &[u8]) -> u32 {
    fold(key, OFFSET_64, |hash, unit| hash.wrapping_mul(PRIME_64) ^ u64::from(unit)) as u32
}

/// The lower half of 64 bits, as spymemcached cuts it.
pub(crate) fn fnv1a_64(key: &[u8]) -> u32 {
    fold(key, OFFSET_64, |hash, unit| (hash ^ u64::from(unit)).wrapping_mul(PRIME_64)) as u32
}

/// Java cannot have a key that is not UTF-8; for completeness its bytes then stand for characters.
fn fold<H>(key: &[u8], start: H, step: impl Fn(H, u16) -> H) -> H {
    match core::str::from_utf8(key) {
        Ok(text) => text.encode_utf16().fold(start, step),
        Err(_) => key.iter().map(|byte| u16::from(*byte)).fold(start, step),
    }
}
