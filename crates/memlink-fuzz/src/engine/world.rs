//! Callers, a driver that can stop anywhere, a clock that is only told, and what must hold.

use std::ops::Range;
use std::sync::Arc;

use bytes::BufMut as _;
use memlink_core::{
    Admission, Broken, Cause, Command as _, Connection, Failure, Framed, Incoming, Inline, Limits, Looked, Outcome,
    Refused, Tick, Token, Transmit,
};

use super::protocol::{Binary, Kind, Order, Tagged};
use super::renewal::Candidate;
use super::server::Server;

/// Who takes part until the faults stop; a few more come afterwards.
const CALLERS_MAX: usize = 64;

/// Memory that a caller takes besides its command: its place among the waiting, and in the order.
const PLACE_LEN: usize = 256;

#[derive(Debug)]
pub(super) struct World {
    pub(super) connection: Connection<Binary, u8>,
    pub(super) protocol: Arc<Binary>,
    pub(super) limits: Arc<Limits>,
    pub(super) incoming: Incoming<Binary>,
    pub(super) transmit: Transmit<Option<Kind>>,
    pub(super) now: u64,
    pub(super) server: Server,
    pub(super) is_up: bool,
    pub(super) may_write_inline: bool,
    pub(super) callers: Vec<Caller>,
    pub(super) woken: Vec<u8>,
    pub(super) inline: Option<(Inline<Option<Kind>>, usize)>,
    /// What is to take the place of the present connection.
    pub(super) candidate: Option<Box<Candidate>>,
    /// A connection was lost while nobody could say how much had been written.
    pub(super) was_uncertain: bool,
    pub(super) received_bytes: usize,
    /// Commands, and what their callers take.
    pub(super) submitted_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Caller {
    pub(super) command: Tagged,
    pub(super) deadline: Tick,
    pub(super) token: Option<Token>,
    pub(super) is_woken: bool,
    pub(super) ended: Option<Ended>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    Replied,
    Failed(Outcome, Cause),
    Unsupported,
    Left,
}

impl World {
    pub(super) fn new(protocol: Binary, limits: Limits, may_write_inline: bool) -> World {
        let server = Server::new(protocol.has_greeting);
        let (protocol, limits) = (Arc::new(protocol), Arc::new(limits));
        World {
            connection: Connection::new(protocol.clone(), limits.clone()),
            incoming: Incoming::new(protocol.clone(), limits.clone(), Tick::ZERO),
            transmit: Transmit::default(),
            protocol,
            limits,
            now: 0,
            server,
            is_up: false,
            may_write_inline,
            callers: Vec::with_capacity(2 * CALLERS_MAX),
            woken: Vec::with_capacity(2 * CALLERS_MAX),
            inline: None,
            candidate: None,
            was_uncertain: false,
            received_bytes: 0,
            submitted_bytes: 0,
        }
    }

    pub(super) fn tick(&self) -> Tick {
        Tick::from_nanos(self.now)
    }

    // ---- callers ----

    /// Says whether the caller may write by itself.
    pub(super) fn submit(&mut self, order: Order, deadline: Option<u64>, wait: bool) -> bool {
        if self.callers.len() >= CALLERS_MAX {
            return false;
        }
        self.submit_one(order, deadline, wait)
    }

    pub(super) fn submit_one(&mut self, order: Order, deadline: Option<u64>, wait: bool) -> bool {
        let (command, deadline, n) = self.caller(order, deadline);
        let admitted = self.connection.submit(&command, deadline, wait, &mut Some(n as u8));
        self.note_admission(n, admitted)
    }

    /// Somebody with a command: the command, its deadline, and who it is.
    pub(super) fn caller(&mut self, order: Order, deadline: Option<u64>) -> (Tagged, Tick, usize) {
        let n = self.callers.len();
        let command = Tagged { tag: n as u8, order };
        self.submitted_bytes += command.size_hint() + PLACE_LEN;
        let deadline = deadline.map_or(Tick::NEVER, |after| Tick::from_nanos(self.now + after));
        self.callers.push(Caller { command, deadline, token: None, is_woken: false, ended: None });
        (command, deadline, n)
    }

    pub(super) fn note_admission(&mut self, n: usize, admitted: Result<Admission, Refused>) -> bool {
        match admitted {
            Ok(admission) => {
                self.callers[n].token = Some(admission.token);
                return admission.may_write;
            }
            Err(Refused::Unsupported(_)) => self.end(n, Ended::Unsupported),
            Err(Refused::Failed(Failure { outcome, cause })) => self.end(n, Ended::Failed(outcome, cause)),
        }
        false
    }

