//! A wire made of two queues, a clock that is only told, a server, and callers with numbers. Every step of the driver is a method,
//! so that a test can stop anywhere; [`World::turn`] takes them all.

use std::collections::VecDeque;
use std::sync::Arc;

use memlink_core::{
    Admission, Broken, Cause, Command as _, Connection, Failure, Framed, Incoming, Inline, Limits, Looked, Outcome,
    Refused, Stats, Tick, Token, Transmit,
};

use crate::candidate::Candidate;
use crate::inside::{Waiter, inside};
use crate::line::{Expect, Kind, Line, Tagged};
use crate::server::Server;

pub(crate) struct World {
    pub(crate) connection: Connection<Line, Waiter>,
    pub(crate) protocol: Arc<Line>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) incoming: Incoming<Line>,
    pub(crate) transmit: Transmit<Expect>,
    pub(crate) now: u64,
    pub(crate) server: Server,
    pub(crate) is_up: bool,
    pub(crate) may_write_inline: bool,
    /// Bytes on their way back to the client.
    pub(crate) replies: VecDeque<u8>,
    pub(crate) callers: Vec<Caller>,
    pub(crate) woken: Vec<Waiter>,
    inline: Option<(Inline<Expect>, usize)>,
    pub(crate) unasked: usize,
    /// Why each lost connection was lost.
    pub(crate) lost: Vec<Broken>,
    /// Somebody said that the driver has to be woken, and it has not looked since.
    pub(crate) is_driver_woken: bool,
    /// What is to take the place of the present connection.
    pub(crate) candidate: Option<Box<Candidate>>,
    /// How often something has.
    pub(crate) renewals: usize,
}

#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) command: Tagged,
    pub(crate) deadline: Tick,
    pub(crate) token: Option<Token>,
    pub(crate) is_woken: bool,
    pub(crate) ended: Option<Ended>,
    pub(crate) ended_at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Replied,
    Failed(Outcome, Cause),
    Unsupported,
    Left,
}

pub(crate) const NOT_SENT: Outcome = Outcome::NotSent;
pub(crate) const UNKNOWN: Outcome = Outcome::Unknown;

impl World {
    pub(crate) fn new(line: Line, limits: Limits) -> World {
        let (protocol, limits) = (Arc::new(line), Arc::new(limits));
        World {
            connection: Connection::new(protocol.clone(), limits.clone()),
            incoming: Incoming::new(protocol.clone(), limits.clone(), Tick::ZERO),
            transmit: Transmit::default(),
            protocol,
            limits,
            now: 0,
            server: Server::default(),
            is_up: false,
            may_write_inline: false,
            replies: VecDeque::new(),
            callers: Vec::new(),
            woken: Vec::new(),
            inline: None,
            unasked: 0,
            lost: Vec::new(),
            is_driver_woken: false,
            candidate: None,
            renewals: 0,
        }
    }

    /// Open, with no rounds.
    pub(crate) fn open_with(limits: Limits) -> World {
        let mut world = World::new(Line::default(), limits);
        world.open();
        world
    }

    pub(crate) fn now(&self) -> Tick {
        Tick::from_nanos(self.now)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.connection.stats()
    }

    // ---- callers ----

    pub(crate) fn submit(&mut self, kind: Kind) -> usize {
        self.submit_until(kind, Tick::NEVER)
    }

    pub(crate) fn submit_until(&mut self, kind: Kind, deadline: Tick) -> usize {
        self.submit_with(kind, deadline, true).0
    }

    /// Says as well whether the caller may write by itself.
    pub(crate) fn submit_with(&mut self, kind: Kind, deadline: Tick, wait: bool) -> (usize, bool) {
        let n = self.callers.len();
        let command = Tagged { tag: n as u32, kind };
        let mut waiter = Some(Waiter(n));
        let admitted = inside(|| self.connection.submit(&command, deadline, wait, &mut waiter));
        self.callers.push(Caller { command, deadline, token: None, is_woken: false, ended: None, ended_at: 0 });
        let may_write = self.note_admission(n, admitted);
        (n, may_write)
    }

