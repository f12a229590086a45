//! Many durations, and how they are spread.

use std::fmt;
use std::time::Duration;

/// Many durations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread(Vec<u64>);

impl Spread {
    pub(crate) fn note(&mut self, took: Duration) {
        self.0.push(took.as_micros() as u64);
    }

    pub(crate) fn extend(&mut self, other: Spread) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn worst(&self) -> Duration {
        Duration::from_micros(self.0.iter().max().copied().unwrap_or_default())
    }

    /// The one below which lies this part of them.
    pub(crate) fn part(&self, part: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = (sorted.len() as f64 * part) as usize;
        Duration::from_micros(sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default())
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p50 {:.2?}, p99.9 {:.2?}, worst {:.2?}", self.part(0.5), self.part(0.999), self.worst())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_the_sorted_durations() {
        let mut spread = Spread::default();
        (1..=1_000).rev().for_each(|n| spread.note(Duration::from_micros(n)));
        assert_eq!(spread.part(0.5), Duration::from_micros(501));
        assert_eq!((spread.part(0.999), spread.worst()), (Duration::from_millis(1), Duration::from_millis(1)));
        assert_eq!(Spread::default().part(0.5), Duration::ZERO);
    }
}
