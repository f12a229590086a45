use core::time::Duration;

use crate::Tick;

/// How fast replies come while callers stand in line: what tells who cannot be answered in time any more.
///
/// Only a connection that has no room shows what its server can do; an idle one gets few replies because it asks little. So replies
/// are counted in windows that lie between two batches of them and during which there was a line, and all is forgotten with the
/// line. Of the last two windows the faster one counts: a server that has paused once is not taken for a slow one.
///
/// ```text
///   batches    |   |  |    |   |       a pause       | |   |  |
///   windows    [   before  ][          last            ][ being counted
/// ```
///
/// It costs something for each batch of replies and nothing for a command.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// The time as it was told last.
    now: Tick,
    is_counting: bool,
    /// Of the window that is being counted: when it began, when the last batch came, how many replies there were, and how many in
    /// the largest batch.
    since: Tick,
    counted_at: Tick,
    replies: u64,
    largest: u64,
    last: Window,
    before: Window,
    /// Somebody was sent away since the last batch: the line may be empty by that.
    has_sent_away: bool,
}

/// What was counted in a window; nothing takes any time while that is not known.
#[derive(Debug, Default, Clone, Copy)]
struct Window {
    /// Nanoseconds from one reply to the next.
    per_reply: u64,
    /// Replies that may come together with one: it is kept back until they are there, too.
    together: u64,
}

/// How long replies are counted at least before a pace is told from them: on a busy machine a program pauses for some
/// milliseconds at times, and over this time they make little difference.
const WINDOW: Duration = Duration::from_millis(50);

/// A silence from which on what comes is a new beginning. Nobody waits for longer by default.
const SILENCE: Duration = Duration::from_secs(1);

/// One part in so many is added to the time that an answer is expected to take. Without it all who are let in would be those
/// whose reply comes at the last moment, and many of them would be late.
const MARGIN: u64 = 4;

impl Pace {
    /// It is `now`.
    #[inline]
    pub(crate) fn pass(&mut self, now: Tick) {
        self.now = now;
    }

    /// A batch of so many replies has come; there was a line before any room was given out, or there was none.
    #[inline]
    pub(crate) fn count(&mut self, now: Tick, replies: usize, has_line: bool) {
        self.now = now;
        if core::mem::take(&mut self.has_sent_away) || has_line {
            self.count_busy(replies as u64);
        } else if self.is_counting {
            self.forget();
        }
    }

    #[inline(never)]
    fn count_busy(&mut self, replies: u64) {
        if !self.is_counting || self.now.since(self.counted_at) >= SILENCE {
            // These replies are to what was asked before there was a line.
            self.forget();
            (self.is_counting, self.since, self.counted_at) = (true, self.now, self.now);
            return;
        }
        self.counted_at = self.now;
        self.replies += replies;
        self.largest = self.largest.max(replies);
        let took = self.now.since(self.since);
        if took >= WINDOW && self.replies > 0 {
            // It is no longer than the two bounds together, so it fits.
            let per_reply = (took.as_nanos() as u64 / self.replies).max(1);
            self.before =
                core::mem::replace(&mut self.last, Window { per_reply, together: self.largest.saturating_sub(1) });
            (self.since, self.replies, self.largest) = (self.now, 0, 0);
        }
    }

    /// Nothing is known any more.
    pub(crate) fn forget(&mut self) {
        *self = Pace { now: self.now, ..Pace::default() };
    }

    /// Somebody in line was told that it is too late.
    pub(crate) fn sent_away(&mut self) {
        self.has_sent_away = true;
    }

    /// When a command is answered that gets room now, as the `place`-th that is owed a reply; at once, while nothing is known.
    pub(crate) fn answers_at(&self, place: usize) -> Tick {
        let took = self.last.answers_in(place).min(self.before.answers_in(place));
        self.now.after(Duration::from_nanos(took.saturating_add(took / MARGIN)))
    }
}

impl Window {
    fn answers_in(self, place: usize) -> u64 {
        self.per_reply.saturating_mul((place as u64).saturating_add(self.together))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;

    /// A reply every two milliseconds, `batch` at a time, from `from` until `to`.
    fn count(pace: &mut Pace, from: u64, to: u64, batch: u64) {
        for at in (from..=to).step_by(2 * batch as usize) {
            pace.count(Tick::from_nanos(at * MILLI), batch as usize, true);
        }
    }

    fn answers_in(pace: &Pace, place: usize) -> u64 {
        pace.answers_at(place).since(pace.now).as_nanos() as u64 / MILLI
    }

    #[test]
    fn two_windows_tell_a_pace_and_a_quarter_is_added() {
        let mut pace = Pace::default();
        count(&mut pace, 0, 98, 1);
        assert_eq!(answers_in(&pace, 1_000), 0, "nothing is known");
        count(&mut pace, 100, 100, 1);
        assert_eq!([1, 20, 100].map(|place| answers_in(&pace, place)), [2, 50, 250]);
        assert_eq!(pace.answers_at(usize::MAX), Tick::NEVER);
    }

    #[test]
    fn answers_are_expected_from_now_on() {
        let mut pace = Pace::default();
        count(&mut pace, 0, 200, 1);
        pace.pass(Tick::from_nanos(300 * MILLI));
        assert_eq!(pace.answers_at(100), Tick::from_nanos(550 * MILLI));
        pace.count(Tick::from_nanos(400 * MILLI), 1, false);
        assert_eq!(pace.answers_at(100), Tick::from_nanos(400 * MILLI), "at once: nobody waits in line");
    }

    #[test]
    fn who_is_answered_with_others_waits_for_them() {
        let mut pace = Pace::default();
        count(&mut pace, 0, 200, 10);
        assert_eq!(answers_in(&pace, 11), (11 + 9) * 2 * 5 / 4);
    }

    #[test]
    fn a_pause_changes_nothing_and_a_slower_server_does() {
        let mut pace = Pace::default();
        count(&mut pace, 0, 100, 1);
        count(&mut pace, 600, 700, 1);
        assert_eq!(answers_in(&pace, 20), 50, "500 ms were lost in one window");
        for n in 1..=2 {
            pace.count(Tick::from_nanos((700 + n * 50) * MILLI), 5, true);
        }
        assert_eq!(answers_in(&pace, 16), (16 + 4) * 10 * 5 / 4);
    }

    #[test]
    fn what_is_known_goes_with_the_line_and_with_silence() {
        let mut pace = Pace::default();
        count(&mut pace, 0, 100, 1);
        pace.sent_away();
        pace.count(Tick::from_nanos(101 * MILLI), 1, false);
        assert_eq!(answers_in(&pace, 20), 50, "the line was sent away, and nobody has come yet");
        pace.count(Tick::from_nanos(102 * MILLI), 1, false);
        assert_eq!(answers_in(&pace, 20), 0);
        count(&mut pace, 200, 300, 1);
        assert_eq!(answers_in(&pace, 20), 50);
        pace.count(Tick::from_nanos(1_299 * MILLI), 1, true);
        assert_eq!(answers_in(&pace, 20), 50);
        pace.count(Tick::from_nanos(2_299 * MILLI), 1, true);
        assert_eq!(answers_in(&pace, 20), 0);
    }
}