    /// A command has ended: once, and as is said.
    fn end(&mut self, n: usize, ended: Ended) {
        let (now, caller) = (self.tick(), &mut self.callers[n]);
        assert!(caller.ended.is_none(), "{n} ended as {:?} and again as {ended:?}", caller.ended);
        (caller.token, caller.ended) = (None, Some(ended));
        self.check_end_of(n, now);
    }

    /// One caller looks after its command.
    pub(super) fn look(&mut self, n: u8) {
        let n = usize::from(n).checked_rem(self.callers.len()).unwrap_or(0);
        let Some(token) = self.callers.get(n).and_then(|caller| caller.token) else { return };
        self.callers[n].is_woken = false;
        match self.connection.poll(token) {
            Looked::Pending => {}
            Looked::Admitted => {
                let (command, deadline) = (self.callers[n].command, self.callers[n].deadline);
                let entered = self.connection.enter(token, &command, deadline, &mut Some(n as u8), &mut self.woken);
                self.note_admission(n, entered);
                self.wake();
            }
            Looked::Ended(Ok(reply)) => {
                let decoded = self.callers[n].command.decode(reply);
                assert_eq!(decoded, Ok(()), "{n} of {:?}", self.callers[n]);
                self.end(n, Ended::Replied);
            }
            Looked::Ended(Err(Failure { outcome, cause })) => self.end(n, Ended::Failed(outcome, cause)),
        }
    }

    /// Everyone who was woken looks, until nobody is woken any more.
    pub(super) fn look_all(&mut self) {
        while let Some(n) = self.callers.iter().position(|caller| caller.is_woken && caller.token.is_some()) {
            self.look(n as u8);
        }
    }

    pub(super) fn leave(&mut self, n: u8) {
        let n = usize::from(n).checked_rem(self.callers.len()).unwrap_or(0);
        let Some(token) = self.callers.get(n).and_then(|caller| caller.token) else { return };
        let gone = self.connection.abandon(self.tick(), token);
        self.woken.extend(gone.woken);
        self.end(n, Ended::Left);
        self.wake();
    }

    pub(super) fn wake(&mut self) {
        for n in self.woken.drain(..) {
            self.callers[usize::from(n)].is_woken = true;
        }
    }

    // ---- callers who write by themselves ----

    /// A caller takes what is queued and writes `n` bytes of it, and has not come back yet.
    pub(super) fn begin_inline(&mut self, n: usize) {
        if self.inline.is_some() {
            return;
        }
        let Some(inline) = self.connection.take_inline(self.tick()) else { return };
        let n = n.min(inline.transmit().remaining());
        send(&mut self.server, self.is_up, inline.transmit(), n);
        self.inline = Some((inline, n));
    }

    pub(super) fn end_inline(&mut self) {
        let Some((inline, n)) = self.inline.take() else { return };
        let now = self.tick();
        self.connection.inline_done(inline, n, now);
    }

    // ---- the driver ----

    pub(super) fn open(&mut self) {
        if self.is_up {
            return;
        }
        self.connection.dialling();
        self.server.accept();
        self.incoming = Incoming::new(self.protocol.clone(), self.limits.clone(), self.tick());
        self.is_up = true;
        let now = self.tick();
        let opened = self.connection.opened(now, self.may_write_inline, &mut self.incoming, &mut self.woken);
        self.wake();
        if let Err(why) = opened {
            self.lose(why);
        }
    }

    pub(super) fn lose(&mut self, why: Broken) {
        if !self.is_up {
            return;
        }
        self.was_uncertain |= self.inline.is_some();
        drop(self.connection.closed(&why, &mut self.transmit, &mut self.woken));
        self.hang_up();
    }

    fn hang_up(&mut self) {
        self.is_up = false;
        self.candidate = None;
        self.server.hang_up();
        self.wake();
    }

    /// Some bytes arrive and are not looked at before the connection is lost.
    pub(super) fn lose_while_reading(&mut self, n: usize) {
        if self.is_up {
            let range = self.server.take(n);
            self.read(&range);
            self.lose(Broken::EndOfStream);
        }
    }

    pub(super) fn down(&mut self, cause: Cause) {
        if !self.is_up {
            self.connection.down(cause, &mut self.woken);
            self.wake();
        }
    }

    pub(super) fn retire(&mut self) {
        self.connection.retire();
    }

    /// Seldom: it is for good.
    pub(super) fn drain(&mut self, how: u8) {
        if how <= 200 {
            return;
        }
        self.connection.drain(&mut self.woken);
        self.wake();
    }

