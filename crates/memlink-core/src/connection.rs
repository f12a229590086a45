use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::outgoing::{Outgoing, Transmit};
use crate::pending::Entry;
use crate::protocol::Step;
use crate::waiters::{Place, Span, Token, Waiters};
use crate::{
    Broken, Cause, Command, Failure, Frame, Incoming, Limits, Outcome, Protocol, Reply, Stats, Tick, Unsupported,
};

/// The conductor: takes commands and bytes, gives bytes and replies, and holds the order and nothing else.
///
/// One value serves a server for as long as there is a link to it. It may be opened and closed many times; what belongs to one
/// connection (buffers, order, serial numbers) is made anew each time, so nothing of an old connection can meet a new one.
///
/// `W` is whatever stands for a waiting caller: a waker, a number in a test. It is handed back when the caller should look
/// ([`poll`](Connection::poll)); it is never called, cloned or dropped in here except with the whole connection.
///
/// ```text
///   callers        submit, poll, abandon                     wherever they run
///   ------------------------------------------------------------------------------
///   one driver     dialling / opened / closed / down         when the transport changes
///                  poll_transmit -> write -> Incoming::handle_written
///                  read -> Incoming::handle_input
///                  poll_sent -> Incoming::poll_replies -> handle_replies
///                  handle_timeout at poll_timeout
/// ```
///
/// Those who share it put it behind a lock. No method does more work than the commands or replies it is given, except
/// [`closed`](Connection::closed), [`down`](Connection::down) and an expiry, which look at every waiting caller once.
#[derive(Debug)]
pub struct Connection<P: Protocol, W> {
    protocol: Arc<P>,
    limits: Arc<Limits>,
    phase: Phase,
    waiters: Waiters<W>,
    /// Number of the present connection; what was handed out for an earlier one is recognised by it.
    life: u32,
    peer: Option<P::Peer>,
    outgoing: Outgoing<P::Expect>,
    /// Commands written by a caller and not yet passed on to [`Incoming`].
    sent: VecDeque<Entry<P::Expect>>,
    sent_at: Tick,
    serial: u64,
    written: u64,
    /// What an inline write could not finish.
    unfinished: Option<Transmit<P::Expect>>,
    writing_inline: bool,
    may_write_inline: bool,
    /// Entries on the wire or queued for it.
    in_flight: usize,
    /// Room promised to callers who were woken to use it.
    reserved: usize,
    unclaimed: usize,
    abandoned_since: Tick,
    opening_ends: Tick,
    driver_notified: bool,
    driver_armed: Tick,
    stats: Stats,
}

/// How the way to the server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// There is no connection and nobody has asked for one.
    Idle,
    /// A connection is being made; commands wait.
    Dialling,
    /// The socket is there and the opening exchange runs; commands wait.
    Opening,
    /// Commands are sent.
    Open,
    /// The server is known to be unreachable or to refuse us; commands are refused at once with this cause.
    Down(Cause),
    /// Being shut down: what is in flight may finish, nothing new is taken.
    Draining,
    /// Shut down.
    Shutdown,
}

/// What a caller gets for a command it has submitted.
#[derive(Debug)]
pub struct Admission {
    /// Names the command from now on.
    pub token: Token,
    /// The driver has to be woken: there is something to write, to dial or an earlier deadline.
    pub wake_driver: bool,
    /// Nothing else is on the way: the caller may write at once ([`Connection::take_inline`]).
    pub may_write: bool,
}

/// Why a command was not taken. Nothing was queued.
#[derive(Debug)]
pub enum Refused {
    /// The server lacks what the command needs.
    Unsupported(Unsupported),
    /// The connection does not take it.
    Failed(Failure),
}

/// What a caller finds when it looks after its command.
#[derive(Debug)]
pub enum Looked {
    /// Not ended yet. Leave a fresh waiter with [`Connection::waiter_mut`] if the old one is no longer good.
    Pending,
    /// There is room now: call [`Connection::enter`].
    Admitted,
    /// It has ended; the token is used up.
    Ended(Result<Reply, Failure>),
}

