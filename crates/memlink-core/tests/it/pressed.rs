//! A server that serves so many commands a second, callers who want more of it than it can do, and a clock that is only told.
//! It takes millions of commands, so nothing in it looks at all callers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use memlink_core::{
    Cause, Command as _, Connection, Failure, Framed, Incoming, Limits, Looked, Outcome, Refused, Reply, Tick, Token,
    Transmit,
};

use crate::line::{Expect, Kind, Line, Tagged};
use crate::server::Server;

pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1_000 * MILLI;

/// How finely time passes.
const STEP: u64 = MILLI / 2;

pub(crate) struct Pressed {
    connection: Connection<Line, usize>,
    in_flight_max: usize,
    incoming: Incoming<Line>,
    transmit: Transmit<Expect>,
    server: Server,
    pub(crate) now: u64,
    /// Commands that it serves in a second.
    pub(crate) capacity: u64,
    /// Until when it does nothing.
    pub(crate) paused_until: u64,
    /// Replies are kept back until so many can go together.
    pub(crate) batch: usize,
    /// What it can do and has not done, in commands times nanoseconds.
    able: u64,
    /// How many of the replies it has ready.
    done: usize,
    replies: VecDeque<Vec<u8>>,
    /// What callers want and have not asked yet, in the same unit.
    wanted: u64,
    callers: Vec<Option<Caller>>,
    free: Vec<usize>,
    asked: u32,
    woken: Vec<usize>,
    pub(crate) told: Told,
}

struct Caller {
    command: Tagged,
    token: Token,
    deadline: Tick,
    /// It comes again with the same wait as soon as it was told.
    comes_again: Option<u64>,
}

/// How those ended who were told so far.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Told {
    pub(crate) served: u64,
    pub(crate) not_sent: u64,
    pub(crate) unknown: u64,
}

impl Pressed {
    pub(crate) fn new(capacity: u64, in_flight_max: usize) -> Pressed {
        let (line, limits) = (Arc::new(Line::default()), Arc::new(Limits { in_flight_max, ..Limits::default() }));
        let mut connection = Connection::new(line.clone(), limits.clone());
        let mut incoming = Incoming::new(line, limits, Tick::ZERO);
        connection.dialling();
        connection.opened(Tick::ZERO, false, &mut incoming, &mut Vec::new()).expect("it opens at once");
        Pressed {
            connection,
            in_flight_max,
            incoming,
            transmit: Transmit::default(),
            server: Server::default(),
            now: 0,
            capacity,
            paused_until: 0,
            batch: 1,
            able: 0,
            done: 0,
            replies: VecDeque::new(),
            wanted: 0,
            callers: Vec::new(),
            free: Vec::new(),
            asked: 0,
            woken: Vec::new(),
            told: Told::default(),
        }
    }

    /// `demand` commands a second are asked for `time` long, by callers who wait for `wait(n)` each; gives what became of those who
    /// were told meanwhile.
    pub(crate) fn press(&mut self, time: u64, demand: u64, mut wait: impl FnMut(u32) -> u64) -> Told {
        let (end, before) = (self.now + time, self.told);
        while self.now < end {
            self.wanted += demand * STEP;
            while self.wanted >= SECOND {
                self.wanted -= SECOND;
                self.ask(wait(self.asked), None);
            }
            self.step();
        }
        self.told.since(before)
    }

    /// A caller that comes again whenever it was told.
    pub(crate) fn ask_for_ever(&mut self, wait: u64) {
        self.ask(wait, Some(wait));
    }

    fn ask(&mut self, wait: u64, comes_again: Option<u64>) {
        let command = Tagged { tag: self.asked, kind: Kind::Echo };
        self.asked += 1;
        let n = self.free.pop().unwrap_or_else(|| {
            self.callers.push(None);
            self.callers.len() - 1
        });
        let deadline = if wait == u64::MAX { Tick::NEVER } else { Tick::from_nanos(self.now + wait) };
        match self.connection.submit(&command, deadline, true, &mut Some(n)) {
            Ok(admission) => {
                let token = admission.token;
                self.callers[n] = Some(Caller { command, token, deadline, comes_again });
            }
            Err(Refused::Failed(Failure { outcome: Outcome::NotSent, .. })) => {
                self.told.not_sent += 1;
                self.free.push(n);
            }
            Err(refused) => panic!("{refused:?}"),
        }
    }

