use super::{Connection, Phase};
use crate::outgoing::Transmit;
use crate::{Protocol, Tick};

/// Bytes that a caller writes by itself.
#[derive(Debug)]
pub struct Inline<E> {
    transmit: Transmit<E>,
    /// How many commands are in it.
    entries: usize,
    life: u32,
}

impl<E> Inline<E> {
    /// The bytes.
    #[must_use]
    pub fn transmit(&self) -> &Transmit<E> {
        &self.transmit
    }
}

/// A caller that finds everything idle writes by itself: it saves a trip to the driver's task.
///
/// Its commands count as sent before the first byte leaves, because the driver may read the reply before the caller comes back to
/// say how much was written.
impl<P: Protocol, W> Connection<P, W> {
    /// Hands out what is queued to a caller that was told it [may write](crate::Admission::may_write). It must come back with
    /// [`inline_done`](Connection::inline_done). `None` when the driver was faster, or has something to finish first.
    pub fn take_inline(&mut self, now: Tick) -> Option<Inline<P::Expect>> {
        let is_busy = self.is_writing_inline || self.unfinished.is_some() || self.driver_writes();
        if !matches!(self.phase, Phase::Open | Phase::Suspended(_) | Phase::Draining)
            || is_busy
            || self.outgoing.is_empty()
        {
            return None;
        }
        let mut transmit = Transmit::default();
        self.outgoing.take(self.written, &mut transmit);
        self.place(&mut transmit);
        if self.sent.is_empty() {
            self.sent_at = now;
        }
        let before = self.sent.len();
        while let Some(entry) = transmit.pop_entry() {
            self.sent.push_back(entry);
        }
        self.settled = transmit.end();
        self.is_writing_inline = true;
        Some(Inline { transmit, entries: self.sent.len() - before, life: self.life })
    }

    /// The caller has written `n` bytes of what it took. Says whether the driver has to be woken: to go on, to look at the
    /// silence that may follow, or to drop what was written. `stall_from` is the time of the write.
    pub fn inline_done(&mut self, inline: Inline<P::Expect>, n: usize, stall_from: Tick) -> bool {
        let Inline { mut transmit, entries, life } = inline;
        transmit.advance(n);
        if life != self.life {
            transmit.discard_bodies();
            self.trash.append(transmit.trash());
            return !self.trash.is_empty() && self.notify_driver();
        }
        self.is_writing_inline = false;
        self.written = self.written.max(transmit.written());
        let is_finished = transmit.is_done();
        self.trash.append(transmit.trash());
        if is_finished {
            self.settled = 0;
            self.outgoing.recycle(transmit);
        } else {
            self.take_back(&mut transmit, entries);
            self.unfinished = Some(transmit);
        }
        let silent_at = stall_from.after(self.limits.stall_timeout);
        let has_work = !is_finished || !self.outgoing.is_empty() || !self.trash.is_empty();
        (has_work || silent_at < self.driver_armed) && self.notify_driver()
    }

    /// Commands that the write did not reach can still be taken back, unless the driver has been told meanwhile that they have
    /// left: then they stay [settled](Connection::settled).
    fn take_back(&mut self, transmit: &mut Transmit<P::Expect>, entries: usize) {
        // They were added together and are passed on together: all of them are here, or none.
        if self.sent.len() < entries {
            return;
        }
        self.settled = 0;
        while self.sent.back().is_some_and(|entry| entry.start >= transmit.at()) {
            let Some(entry) = self.sent.pop_back() else { return };
            transmit.unpop_entry(entry);
        }
    }
}