    fn note_admission(&mut self, n: usize, admitted: Result<Admission, Refused>) -> bool {
        match admitted {
            Ok(admission) => {
                self.callers[n].token = Some(admission.token);
                self.is_driver_woken |= admission.wake_driver;
                return admission.may_write;
            }
            Err(Refused::Unsupported(_)) => self.end(n, Ended::Unsupported),
            Err(Refused::Failed(Failure { outcome, cause })) => self.end(n, Ended::Failed(outcome, cause)),
        }
        false
    }

    fn end(&mut self, n: usize, ended: Ended) {
        let caller = &mut self.callers[n];
        assert!(caller.ended.is_none(), "{n} ended as {:?} and again as {ended:?}", caller.ended);
        (caller.ended, caller.token, caller.ended_at) = (Some(ended), None, self.now);
    }

    /// One caller looks after its command.
    pub(crate) fn look(&mut self, n: usize) {
        let Some(token) = self.callers[n].token else { return };
        self.callers[n].is_woken = false;
        match inside(|| self.connection.poll(token)) {
            Looked::Pending => {}
            Looked::Admitted => {
                let (command, deadline) = (self.callers[n].command, self.callers[n].deadline);
                let mut waiter = Some(Waiter(n));
                let woken = &mut self.woken;
                let entered = inside(|| self.connection.enter(token, &command, deadline, &mut waiter, woken));
                if self.note_admission(n, entered) {
                    // Whoever may write and does not has to wake the driver.
                    self.is_driver_woken = true;
                }
                self.wake();
            }
            Looked::Ended(Ok(reply)) => {
                let (caller, shown) = (&self.callers[n], format!("{reply:?}"));
                let decoded = caller.command.decode(reply);
                decoded.unwrap_or_else(|wrong| panic!("{caller:?} got {}: {shown}", wrong.what));
                self.end(n, Ended::Replied);
            }
            Looked::Ended(Err(Failure { outcome, cause })) => self.end(n, Ended::Failed(outcome, cause)),
        }
    }

    /// Everyone who was woken looks, until nobody is woken any more.
    pub(crate) fn look_all(&mut self) {
        while let Some(n) = self.callers.iter().position(|caller| caller.is_woken && caller.token.is_some()) {
            self.look(n);
        }
    }

    pub(crate) fn leave(&mut self, n: usize) {
        let Some(token) = self.callers[n].token else { return };
        let now = self.now();
        let gone = inside(|| self.connection.abandon(now, token));
        self.is_driver_woken |= gone.wake_driver;
        self.woken.extend(gone.woken);
        self.end(n, Ended::Left);
        self.wake();
    }

    pub(crate) fn wake(&mut self) {
        for Waiter(n) in self.woken.iter() {
            self.callers[*n].is_woken = true;
        }
        self.woken.clear();
    }

    // ---- callers who write by themselves ----

    /// A caller takes what is queued and writes `n` bytes of it, and has not come back yet.
    pub(crate) fn begin_inline(&mut self, n: usize) -> bool {
        let now = self.now();
        let Some(inline) = inside(|| self.connection.take_inline(now)) else { return false };
        let n = n.min(inline.transmit().remaining());
        let bytes = first_bytes(inline.transmit(), n);
        self.send(&bytes);
        self.inline = Some((inline, n));
        true
    }

    pub(crate) fn end_inline(&mut self) {
        let Some((inline, n)) = self.inline.take() else { return };
        let now = self.now();
        self.is_driver_woken |= inside(|| self.connection.inline_done(inline, n, now));
    }

    // ---- the driver ----

    pub(crate) fn open(&mut self) {
        assert!(!self.is_up);
        inside(|| self.connection.dialling());
        self.server.accept();
        self.replies.clear();
        self.incoming = Incoming::new(self.protocol.clone(), self.limits.clone(), self.now());
        self.is_up = true;
        let (now, inline, woken) = (self.now(), self.may_write_inline, &mut self.woken);
        let opened = inside(|| self.connection.opened(now, inline, &mut self.incoming, woken));
        self.wake();
        if let Err(why) = opened {
            self.lose(why);
        }
    }

