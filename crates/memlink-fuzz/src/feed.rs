//! A connection of any protocol that is fed bytes in pieces.

use std::cell::Cell;
use std::sync::Arc;

use bytes::BufMut as _;
use memlink_core::{
    Ask, Broken, Command, Connection, Encoder, Failure, Frame, Framed, Incoming, Limits, Looked, Outcome, Protocol,
    Refusal, Reply, Step, Tick, Token, Transmit, Verdict,
};

use crate::memory::{Measure, assert_bounded};

/// A protocol, and how often it was asked where a reply ends.
#[derive(Debug)]
pub(crate) struct Watched<P> {
    pub(crate) protocol: P,
    asked: Cell<usize>,
}

impl<P: Protocol> Protocol for Watched<P> {
    type Expect = P::Expect;
    type State = P::State;
    type Peer = P::Peer;

    fn open(
        &self,
        state: &mut P::State,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<P::Expect, P::Peer>, Refusal> {
        self.protocol.open(state, reply, out)
    }

    fn frame(&self, state: &mut P::State, ask: Option<Ask<'_, P::Expect>>, input: &[u8], limits: &Limits) -> Verdict {
        self.asked.set(self.asked.get() + 1);
        self.protocol.frame(state, ask, input, limits)
    }

    fn unasked(&self, message: Frame) {
        self.protocol.unasked(message);
    }
}

/// A command of the inner protocol, for the watched one.
#[derive(Debug)]
struct Through<'a, C>(&'a C);

impl<P: Protocol, C: Command<P>> Command<Watched<P>> for Through<'_, C> {
    type Output = C::Output;

    fn check(&self, peer: &P::Peer) -> Result<(), memlink_core::Unsupported> {
        self.0.check(peer)
    }

    fn size_hint(&self) -> usize {
        self.0.size_hint()
    }

    fn encode(&self, peer: &P::Peer, serial: u64, out: &mut Encoder<'_>) -> P::Expect {
        self.0.encode(peer, serial, out)
    }

    fn decode(&self, reply: Reply) -> Result<C::Output, memlink_core::Malformed> {
        self.0.decode(reply)
    }
}

/// What came of feeding.
#[derive(Debug)]
pub(crate) struct Fed {
    /// For each command that was submitted, in order; `None` for one that was refused before anything was written.
    pub(crate) ended: Vec<Option<Result<Reply, Failure>>>,
    pub(crate) unasked: Vec<Frame>,
    /// Why the connection ended by itself, if it did.
    pub(crate) broken: Option<Broken>,
}

/// So many messages that nobody asked for are kept for comparison; their memory is not the connection's.
const UNASKED_MAX: usize = 64;

/// A connection, stepped by hand as its driver would.
pub(crate) struct Feed<P: Protocol> {
    protocol: Arc<Watched<P>>,
    connection: Connection<Watched<P>, ()>,
    incoming: Incoming<Watched<P>>,
    transmit: Transmit<P::Expect>,
    woken: Vec<()>,
    tokens: Vec<Option<Token>>,
    unasked: Vec<Frame>,
    broken: Option<Broken>,
    /// How often the protocol may be asked before it has been asked too often: every answer takes a byte or a command, or waits for the
    /// next read.
    asked_max: usize,
}

impl<P: Protocol> Feed<P> {
    /// Opened, with nothing said yet.
    pub(crate) fn new(protocol: P, limits: Limits) -> Feed<P> {
        let (protocol, limits) = (Arc::new(Watched { protocol, asked: Cell::new(0) }), Arc::new(limits));
        let mut feed = Feed {
            connection: Connection::new(protocol.clone(), limits.clone()),
            incoming: Incoming::new(protocol.clone(), limits, Tick::ZERO),
            protocol,
            transmit: Transmit::default(),
            woken: Vec::with_capacity(64),
            tokens: Vec::with_capacity(16),
            unasked: Vec::with_capacity(UNASKED_MAX),
            broken: None,
            asked_max: 0,
        };
        feed.connection.dialling();
        let opened = feed.connection.opened(Tick::ZERO, false, &mut feed.incoming, &mut feed.woken);
        feed.broken = opened.err();
        feed.write();
        feed
    }

    /// Submits a command; it waits while the connection opens.
    pub(crate) fn submit<C: Command<P>>(&mut self, command: &C) {
        let admitted = self.connection.submit(&Through(command), Tick::NEVER, true, &mut Some(()));
        self.tokens.push(admitted.ok().map(|admission| admission.token));
    }

    /// Those who were admitted enter, and everything is written.
    pub(crate) fn enter<C: Command<P>>(&mut self, commands: &[C]) {
        for (token, command) in self.tokens.iter_mut().zip(commands) {
            let Some(found) = token else { continue };
            let (command, waiter) = (Through(command), &mut Some(()));
            if self.connection.enter(*found, &command, Tick::NEVER, waiter, &mut self.woken).is_err() {
                *token = None;
            }
        }
        self.write();
    }

