use core::{fmt, time::Duration};

/// The longest time that the server takes as seconds from now: 30 days. Any larger number is a date to it.
const RELATIVE_MAX: u32 = 60 * 60 * 24 * 30;

/// The last date that the server can express: 2038-01-19.
const DATE_MAX: u32 = i32::MAX as u32;

/// How long an item lives.
///
/// Made from a [`Duration`], which is rounded **up** to whole seconds, because half a second rounded down would be 0,
/// and that means *never expires* on the wire. A zero duration is an error for the same reason: say [`Ttl::NEVER`] or
/// [`Ttl::EXPIRED`]. A duration of more than 30 days is sent as a date by the caller's clock, because the server takes
/// a number of that size for a date and would expire the item at once.
///
/// A `Ttl` is made without errors, so that builders take `impl Into<Ttl>`; what cannot be sent is reported by
/// [`Ttl::resolve`] when the command is prepared.
///
/// Source: meta protocol, `T`: 0 never, up to 30 days seconds from now, above that a Unix time, negative expired at
/// once; a 32-bit signed number. The server's clock ticks once a second, so a time of one second may be over within
/// milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ttl(Repr);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Repr {
    Never,
    Expired,
    /// Seconds from now, rounded up.
    After(u32),
    /// Seconds since 1970.
    At(u32),
}

impl Ttl {
    /// The item stays until it is evicted, replaced or deleted.
    pub const NEVER: Ttl = Ttl(Repr::Never);

    /// The item expires at once.
    pub const EXPIRED: Ttl = Ttl(Repr::Expired);

    /// Whole seconds from now. Zero is an error when resolved.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Ttl {
        Ttl(Repr::After(at_most_u32(seconds)))
    }

    /// A date, in seconds since 1970, at most 2,147,483,647 (2038-01-19). A date in the past expires the item at once.
    #[must_use]
    pub const fn at(unix_seconds: u64) -> Ttl {
        Ttl(Repr::At(at_most_u32(unix_seconds)))
    }

    /// The number that goes over the wire, by a clock that says `now_unix` (seconds since 1970).
    ///
    /// # Errors
    ///
    /// [`TtlError`] for a zero duration, and for a time after 2038-01-19.
    pub fn resolve(self, now_unix: u64) -> Result<i32, TtlError> {
        match self.0 {
            Repr::Never => Ok(0),
            Repr::Expired => Ok(-1),
            Repr::After(0) => Err(TtlError::Zero),
            Repr::After(seconds) if seconds <= RELATIVE_MAX => Ok(seconds.cast_signed()),
            Repr::After(seconds) => date(now_unix.saturating_add(u64::from(seconds))),
            Repr::At(unix_seconds) => date(u64::from(unix_seconds)),
        }
    }

    /// Checks it and replaces a duration of more than 30 days by its date, so that no clock is needed to write it.
    pub(crate) fn settle(&mut self, now_unix: impl Fn() -> u64) -> Result<(), TtlError> {
        match self.0 {
            Repr::After(seconds) if seconds > RELATIVE_MAX => {
                let date = self.resolve(now_unix())?;
                self.0 = Repr::At(u32::try_from(date).unwrap_or_default());
                Ok(())
            }
            // No clock has a say in what these are.
            Repr::Never | Repr::Expired | Repr::After(_) | Repr::At(_) => self.resolve(0).map(drop),
        }
    }

    /// The number for the wire when no clock is at hand. Exact for a time that was settled. For one that was not and
    /// should have been, the nearest time that is not longer: a cache may always forget early.
    pub(crate) fn wire(self) -> i32 {
        match self.0 {
            Repr::Never => 0,
            Repr::Expired | Repr::After(0) => -1,
            Repr::After(seconds) => seconds.min(RELATIVE_MAX).cast_signed(),
            Repr::At(unix_seconds) => number_of(unix_seconds.min(DATE_MAX)),
        }
    }
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Ttl {
        Ttl::seconds(duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)))
    }
}

impl fmt::Debug for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Never => f.write_str("Ttl::NEVER"),
            Repr::Expired => f.write_str("Ttl::EXPIRED"),
            Repr::After(seconds) => write!(f, "Ttl({seconds} s)"),
            Repr::At(unix_seconds) => write!(f, "Ttl(at {unix_seconds})"),
        }
    }
}

/// Why a time cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TtlError {
    /// A duration of zero, which would mean *never expires* on the wire.
    Zero,
    /// The item would live beyond 2038-01-19, the last date that the server can express.
    TooLate,
}

