use core::time::Duration;

/// A point in time: nanoseconds since a start that whoever drives the connection chooses.
///
/// The engine never reads a clock; it is told. 64 bits of nanoseconds last 584 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Tick(u64);

impl Tick {
    /// The start.
    pub const ZERO: Tick = Tick(0);
    /// Later than everything: a wait without an end.
    pub const NEVER: Tick = Tick(u64::MAX);

    /// The point `nanos` nanoseconds after the start.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Tick {
        Tick(nanos)
    }

    /// The point `since_start` after the start, at most [`Tick::NEVER`].
    #[must_use]
    pub fn from_start(since_start: Duration) -> Tick {
        Tick(u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Nanoseconds since the start.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This point and `wait` more, at most [`Tick::NEVER`].
    #[must_use]
    pub fn after(self, wait: Duration) -> Tick {
        Tick(self.0.saturating_add(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// How long it is from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Tick) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_nanoseconds_and_end_at_never() {
        assert_eq!(Tick::from_start(Duration::from_micros(3)), Tick::from_nanos(3_000));
        assert_eq!(Tick::from_start(Duration::MAX), Tick::NEVER);
        assert_eq!(Tick::from_nanos(5).after(Duration::from_nanos(2)).as_nanos(), 7);
        assert_eq!(Tick::from_nanos(5).after(Duration::MAX), Tick::NEVER);
        assert_eq!(Tick::from_nanos(5).since(Tick::from_nanos(2)), Duration::from_nanos(3));
        assert_eq!(Tick::from_nanos(2).since(Tick::from_nanos(5)), Duration::ZERO);
    }
}
