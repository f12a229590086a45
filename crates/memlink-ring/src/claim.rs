//! The filling of the slots: who claims which slot, and when.
//!
//! Time is exact. A claimant of weight `w` makes its claim number `j` (from 0) at the time
//!
//! ```text
//!         j * 2^32 + phase         moment
//!  t  =  ------------------   =   --------     in units of 2^-32
//!                w                    w
//! ```
//!
//! and two times are compared by cross-multiplying, never by dividing, so that no rounding can make the outcome depend
//! on anything but the two claimants. Between two servers whose claims fall at random, one twice as often as the other,
//! the first claim on any slot is twice as likely to be the frequent one's: that is how weights become shares.
//!
//! Why not evaluate a score for every server and slot, as rendezvous hashing would? It is the same idea, with times for
//! scores, but costs servers x slots: 262 million scores for 1,000 servers. Drawing the claims *in the order of time*
//! stops when every slot has its first one, after about `SLOTS * ln(SLOTS)` claims however many servers make them. As a
//! gift, claims at even intervals halve the variance of the shares.

use alloc::{vec, vec::Vec};

/// The table has two to this power of slots. Fixed for ever: see `docs/routing.md` for how it was chosen.
pub(crate) const SLOT_BITS: u32 = 18;

/// One server, as the source of its claims.
pub(crate) struct Claimant {
    weight: u64,
    /// When the next claim is made, not yet divided by the weight.
    ///
    /// 64 bits hold 2^32 claims, 16,384 for every slot; a slot that is still free after `p` for every slot has the
    /// probability `e^-p`, so this end is never seen.
    moment: u64,
    draws: SplitMix64,
}

impl Claimant {
    /// Everything a server does follows from the hash of its name and from its weight, which must not be 0.
    pub(crate) fn new(seed: u64, weight: u32) -> Self {
        let mut draws = SplitMix64(seed);
        // Servers of equal weight would claim at the same times for ever but for this phase below one interval.
        let phase = draws.next() >> 32;
        Self { weight: u64::from(weight), moment: phase, draws }
    }
}

/// The index of the claimant that first claims each slot. Of two claims at the same time, the lesser index has it.
///
/// There must be a claimant, and no more than `u16` can count.
///
/// The claims are taken in passes. Pass `p` takes exactly those made before the time at which all claimants together
/// have made about `p` claims for every slot. Within a pass claims come claimant by claimant, hence out of order, and an
/// earlier one may still evict a later one; after it, the slots that were claimed are closed. The passes only save work:
/// where they end has no effect on the outcome.
pub(crate) fn fill(mut claimants: Vec<Claimant>) -> Vec<u16> {
    let weight_sum = claimants.iter().map(|claimant| claimant.weight).sum();
    let mut table = Table::new(claimants.iter().map(|claimant| claimant.weight).collect());
    let mut pass = 0;
    while table.free_len > 0 {
        pass += 1;
        for (owner, claimant) in (0..=u16::MAX).zip(&mut claimants) {
            let end = moment_at(pass, claimant.weight, weight_sum);
            while claimant.moment < end {
                table.claim(claimant.draws.next_slot(), owner, claimant.moment);
                claimant.moment += 1 << 32;
            }
        }
        table.close();
    }
    table.owners
}

/// The first moment of a claimant of `weight` that belongs to the pass after `pass`.
///
/// The pass ends at the time `pass * SLOTS / weight_sum`, in units of 1. A moment is before it if, with both sides
/// multiplied out, `moment * weight_sum < pass * SLOTS * 2^32 * weight`.
fn moment_at(pass: u32, weight: u64, weight_sum: u64) -> u64 {
    let end = (u128::from(pass) * u128::from(weight)) << (SLOT_BITS + 32);
    // At most `pass * SLOTS * 2^32`, as no weight is above the sum.
    end.div_ceil(u128::from(weight_sum)) as u64
}

