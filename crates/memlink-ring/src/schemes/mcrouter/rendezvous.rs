//! mcrouter's rendezvous hashing: a score for each server, the best one has the key.

use alloc::boxed::Box;

use crate::{hash::murmur2::murmur64a, schemes::ring::Locate};

/// Without weights.
pub(super) struct Rendezvous {
    pub(super) hashes: Box<[u64]>,
}

impl Locate for Rendezvous {
    fn locate(&self, key: &[u8]) -> u16 {
        let key = murmur64a(key, KEY_SEED);
        // Compared as doubles, of two that are equal then the later.
        let scores = self.hashes.iter().map(|tag| together(*tag, key) as f64);
        best(scores, |score, best| score >= best)
    }

    fn bytes(&self) -> usize {
        size_of_val(self.hashes.as_ref())
    }
}

/// With weights, by a logarithm.
pub(super) struct WeightedRendezvous {
    /// The hash of each server, and its weight as a fraction.
    pub(super) tags: Box<[(u64, f64)]>,
}

impl Locate for WeightedRendezvous {
    fn locate(&self, key: &[u8]) -> u16 {
        const BITS: u32 = f64::MANTISSA_DIGITS;

        let key = murmur64a(key, KEY_SEED);
        let scores = self.tags.iter().map(|(tag, weight)| {
            let part = together(*tag, key) & ((1 << BITS) - 1);
            weight * (1.0 / -libm::log(part as f64 / (1_u64 << BITS) as f64))
        });
        best(scores, |score, best| score > best)
    }

    fn bytes(&self) -> usize {
        size_of_val(self.tags.as_ref())
    }
}

const KEY_SEED: u64 = 2_718_281_828;

/// The place of the best score above or at 0.
fn best(scores: impl Iterator<Item = f64>, wins: impl Fn(f64, f64) -> bool) -> u16 {
    let start = (0, 0.0);
    let step = |best: (u16, f64), next: (u16, f64)| if wins(next.1, best.1) { next } else { best };
    (0..=u16::MAX).zip(scores).fold(start, step).0
}

/// 128 bits to 64, as in CityHash.
fn together(upper: u64, lower: u64) -> u64 {
    const MUL: u64 = 0x9ddf_ea08_eb38_2d69;
    let once = (lower ^ upper).wrapping_mul(MUL);
    let twice = (upper ^ once ^ (once >> 47)).wrapping_mul(MUL);
    (twice ^ (twice >> 47)).wrapping_mul(MUL)
}