impl<P: Protocol, W> Connection<P, W> {
    /// A connection that is not open.
    #[must_use]
    pub fn new(protocol: Arc<P>, limits: Arc<Limits>) -> Connection<P, W> {
        Connection {
            protocol,
            limits,
            phase: Phase::Idle,
            waiters: Waiters::new(),
            life: 0,
            peer: None,
            outgoing: Outgoing::new(),
            sent: VecDeque::new(),
            sent_at: Tick::ZERO,
            serial: 0,
            written: 0,
            unfinished: None,
            writing_inline: false,
            may_write_inline: false,
            in_flight: 0,
            reserved: 0,
            unclaimed: 0,
            abandoned_since: Tick::NEVER,
            opening_ends: Tick::NEVER,
            driver_notified: false,
            driver_armed: Tick::NEVER,
            stats: Stats::default(),
        }
    }

    // ---- callers ----

    /// Takes a command. If there is room it is encoded and entered in one step; if not, its caller is put in line, or refused
    /// when `wait` is false. `waiter` is taken out only when the command is accepted.
    ///
    /// # Errors
    ///
    /// [`Refused`]: nothing was queued, nothing will be sent.
    pub fn submit<C: Command<P>>(
        &mut self,
        command: &C,
        deadline: Tick,
        wait: bool,
        waiter: &mut Option<W>,
    ) -> Result<Admission, Refused> {
        self.stats.started += 1;
        let result = self.try_submit(command, deadline, wait, waiter);
        if let Err(refused) = &result {
            self.stats.failed += 1;
            if matches!(refused, Refused::Failed(Failure { cause: Cause::QueueFull, .. })) {
                self.stats.queue_full += 1;
            }
        }
        result
    }

    fn try_submit<C: Command<P>>(
        &mut self,
        command: &C,
        deadline: Tick,
        wait: bool,
        waiter: &mut Option<W>,
    ) -> Result<Admission, Refused> {
        match &self.phase {
            Phase::Open if self.waiters.waiting() == 0 && self.has_room_for(command.size_hint()) => {
                self.check(command)?;
                let Some(waiter) = waiter.take() else { return Err(not_sent(Cause::Shutdown)) };
                let token = self.waiters.insert_in_flight(waiter, deadline);
                self.encode(command, token);
                Ok(self.admission(token, deadline))
            }
            Phase::Open | Phase::Idle | Phase::Dialling | Phase::Opening => {
                if !wait && self.phase == Phase::Open || self.waiters.waiting() >= self.limits.waiting_max {
                    return Err(not_sent(Cause::QueueFull));
                }
                let Some(waiter) = waiter.take() else { return Err(not_sent(Cause::Shutdown)) };
                let token = self.waiters.insert_waiting(waiter, deadline);
                self.stats.waited += 1;
                let wake_driver = self.phase == Phase::Idle || deadline < self.driver_armed;
                Ok(Admission { token, wake_driver: wake_driver && self.notify_driver(), may_write: false })
            }
            Phase::Down(cause) => Err(not_sent(cause.clone())),
            Phase::Draining | Phase::Shutdown => Err(not_sent(Cause::Shutdown)),
        }
    }

    fn check<C: Command<P>>(&self, command: &C) -> Result<(), Refused> {
        match &self.peer {
            Some(peer) => command.check(peer).map_err(Refused::Unsupported),
            None => Err(not_sent(Cause::Closed(Broken::DriverGone))),
        }
    }

    #[inline]
    fn has_room_for(&self, len: usize) -> bool {
        self.in_flight + self.reserved < self.limits.in_flight_max
            && (self.outgoing.len() + len <= self.limits.queued_bytes_max || self.outgoing.is_empty())
    }

    /// Writes the command and enters it, in one step that cannot fail.
    #[inline]
    fn encode<C: Command<P>>(&mut self, command: &C, token: Token) {
        let serial = self.serial;
        self.serial += 1;
        let Some(peer) = &self.peer else { return };
        self.outgoing.push(token, serial, |out| command.encode(peer, serial, out));
        self.in_flight += 1;
    }

    #[inline]
    fn admission(&mut self, token: Token, deadline: Tick) -> Admission {
        let may_write = self.may_write_inline && self.in_flight == 1 && !self.writing_inline && !self.driver_notified;
        let wake_driver = !may_write && !self.driver_notified && !self.writing_inline;
        self.driver_notified |= wake_driver;
        let wake_driver = wake_driver || (deadline < self.driver_armed && self.notify_driver());
        Admission { token, wake_driver, may_write }
    }

