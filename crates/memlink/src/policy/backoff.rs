use std::time::Duration;

/// How long to wait before the next dial: jitter below a ceiling that doubles with every failure, up to a cap, for ever.
///
/// ```text
///   failures      0        1         2        ...      cap
///   wait in  [6,50] ms [12,100]  [25,200] ms  ... [0.4,3] s for ever
/// ```
///
/// Pure: the dice are thrown by the caller. No two clients keep step. The wait is never less than an eighth of the ceiling: with
/// nothing below, one client in ten thousand throws so many small numbers that it dials more than forty times in thirty seconds.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration, cap: Duration) -> Backoff {
        Backoff { base, cap, failures: 0 }
    }

    /// The wait before the next dial; `dice` is uniform over all of its values.
    pub(crate) fn next_wait(&mut self, dice: u64) -> Duration {
        let ceiling = self.ceiling(self.failures);
        self.failures = (self.failures + 1).min(31);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        let floor = nanos / 8;
        // The upper 64 bits of a product of 64 bits each: uniform from the floor to the ceiling.
        let above = (u128::from(nanos - floor) * u128::from(dice)) >> 64;
        Duration::from_nanos(floor + above as u64)
    }

    /// A connection is lost that has served for so long. Long enough, and the next wait begins anew; one that was soon lost again
    /// (the server flaps) counts as another failure.
    ///
    /// Long is ten times what was waited for at most, and a second at least: so a server that flaps is dialled about once a second
    /// at most, whatever its rhythm.
    pub(crate) fn served(&mut self, lived: Duration) {
        let waited = self.ceiling(self.failures.saturating_sub(1));
        if lived >= waited.saturating_mul(10).max(STEADY_AFTER) {
            self.failures = 0;
        }
    }

    /// The next wait begins anew.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    fn ceiling(&self, failures: u32) -> Duration {
        self.base.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.cap)
    }

    /// How many waits there were since the server last answered.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// The least time after which a connection counts as steady.
pub(crate) const STEADY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ceiling_doubles_up_to_the_cap_and_stays() {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(3));
        let waits: Vec<_> = (0..100).map(|_| backoff.next_wait(u64::MAX)).collect();
        let millis: Vec<_> = waits.iter().map(|wait| wait.as_nanos().div_ceil(1_000_000)).collect();
        assert_eq!(millis[..8], [50, 100, 200, 400, 800, 1600, 3000, 3000]);
        assert!(millis[8..].iter().all(|millis| *millis == 3000));
        backoff.served(Duration::from_millis(29_999));
        assert!(backoff.next_wait(u64::MAX) > Duration::from_secs(2));
        backoff.served(Duration::from_secs(30));
        assert!(backoff.next_wait(u64::MAX) <= Duration::from_millis(50));
    }

    #[test]
    fn a_server_that_flaps_is_dialled_ever_more_seldom() {
        for (up_ms, dials_max) in [(10, 40), (300, 40), (1_500, 40)] {
            for seed in 0..1_000 {
                let mut dice = fastrand::Rng::with_seed(seed);
                let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(3));
                let (mut elapsed, mut dials) = (Duration::ZERO, 1);
                while elapsed < Duration::from_secs(30) {
                    backoff.served(Duration::from_millis(up_ms));
                    elapsed += Duration::from_millis(up_ms) + backoff.next_wait(dice.u64(..));
                    dials += 1;
                }
                assert!(dials <= dials_max, "{dials} dials with seed {seed}, up for {up_ms} ms");
            }
        }
    }

    #[test]
    fn an_outage_of_thirty_seconds_costs_at_most_forty_dials() {
        for seed in 0..10_000 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(3));
            let (mut elapsed, mut dials) = (Duration::ZERO, 1);
            while elapsed < Duration::from_secs(30) {
                elapsed += backoff.next_wait(dice.u64(..));
                dials += 1;
            }
            assert!(dials <= 40, "{dials} dials with seed {seed}");
        }
    }
}
