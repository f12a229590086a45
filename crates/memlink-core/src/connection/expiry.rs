use alloc::vec::Vec;
use core::time::Duration;

use super::Connection;
use crate::outgoing::Transmit;
use crate::waiters::Place;
use crate::{Broken, Cause, Failure, Outcome, Protocol, Tick};

/// How long room is kept for a caller that was woken to use it, while others wait: far longer than a task on a busy machine needs
/// to run, because a caller that comes too late has lost its place in the order, and shorter than most deadlines. At most twice this
/// passes.
const PROMISE_AGE: Duration = Duration::from_millis(250);

/// Waits end, and what has been abandoned does not stay for ever.
impl<P: Protocol, W> Connection<P, W> {
    /// When [`handle_timeout`](Connection::handle_timeout) is due. The driver notes what it arms its timer for; callers whose
    /// deadline is earlier will say that it has to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Tick {
        self.waiters.next_deadline().min(self.opening_ends).min(self.abandoned_until()).min(self.promises_until())
    }

    /// When promises have to be looked at: only if somebody stands behind them. At once, if that was not noted yet.
    fn promises_until(&self) -> Tick {
        match self.reserved > 0 && self.waiters.waiting() > 0 {
            true if self.promises_at == Tick::NEVER => Tick::ZERO,
            true => self.promises_at,
            false => Tick::NEVER,
        }
    }

    /// A caller that was promised room and does not come for it, because its task does something else, holds up nobody for long:
    /// the promise is taken back, and the caller is in line again, where it was before, when it comes.
    fn take_promises_back(&mut self, now: Tick) {
        if self.promises_until() == Tick::NEVER {
            self.promises_at = Tick::NEVER;
        } else if self.promises_at == Tick::NEVER {
            self.promises_at = now.after(PROMISE_AGE);
            self.promise_round = self.promise_round.wrapping_add(1);
        } else if now >= self.promises_at {
            self.promises_at = now.after(PROMISE_AGE);
            let (life, mut taken_back, mut bytes) = (self.life, 0, 0);
            self.waiters.for_each_promise_before(self.promise_round, |promised, len| {
                if *promised == life {
                    // As if it were a promise of a connection that is lost.
                    *promised = life.wrapping_sub(1);
                    taken_back += 1;
                    bytes += len;
                }
            });
            self.promise_round = self.promise_round.wrapping_add(1);
            self.stranded += taken_back;
            self.reserved -= taken_back;
            self.reserved_bytes -= bytes;
        }
    }

    /// The driver wants its timer to fire at `wanted`: says when it has to, at the latest. That is earlier where a caller has come since the
    /// driver looked and thought that it would be seen: with a nearer [deadline](Connection::poll_timeout), or with a command that it
    /// has written by itself, behind which a silence may have begun.
    #[must_use = "a timer that fires later finds some things too late"]
    pub fn arm(&mut self, wanted: Tick) -> Tick {
        let silent_at = if self.sent.is_empty() { Tick::NEVER } else { self.sent_at.after(self.limits.stall_timeout) };
        self.driver_armed = wanted.min(self.poll_timeout()).min(silent_at);
        self.driver_armed
    }

    /// Until when the oldest abandoned command may stay unanswered.
    pub(super) fn abandoned_until(&self) -> Tick {
        self.left_at.front().map_or(Tick::NEVER, |left| left.after(self.limits.abandoned_age_max))
    }

    /// Time has passed: ends the waits that have reached their deadline.
    ///
    /// A command of which no byte was written ends as [`Outcome::NotSent`] and is cut out; any other ends as
    /// [`Outcome::Unknown`] and stays in the order, abandoned.
    ///
    /// # Errors
    ///
    /// [`Broken`] when the connection has to be closed.
    pub fn handle_timeout(
        &mut self,
        now: Tick,
        transmit: &mut Transmit<P::Expect>,
        woken: &mut Vec<W>,
    ) -> Result<(), Broken> {
        self.sync(transmit.written());
        self.pace.pass(now);
        self.expire(now, woken);
        self.take_promises_back(now);
        self.place(transmit);
        self.handed = self.handed.min(transmit.end().max(self.written));
        self.admit(woken);
        if now >= self.opening_ends {
            return Err(Broken::OpeningTimeout);
        }
        if self.has_too_many_abandoned() || now >= self.abandoned_until() {
            return Err(Broken::Abandoned);
        }
        Ok(())
    }

    fn expire(&mut self, now: Tick, woken: &mut Vec<W>) {
        let (life, fixed) = (self.life, self.written.max(self.settled));
        let (mut expired, mut left, mut abandoned) = (0, 0, 0);
        let (mut unreserved, mut unreserved_bytes, mut unstranded) = (0, 0, 0);
        self.waiters.end_expired(now, woken, |place| {
            let mut outcome = Outcome::NotSent;
            match place {
                Place::Waiting { .. } => {}
                Place::Admitted { life: promised, turn, .. } => {
                    if *promised == life {
                        unreserved += 1;
                        unreserved_bytes += turn.len;
                    } else {
                        unstranded += 1;
                    }
                }
                Place::InFlight { span, .. } if span.is_queued() => {}
                Place::InFlight { span, .. } => {
                    left += 1;
                    // What has been written in part is going to be written whole.
                    if span.start < fixed {
                        abandoned += 1;
                        outcome = Outcome::Unknown;
                    }
                }
                Place::Ended(_) | Place::Vacant => return None,
            }
            expired += 1;
            Some(Failure { outcome, cause: Cause::Deadline })
        });
        self.reserved -= unreserved;
        self.reserved_bytes -= unreserved_bytes;
        self.stranded -= unstranded;
        self.stats.expired += expired;
        self.stats.failed += expired;
        self.stats.abandoned += abandoned;
        // Those that can be cut are among them until they are.
        self.left_at.extend(core::iter::repeat_n(now, left));
    }
}
