//! SipHash-1-3 with a key of zeros over a slice with its length in front: what `DefaultHasher` of Rust's standard library
//! makes of a slice of bytes today, on machines of 64 bits. Rust does not promise to keep it.

use super::little_endian;

pub(crate) fn rust_default(bytes: &[u8]) -> u64 {
    // The published constants; the key of zeros changes none of them.
    let mut state = [0x736f_6d65_7073_6575_u64, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];
    let mut absorb = |word: u64| {
        state[3] ^= word;
        state = round(state);
        state[0] ^= word;
    };
    absorb(bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        absorb(little_endian(chunk));
    }
    let len = bytes.len() as u64 + 8;
    absorb(little_endian(chunks.remainder()) | len << 56);

    state[2] ^= 0xff;
    let [a, b, c, d] = round(round(round(state)));
    a ^ b ^ c ^ d
}

fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}
