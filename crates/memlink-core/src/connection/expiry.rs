use alloc::vec::Vec;

use super::Connection;
use crate::outgoing::Transmit;
use crate::waiters::Place;
use crate::{Broken, Cause, Failure, Outcome, Protocol, Tick};

/// Waits end, and what has been abandoned does not stay for ever.
impl<P: Protocol, W> Connection<P, W> {
    /// When [`handle_timeout`](Connection::handle_timeout) is due. The driver notes what it arms its timer for; callers whose
    /// deadline is earlier will say that it has to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Tick {
        self.waiters.next_deadline().min(self.opening_ends).min(self.abandoned_until())
    }

    /// The driver has looked at [`poll_timeout`](Connection::poll_timeout), and its timer will fire at `armed`, at the latest.
    pub fn armed(&mut self, armed: Tick) {
        self.driver_armed = armed;
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
        self.expire(now, woken);
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
                Place::Admitted { life: promised, turn } => {
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
