//! A line-echo protocol that keeps the trait honest. It has one of everything that a protocol may have.
//!
//! ```text
//!   o <serial>                    the opening exchange           o <serial>
//!   e <serial> <tag>              echo                           e <serial> <tag>
//!   v <serial> <tag> <len>        a value comes                  = <serial> <len> CRLF <bytes> CRLF
//!   p <serial> <tag> <len> CRLF <bytes>    a value goes          e <serial> <tag>
//!   m <serial> <tag> <n>          a reply of n parts             + <serial> <tag>.<i>, n times, then e <serial> <tag>
//!   s <serial> <tag>              silence                        nothing; the next reply confirms it
//!   x <serial> <tag>              the server gives up            - <serial> <tag>, and nothing can be trusted behind it
//!                                 an unasked message             ! <text>
//! ```

use bytes::Bytes;
use memlink_core::{
    Ask, Broken, Command, Encoder, Frame, Limits, Malformed, Protocol, Refusal, Reply, Step, Unsupported, Verdict,
};

/// How a connection opens.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Line {
    /// Rounds of the opening exchange.
    pub(crate) rounds: usize,
    /// The server speaks first.
    pub(crate) has_greeting: bool,
    /// The server lacks what [`Kind::Modern`] needs.
    pub(crate) is_old: bool,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    rounds: usize,
    /// How many bytes of the input were searched for a line end.
    searched: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Opening,
    Echo,
    Value,
    Many,
    Silence,
}

#[derive(Debug)]
pub(crate) struct Peer {
    is_old: bool,
}

impl Protocol for Line {
    type Expect = Expect;
    type State = State;
    type Peer = Peer;

    fn open(
        &self,
        state: &mut State,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        if let Some(text) = reply.and_then(|reply| reply.as_slice().strip_prefix(b"-")) {
            return Err(Refusal::Denied(String::from_utf8_lossy(text).into_owned()));
        }
        let is_greeted = usize::from(self.has_greeting);
        state.rounds += 1;
        match state.rounds - 1 {
            0 if self.has_greeting => Ok(Step::Send(vec![Expect::Opening])),
            round if round < self.rounds + is_greeted => {
                out.put(format!("o {round}\r\n").as_bytes());
                Ok(Step::Send(vec![Expect::Opening]))
            }
            _ => Ok(Step::Ready(Peer { is_old: self.is_old })),
        }
    }

    fn frame(&self, state: &mut State, ask: Option<Ask<'_, Expect>>, input: &[u8], limits: &Limits) -> Verdict {
        if ask.is_none() && input[0] != b'!' {
            return Verdict::Broken(Broken::Unsolicited);
        }
        let Some(end) = input[state.searched..].windows(2).position(|pair| pair == b"\r\n") else {
            state.searched = input.len() - 1;
            if input.len() > limits.line_len_max {
                return Verdict::Broken(Broken::LineTooLong);
            }
            return Verdict::More { total: input.len() + 1 };
        };
        let end = state.searched + end;
        let verdict = match (input[0], ask) {
            (b'!', _) => Verdict::Unasked { len: end + 2 },
            (_, None) => Verdict::Broken(Broken::Unsolicited),
            (first, Some(ask)) => judge(first, ask, input, end),
        };
        // The same line is looked at again while its value is awaited, or when the head has been answered by silence.
        state.searched = if matches!(verdict, Verdict::More { .. } | Verdict::Silence) { end } else { 0 };
        verdict
    }
}

