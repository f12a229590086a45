use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BufMut;

use crate::input::Input;
use crate::outgoing::Transmit;
use crate::pending::{Entry, Pending};
use crate::protocol::{Ask, Verdict};
use crate::waiters::Token;
use crate::{Broken, Frame, Limits, Protocol, Reply, Tick};

/// What one connection has read and not yet framed, and whose reply comes next.
///
/// It belongs to whoever reads the socket and is never shared, so that framing holds nobody up.
///
/// ```text
///   socket --> [ ...incomplete reply | free ]  --frame--> ready: (token, reply), (token, reply), ...
///                        ^ a large reply is read into a buffer of its own
/// ```
///
/// Use: [`read_with`](Incoming::read_with), [`handle_input`](Incoming::handle_input), then
/// [`poll_replies`](Incoming::poll_replies) until it asks for something. It starts from nothing for every connection.
#[derive(Debug)]
pub struct Incoming<P: Protocol> {
    protocol: Arc<P>,
    limits: Arc<Limits>,
    pub(crate) state: P::State,
    /// The connection this belongs to, once it is open; nothing is handed to another.
    pub(crate) life: Option<u32>,
    /// The opening exchange runs: little may come.
    pub(crate) is_opening: bool,
    input: Input,
    /// With fewer bytes than this there is no point in framing.
    want: usize,
    pending: Pending<P::Expect>,
    ready: Vec<(Token, Option<Reply>)>,
    /// Heads that were answered by silence, as the bytes at hand say. They are ready when these bytes have become the reply to a later
    /// command: a forged one must not confirm anything.
    silent: Vec<Token>,
    unasked: Unasked,
    /// What lies at the start of the input began to arrive while nothing was owed: it can be no reply.
    began_unasked: bool,
    /// Why the connection ends after the replies that are ready.
    last: Option<Broken>,
    received_at: Tick,
    owed_since: Tick,
    /// Offset in the stream up to which bytes were written, as far as is known here.
    pub(crate) written: u64,
    /// Where the youngest command ends in the transmit that it came from, and whether all of it was written.
    tail_end: usize,
    is_tail_whole: bool,
}

/// What [`Incoming::poll_replies`] asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Framed {
    /// Everything that is there was framed: read more.
    NeedInput,
    /// Bytes came and nothing is owed, as far as is known here: ask the connection whether something has left since
    /// ([`Connection::poll_sent`](crate::Connection::poll_sent)), and call again.
    NeedPending,
    /// The budget of a turn is spent: hand over what is ready, let others run, and call again before the next read, which
    /// would pile up what a fast server sends.
    Budget,
}

/// Messages that nobody asked for and that nobody has taken yet.
#[derive(Debug, Default)]
struct Unasked {
    frames: Vec<Frame>,
    /// Memory that they hold.
    len: usize,
    /// How many came, and how many of them were dropped, since the connection has counted them.
    came: u64,
    dropped: u64,
}

/// With so many commands owed a turn ends when half of them are answered. A server that answers all at once has nothing to do by
/// then: what the callers of the first half ask next keeps it busy while those of the second half are served.
const BURST_MIN: usize = 48;

impl<P: Protocol> Incoming<P> {
    /// For a new connection, opened at `now`.
    #[must_use]
    pub fn new(protocol: Arc<P>, limits: Arc<Limits>, now: Tick) -> Incoming<P> {
        Incoming {
            protocol,
            limits,
            state: P::State::default(),
            life: None,
            is_opening: true,
            input: Input::new(),
            want: 1,
            pending: Pending::new(),
            ready: Vec::new(),
            silent: Vec::new(),
            unasked: Unasked::default(),
            began_unasked: false,
            last: None,
            received_at: now,
            owed_since: now,
            written: 0,
            tail_end: 0,
            is_tail_whole: true,
        }
    }

    /// Lends the room for the next read, which is never empty, to whoever reads.
    pub fn read_with<R>(&mut self, read: impl FnOnce(&mut dyn BufMut) -> R) -> R {
        self.input.read_with(read)
    }

    /// Since when something is owed and not one byte has come; `None` while nothing is owed.
    #[must_use]
    pub fn silent_since(&self) -> Option<Tick> {
        self.is_owed().then(|| self.received_at.max(self.owed_since))
    }

    /// How many bytes the reply that is being read still lacks, as far as is known.
    #[must_use]
    pub fn lacking(&self) -> usize {
        self.want.saturating_sub(self.available())
    }

    /// Says that `n` bytes were read ([`read_with`](Incoming::read_with)).
    pub fn handle_input(&mut self, now: Tick, n: usize) {
        if n == 0 {
            return;
        }
        self.received_at = now;
        self.input.note_read(n);
    }

