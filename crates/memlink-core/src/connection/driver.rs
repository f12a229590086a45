use alloc::vec::Vec;

use super::Connection;
use crate::outgoing::Transmit;
use crate::waiters::Token;
use crate::{Broken, Cause, Failure, Incoming, Outcome, Protocol, Reply, Tick};

/// Bytes and replies pass through the hands of the driver.
impl<P: Protocol, W> Connection<P, W> {
    /// Exchanges a finished transmit for what has gathered, or cuts out of an unfinished one what nobody waits for any more.
    /// Both make room, which is given to those in line. Afterwards [`Transmit::is_done`] says whether there is anything to
    /// write; [`Transmit::drop_cut`] is due once no lock is held.
    ///
    /// [`poll_sent`](Connection::poll_sent) comes first: the replies to what callers have written come before those to what is
    /// handed out here. As long as that is not passed on, nothing is.
    ///
    /// This is also how the driver says that it has looked: callers who bring more wake it again. It calls this in every turn, with
    /// an empty transmit while there is no connection, or [`expect_driver`](Connection::expect_driver) when it comes back by itself.
    pub fn poll_transmit(&mut self, transmit: &mut Transmit<P::Expect>, woken: &mut Vec<W>) {
        self.is_driver_notified = false;
        self.sync(transmit.written());
        transmit.trash().append(&mut self.trash);
        self.place(transmit);
        if transmit.is_done() && !self.is_writing_inline && self.sent.is_empty() {
            if let Some(mut unfinished) = self.unfinished.take() {
                unfinished.trash().append(transmit.trash());
                self.outgoing.recycle(core::mem::replace(transmit, unfinished));
                self.place(transmit);
            }
            while transmit.is_done() && !self.outgoing.is_empty() {
                self.outgoing.take(self.written, transmit);
                self.place(transmit);
            }
        }
        self.handed = if transmit.is_done() { self.written } else { transmit.end() };
        self.admit(woken);
    }

    /// Cuts what nobody waits for and notes where the others lie in the stream.
    pub(super) fn place(&mut self, transmit: &mut Transmit<P::Expect>) {
        if self.note_places(transmit) {
            return;
        }
        let waiters = &self.waiters;
        let cut = transmit.cut(|entry| entry.token == Token::OPENING || waiters.is_in_flight(entry.token));
        self.in_flight -= cut.entries;
        self.stats.cut += cut.entries as u64;
        for _ in 0..cut.placed {
            self.left_at.pop_front();
        }
        self.note_places(transmit);
    }

    /// Notes where the commands of a transmit lie in the stream; `false` when some of them are of no use to anybody.
    fn note_places(&mut self, transmit: &mut Transmit<P::Expect>) -> bool {
        let mut is_wanted = true;
        let (base, entries) = transmit.unstarted();
        for entry in entries {
            if let Some(span) = self.waiters.span_mut(entry.token) {
                (span.start, span.end) = (base + entry.start as u64, base + entry.end as u64);
                entry.is_placed = true;
            } else {
                is_wanted &= entry.token == Token::OPENING;
            }
        }
        is_wanted
    }

    pub(super) fn sync(&mut self, written: u64) {
        self.written = self.written.max(written);
    }

    /// Passes on which commands were written by callers, so that their replies can be found: before anything is framed while
    /// nothing is owed, before [`poll_transmit`](Connection::poll_transmit), and before the
    /// [silence](Incoming::poll_timeout) is looked at.
    pub fn poll_sent(&mut self, incoming: &mut Incoming<P>) {
        if incoming.life != Some(self.life) {
            return;
        }
        let at = self.sent_at;
        let is_whole = !self.is_writing_inline && self.unfinished.is_none();
        for entry in self.sent.drain(..) {
            incoming.push_pending(at, entry, is_whole);
        }
        self.pop_those_who_left(incoming);
    }

    /// Hands the replies that are ready to those who wait, and room to those in line. Those of a connection that was closed
    /// are thrown away: everybody was told.
    ///
    /// # Errors
    ///
    /// [`Broken`] when the connection has to be closed: the opening exchange was refused.
    pub fn handle_replies(&mut self, now: Tick, incoming: &mut Incoming<P>, woken: &mut Vec<W>) -> Result<(), Broken> {
        let (unasked, dropped) = incoming.count_unasked();
        self.stats.unasked += unasked;
        self.stats.unclaimed_dropped += dropped;
        if incoming.life != Some(self.life) {
            incoming.ready().clear();
            return Ok(());
        }
        self.sync(incoming.written);
        let mut ready = core::mem::take(incoming.ready());
        let (mut result, replies) = (Ok(()), ready.len());
        for (token, reply) in ready.drain(..) {
            if !self.keeps_room(token) {
                self.in_flight -= 1;
            }
            if token == Token::OPENING {
                // The opening exchange is bounded more closely than the parts of a reply are.
                let reply = reply.ok_or(Broken::ReplyTooLarge { len: incoming.received() });
                result = result.and_then(|()| self.opening_reply(now, incoming, &reply?, woken));
            } else {
                self.complete(token, reply, woken);
            }
        }
        *incoming.ready() = ready;
        self.pace.count(now, replies, self.waiters.waiting() > 0);
        self.admit(woken);
        result
    }

    /// Hands a reply over, unless it is more than may be held: then its caller is told that it was dropped.
    fn complete(&mut self, token: Token, reply: Option<Reply>, woken: &mut Vec<W>) {
        let room = self.limits.unclaimed_bytes_max.saturating_sub(self.unclaimed);
        let heap_len = reply.as_ref().map_or(0, Reply::heap_len);
        let fits = reply.is_some() && (heap_len == 0 || heap_len <= room);
        let result = match reply {
            Some(reply) if fits => Ok(reply),
            _ => Err(Failure { outcome: Outcome::Unknown, cause: Cause::Unclaimed }),
        };
        let Some(waiter) = self.waiters.end(token, result) else {
            // Nobody waits. Which of the abandoned it was is not known here; it is taken for the oldest, so that none is ever
            // thought older than it is.
            self.left_at.pop_front();
            return;
        };
        woken.push(waiter);
        if fits {
            self.unclaimed += heap_len;
            self.stats.replied += 1;
        } else {
            self.stats.failed += 1;
            self.stats.unclaimed_dropped += 1;
        }
    }
}
