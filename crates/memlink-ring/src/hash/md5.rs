//! MD5, cut as ketama cuts it. Nothing here is about secrets.

use md5::{Digest, Md5};

/// Four points of a ring from one digest: its bytes as four little-endian numbers.
pub(crate) fn point4(bytes: &[u8]) -> [u32; 4] {
    let digest = digest(bytes);
    [0, 32, 64, 96].map(|shift| (digest >> shift) as u32)
}

/// The first of the four: the hash of a key.
pub(crate) fn first4(bytes: &[u8]) -> u32 {
    digest(bytes) as u32
}

/// The digest as one big-endian number, as Python reads a hexadecimal one.
pub(crate) fn number(bytes: &[u8]) -> u128 {
    digest(bytes).swap_bytes()
}

fn digest(bytes: &[u8]) -> u128 {
    u128::from_le_bytes(Md5::digest(bytes).into())
}
