//! Chance that can be repeated.
//!
//! Nothing here has a state: what is drawn is a function of the seed, the fault,
//! the connection and how many commands that connection has sent. So the fate
//! of a command does not depend on what other connections do meanwhile.

/// One occasion on which a fault may strike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw(u64);

/// What is drawn on it; each is independent of the others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Whether,
    HowLong,
    Where,
    Bytes,
}

impl Draw {
    /// `fault` is the fault's place among those of the server; connections and
    /// `occasion`s are counted from 1.
    pub(super) fn new(seed: u64, fault: u64, connection: u64, occasion: u64) -> Draw {
        Draw([fault, connection, occasion].into_iter().fold(scramble(seed), |state, part| scramble(state ^ part)))
    }

    /// From 0 to less than 1.
    pub(super) fn unit(self, purpose: Purpose) -> f64 {
        // The 53 bits that a float holds exactly.
        (self.number(purpose, 0) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 to less than `bound`, or 0 if that is 0.
    pub(super) fn below(self, purpose: Purpose, bound: usize) -> usize {
        // The rounding of a product below `bound` can only reach it for bounds beyond 2^53.
        ((self.unit(purpose) * bound as f64) as usize).min(bound.saturating_sub(1))
    }

    pub(super) fn bytes(self, len: usize) -> impl Iterator<Item = u8> {
        (0..len).map(move |index| self.number(Purpose::Bytes, index as u64) as u8)
    }

    fn number(self, purpose: Purpose, index: u64) -> u64 {
        scramble(self.0 ^ scramble((purpose as u64) << 56 ^ index))
    }
}

/// splitmix64: every bit of the input moves every bit of the output.
fn scramble(input: u64) -> u64 {
    let mut state = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_an_occasion_counts() {
        let one = |seed, fault, connection, occasion| Draw::new(seed, fault, connection, occasion).0;
        let all =
            [one(1, 2, 3, 4), one(2, 2, 3, 4), one(1, 3, 3, 4), one(1, 2, 4, 4), one(1, 2, 3, 5), one(1, 3, 2, 4)];
        for (index, draw) in all.iter().enumerate() {
            assert!(!all[..index].contains(draw));
        }
        assert_eq!(one(1, 2, 3, 4), all[0]);
    }

    #[test]
    fn draws_are_spread_evenly() {
        let mut counts = [0; 10];
        for occasion in 0..10_000 {
            counts[Draw::new(1, 0, 1, occasion).below(Purpose::Where, 10)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(Draw::new(1, 0, 1, 1).below(Purpose::Where, 0), 0);
    }
}