    /// Whether the driver has to be told; it is told once until it has looked.
    fn notify_driver(&mut self) -> bool {
        !core::mem::replace(&mut self.driver_notified, true)
    }

    /// Says how a command stands, and gives its result.
    #[inline]
    pub fn poll(&mut self, token: Token) -> Looked {
        match self.waiters.place_mut(token) {
            Some(Place::Ended(_)) => {
                let Some(Place::Ended(result)) = self.waiters.remove(token) else { return Looked::Pending };
                if let Ok(reply) = &result {
                    self.unclaimed -= reply.heap_len();
                }
                Looked::Ended(result)
            }
            Some(Place::Admitted { .. }) => Looked::Admitted,
            Some(Place::Waiting(_) | Place::InFlight { .. }) => Looked::Pending,
            // A token that names nothing: the caller has been told already.
            Some(Place::Vacant) | None => {
                Looked::Ended(Err(Failure { outcome: Outcome::Unknown, cause: Cause::Closed(Broken::DriverGone) }))
            }
        }
    }

    /// Uses the room that was promised to a waiting command: encodes and enters it. When the promise no longer holds (the
    /// connection was lost in between, the bytes do not fit) the caller is the first in line again.
    ///
    /// # Errors
    ///
    /// [`Refused`] when the server that was reached meanwhile cannot take the command; the token is used up.
    pub fn enter<C: Command<P>>(
        &mut self,
        token: Token,
        command: &C,
        deadline: Tick,
        waiter: &mut Option<W>,
    ) -> Result<Admission, Refused> {
        let promised = matches!(self.waiters.place_mut(token), Some(Place::Admitted { life }) if *life == self.life);
        if promised {
            self.reserved -= 1;
        }
        if self.phase == Phase::Open && self.has_room_for(command.size_hint()) {
            if let Err(refused) = self.check(command) {
                self.waiters.remove(token);
                self.stats.failed += 1;
                return Err(refused);
            }
            if let Some(waiter) = waiter.take() {
                self.waiters.enter(token, waiter);
                self.encode(command, token);
            }
            return Ok(self.admission(token, deadline));
        }
        if let Some(waiter) = waiter.take() {
            self.waiters.wait_again(token, waiter);
        }
        let wake_driver = self.phase == Phase::Idle && self.notify_driver();
        Ok(Admission { token, wake_driver, may_write: false })
    }

    /// Where the waiter of a command that has not ended lies, to be exchanged for a fresh one.
    pub fn waiter_mut(&mut self, token: Token) -> Option<&mut W> {
        match self.waiters.place_mut(token) {
            Some(Place::Waiting(waiter) | Place::InFlight { waiter, .. }) => Some(waiter),
            _ => None,
        }
    }

    /// The caller is gone. A command of which nothing was taken for writing will not be sent; any other stays in the order,
    /// abandoned, until its reply has come. Hands back what has to be dropped or woken where no lock is held.
    pub fn abandon(&mut self, now: Tick, token: Token) -> Abandoned<W> {
        let mut gone = Abandoned { dropped: None, reply: None, woken: None };
        match self.waiters.remove(token) {
            Some(Place::InFlight { waiter, span }) => {
                gone.dropped = Some(waiter);
                self.stats.cancelled += 1;
                self.note_abandoned(now, span);
            }
            Some(Place::Waiting(waiter)) => {
                gone.dropped = Some(waiter);
                self.stats.cancelled += 1;
            }
            Some(Place::Admitted { life }) => {
                self.stats.cancelled += 1;
                if life == self.life {
                    self.reserved -= 1;
                    gone.woken = self.admit_one();
                }
            }
            Some(Place::Ended(result)) => {
                if let Ok(reply) = &result {
                    self.unclaimed -= reply.heap_len();
                }
                gone.reply = Some(result);
            }
            Some(Place::Vacant) | None => {}
        }
        gone
    }

