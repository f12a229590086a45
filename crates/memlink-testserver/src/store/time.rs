//! Times on the server's own scale.
//!
//! memcached counts seconds since a little before its start, so that no live
//! moment is 0 and a deadline of 1 is always in the past.

use crate::limits::{RELATIVE_TIME_MAX_S, UPTIME_HEAD_START_S};
use std::time::Duration;

/// A deadline that has always passed.
const LONG_AGO: u32 = 1;

/// What turns the times of commands into deadlines: the present moment and the
/// moment the scale begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Seconds on the server's scale.
    pub(crate) now: u32,
    /// The scale's zero in seconds of Unix time.
    pub(crate) zero: i64,
}

impl Moment {
    /// The moment `now` of a server started at `started`, both in Unix time.
    pub(crate) fn new(started: Duration, now: Duration) -> Moment {
        let zero = started.as_secs().saturating_sub(UPTIME_HEAD_START_S);
        let now = now.as_secs().saturating_sub(zero).max(UPTIME_HEAD_START_S);
        Moment { now: u32::try_from(now).unwrap_or(u32::MAX), zero: i64::try_from(zero).unwrap_or(i64::MAX) }
    }

    /// The deadline that a time in a command means: 0 for never, seconds from
    /// now up to 30 days, a date beyond. A negative one has passed already.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the original keeps 32 unsigned bits of it, and dates end at 2^31"
    )]
    pub(crate) fn deadline(self, time: i32) -> u32 {
        match i64::from(time) {
            0 => 0,
            ..0 => LONG_AGO,
            relative @ 1..=RELATIVE_TIME_MAX_S => self.now.wrapping_add(relative as u32),
            date if date <= self.zero => LONG_AGO,
            date => (date - self.zero) as u32,
        }
    }

    /// A deadline as Unix time, for `cachedump`; 0 stays 0.
    pub(crate) fn unix_time(self, deadline: u32) -> i64 {
        if deadline == 0 { 0 } else { self.zero.saturating_add(i64::from(deadline)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_follow_the_thirty_day_rule() {
        let start = Duration::from_secs(1_700_000_000);
        let moment = Moment::new(start, start + Duration::from_secs(10));
        assert_eq!(moment.now, 72);
        assert_eq!(moment.deadline(0), 0);
        assert_eq!(moment.deadline(-1), 1);
        assert_eq!(moment.deadline(5), 77);
        assert_eq!(moment.deadline(2_592_000), 2_592_072);
        assert_eq!(moment.deadline(2_592_001), 1);
        assert_eq!(moment.deadline(1_700_000_100), 162);
        assert_eq!(moment.unix_time(162), 1_700_000_100);
    }
}