    fn write(&mut self) {
        self.connection.poll_sent(&mut self.incoming);
        self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        while !self.transmit.is_done() {
            let n = self.transmit.remaining();
            self.incoming.handle_written(Tick::ZERO, &mut self.transmit, n);
            self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
        }
        self.transmit.drop_cut();
    }

    /// Whether commands can be sent.
    pub(crate) fn is_open(&self) -> bool {
        self.broken.is_none() && self.connection.peer().is_some()
    }

    /// Some bytes come.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while self.broken.is_none() && !rest.is_empty() {
            let read = self.incoming.read_with(|space| {
                let n = space.remaining_mut().min(rest.len());
                space.put_slice(rest.get(..n).unwrap_or_default());
                n
            });
            self.incoming.handle_input(Tick::ZERO, read);
            rest = rest.get(read..).unwrap_or_default();
            self.look(read);
        }
    }

    /// Frames what was read, and hands it over.
    fn look(&mut self, read: usize) {
        self.asked_max += 2 + read;
        while self.broken.is_none() {
            let framed = self.incoming.poll_replies();
            let handled = self.connection.handle_replies(Tick::ZERO, &mut self.incoming, &mut self.woken);
            self.woken.clear();
            let room = UNASKED_MAX - self.unasked.len();
            for (n, frame) in self.incoming.drain_unasked().enumerate() {
                if n < room {
                    self.unasked.push(frame);
                }
            }
            self.broken = handled.err();
            match framed {
                Ok(Framed::Budget) => {}
                // Nothing leaves unseen here: the rest belongs to nobody, and is looked at once more to be told so.
                Ok(Framed::NeedPending) => {}
                Ok(Framed::NeedInput) => break,
                Err(why) => self.broken = self.broken.take().or(Some(why)),
            }
        }
        self.write();
    }

    /// The server closes; what every command ended with.
    pub(crate) fn end(mut self) -> Fed {
        let why = self.broken.clone().unwrap_or(Broken::EndOfStream);
        drop(self.connection.closed(&why, &mut self.transmit, &mut self.woken));
        let mut is_answered = true;
        let mut ended = Vec::with_capacity(self.tokens.len());
        for token in &self.tokens {
            let Some(token) = *token else {
                ended.push(None);
                continue;
            };
            match self.connection.poll(token) {
                Looked::Ended(Ok(reply)) => {
                    assert!(is_answered, "a reply went past a command that waits for one");
                    ended.push(Some(Ok(reply)));
                }
                Looked::Ended(Err(failure)) => {
                    assert_eq!(failure.outcome, Outcome::Unknown, "it was written");
                    is_answered = false;
                    ended.push(Some(Err(failure)));
                }
                // In line for the next connection: it was never written.
                Looked::Pending | Looked::Admitted => {
                    is_answered = false;
                    drop(self.connection.abandon(Tick::ZERO, token));
                    ended.push(None);
                }
            }
        }
        let stats = self.connection.stats();
        assert_eq!(stats.started, stats.replied + stats.failed + stats.cancelled, "{stats:?}");
        assert_eq!((stats.in_flight, stats.waiting), (0, 0), "{stats:?}");
        Fed { ended, unasked: self.unasked, broken: self.broken }
    }

    /// As [`receive`](Feed::receive), in pieces, with its memory and its work measured.
    pub(crate) fn receive_in_pieces(&mut self, bytes: &[u8], cuts: &mut Cuts) {
        let measure = Measure::begin();
        let (mut rest, before) = (bytes, self.protocol.asked.get());
        self.asked_max = before + 2 * self.tokens.len() + 2;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cuts.next().min(rest.len()));
            self.receive(piece);
            rest = behind;
        }
        let received = usize::try_from(self.incoming.received()).unwrap_or(usize::MAX);
        assert_bounded(&measure, received, "a connection");
        let asked = self.protocol.asked.get();
        assert!(asked <= self.asked_max, "asked {asked} times, {} at most", self.asked_max);
    }
}

/// How a stream of bytes is cut into reads.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cuts {
    /// Not at all.
    Whole,
    /// Everywhere.
    Bytes,
    /// At random, into pieces of 1 to `most` bytes.
    Random { state: u32, most: u32 },
}

impl Cuts {
    /// As a byte of an input says.
    pub(crate) fn of(byte: u8) -> Cuts {
        match byte {
            0..=31 => Cuts::Bytes,
            _ => Cuts::Random {
                state: u32::from(byte).wrapping_mul(0x9e37_79b9) | 1,
                most: [3, 9, 40, 300][usize::from(byte % 4)],
            },
        }
    }

    /// The length of the next piece.
    pub(crate) fn next(&mut self) -> usize {
        match self {
            Cuts::Whole => usize::MAX,
            Cuts::Bytes => 1,
            Cuts::Random { state, most } => {
                *state ^= *state << 13;
                *state ^= *state >> 17;
                *state ^= *state << 5;
                (*state % *most) as usize + 1
            }
        }
    }
}