    /// Counts a command that nobody waits for any more and of which something may have been written.
    fn note_abandoned(&mut self, now: Tick, span: Span) {
        if span.start != u64::MAX {
            self.stats.abandoned += 1;
            if self.stats.abandoned_now == 0 {
                self.abandoned_since = now;
            }
            self.stats.abandoned_now += 1;
        }
    }

    // ---- inline write: a caller that finds everything idle writes by itself ----

    /// Hands out what is queued to a caller that was told it [may write](Admission::may_write). It must come back with
    /// [`inline_done`](Connection::inline_done).
    pub fn take_inline(&mut self, now: Tick) -> Option<Inline<P::Expect>> {
        if self.phase != Phase::Open || self.writing_inline || self.unfinished.is_some() || self.outgoing.is_empty() {
            return None;
        }
        let mut transmit = Transmit::default();
        self.outgoing.take(self.written, &mut transmit);
        self.place(&mut transmit);
        if self.sent.is_empty() {
            self.sent_at = now;
        }
        while let Some(entry) = transmit.pop_entry() {
            self.sent.push_back(entry);
        }
        self.writing_inline = true;
        Some(Inline { transmit, life: self.life })
    }

    /// The caller has written `n` bytes of what it took. Says whether the driver has to be woken to go on. `stall_from` is
    /// the time of the write: the driver must look at the silence that may follow.
    pub fn inline_done(&mut self, inline: Inline<P::Expect>, n: usize, stall_from: Tick) -> bool {
        let Inline { mut transmit, life } = inline;
        if life != self.life {
            return false;
        }
        self.writing_inline = false;
        transmit.advance(n);
        self.written = transmit.written();
        let finished = transmit.is_done();
        if finished {
            self.outgoing.recycle(transmit);
        } else {
            self.unfinished = Some(transmit);
        }
        let silent_at = stall_from.after(self.limits.stall_timeout);
        (!finished || !self.outgoing.is_empty() || silent_at < self.driver_armed) && self.notify_driver()
    }

    // ---- the driver: the transport has changed ----

    /// A connection is being made. Waiting commands go on waiting.
    pub fn dialling(&mut self) {
        if !self.is_ending() {
            self.phase = Phase::Dialling;
        }
    }

    /// The socket is there: a new connection begins, from nothing, with its opening exchange. `incoming` must be new.
    ///
    /// `may_write_inline` says whether callers may write to this transport by themselves.
    ///
    /// # Errors
    ///
    /// [`Broken::Refused`] when the protocol refuses at once.
    pub fn opened(&mut self, now: Tick, may_write_inline: bool, incoming: &mut Incoming<P>) -> Result<(), Broken> {
        if self.is_ending() {
            return Err(Broken::Shutdown);
        }
        debug_assert!(self.outgoing.is_empty() && self.in_flight == 0, "the last connection was not closed");
        self.may_write_inline = may_write_inline;
        self.phase = Phase::Opening;
        self.opening_ends = now.after(self.limits.opening_timeout);
        self.stats.opened += 1;
        self.opening_step(incoming, None, &mut Vec::new())
    }

    /// Forgets everything that belongs to one connection.
    fn reset(&mut self) -> Remains<P::Expect> {
        self.life = self.life.wrapping_add(1);
        self.peer = None;
        self.sent.clear();
        self.serial = 0;
        self.written = 0;
        self.writing_inline = false;
        self.may_write_inline = false;
        self.in_flight = 0;
        self.reserved = 0;
        self.abandoned_since = Tick::NEVER;
        self.stats.abandoned_now = 0;
        self.opening_ends = Tick::NEVER;
        Remains {
            _outgoing: core::mem::replace(&mut self.outgoing, Outgoing::new()),
            _unfinished: self.unfinished.take(),
            _transmit: Transmit::default(),
        }
    }

    fn opening_step(
        &mut self,
        incoming: &mut Incoming<P>,
        reply: Option<&Frame>,
        woken: &mut Vec<W>,
    ) -> Result<(), Broken> {
        let protocol = &self.protocol;
        let step = self.outgoing.push_bytes(|out| protocol.open(&mut incoming.state, reply, out));
        match step {
            Ok(Step::Send(expects)) => {
                for expect in expects {
                    self.outgoing.push_awaited(Token::OPENING, self.serial, expect);
                    self.serial += 1;
                    self.in_flight += 1;
                }
            }
            Ok(Step::Await) => {}
            Ok(Step::Ready(peer)) => {
                self.peer = Some(peer);
                self.phase = Phase::Open;
                self.opening_ends = Tick::NEVER;
                self.admit(woken);
            }
            Err(refusal) => return Err(Broken::Refused(refusal)),
        }
        Ok(())
    }

