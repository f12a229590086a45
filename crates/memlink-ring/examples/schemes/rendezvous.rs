//! Schemes that score every server for a key (or a slot), and give it to the best.

use crate::{Scheme, key_hash, mix, name_hash};

/// Rendezvous hashing as it is usually written, without weights. One multiplication per server.
pub(crate) struct Plain {
    seeds: Vec<u64>,
}

impl Scheme for Plain {
    const NAME: &str = "rendezvous";
    const WEIGHTS: &str = "no";

    fn new(names: &[String]) -> Self {
        Self { seeds: names.iter().map(|name| name_hash(name)).collect() }
    }

    fn route(&self, key: &[u8]) -> usize {
        best(&self.seeds, key_hash(key))
    }

    fn bytes(&self) -> usize {
        size_of_val(self.seeds.as_slice())
    }
}

/// The place of the seed with the highest score.
fn best(seeds: &[u64], hash: u64) -> usize {
    let (mut place, mut score) = (0, 0);
    for (other, seed) in seeds.iter().enumerate() {
        let product = u128::from(hash ^ seed) * 0x9e37_79b9_7f4a_7c15;
        let rival = (product >> 64) as u64 ^ product as u64;
        if rival > score {
            (place, score) = (other, rival);
        }
    }
    place
}

/// Rendezvous hashing with weights: the server with the least `-log2(score) / weight`, all in integers.
pub(crate) struct Weighted {
    seeds: Vec<(u64, u64)>,
    log: Log2,
}

impl Scheme for Weighted {
    const NAME: &str = "weighted rendezvous, integer log";
    const WEIGHTS: &str = "yes";

    fn new(names: &[String]) -> Self {
        Self { seeds: names.iter().map(|name| (name_hash(name), 1)).collect(), log: Log2::new() }
    }

    fn route(&self, key: &[u8]) -> usize {
        let hash = key_hash(key);
        let (mut place, mut least, mut least_weight) = (0, u64::MAX, 1);
        for (other, (seed, weight)) in self.seeds.iter().enumerate() {
            let cost = self.log.cost(mix(hash ^ seed));
            if u128::from(cost) * u128::from(least_weight) < u128::from(least) * u128::from(*weight) {
                (place, least, least_weight) = (other, cost, *weight);
            }
        }
        place
    }

    fn bytes(&self) -> usize {
        size_of_val(self.seeds.as_slice()) + size_of_val(self.log.0.as_slice())
    }
}

/// `log2(1 + i / 1024)` in units of 2^-32, found by repeated squaring.
struct Log2(Vec<u64>);

impl Log2 {
    fn new() -> Self {
        let entry = |step: u128| {
            // 1 to 2 with 63 bits after the point. Squaring doubles the logarithm, whose next bit shows as a carry.
            let mut value = (1 << 63) + (step << 53);
            (0..32).fold(0, |bits, _| {
                value = (value * value) >> 63;
                let carry = value >> 64;
                value >>= carry;
                bits << 1 | carry as u64
            })
        };
        let mut table: Vec<u64> = (0..1024).map(entry).collect();
        table.push(1 << 32);
        Self(table)
    }

    /// `-log2(score / 2^64)` in units of 2^-32, with straight lines between the entries of the table.
    fn cost(&self, score: u64) -> u64 {
        let score = score | 1;
        let zeros = score.leading_zeros();
        let fraction = score << zeros << 1;
        let (step, rest) = ((fraction >> 54) as usize, fraction << 10 >> 32);
        let low = self.0[step];
        let log = low + (((self.0[step + 1] - low) * rest) >> 32);
        (u64::from(zeros + 1) << 32) - log
    }
}

/// Rendezvous in two levels: among 64 groups weighted by their size, then among the servers of the group.
pub(crate) struct TwoLevels {
    /// The seed of each group that has servers, with their seeds and places.
    groups: Vec<(u64, Vec<u64>, Vec<usize>)>,
    log: Log2,
}

impl Scheme for TwoLevels {
    const NAME: &str = "rendezvous in two levels";
    const WEIGHTS: &str = "yes";

    fn new(names: &[String]) -> Self {
        let mut groups: Vec<(u64, Vec<u64>, Vec<usize>)> =
            (0..64).map(|group| (mix(group + 1), Vec::new(), Vec::new())).collect();
        for (place, name) in names.iter().enumerate() {
            let seed = name_hash(name);
            let (_, seeds, places) = &mut groups[(seed % 64) as usize];
            seeds.push(seed);
            places.push(place);
        }
        groups.retain(|(_, seeds, _)| !seeds.is_empty());
        Self { groups, log: Log2::new() }
    }

    fn route(&self, key: &[u8]) -> usize {
        let hash = key_hash(key);
        let (mut chosen, mut least, mut least_weight) = (0, u64::MAX, 1);
        for (group, (seed, seeds, _)) in self.groups.iter().enumerate() {
            let (cost, weight) = (self.log.cost(mix(hash ^ seed)), seeds.len() as u64);
            if u128::from(cost) * u128::from(least_weight) < u128::from(least) * u128::from(weight) {
                (chosen, least, least_weight) = (group, cost, weight);
            }
        }
        let (_, seeds, places) = &self.groups[chosen];
        places[best(seeds, hash)]
    }

    fn bytes(&self) -> usize {
        let servers: usize = self.groups.iter().map(|(_, seeds, _)| seeds.len()).sum();
        self.groups.len() * 56 + servers * 16 + size_of_val(self.log.0.as_slice())
    }
}

/// A table of slots, each given by rendezvous. Weights would take the integer logarithm for every slot and server.
pub(crate) struct Slots<const BITS: u32> {
    owners: Vec<u16>,
}

impl<const BITS: u32> Scheme for Slots<BITS> {
    const NAME: &str = match BITS {
        16 => "2^16 slots by rendezvous",
        _ => "2^18 slots by rendezvous",
    };
    const WEIGHTS: &str = "possible";

    fn new(names: &[String]) -> Self {
        let seeds: Vec<u64> = names.iter().map(|name| name_hash(name)).collect();
        Self { owners: (0..1 << BITS).map(|slot| best(&seeds, mix(slot)) as u16).collect() }
    }

    fn route(&self, key: &[u8]) -> usize {
        usize::from(self.owners[(key_hash(key) >> (64 - BITS)) as usize])
    }

    fn bytes(&self) -> usize {
        size_of_val(self.owners.as_slice())
    }
}
