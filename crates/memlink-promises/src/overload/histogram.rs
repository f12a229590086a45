//! Durations counted in place: what is measured includes memory, so that nothing may grow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Eight buckets for each doubling, from a microsecond to more than an hour.
#[derive(Debug)]
pub(super) struct Histogram(Vec<AtomicU64>);

const PARTS: u32 = 8;

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram((0..PARTS * 33).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Histogram {
    pub(super) fn note(&self, took: Duration) {
        let micros = took.as_micros().max(1) as f64;
        let index = (micros.log2() * f64::from(PARTS)) as usize;
        self.0[index.min(self.0.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn clear(&self) {
        self.0.iter().for_each(|bucket| bucket.store(0, Ordering::Relaxed));
    }

    /// The upper end of the bucket that holds this part.
    pub(super) fn part(&self, part: f64) -> Duration {
        let counts: Vec<_> = self.0.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let wanted = counts.iter().sum::<u64>() as f64 * part;
        let mut sum = 0;
        let index = counts.iter().position(|count| {
            sum += count;
            sum as f64 >= wanted
        });
        let end = (index.unwrap_or_default() + 1) as f64 / f64::from(PARTS);
        Duration::from_micros(end.exp2() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_told_within_a_bucket() {
        let histogram = Histogram::default();
        (1..=1_000).for_each(|n| histogram.note(Duration::from_micros(n)));
        let p99 = histogram.part(0.99).as_micros();
        assert!((990..=1_090).contains(&p99), "{p99}");
    }
}