    /// The connection is no more. Every command in flight ends: those of which a byte was not handed over as
    /// [`Outcome::NotSent`], the others as [`Outcome::Unknown`]. Commands that wait go on waiting.
    ///
    /// What remains has to be dropped where no lock is held: it may hold users' values.
    pub fn closed(
        &mut self,
        why: &Broken,
        transmit: &mut Transmit<P::Expect>,
        woken: &mut Vec<W>,
    ) -> Remains<P::Expect> {
        self.sync(transmit);
        let written = self.written;
        let inline = self.writing_inline;
        let before = woken.len();
        self.waiters.end_where(woken, |place| match place {
            // While a caller writes inline nobody knows how far it has come.
            Place::InFlight { span, .. } => Some(Failure {
                outcome: if span.end <= written || (inline && span.start != u64::MAX) {
                    Outcome::Unknown
                } else {
                    Outcome::NotSent
                },
                cause: Cause::Closed(why.clone()),
            }),
            _ => None,
        });
        self.stats.failed += (woken.len() - before) as u64;
        if matches!(self.phase, Phase::Opening | Phase::Open | Phase::Draining) {
            self.stats.closed += 1;
        }
        let remains = self.reset();
        if !self.is_ending() {
            self.phase = if self.waiters.waiting() > 0 { Phase::Dialling } else { Phase::Idle };
        }
        Remains { _transmit: core::mem::take(transmit), ..remains }
    }

    /// The server is known to be unreachable, or to refuse us: all who wait are told, and until the next
    /// [`opened`](Connection::opened) so is everyone who comes.
    pub fn down(&mut self, cause: Cause, woken: &mut Vec<W>) {
        if self.is_ending() {
            return;
        }
        self.fail_waiting(&cause, woken);
        self.phase = Phase::Down(cause);
    }

    fn fail_waiting(&mut self, cause: &Cause, woken: &mut Vec<W>) {
        let mut failed = 0;
        self.waiters.end_where(woken, |place| match place {
            Place::Waiting(_) | Place::Admitted { .. } => {
                failed += 1;
                Some(Failure { outcome: Outcome::NotSent, cause: cause.clone() })
            }
            _ => None,
        });
        self.stats.failed += failed;
        self.reserved = 0;
    }

    /// Takes no new commands from now on and tells those who wait; what is in flight may finish
    /// ([`is_drained`](Connection::is_drained)).
    pub fn drain(&mut self, woken: &mut Vec<W>) {
        if !self.is_ending() {
            self.fail_waiting(&Cause::Shutdown, woken);
            self.phase = Phase::Draining;
        }
    }

