use alloc::vec::Vec;

use super::{Connection, Phase};
use crate::{Cause, Failure, Outcome, Protocol, Tick};

/// Room for commands: who may enter, and who is next.
///
/// ```text
///   in_flight_max   [ on the wire or queued | promised | free ]        commands
///   queued_bytes_max            [ queued    | promised | free ]        bytes
/// ```
///
/// Room goes to the first in line, and no one else gets any before it, however little they need: a large command would wait for
/// ever behind small ones that keep coming. What is promised is kept for the caller until it enters or leaves, or until others have waited for too long.
impl<P: Protocol, W> Connection<P, W> {
    /// A single command larger than the bound is admitted alone.
    #[inline]
    pub(super) fn has_room_for(&self, len: usize) -> bool {
        let queued = self.outgoing.len().saturating_add(self.reserved_bytes);
        self.in_flight + self.reserved < self.limits.in_flight_max
            && (queued == 0 || queued.saturating_add(len) <= self.limits.queued_bytes_max)
    }

    /// Gives free room to those in line. Those whose turn it is and whose reply would come too late end instead: what is written
    /// for them would be for nobody, and would make the next ones late as well.
    pub(super) fn admit(&mut self, woken: &mut Vec<W>) {
        while let Some(next) = self.next_in_line() {
            if next.is_late {
                self.waiters.end_first(&TOO_LATE, woken);
                self.pace.sent_away();
                self.stats.expired += 1;
                self.stats.failed += 1;
            } else {
                woken.extend(self.promise(next.len));
            }
        }
    }

    /// Promises room to the first in line, if there is enough for it. Says as well whether the driver has to see to the line, because
    /// it begins with one who is too late.
    pub(super) fn admit_one(&mut self, now: Tick) -> (Option<W>, bool) {
        self.pace.pass(now);
        match self.next_in_line() {
            Some(next) if next.is_late => (None, self.notify_driver()),
            Some(next) => (self.promise(next.len), false),
            None => (None, false),
        }
    }

    /// The first in line, if there is room for it.
    fn next_in_line(&mut self) -> Option<Next> {
        if self.phase != Phase::Open || self.waiters.waiting() == 0 {
            return None;
        }
        let (len, deadline) = self.waiters.first_in_line()?;
        if !self.has_room_for(len) {
            return None;
        }
        Some(Next { len, is_late: deadline < self.pace.answers_at(self.in_flight + self.reserved + 1) })
    }

    fn promise(&mut self, len: usize) -> Option<W> {
        let waiter = self.waiters.admit_next(self.life, self.promise_round)?;
        self.reserved += 1;
        // No overflow: either the sum is within the bound, or this is the only promise.
        self.reserved_bytes += len;
        Some(waiter)
    }

    /// A promise of the present connection was used or given back.
    pub(super) fn release(&mut self, len: usize) {
        self.reserved -= 1;
        self.reserved_bytes -= len;
    }
}

/// Who is to be let in.
struct Next {
    len: usize,
    /// Its reply would come after its deadline.
    is_late: bool,
}

/// Its time is not over, but what is left of it is not enough.
const TOO_LATE: Failure = Failure { outcome: Outcome::NotSent, cause: Cause::Deadline };