    /// A little time passes.
    pub(crate) fn step(&mut self) {
        self.look_all();
        self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        self.look_all();
        self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        self.write();
        self.now += STEP;
        self.answer();
        let now = Tick::from_nanos(self.now);
        if now >= self.connection.poll_timeout() {
            let ended = self.connection.handle_timeout(now, &mut self.transmit, &mut self.woken);
            ended.expect("nothing is abandoned for so long");
        }
    }

    fn write(&mut self) {
        while !self.transmit.is_done() {
            let mut slices = [&[][..]; 1];
            self.transmit.slices(&mut slices);
            let bytes = slices[0].to_vec();
            self.replies.extend(self.server.serve(&bytes));
            self.incoming.handle_written(Tick::from_nanos(self.now), &mut self.transmit, bytes.len());
        }
    }

    fn answer(&mut self) {
        self.able += self.capacity * STEP;
        if self.now < self.paused_until || self.done == self.replies.len() {
            // Whoever has nothing to do cannot make up for it later.
            self.able = 0;
        }
        self.done = self.replies.len().min(self.done + (self.able / SECOND) as usize);
        self.able %= SECOND;
        if self.done == 0 || self.done < self.batch.min(self.replies.len()) {
            return;
        }
        let now = Tick::from_nanos(self.now);
        let bytes: Vec<u8> = self.replies.drain(..std::mem::take(&mut self.done)).flatten().collect();
        self.incoming.handle_bytes(now, &bytes);
        loop {
            let framed = self.incoming.poll_replies().expect("they are in order");
            let handled = self.connection.handle_replies(now, &mut self.incoming, &mut self.woken);
            handled.expect("it is open");
            if framed == Framed::NeedInput {
                break;
            }
        }
    }

    /// Everyone who was woken looks; those who come again are told to.
    fn look_all(&mut self) {
        let mut again = Vec::new();
        let mut next = 0;
        while let Some(n) = self.woken.get(next).copied() {
            next += 1;
            let caller = self.callers[n].as_ref().expect("it has asked");
            match self.connection.poll(caller.token) {
                Looked::Pending => {}
                Looked::Admitted => {
                    let (command, deadline, token) = (caller.command, caller.deadline, caller.token);
                    let entered = self.connection.enter(token, &command, deadline, &mut Some(n), &mut self.woken);
                    entered.expect("there is room for it");
                }
                Looked::Ended(result) => {
                    let caller = self.callers[n].take().expect("it has asked");
                    self.free.push(n);
                    self.note(&caller, result);
                    again.extend(caller.comes_again);
                }
            }
        }
        self.woken.clear();
        for wait in again {
            self.ask(wait, Some(wait));
        }
    }

    fn note(&mut self, caller: &Caller, result: Result<Reply, Failure>) {
        assert!(self.now().since(caller.deadline) < Duration::from_nanos(STEP), "told too late");
        match result {
            Ok(reply) => {
                caller.command.decode(reply).expect("its own reply");
                self.told.served += 1;
            }
            Err(Failure { outcome: Outcome::NotSent, cause: Cause::Deadline }) => self.told.not_sent += 1,
            Err(Failure { outcome: Outcome::Unknown, cause: Cause::Deadline }) => self.told.unknown += 1,
            Err(other) => panic!("{other}"),
        }
    }

    fn now(&self) -> Tick {
        Tick::from_nanos(self.now)
    }

    /// Nobody asks any more: all are told, in the order in which they asked, and nothing is held for anybody.
    pub(crate) fn come_to_rest(&mut self) {
        self.callers.iter_mut().flatten().for_each(|caller| caller.comes_again = None);
        for _ in 0..1_000_000 {
            if self.callers.iter().all(Option::is_none) && self.connection.is_drained() {
                break;
            }
            self.step();
        }
        let stats = self.connection.stats();
        assert!(self.callers.iter().all(Option::is_none), "{stats:?}");
        assert_eq!((stats.in_flight, stats.waiting, stats.abandoned_now), (0, 0, 0), "{stats:?}");
        assert_eq!(stats.started, stats.replied + stats.failed + stats.cancelled, "{stats:?}");
        assert!(!self.connection.is_wanted(), "somebody is thought to come back to the line");
        assert!(self.server.order.is_sorted(), "those who were let in were let in as they came");
        // All the room there is can be used at once.
        let in_flight_max = self.in_flight_max;
        (0..in_flight_max).for_each(|_| self.ask(u64::MAX, None));
        assert_eq!((self.connection.in_flight(), self.connection.stats().waiting), (in_flight_max, 0));
    }
}

impl Told {
    fn since(self, before: Told) -> Told {
        Told {
            served: self.served - before.served,
            not_sent: self.not_sent - before.not_sent,
            unknown: self.unknown - before.unknown,
        }
    }
}