    /// Seldom: it is for good.
    pub(super) fn shutdown(&mut self, how: u8) {
        if how <= 200 {
            return;
        }
        self.was_uncertain |= self.inline.is_some();
        drop(self.connection.shutdown(&Broken::Shutdown, &mut self.transmit, &mut self.woken));
        self.hang_up();
    }

    /// The driver's task ends without a word.
    pub(super) fn driver_gone(&mut self) {
        self.was_uncertain = true;
        drop(self.connection.driver_gone(&mut self.woken));
        self.transmit = Transmit::default();
        self.hang_up();
    }

    pub(super) fn shrink(&mut self) {
        self.connection.shrink();
        self.incoming.shrink();
    }

    pub(super) fn expect_driver(&mut self) {
        self.connection.expect_driver();
    }

    pub(super) fn poll_sent(&mut self) {
        self.connection.poll_sent(&mut self.incoming);
    }

    /// Takes what has gathered.
    pub(super) fn take(&mut self) {
        self.connection.poll_sent(&mut self.incoming);
        self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        self.transmit.drop_cut();
        self.wake();
    }

    /// Writes at most `n` bytes of what was taken.
    pub(super) fn write(&mut self, n: usize) -> usize {
        let n = n.min(self.transmit.remaining());
        if n > 0 {
            send(&mut self.server, self.is_up, &self.transmit, n);
            self.incoming.handle_written(Tick::from_nanos(self.now), &mut self.transmit, n);
        }
        n
    }

    /// Brings at most `n` bytes of replies back.
    pub(super) fn deliver(&mut self, n: usize) -> usize {
        if !self.is_up {
            return 0;
        }
        let mut range = self.server.take(n);
        let len = range.len();
        while self.is_up && !range.is_empty() {
            range.start += self.read(&range);
            while self.is_up {
                match self.drive_replies() {
                    Ok(Framed::NeedInput) => break,
                    Ok(Framed::NeedPending | Framed::Budget) => {}
                    Err(why) => self.lose(why),
                }
            }
        }
        len
    }

    /// One read, of no more than there is room for.
    fn read(&mut self, range: &Range<usize>) -> usize {
        let bytes = self.server.bytes(range.clone());
        let read = self.incoming.read_with(|space| {
            let n = space.remaining_mut().min(bytes.len());
            space.put_slice(bytes.get(..n).unwrap_or_default());
            n
        });
        self.incoming.handle_input(Tick::from_nanos(self.now), read);
        self.received_bytes += read;
        read
    }

    fn drive_replies(&mut self) -> Result<Framed, Broken> {
        if self.incoming.needs_pending() {
            self.connection.poll_sent(&mut self.incoming);
        }
        let (framed, now) = (self.incoming.poll_replies(), self.tick());
        let handled = self.connection.handle_replies(now, &mut self.incoming, &mut self.woken);
        drop(self.incoming.drain_unasked());
        self.wake();
        handled.and(framed)
    }

    /// When the driver has to look at the latest.
    pub(super) fn timeout(&self) -> Tick {
        let silence = if self.is_up { self.incoming.poll_timeout() } else { Tick::NEVER };
        self.connection.poll_timeout().min(silence)
    }

    /// So much time passes.
    pub(super) fn pass(&mut self, nanos: u64) {
        self.now += nanos;
        let now = self.tick();
        self.connection.poll_sent(&mut self.incoming);
        let ended = self.connection.handle_timeout(now, &mut self.transmit, &mut self.woken);
        self.transmit.drop_cut();
        self.wake();
        let silent = if self.is_up { self.incoming.handle_timeout(now) } else { Ok(()) };
        if let Err(why) = ended.and(silent) {
            self.lose(why);
        }
        let _ = self.connection.arm(self.timeout());
        self.check();
    }

    /// All that can happen without time passing happens.
    pub(super) fn turn(&mut self) {
        loop {
            self.end_inline();
            self.take();
            let moved = self.write(usize::MAX) + self.deliver(usize::MAX);
            self.look_all();
            if moved == 0 && self.transmit.is_done() && self.connection.queued_bytes() == 0 {
                break;
            }
            if !self.is_up {
                break;
            }
        }
    }
}

/// The first `n` bytes of a transmit go to the server.
fn send(server: &mut Server, is_up: bool, transmit: &Transmit<Option<Kind>>, n: usize) {
    let mut slices = [&[][..]; 128];
    let (mut left, filled) = (n, transmit.slices(&mut slices));
    for slice in &slices[..filled] {
        let piece = &slice[..slice.len().min(left)];
        left -= piece.len();
        if is_up {
            server.serve(piece);
        }
    }
    assert_eq!(left, 0, "so many slices are enough here");
}
