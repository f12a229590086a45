//! The four hashes by Fowler, Noll and Vo, as C clients compute them: over *signed* bytes.
//!
//! `char` is signed where these clients were written, so a byte of 0x80 or more is extended by ones before it is mixed in.
//! Text in anything but ASCII hashes otherwise than the published functions say.

use super::signed;

const OFFSET_32: u32 = 0x811c_9dc5;
const PRIME_32: u32 = 0x0100_0193;
pub(super) const OFFSET_64: u64 = 0xcbf2_9ce4_8422_2325;
pub(super) const PRIME_64: u64 = 0x0100_0000_01b3;

pub(crate) fn fnv1_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(OFFSET_32, |hash, byte| hash.wrapping_mul(PRIME_32) ^ signed(*byte))
}

pub(crate) fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(OFFSET_32, |hash, byte| (hash ^ signed(*byte)).wrapping_mul(PRIME_32))
}

/// 64 bits wide to the end, of which the lower half is the answer.
pub(crate) fn fnv1_64(bytes: &[u8]) -> u32 {
    let step = |hash: u64, byte: &u8| hash.wrapping_mul(PRIME_64) ^ i64::from(*byte as i8) as u64;
    bytes.iter().fold(OFFSET_64, step) as u32
}

/// Named after the 64-bit function, but computed in 32 bits from the lower halves of its constants.
///
/// Not a rounding of the real one: the upper half never gets to act on the lower one here, as it does not there either,
/// but the prime's upper bits are gone.
pub(crate) fn fnv1a_64(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ signed(*byte)).wrapping_mul(PRIME_64 as u32);
    bytes.iter().fold(OFFSET_64 as u32, step)
}
