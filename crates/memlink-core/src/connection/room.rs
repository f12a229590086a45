use alloc::vec::Vec;

use super::{Connection, Phase};
use crate::Protocol;

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

    /// Gives free room to those in line.
    pub(super) fn admit(&mut self, woken: &mut Vec<W>) {
        while let Some(waiter) = self.admit_one() {
            woken.push(waiter);
        }
    }

    /// Promises room to the first in line, if there is enough for it.
    pub(super) fn admit_one(&mut self) -> Option<W> {
        if self.phase != Phase::Open || self.waiters.waiting() == 0 {
            return None;
        }
        let len = self.waiters.first_in_line()?;
        if !self.has_room_for(len) {
            return None;
        }
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
