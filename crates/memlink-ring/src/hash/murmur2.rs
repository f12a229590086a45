//! Austin Appleby's second hash: 32 bits wide in libmemcached and twemproxy, 64 bits ("64A") in mcrouter.

use super::little_endian;

const M_32: u32 = 0x5bd1_e995;
const M_64: u64 = 0xc6a4_a793_5bd1_e995;

/// Seeded with the length, as libmemcached and twemproxy do.
pub(crate) fn murmur2(bytes: &[u8]) -> u32 {
    let len = bytes.len() as u32;
    let mut hash = 0xdead_beef_u32.wrapping_mul(len) ^ len;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let word = (little_endian(chunk) as u32).wrapping_mul(M_32);
        hash = hash.wrapping_mul(M_32) ^ (word ^ (word >> 24)).wrapping_mul(M_32);
    }
    if !chunks.remainder().is_empty() {
        hash = (hash ^ little_endian(chunks.remainder()) as u32).wrapping_mul(M_32);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M_32);
    hash ^ (hash >> 15)
}

pub(crate) fn murmur64a(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(M_64);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = little_endian(chunk).wrapping_mul(M_64);
        hash = (hash ^ (word ^ (word >> 47)).wrapping_mul(M_64)).wrapping_mul(M_64);
    }
    if !chunks.remainder().is_empty() {
        hash = (hash ^ little_endian(chunks.remainder())).wrapping_mul(M_64);
    }
    hash = (hash ^ (hash >> 47)).wrapping_mul(M_64);
    hash ^ (hash >> 47)
}