    pub(crate) fn lose(&mut self, why: Broken) {
        let remains = inside(|| self.connection.closed(&why, &mut self.transmit, &mut self.woken));
        drop(remains);
        self.lost.push(why);
        self.is_up = false;
        self.candidate = None;
        self.replies.clear();
        self.wake();
    }

    pub(crate) fn down(&mut self, cause: Cause) {
        inside(|| self.connection.down(cause, &mut self.woken));
        self.wake();
    }

    pub(crate) fn drain(&mut self) {
        inside(|| self.connection.drain(&mut self.woken));
        self.wake();
    }

    /// Loses the connection and opens the next, and gives what had been read of the old one.
    pub(crate) fn close_and_reopen(&mut self) -> Incoming<Line> {
        self.lose(Broken::EndOfStream);
        let fresh = Incoming::new(self.protocol.clone(), self.limits.clone(), self.now());
        let old = std::mem::replace(&mut self.incoming, fresh);
        self.open();
        old
    }

    /// The driver's task ends without a word, and a new one starts.
    pub(crate) fn driver_gone(&mut self) {
        drop(inside(|| self.connection.driver_gone(&mut self.woken)));
        self.transmit = Transmit::default();
        self.lost.push(Broken::DriverGone);
        self.is_up = false;
        self.candidate = None;
        self.replies.clear();
        self.wake();
    }

    pub(crate) fn wake_driver(&mut self) -> bool {
        self.is_driver_woken = true;
        true
    }

    /// Takes what has gathered.
    pub(crate) fn take(&mut self) {
        self.is_driver_woken = false;
        inside(|| {
            self.connection.poll_sent(&mut self.incoming);
            self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        });
        self.transmit.drop_cut();
        self.wake();
    }

    /// Writes at most `n` bytes of what was taken.
    pub(crate) fn write(&mut self, n: usize) -> usize {
        let n = n.min(self.transmit.remaining());
        if n > 0 {
            let bytes = first_bytes(&self.transmit, n);
            self.send(&bytes);
            let now = self.now();
            self.incoming.handle_written(now, &mut self.transmit, n);
        }
        n
    }

    fn send(&mut self, bytes: &[u8]) {
        if self.is_up {
            for reply in self.server.serve(bytes) {
                self.replies.extend(reply);
            }
        }
    }

    /// Brings at most `n` bytes of replies back.
    pub(crate) fn deliver(&mut self, n: usize) -> usize {
        let bytes: Vec<u8> = self.replies.drain(..n.min(self.replies.len())).collect();
        self.receive(&bytes);
        bytes.len()
    }