    /// Whether nothing is in flight.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.in_flight == 0
    }

    /// The end: whatever has not ended ends now.
    pub fn shutdown(
        &mut self,
        why: &Broken,
        transmit: &mut Transmit<P::Expect>,
        woken: &mut Vec<W>,
    ) -> Remains<P::Expect> {
        let remains = self.closed(why, transmit, woken);
        self.fail_waiting(&Cause::Shutdown, woken);
        self.phase = Phase::Shutdown;
        remains
    }

    /// The task that serves the connection is gone without an end: everybody is told, and a later command may start anew.
    pub fn driver_gone(&mut self, woken: &mut Vec<W>) -> Remains<P::Expect> {
        let remains = self.closed(&Broken::DriverGone, &mut Transmit::default(), woken);
        self.fail_waiting(&Cause::Closed(Broken::DriverGone), woken);
        self.driver_notified = false;
        self.driver_armed = Tick::NEVER;
        if !self.is_ending() {
            self.phase = Phase::Idle;
        }
        remains
    }

    fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Draining | Phase::Shutdown)
    }

    // ---- the driver: bytes and time ----

    /// Exchanges a finished transmit for what has gathered, or cuts out of an unfinished one what nobody waits for any more.
    /// Afterwards [`Transmit::is_done`] says whether there is anything to write.
    pub fn poll_transmit(&mut self, transmit: &mut Transmit<P::Expect>) {
        self.driver_notified = false;
        self.sync(transmit);
        if self.writing_inline && transmit.is_done() {
            return;
        }
        if let Some(unfinished) = self.unfinished.take() {
            *transmit = unfinished;
        }
        self.place(transmit);
        while transmit.is_done() && !self.outgoing.is_empty() {
            self.outgoing.take(self.written, transmit);
            self.place(transmit);
        }
    }

    /// Cuts what nobody waits for and notes where the others lie in the stream.
    fn place(&mut self, transmit: &mut Transmit<P::Expect>) {
        let waiters = &mut self.waiters;
        let cut = transmit.cut(|entry| entry.token == Token::OPENING || waiters.is_in_flight(entry.token));
        self.in_flight -= cut;
        self.stats.cut += cut as u64;
        let (base, entries) = transmit.unstarted();
        for entry in entries {
            if let Some(span) = waiters.span_mut(entry.token) {
                *span = Span { start: base + entry.start as u64, end: base + entry.end as u64 };
            }
        }
    }

    fn sync(&mut self, transmit: &Transmit<P::Expect>) {
        self.written = self.written.max(transmit.written());
    }

    /// Passes on which commands were written by callers, so that their replies can be found.
    pub fn poll_sent(&mut self, incoming: &mut Incoming<P>) {
        let at = self.sent_at;
        for entry in self.sent.drain(..) {
            incoming.push_pending(at, entry);
        }
    }

    /// Hands the replies that are ready to those who wait, and room to those in line.
    ///
    /// # Errors
    ///
    /// [`Broken`] when the connection has to be closed: the opening exchange was refused.
    pub fn handle_replies(&mut self, now: Tick, incoming: &mut Incoming<P>, woken: &mut Vec<W>) -> Result<(), Broken> {
        let mut ready = core::mem::take(incoming.ready());
        let mut result = Ok(());
        for (token, reply) in ready.drain(..) {
            self.in_flight -= 1;
            if token == Token::OPENING {
                if result.is_ok() {
                    let frame = match &reply {
                        Reply::One(frame) => Some(frame),
                        Reply::Many(_) | Reply::Silence => None,
                    };
                    let empty = Frame::copy_from(b"");
                    result = self.opening_step(incoming, Some(frame.unwrap_or(&empty)), woken);
                }
            } else {
                self.complete(now, token, reply, woken);
            }
        }
        *incoming.ready() = ready;
        self.stats.unasked += incoming.unasked_len() as u64;
        self.admit(woken);
        result
    }

    fn complete(&mut self, now: Tick, token: Token, reply: Reply, woken: &mut Vec<W>) {
        let heap_len = reply.heap_len();
        let result = if self.unclaimed + heap_len > self.limits.unclaimed_bytes_max && heap_len > 0 {
            Err(Failure { outcome: Outcome::Unknown, cause: Cause::Unclaimed })
        } else {
            Ok(reply)
        };
        let replied = result.is_ok();
        match self.waiters.end(token, result) {
            Ok(waiter) => {
                woken.push(waiter);
                if replied {
                    self.unclaimed += heap_len;
                    self.stats.replied += 1;
                } else {
                    self.stats.failed += 1;
                    self.stats.unclaimed_dropped += 1;
                }
            }
            Err(_) => {
                self.stats.abandoned_now = self.stats.abandoned_now.saturating_sub(1);
                self.abandoned_since = if self.stats.abandoned_now == 0 { Tick::NEVER } else { now };
            }
        }
    }

    /// Gives free room to those in line.
    fn admit(&mut self, woken: &mut Vec<W>) {
        while let Some(waiter) = self.admit_one() {
            woken.push(waiter);
        }
    }

    fn admit_one(&mut self) -> Option<W> {
        if self.phase != Phase::Open || self.waiters.waiting() == 0 || !self.has_room_for(0) {
            return None;
        }
        let waiter = self.waiters.admit_next(self.life)?;
        self.reserved += 1;
        Some(waiter)
    }

    /// When [`handle_timeout`](Connection::handle_timeout) is due. The driver notes what it arms its timer for; callers whose
    /// deadline is earlier will say that it has to be woken.
    #[must_use]
    pub fn poll_timeout(&self) -> Tick {
        let abandoned = self.abandoned_since.after_or_never(self.limits.abandoned_age_max);
        self.waiters.next_deadline().min(self.opening_ends).min(abandoned)
    }

    /// The driver's timer will fire at `armed`, at the latest.
    pub fn armed(&mut self, armed: Tick) {
        self.driver_armed = armed;
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
        self.sync(transmit);
        if now >= self.opening_ends {
            return Err(Broken::OpeningTimeout);
        }
        let (written, inline) = (self.written, self.writing_inline);
        let (mut expired, mut abandoned, mut unreserved) = (0, 0, 0);
        let life = self.life;
        self.waiters.end_expired(now, woken, |place| {
            let outcome = match place {
                Place::Waiting(_) => Outcome::NotSent,
                Place::Admitted { life: promised } => {
                    unreserved += usize::from(*promised == life);
                    Outcome::NotSent
                }
                Place::InFlight { span, .. } if span.start == u64::MAX => Outcome::NotSent,
                Place::InFlight { span, .. } if span.start >= written && !inline => Outcome::NotSent,
                Place::InFlight { .. } => {
                    abandoned += 1;
                    Outcome::Unknown
                }
                Place::Ended(_) | Place::Vacant => return None,
            };
            expired += 1;
            Some(Failure { outcome, cause: Cause::Deadline })
        });
        self.reserved -= unreserved;
        self.stats.expired += expired;
        self.stats.failed += expired;
        for _ in 0..abandoned {
            self.note_abandoned(now, Span { start: 0, end: 0 });
        }
        self.place(transmit);
        self.admit(woken);
        let oldest = self.abandoned_since.after_or_never(self.limits.abandoned_age_max);
        if self.stats.abandoned_now > self.limits.abandoned_max || now >= oldest {
            return Err(Broken::Abandoned);
        }
        Ok(())
    }

    // ---- anyone ----

    /// How the way to the server stands.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// What the opening exchange has learned; `None` while the connection is not open.
    #[must_use]
    pub fn peer(&self) -> Option<&P::Peer> {
        self.peer.as_ref()
    }

    /// Bytes queued and not yet taken for writing.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.outgoing.len()
    }

    /// Whether commands wait for a connection.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.waiters.waiting() > 0
    }

    /// Whether too many abandoned commands are on the connection: it is to be closed with [`Broken::Abandoned`].
    #[must_use]
    pub fn has_too_many_abandoned(&self) -> bool {
        self.stats.abandoned_now > self.limits.abandoned_max
    }

    /// What has happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { in_flight: self.in_flight, waiting: self.waiters.waiting(), ..self.stats }
    }

    /// Lets go of memory that an idle connection does not need.
    pub fn shrink(&mut self) {
        if self.outgoing.is_empty() {
            self.outgoing.shrink();
        }
    }
}

/// What a caller leaves behind, to be dropped or woken where no lock is held.
#[derive(Debug)]
#[must_use]
pub struct Abandoned<W> {
    /// Its own waiter.
    pub dropped: Option<W>,
    /// Its result, if it had come.
    pub reply: Option<Result<Reply, Failure>>,
    /// The next in line, who has room now: to be woken.
    pub woken: Option<W>,
}

/// What is left of a closed connection: bytes that were not written. To be dropped where no lock is held.
#[derive(Debug)]
#[must_use]
pub struct Remains<E> {
    _outgoing: Outgoing<E>,
    _unfinished: Option<Transmit<E>>,
    _transmit: Transmit<E>,
}

/// Bytes that a caller writes by itself.
#[derive(Debug)]
pub struct Inline<E> {
    transmit: Transmit<E>,
    life: u32,
}

impl<E> Inline<E> {
    /// The bytes.
    #[must_use]
    pub fn transmit(&self) -> &Transmit<E> {
        &self.transmit
    }
}

fn not_sent(cause: Cause) -> Refused {
    Refused::Failed(Failure { outcome: Outcome::NotSent, cause })
}
