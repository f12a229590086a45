//! Austin Appleby's third hash, in pieces: what was written so far can be kept and continued in several ways.
//!
//! Rendezvous schemes hash every server's name joined with the key, for every key. Here the names are written once, when
//! the ring is made, and no lookup joins anything.

use super::little_endian;

/// The 32-bit one for x86.
#[derive(Clone, Copy)]
pub(crate) struct Murmur3 {
    hash: u32,
    /// Bytes not mixed in yet, the first in the lowest place; none above `len % 4` of them.
    pending: u32,
    len: u32,
}

impl Murmur3 {
    pub(crate) const fn new(seed: u32) -> Self {
        Self { hash: seed, pending: 0, len: 0 }
    }

    pub(crate) fn write(mut self, bytes: &[u8]) -> Self {
        let aligned = bytes.len().min((4 - self.len % 4) as usize % 4);
        let (head, body) = bytes.split_at(aligned);
        head.iter().for_each(|byte| self.push(*byte));
        let mut chunks = body.chunks_exact(4);
        for chunk in &mut chunks {
            self.mix(little_endian(chunk) as u32);
            self.len = self.len.wrapping_add(4);
        }
        chunks.remainder().iter().for_each(|byte| self.push(*byte));
        self
    }

    pub(crate) fn finish(self) -> u32 {
        let mut hash = self.hash;
        if !self.len.is_multiple_of(4) {
            hash ^= scramble(self.pending);
        }
        hash ^= self.len;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        hash ^ (hash >> 16)
    }

    fn push(&mut self, byte: u8) {
        self.pending |= u32::from(byte) << (8 * (self.len % 4));
        self.len = self.len.wrapping_add(1);
        if self.len.is_multiple_of(4) {
            self.mix(self.pending);
            self.pending = 0;
        }
    }

    fn mix(&mut self, word: u32) {
        self.hash = (self.hash ^ scramble(word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
}

fn scramble(word: u32) -> u32 {
    word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593)
}

/// Unseeded and of one piece.
pub(crate) fn murmur3(bytes: &[u8]) -> u32 {
    Murmur3::new(0).write(bytes).finish()
}

/// Seeded with the length, as libmemcached does.
pub(crate) fn murmur3_by_len(bytes: &[u8]) -> u32 {
    Murmur3::new(0xdead_beef_u32.wrapping_mul(bytes.len() as u32)).write(bytes).finish()
}

/// The 128-bit one for x64, of which only the first half is asked for. Its seed is 0.
#[derive(Clone, Copy)]
pub(crate) struct Murmur3Wide {
    low: u64,
    high: u64,
    pending: [u8; 16],
    len: u64,
}

impl Murmur3Wide {
    pub(crate) const fn new() -> Self {
        Self { low: 0, high: 0, pending: [0; 16], len: 0 }
    }

    pub(crate) fn write(mut self, mut bytes: &[u8]) -> Self {
        while !bytes.is_empty() {
            let place = (self.len % 16) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(16 - place));
            self.pending[place..place + now.len()].copy_from_slice(now);
            self.len = self.len.wrapping_add(now.len() as u64);
            if place + now.len() == 16 {
                self.mix();
                self.pending = [0; 16];
            }
            bytes = later;
        }
        self
    }

    /// The first eight bytes of the result, as a little-endian number.
    pub(crate) fn finish(self) -> u64 {
        // Bytes that are not there are 0 and mix to 0.
        let (first, second) = self.words();
        let mut low = self.low ^ scramble_low(first) ^ self.len;
        let mut high = self.high ^ scramble_high(second) ^ self.len;
        low = low.wrapping_add(high);
        high = high.wrapping_add(low);
        low = avalanche(low);
        high = avalanche(high);
        low.wrapping_add(high)
    }

    fn words(&self) -> (u64, u64) {
        let (first, second) = self.pending.split_at(8);
        (little_endian(first), little_endian(second))
    }

    fn mix(&mut self) {
        let (first, second) = self.words();
        let low = (self.low ^ scramble_low(first)).rotate_left(27).wrapping_add(self.high);
        self.low = low.wrapping_mul(5).wrapping_add(0x52dc_e729);
        let high = (self.high ^ scramble_high(second)).rotate_left(31).wrapping_add(self.low);
        self.high = high.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

fn scramble_low(word: u64) -> u64 {
    word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn scramble_high(word: u64) -> u64 {
    word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn avalanche(word: u64) -> u64 {
    let once = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let twice = (once ^ (once >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    twice ^ (twice >> 33)
}