/// The slots while they are being claimed. Every slot number below comes from [`SplitMix64::next_slot`], which gives
/// none beyond the table.
struct Table {
    /// Who has the earliest claim on each slot.
    owners: Vec<u16>,
    /// The moment of that claim, or [`FREE`].
    moments: Vec<u64>,
    /// A bit for every slot claimed in an earlier pass. Most claims fail, and these 32 KiB, which stay in the processor's
    /// first cache, tell without a look at the other tables: filling takes 11 ms with them and 20 ms without.
    closed: Vec<u64>,
    /// The slots claimed in this pass. `u32` holds any slot and keeps the list short.
    closing: Vec<u32>,
    free_len: usize,
    /// The weight of every claimant, to compare times.
    weights: Vec<u64>,
}

impl Table {
    fn new(weights: Vec<u64>) -> Self {
        Self {
            owners: vec![0; SLOTS],
            moments: vec![FREE; SLOTS],
            closed: vec![0; SLOTS.div_ceil(WORD_BITS)],
            closing: Vec::with_capacity(SLOTS),
            free_len: SLOTS,
            weights,
        }
    }

    fn claim(&mut self, slot: usize, owner: u16, moment: u64) {
        if (self.closed[slot / WORD_BITS] >> (slot % WORD_BITS)) & 1 == 1 {
            return;
        }
        let held = self.moments[slot];
        if held == FREE {
            self.free_len -= 1;
            self.closing.push(slot as u32);
        } else {
            let weight = self.weights[usize::from(owner)];
            let holder_weight = self.weights[usize::from(self.owners[slot])];
            // moment / weight >= held / holder_weight: the holder was first, or has the lesser index.
            if u128::from(moment) * u128::from(holder_weight) >= u128::from(held) * u128::from(weight) {
                return;
            }
        }
        self.owners[slot] = owner;
        self.moments[slot] = moment;
    }

    fn close(&mut self) {
        for slot in self.closing.drain(..) {
            let slot = slot as usize;
            self.closed[slot / WORD_BITS] |= 1 << (slot % WORD_BITS);
        }
    }
}

const SLOTS: usize = 1 << SLOT_BITS;
const WORD_BITS: usize = u64::BITS as usize;

/// Stands for the moment of no claim. No claim is made then: see [`Claimant::moment`].
const FREE: u64 = u64::MAX;

/// The generator of that name by Steele, Lea and Flood, chosen because it is known, short, and whole in every language
/// with 64-bit integers.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below [`SLOTS`], from the top bits of the next output.
    fn next_slot(&mut self) -> usize {
        (self.next() >> (u64::BITS - SLOT_BITS)) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generator_equals_the_published_one() {
        // The outputs for seed 1234567 that the authors' C program prints.
        let mut draws = SplitMix64(1_234_567);
        let outputs: Vec<u64> = (0..5).map(|_| draws.next()).collect();
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ],
        );
    }

    #[test]
    fn pass_ends_at_the_same_time_for_every_weight() {
        // `moment < end` must mean `moment / weight < pass * SLOTS * 2^32 / weight_sum`, at the very border too.
        let heaviest = u64::from(u32::MAX);
        for (weight, weight_sum) in [(1, 1), (1, 3), (2, 3), (1, heaviest + 1), (heaviest, heaviest * 65_535)] {
            for pass in [1, 7, 40] {
                let end = u128::from(moment_at(pass, weight, weight_sum));
                let border = (u128::from(pass) * u128::from(weight)) << (SLOT_BITS + 32);
                assert!(end * u128::from(weight_sum) >= border);
                assert!((end - 1) * u128::from(weight_sum) < border);
            }
        }
    }

    #[test]
    fn the_same_time_goes_to_the_lesser_index() {
        let twins = vec![Claimant::new(7, 3), Claimant::new(7, 3)];
        assert!(fill(twins).iter().all(|owner| *owner == 0));
    }

    #[test]
    fn weights_count_only_as_ratios() {
        let small = fill(vec![Claimant::new(1, 1), Claimant::new(2, 3)]);
        let large = fill(vec![Claimant::new(1, 1 << 30), Claimant::new(2, 3 << 30)]);
        assert_eq!(small, large);
    }
}
