//! Bob Jenkins' SpookyHash, version 2, cut to 32 bits: mcrouter asks it whether a weight lets a key in.

use super::little_endian;

/// Mixed in where nothing else is; "not zero, odd, and without pattern", says its author.
const FILL: u64 = 0xdead_beef_dead_beef;

/// Messages of this many bytes and more are hashed in twelve lanes.
const LONG_LEN_MIN: usize = 192;
const LANES: usize = 12;
const BLOCK_LEN: usize = LANES * 8;

pub(crate) fn spooky32(bytes: &[u8], seed: u32) -> u32 {
    let seed = u64::from(seed);
    if bytes.len() < LONG_LEN_MIN { short(bytes, seed) as u32 } else { long(bytes, seed) as u32 }
}

fn short(bytes: &[u8], seed: u64) -> u64 {
    let [mut a, mut b, mut c, mut d] = [seed, seed, FILL, FILL];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        let [w, x, y, z] = words(block);
        [a, b, c, d] = short_mix([a, b, c.wrapping_add(w), d.wrapping_add(x)]);
        a = a.wrapping_add(y);
        b = b.wrapping_add(z);
    }
    let mut rest = blocks.remainder();
    if let Some((half, after)) = rest.split_first_chunk::<16>() {
        let [w, x, ..] = words::<4>(half);
        [a, b, c, d] = short_mix([a, b, c.wrapping_add(w), d.wrapping_add(x)]);
        rest = after;
    }
    d = d.wrapping_add((bytes.len() as u64) << 56);
    if rest.is_empty() {
        c = c.wrapping_add(FILL);
        d = d.wrapping_add(FILL);
    } else {
        let [w, x] = words(rest);
        c = c.wrapping_add(w);
        d = d.wrapping_add(x);
    }
    short_end([a, b, c, d])
}

/// Twelve steps over four words; the word a step rotates is followed by its neighbours in turn.
fn short_mix(mut h: [u64; 4]) -> [u64; 4] {
    for (step, turn) in [50, 52, 30, 41, 54, 48, 38, 37, 62, 34, 5, 36].into_iter().enumerate() {
        let [at, next, other] = [(step + 2) % 4, (step + 3) % 4, step % 4];
        h[at] = h[at].rotate_left(turn).wrapping_add(h[next]);
        h[other] ^= h[at];
    }
    h
}

fn short_end(mut h: [u64; 4]) -> u64 {
    for (step, turn) in [15, 52, 26, 51, 28, 9, 47, 54, 32, 25, 63].into_iter().enumerate() {
        let [at, before] = [(step + 3) % 4, (step + 2) % 4];
        h[at] ^= h[before];
        h[before] = h[before].rotate_left(turn);
        h[at] = h[at].wrapping_add(h[before]);
    }
    h[0]
}

fn long(bytes: &[u8], seed: u64) -> u64 {
    let mut h: [u64; LANES] = core::array::from_fn(|lane| if lane % 3 == 2 { FILL } else { seed });
    let mut blocks = bytes.chunks_exact(BLOCK_LEN);
    for block in &mut blocks {
        long_mix(&mut h, words(block));
    }
    let mut last = [0; BLOCK_LEN];
    let rest = blocks.remainder();
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    last[BLOCK_LEN - 1] = rest.len() as u8;
    for (lane, word) in h.iter_mut().zip(words::<LANES>(&last)) {
        *lane = lane.wrapping_add(word);
    }
    for _ in 0..3 {
        long_end(&mut h);
    }
    h[0]
}

fn long_mix(h: &mut [u64; LANES], words: [u64; LANES]) {
    for (lane, (turn, word)) in [11, 32, 43, 31, 17, 28, 39, 57, 55, 54, 22, 46].into_iter().zip(words).enumerate() {
        h[lane] = h[lane].wrapping_add(word);
        h[(lane + 2) % LANES] ^= h[(lane + 10) % LANES];
        h[(lane + 11) % LANES] ^= h[lane];
        h[lane] = h[lane].rotate_left(turn);
        h[(lane + 11) % LANES] = h[(lane + 11) % LANES].wrapping_add(h[(lane + 1) % LANES]);
    }
}

fn long_end(h: &mut [u64; LANES]) {
    for (step, turn) in [44, 15, 34, 21, 38, 33, 10, 13, 38, 53, 42, 54].into_iter().enumerate() {
        let [sum, xor, turned] = [(step + 11) % LANES, (step + 2) % LANES, (step + 1) % LANES];
        h[sum] = h[sum].wrapping_add(h[turned]);
        h[xor] ^= h[sum];
        h[turned] = h[turned].rotate_left(turn);
    }
}

/// The bytes as little-endian words; what is missing is 0.
fn words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, chunk) in words.iter_mut().zip(bytes.chunks(8)) {
        *word = little_endian(chunk);
    }
    words
}