impl fmt::Display for TtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TtlError::Zero => {
                "a time to live of zero is ambiguous: use Ttl::NEVER for an item that never expires, Ttl::EXPIRED for one that \
                 expires at once"
            }
            TtlError::TooLate => "the time to live ends after 2038-01-19, the last date that memcached can express",
        })
    }
}

impl core::error::Error for TtlError {}

/// A date as the server takes it.
fn date(unix_seconds: u64) -> Result<i32, TtlError> {
    match u32::try_from(unix_seconds) {
        Ok(unix_seconds) if unix_seconds <= DATE_MAX => Ok(number_of(unix_seconds)),
        _ => Err(TtlError::TooLate),
    }
}

/// The number of a date that the server can express. One in January 1970 would be read as seconds from now, and means expired.
const fn number_of(unix_seconds: u32) -> i32 {
    if unix_seconds <= RELATIVE_MAX { -1 } else { unix_seconds.cast_signed() }
}

/// The number, or the largest of 32 bits: whatever is larger than [`DATE_MAX`] is refused alike.
const fn at_most_u32(n: u64) -> u32 {
    if n > u32::MAX as u64 { u32::MAX } else { n as u32 }
}

const _: () = assert!(core::mem::size_of::<Option<Ttl>>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 86_400;

    #[test]
    fn times_go_over_the_wire_as_the_server_reads_them() {
        let cases: &[(Ttl, Result<i32, TtlError>)] = &[
            (Ttl::NEVER, Ok(0)),
            (Ttl::EXPIRED, Ok(-1)),
            (Ttl::from(Duration::ZERO), Err(TtlError::Zero)),
            (Ttl::seconds(0), Err(TtlError::Zero)),
            (Ttl::from(Duration::from_nanos(1)), Ok(1)),
            (Ttl::from(Duration::from_millis(500)), Ok(1)),
            (Ttl::from(Duration::from_secs(1)), Ok(1)),
            (Ttl::from(Duration::from_millis(1_001)), Ok(2)),
            (Ttl::from(Duration::from_secs(30 * DAY)), Ok(2_592_000)),
            (Ttl::from(Duration::from_secs(30 * DAY) + Duration::from_nanos(1)), Ok(1_802_592_001)),
            (Ttl::from(Duration::from_secs(30 * DAY + 1)), Ok(1_802_592_001)),
            (Ttl::from(Duration::from_secs(u64::from(DATE_MAX) - NOW)), Ok(i32::MAX)),
            (Ttl::from(Duration::from_secs(u64::from(DATE_MAX) - NOW + 1)), Err(TtlError::TooLate)),
            (Ttl::from(Duration::MAX), Err(TtlError::TooLate)),
            (Ttl::seconds(1 << 32 | 5), Err(TtlError::TooLate)),
            (Ttl::at(0), Ok(-1)),
            (Ttl::at(30 * DAY), Ok(-1)),
            (Ttl::at(30 * DAY + 1), Ok(2_592_001)),
            (Ttl::at(u64::from(DATE_MAX)), Ok(i32::MAX)),
            (Ttl::at(u64::from(DATE_MAX) + 1), Err(TtlError::TooLate)),
            (Ttl::at(u64::MAX), Err(TtlError::TooLate)),
            (Ttl::at(1 << 32 | NOW), Err(TtlError::TooLate)),
        ];
        for (ttl, want) in cases {
            assert_eq!(ttl.resolve(NOW), *want, "{ttl:?}");
            let mut settled = *ttl;
            assert_eq!(settled.settle(|| NOW), want.map(drop), "{ttl:?}");
            if let Ok(want) = want {
                assert_eq!(settled.wire(), *want, "{ttl:?} settled");
            }
        }
    }

    #[test]
    fn a_time_that_was_not_settled_is_never_longer_than_asked() {
        assert_eq!(Ttl::from(Duration::from_secs(60 * DAY)).wire(), 2_592_000);
        assert_eq!(Ttl::from(Duration::ZERO).wire(), -1);
        assert_eq!(Ttl::at(u64::MAX).wire(), i32::MAX);
        assert_eq!(Ttl::EXPIRED.wire(), -1);
        assert_eq!(Ttl::at(1).wire(), -1);
    }

    #[test]
    fn times_are_shown_as_they_were_made() {
        let shown = [Ttl::NEVER, Ttl::EXPIRED, Ttl::seconds(5), Ttl::at(NOW)].map(|ttl| format!("{ttl:?}"));
        assert_eq!(shown, ["Ttl::NEVER", "Ttl::EXPIRED", "Ttl(5 s)", "Ttl(at 1800000000)"]);
    }
}
