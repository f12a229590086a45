//! mcrouter's consistent hash, and how weights turn keys away from it.

use alloc::boxed::Box;

use super::SEED;
use crate::{
    hash::{murmur2::murmur64a, spooky::spooky32},
    schemes::{key::joined, ring::Locate},
};

/// The hash, of the key and a salt.
pub(super) struct Ch3 {
    pub(super) len: u16,
    pub(super) salt: Box<[u8]>,
}

impl Locate for Ch3 {
    fn locate(&self, key: &[u8]) -> u16 {
        if self.salt.is_empty() { furc(key, self.len) } else { joined(key, &self.salt, |key| furc(key, self.len)) }
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.salt.len()
    }
}

/// The consistent hash itself: reads the number of a server from the key's bits, high ones first, in a binary tree.
///
/// A 0 at the top means that the server is in the lower half, and so on down; the first 1 says how many bits the number has, and
/// they follow. A number that no server has is thrown again. More servers only add a top to the tree, so numbers below it
/// stay what they were.
fn furc(key: &[u8], len: u16) -> u16 {
    const TRIES: usize = 32;
    /// How far apart the bits are that are read one after another, as the original counts them.
    const STRIDE: u32 = 23;

    if len <= 1 {
        return 0;
    }
    let mut bits = Bits::new(key);
    let mut depth = u16::BITS - (len - 1).leading_zeros();
    let mut at = depth;
    for _ in 0..TRIES {
        while !bits.is_set(at) {
            depth -= 1;
            if depth == 0 {
                return 0;
            }
            at = depth;
        }
        at += STRIDE;
        let mut number = 1_u32;
        for _ in 1..depth {
            number = (number << 1) | u32::from(bits.is_set(at));
            at += STRIDE;
        }
        if number < u32::from(len) {
            return number as u16;
        }
    }
    0
}

/// An endless line of bits: the hash of the key, the hash of that hash, and so on.
///
/// Places are asked for mostly in rising order. The tree's descent steps back a little, and then the line is walked from
/// its start.
struct Bits {
    start: u64,
    word: u64,
    number: u32,
}

impl Bits {
    fn new(key: &[u8]) -> Self {
        let start = murmur64a(key, SEED);
        Self { start, word: start, number: 0 }
    }

    fn is_set(&mut self, place: u32) -> bool {
        let number = place / u64::BITS;
        if number < self.number {
            (self.word, self.number) = (self.start, 0);
        }
        while self.number < number {
            self.word = murmur64a(&self.word.to_le_bytes(), SEED);
            self.number += 1;
        }
        (self.word >> (place % u64::BITS)) & 1 == 1
    }
}

/// The hash, asked again with digits appended where a server has had enough.
pub(super) struct WeightedCh3 {
    /// A server takes a key whose second hash is below this.
    pub(super) limits: Box<[u32]>,
}

impl Locate for WeightedCh3 {
    fn locate(&self, key: &[u8]) -> u16 {
        const TRIES: u8 = 32;

        let len = self.limits.len() as u16;
        let throw = |key: &[u8]| {
            let place = furc(key, len);
            let limit = self.limits.get(usize::from(place)).copied().unwrap_or(0);
            (place, spooky32(key, 0xface_2014) < limit)
        };
        let (mut place, mut taken) = throw(key);
        for number in 0..TRIES - 1 {
            if taken {
                break;
            }
            // Decimal digits, the last one first.
            let digits = [b'0' + number % 10, b'0' + number / 10];
            let digits = if number < 10 { &digits[..1] } else { &digits[..] };
            (place, taken) = joined(key, digits, throw);
        }
        place
    }

    fn bytes(&self) -> usize {
        size_of_val(self.limits.as_ref())
    }
}