    /// Copies `bytes` in as if they had been read: for those who have no socket.
    pub fn handle_bytes(&mut self, now: Tick, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let n = self.read_with(|space| {
                let n = space.remaining_mut().min(rest.len());
                space.put_slice(&rest[..n]);
                n
            });
            self.handle_input(now, n);
            rest = &rest[n..];
        }
    }

    /// Notes which commands have left, wholly or in part, so that their replies can be found.
    pub fn handle_written(&mut self, now: Tick, transmit: &mut Transmit<P::Expect>, n: usize) {
        transmit.advance(n);
        // Here no lock is held.
        transmit.drop_cut();
        // While the only command that is owed a reply is still being written the server owes nothing yet: as long as it
        // takes bytes it is not silent. Bytes of later commands prove nothing, the kernel takes them for a frozen server.
        if n > 0 && !self.is_tail_whole && self.pending.len() == 1 {
            self.owed_since = now;
        }
        if let Some(end) = transmit.last_entry_end().filter(|_| transmit.is_done()) {
            // All of them have left, as they mostly do.
            self.note_owed(now, end, true);
            self.pending.extend(transmit.drain_entries());
        }
        while let Some(entry) = transmit.pop_started() {
            self.push_pending(now, entry, false);
        }
        self.is_tail_whole = self.is_tail_whole || self.tail_end <= transmit.at();
        self.written = transmit.written();
    }

    /// Notes one command that has left; `is_whole` says whether all of it is known to have been written.
    pub(crate) fn push_pending(&mut self, now: Tick, entry: Entry<P::Expect>, is_whole: bool) {
        self.note_owed(now, entry.end, is_whole);
        self.pending.push_back(entry);
    }

    /// Something is owed from now on; the youngest command ends at `end` of its transmit.
    fn note_owed(&mut self, now: Tick, end: usize, is_whole: bool) {
        if self.pending.is_empty() {
            self.owed_since = now;
        }
        (self.tail_end, self.is_tail_whole) = (end, is_whole);
    }

    /// Frames what is there and gathers the replies, up to the budget of a turn.
    ///
    /// # Errors
    ///
    /// [`Broken`] when the stream cannot be trusted any more. Replies gathered before stay valid: hand them over
    /// ([`Connection::handle_replies`](crate::Connection::handle_replies)), then close.
    pub fn poll_replies(&mut self) -> Result<Framed, Broken> {
        let (mut replies, mut bytes) = (0, 0);
        let owed_min = if self.pending.len() >= BURST_MIN { self.pending.len() / 2 } else { 0 };
        loop {
            if let Some(why) = &self.last {
                return Err(why.clone());
            }
            if self.available() < self.want {
                return Ok(Framed::NeedInput);
            }
            if self.pending.is_empty() && replies > 0 {
                return Ok(Framed::NeedPending);
            }
            let is_half = self.pending.len() <= owed_min;
            let is_spent = replies >= self.limits.turn_replies_max || bytes >= self.limits.turn_bytes_max;
            if replies > 0 && (is_half || is_spent) {
                return Ok(Framed::Budget);
            }
            let before = self.available();
            match self.frame_one() {
                // More is needed, and may lie in the buffer behind a large reply.
                Ok(false) => continue,
                Ok(true) => {}
                Err(why) => self.last = Some(why),
            }
            replies += 1;
            bytes += before - self.available().min(before);
        }
    }

    /// As [`poll_replies`](Incoming::poll_replies), for the first look at new bytes: says whether the connection should be
    /// asked for commands that have left unseen before anything is framed.
    #[must_use]
    pub fn needs_pending(&self) -> bool {
        self.pending.is_empty() && self.available() > 0
    }

    /// Asks the protocol once and acts on its verdict; `false` when more bytes are needed.
    fn frame_one(&mut self) -> Result<bool, Broken> {
        if self.is_opening && self.input.received() > self.limits.opening_bytes_max as u64 {
            return Err(Broken::ReplyTooLarge { len: self.input.received() });
        }
        let ask = self.pending.front().map(|entry| Ask { expect: &entry.expect, serial: entry.serial });
        let asked = ask.is_some() && !self.began_unasked;
        let is_owed = ask.is_some();
        let input = self.input.unframed();
        let available = input.len();
        match self.protocol.frame(&mut self.state, ask, input, &self.limits) {
            Verdict::More { total } => {
                self.began_unasked |= !is_owed;
                self.handle_more(total.max(available + 1))?;
                Ok(false)
            }
            Verdict::Reply { len, tail } if asked && fits(len, tail, available) => {
                self.complete(len, tail);
                Ok(true)
            }
            Verdict::Part { len, tail } if asked && fits(len, tail, available) => {
                self.begin_next();
                self.confirm_silence();
                self.input.take_part(len, tail, self.limits.unclaimed_bytes_max);
                Ok(true)
            }
            Verdict::Last { len, tail, why } if asked && fits(len, tail, available) => {
                self.complete(len, tail);
                self.last = Some(why);
                Ok(true)
            }
            Verdict::Silence if asked && !self.input.has_parts() => {
                if let Some(entry) = self.pending.pop_front() {
                    self.silent.push(entry.token);
                }
                Ok(true)
            }
            Verdict::Unasked { len } if fits(len, 0, available) => {
                self.begin_next();
                let frame = self.input.take(len, 0);
                self.push_unasked(frame);
                Ok(true)
            }
            Verdict::Broken(why) => Err(why),
            Verdict::Reply { .. } | Verdict::Part { .. } | Verdict::Last { .. } | Verdict::Silence
                if self.began_unasked =>
            {
                Err(Broken::Unsolicited)
            }
            _ => Err(Broken::Syntax("the protocol gave a verdict that its input does not allow")),
        }
    }

    /// Notes how much is needed, and gives a large reply a buffer of its own.
    fn handle_more(&mut self, total: usize) -> Result<(), Broken> {
        let most = self.limits.value_len_max.saturating_add(self.limits.line_len_max).saturating_add(2);
        let most = if self.is_opening { most.min(self.limits.opening_bytes_max) } else { most };
        if total > most {
            return Err(Broken::ReplyTooLarge { len: total as u64 });
        }
        self.want = total;
        self.input.expect(total, self.ready.capacity() * size_of::<(Token, Option<Reply>)>());
        Ok(())
    }

    /// What is at the start of the input has been framed.
    fn begin_next(&mut self) {
        self.want = 1;
        self.began_unasked = false;
    }

    fn push_unasked(&mut self, frame: Frame) {
        self.unasked.came += 1;
        let len = frame.memory_len();
        if self.unasked.len + len > self.limits.unclaimed_bytes_max {
            self.unasked.dropped += 1;
            return;
        }
        self.unasked.len += len;
        self.unasked.frames.push(frame);
    }

    /// The head of the queue has its reply.
    fn complete(&mut self, len: usize, tail: usize) {
        self.begin_next();
        self.confirm_silence();
        let reply = self.input.take_reply(len, tail);
        if let Some(entry) = self.pending.pop_front() {
            self.ready.push((entry.token, reply));
        }
    }

    /// What was said by silence has become certain.
    #[inline]
    fn confirm_silence(&mut self) {
        if !self.silent.is_empty() {
            self.ready.extend(self.silent.drain(..).map(|token| (token, Some(Reply::Silence))));
        }
    }

    fn available(&self) -> usize {
        self.input.available()
    }

    /// Whether replies wait to be handed over.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn ready(&mut self) -> &mut Vec<(Token, Option<Reply>)> {
        &mut self.ready
    }

    /// How many unasked messages came since the last call, and how many of them were dropped.
    pub(crate) fn count_unasked(&mut self) -> (u64, u64) {
        (core::mem::take(&mut self.unasked.came), core::mem::take(&mut self.unasked.dropped))
    }

    /// Messages that nobody asked for, oldest first. Of those that nobody takes out here no more are kept than
    /// [`Limits::unclaimed_bytes_max`]; the newest are dropped, and counted.
    pub fn drain_unasked(&mut self) -> impl Iterator<Item = Frame> + '_ {
        self.unasked.len = 0;
        self.unasked.frames.drain(..)
    }

    /// Takes commands out of the order without their replies: only a mutant does.
    pub(crate) fn pop_where(&mut self, is_popped: impl Fn(Token) -> bool) -> usize {
        let before = self.pending.len();
        self.pending.retain(|entry| !is_popped(entry.token));
        before - self.pending.len()
    }

    /// Goes on with the order of an old connection on a new one: only a mutant does.
    #[cfg(feature = "mutants")]
    #[doc(hidden)]
    pub fn keep_pending_of(&mut self, old: &mut Incoming<P>) {
        self.pending.append(&mut old.pending);
    }

    /// Whether a reply is owed.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether everything that came was framed and handed over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.input.is_empty() && self.ready.is_empty()
    }

    /// Bytes received on this connection.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.input.received()
    }

    /// When silence ends the connection: a reply is owed and this much time has passed since the later of the last byte and
    /// the moment since when something is owed. [`Tick::NEVER`] when nothing is owed.
    #[must_use]
    pub fn poll_timeout(&self) -> Tick {
        if self.pending.is_empty() {
            return Tick::NEVER;
        }
        self.received_at.max(self.owed_since).after(self.limits.stall_timeout)
    }

    /// Time has passed; read once before calling this, because a program that was suspended finds both an expired clock and
    /// the reply.
    ///
    /// # Errors
    ///
    /// [`Broken::Stalled`] when the server has been silent for too long.
    pub fn handle_timeout(&self, now: Tick) -> Result<(), Broken> {
        if now >= self.poll_timeout() { Err(Broken::Stalled) } else { Ok(()) }
    }

    /// Lets go of memory that an idle connection does not need.
    pub fn shrink(&mut self) {
        if self.is_empty() {
            self.input.shrink();
            self.ready = Vec::new();
            self.pending.shrink_to_fit();
        }
    }
}

fn fits(len: usize, tail: usize, available: usize) -> bool {
    len > 0 && len <= available && tail <= len
}