fn judge(first: u8, ask: Ask<'_, Expect>, input: &[u8], end: usize) -> Verdict {
    let words: Vec<&str> = std::str::from_utf8(&input[..end]).unwrap_or_default().split(' ').collect();
    if first == b'-' && *ask.expect == Expect::Opening {
        return Verdict::Reply { len: end + 2, tail: 2 };
    }
    match words.get(1).and_then(|word| word.parse::<u64>().ok()) {
        Some(serial) if serial == ask.serial => {}
        Some(serial) if serial > ask.serial && *ask.expect == Expect::Silence => return Verdict::Silence,
        _ => return Verdict::Broken(Broken::OutOfPlace("another serial")),
    }
    match (first, ask.expect) {
        (b'-', _) => Verdict::Last { len: end + 2, tail: 2, why: Broken::ServerError("an error") },
        (b'o', Expect::Opening) | (b'e', Expect::Echo | Expect::Many) => Verdict::Reply { len: end + 2, tail: 2 },
        (b'+', Expect::Many) => Verdict::Part { len: end + 2, tail: 2 },
        (b'=', Expect::Value) => {
            let Some(len) = words.get(2).and_then(|word| word.parse::<usize>().ok()) else {
                return Verdict::Broken(Broken::Syntax("a length"));
            };
            let total = (end + 4).saturating_add(len);
            match input.get(total - 2..total) {
                Some(b"\r\n") => Verdict::Reply { len: total, tail: 2 },
                Some(_) => Verdict::Broken(Broken::Syntax("a value that does not end")),
                None => Verdict::More { total },
            }
        }
        _ => Verdict::Broken(Broken::OutOfPlace("another kind")),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Echo,
    Value(usize),
    Put(usize),
    Many(usize),
    Silent,
    Stop,
    /// Not for old servers.
    Modern,
    /// Writes nothing, which no command may do.
    Empty,
    /// Panics in the middle of being encoded.
    Panics,
}

/// One command. Its tag comes back in the reply: whoever gets another's reply notices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tagged {
    pub(crate) tag: u32,
    pub(crate) kind: Kind,
}

impl Command<Line> for Tagged {
    type Output = ();

    fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
        match self.kind {
            Kind::Modern if peer.is_old => Err(Unsupported { what: "a newer server".to_owned() }),
            _ => Ok(()),
        }
    }

    fn size_hint(&self) -> usize {
        match self.kind {
            Kind::Put(len) => 24 + len,
            _ => 24,
        }
    }

    fn encode(&self, _: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
        let tag = self.tag;
        let (line, expect) = match self.kind {
            Kind::Echo | Kind::Modern => (format!("e {serial} {tag}"), Expect::Echo),
            Kind::Value(len) => (format!("v {serial} {tag} {len}"), Expect::Value),
            Kind::Put(len) => (format!("p {serial} {tag} {len}"), Expect::Echo),
            Kind::Many(n) => (format!("m {serial} {tag} {n}"), Expect::Many),
            Kind::Silent => (format!("s {serial} {tag}"), Expect::Silence),
            Kind::Stop => (format!("x {serial} {tag}"), Expect::Echo),
            Kind::Empty => return Expect::Echo,
            Kind::Panics => {
                out.put(b"half a command");
                panic!("on purpose");
            }
        };
        out.put(line.as_bytes());
        out.put(b"\r\n");
        if let Kind::Put(len) = self.kind {
            out.put_value(&crate::inside::watched(value(tag, len)));
            out.put(b"\r\n");
        }
        expect
    }

    fn decode(&self, reply: Reply) -> Result<(), Malformed> {
        let is_own = match (self.kind, &reply) {
            (Kind::Value(len), Reply::One(frame)) => frame.as_slice().ends_with(&value(self.tag, len)),
            (Kind::Many(n), Reply::Many(parts)) => {
                parts.len() == n + 1
                    && (0..n).all(|i| parts[i].as_slice().ends_with(format!(" {}.{i}", self.tag).as_bytes()))
                    && self.is_echo(&parts[n])
            }
            (Kind::Silent, Reply::Silence) => true,
            (Kind::Stop, Reply::One(frame)) => frame.as_slice().ends_with(format!(" {}", self.tag).as_bytes()),
            (_, Reply::One(frame)) => self.is_echo(frame),
            _ => false,
        };
        if is_own { Ok(()) } else { Err(Malformed { what: "the reply of another command" }) }
    }
}

impl Tagged {
    fn is_echo(&self, frame: &Frame) -> bool {
        frame.as_slice().starts_with(b"e ") && frame.as_slice().ends_with(format!(" {}", self.tag).as_bytes())
    }
}

/// The value that belongs to a tag: no other has the same.
pub(crate) fn value(tag: u32, len: usize) -> Bytes {
    let unit = format!("<{tag}>");
    Bytes::from(unit.bytes().cycle().take(len).collect::<Vec<u8>>())
}
