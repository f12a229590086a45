/// Dice that fall the same way for the same seed, on every machine and in every release: a seed in a bug report stays good.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of their own for each `stream`, so that what one of them decides does not depend on how often another was thrown.
    pub(crate) fn new(seed: u64, stream: u64) -> Dice {
        let mut dice = Dice(seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93));
        dice.throw();
        dice
    }

    /// All 64 bits (SplitMix64).
    pub(crate) fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`; 0 when `n` is 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.throw()) * u128::from(n)) >> 64) as u64
    }

    /// As [`below`](Dice::below), for lengths and places.
    pub(crate) fn index(&mut self, n: usize) -> usize {
        self.below(n as u64) as usize
    }

    /// From `low` to below `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_falls_the_same_way() {
        let thrown: Vec<u64> = (0..3).map(|stream| Dice::new(7, stream).throw()).collect();
        assert_eq!(thrown, (0..3).map(|stream| Dice::new(7, stream).throw()).collect::<Vec<_>>());
        assert!(thrown[0] != thrown[1] && thrown[1] != thrown[2]);
        assert_eq!(Dice::new(1, 0).throw(), 0xbeeb_8da1_658e_ec67, "seeds of old reports stay good");
    }

    #[test]
    fn every_number_below_comes_about_as_often() {
        let (mut dice, mut counts) = (Dice::new(3, 0), [0_u32; 7]);
        for _ in 0..7_000 {
            counts[dice.index(7)] += 1;
        }
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert_eq!(dice.below(0), 0);
    }
}