    /// `bytes` come, whoever sent them.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        if !self.is_up {
            return;
        }
        self.incoming.handle_bytes(self.now(), bytes);
        while self.is_up {
            match self.drive_replies() {
                Ok(Framed::NeedInput) => break,
                Ok(Framed::NeedPending | Framed::Budget) => {}
                Err(why) => self.lose(why),
            }
        }
    }

    pub(crate) fn drive_replies(&mut self) -> Result<Framed, Broken> {
        if self.incoming.needs_pending() {
            inside(|| self.connection.poll_sent(&mut self.incoming));
        }
        let framed = self.incoming.poll_replies();
        let (now, woken) = (self.now(), &mut self.woken);
        let handled = inside(|| self.connection.handle_replies(now, &mut self.incoming, woken));
        self.unasked += self.incoming.drain_unasked().count();
        self.wake();
        handled.and(framed)
    }

    /// When the driver has to look at the latest.
    pub(crate) fn timeout(&self) -> Tick {
        let silence = if self.is_up { self.incoming.poll_timeout() } else { Tick::NEVER };
        self.connection.poll_timeout().min(silence)
    }

    /// The clock stands at `now`.
    pub(crate) fn pass(&mut self, now: u64) {
        self.now = now;
        let at = self.now();
        inside(|| self.connection.poll_sent(&mut self.incoming));
        let ended = inside(|| self.connection.handle_timeout(at, &mut self.transmit, &mut self.woken));
        self.transmit.drop_cut();
        self.wake();
        let silent = if self.is_up { self.incoming.handle_timeout(at) } else { Ok(()) };
        if let Err(why) = ended.and(silent) {
            self.lose(why);
        }
        let timeout = self.timeout();
        let _ = inside(|| self.connection.arm(timeout));
    }

    /// All that can happen without time passing happens.
    pub(crate) fn turn(&mut self) {
        loop {
            self.end_inline();
            self.take();
            let written = self.write(usize::MAX);
            let delivered = self.deliver(usize::MAX);
            self.look_all();
            if written + delivered == 0 && !self.is_driver_woken {
                break;
            }
        }
    }

    // ---- what must hold ----

    pub(crate) fn ended(&self, n: usize) -> Option<&Ended> {
        self.callers[n].ended.as_ref()
    }

    pub(crate) fn assert_failed(&self, n: usize, outcome: Outcome) {
        assert!(
            matches!(self.ended(n), Some(Ended::Failed(found, _)) if *found == outcome),
            "{n}: {:?}",
            self.ended(n)
        );
    }

    pub(crate) fn assert_replied(&self, n: usize) {
        assert_eq!(self.ended(n), Some(&Ended::Replied), "{n} of {:?}, lost {:?}", self.callers[n], self.lost);
    }

    /// What holds at any time.
    pub(crate) fn check(&self) {
        let stats = self.stats();
        for (n, caller) in self.callers.iter().enumerate() {
            if let Some(Ended::Failed(Outcome::NotSent, cause)) = &caller.ended {
                assert!(!self.server.received.contains(&caller.command.tag), "{n} was sent, not: {cause}");
            }
            assert!(caller.deadline > self.now() || caller.ended.is_some() || caller.is_woken, "{n} is late");
        }
        assert!(stats.in_flight <= self.limits.in_flight_max, "{stats:?}");
        // Those who had been admitted when a connection was lost are in line again, whoever came in between.
        assert!(stats.waiting <= self.limits.waiting_max + self.limits.in_flight_max, "{stats:?}");
        let live = self.callers.iter().filter(|caller| caller.token.is_some());
        let ended = stats.replied + stats.failed + stats.cancelled;
        let (woken, asleep): (Vec<&Caller>, Vec<&Caller>) = live.partition(|caller| caller.is_woken);
        let open = stats.started - ended;
        assert!(asleep.len() as u64 <= open, "somebody ended and was not woken: {stats:?}");
        assert!(open <= (asleep.len() + woken.len()) as u64, "{stats:?}");
    }

    /// What holds when everybody has what it came for.
    pub(crate) fn check_end(&mut self) {
        self.check();
        for (n, caller) in self.callers.iter().enumerate() {
            assert!(caller.ended.is_some(), "{n} waits for ever: {caller:?}, {:?}", self.stats());
        }
        let stats = self.stats();
        assert_eq!(stats.started, stats.replied + stats.failed + stats.cancelled, "{stats:?}");
        assert_eq!((stats.in_flight, stats.waiting, stats.abandoned_now), (0, 0, 0), "{stats:?}");
        assert_eq!(self.connection.queued_bytes(), 0);
        assert!(!self.incoming.is_owed() || !self.is_up);
    }
}

fn first_bytes(transmit: &Transmit<Expect>, n: usize) -> Vec<u8> {
    let mut slices = [&[][..]; 16];
    let mut bytes = Vec::new();
    let filled = transmit.slices(&mut slices);
    for slice in &slices[..filled] {
        bytes.extend_from_slice(&slice[..slice.len().min(n - bytes.len())]);
    }
    assert_eq!(bytes.len(), n, "sixteen slices are enough here");
    bytes
}
