//! A protocol of fixed headers, with one of everything that a protocol may have.
//!
//! ```text
//!   command   kind, serial (2 bytes), tag, length (2 bytes), and with Put and Pair so many bytes
//!   reply     kind, serial (2 bytes), tag, length (2 bytes), so many bytes, `;`
//! ```

use bytes::Bytes;
use memlink_core::{
    Ask, Broken, Command, Encoder, Frame, Limits, Malformed, Protocol, Refusal, Reply, Step, Unsupported, Verdict,
};

/// How a connection opens, and what its server lacks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Binary {
    /// Rounds of the opening exchange.
    pub(super) rounds: u8,
    pub(super) is_old: bool,
    /// The server speaks first.
    pub(super) has_greeting: bool,
}

/// What a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Echo,
    /// The reply has a value.
    Value,
    /// The command has one.
    Put,
    /// The reply has so many parts in front of its end.
    Many,
    /// The reply is silence.
    Silent,
    /// The server gives up after its reply.
    Stop,
    /// Not for old servers.
    Modern,
    /// The server may run a part of it.
    Pair,
    /// Writes nothing, which no command may do.
    Empty,
}

/// A command without its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    pub(super) kind: Kind,
    pub(super) len: u16,
}

/// A command. Its tag comes back in the reply, so whoever gets another's notices.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tagged {
    pub(super) tag: u8,
    pub(super) order: Order,
}

pub(super) const HEADER_LEN: usize = 6;

/// What is answered to the opening exchange.
pub(super) const OPENING: u8 = b'o';

pub(super) fn header(kind: u8, serial: u16, tag: u8, len: u16) -> [u8; HEADER_LEN] {
    let ([s0, s1], [l0, l1]) = (serial.to_le_bytes(), len.to_le_bytes());
    [kind, s0, s1, tag, l0, l1]
}

/// Kind, serial, tag, length.
pub(super) fn read_header(bytes: &[u8]) -> Option<(u8, u16, u8, usize)> {
    let [kind, s0, s1, tag, l0, l1] = *bytes.first_chunk()?;
    Some((kind, u16::from_le_bytes([s0, s1]), tag, usize::from(u16::from_le_bytes([l0, l1]))))
}

impl Protocol for Binary {
    type Expect = Option<Kind>;
    type State = u8;
    type Peer = bool;

    fn open(
        &self,
        rounds: &mut u8,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Option<Kind>, bool>, Refusal> {
        if reply.is_some_and(|reply| reply.as_slice().starts_with(b"-")) {
            return Err(Refusal::Denied("no".to_owned()));
        }
        *rounds += 1;
        let round = *rounds - 1;
        if round == 0 && self.has_greeting {
            return Ok(Step::Send(vec![None]));
        }
        if round >= self.rounds + u8::from(self.has_greeting) {
            return Ok(Step::Ready(self.is_old));
        }
        out.put(&header(OPENING, round.into(), 0, 0));
        Ok(Step::Send(vec![None]))
    }

    fn frame(&self, _: &mut u8, ask: Option<Ask<'_, Option<Kind>>>, input: &[u8], _: &Limits) -> Verdict {
        if ask.is_none() && input.first() != Some(&b'!') {
            return Verdict::Broken(Broken::Unsolicited);
        }
        let Some((kind, serial, _, len)) = read_header(input) else { return Verdict::More { total: HEADER_LEN } };
        let total = HEADER_LEN + len + 1;
        let is_end = input.get(total - 1).map(|end| *end == b';');
        match (kind, is_end, ask) {
            (b'!', Some(true), _) => return Verdict::Unasked { len: total },
            (_, Some(false), _) => return Verdict::Broken(Broken::Syntax("a reply that does not end")),
            (b'!', ..) => return Verdict::More { total },
            (_, _, None) => return Verdict::Broken(Broken::Unsolicited),
            (_, _, Some(ask)) if serial == ask.serial as u16 => {}
            (_, _, Some(Ask { expect: Some(Kind::Silent), serial: own })) if serial > own as u16 => {
                return Verdict::Silence;
            }
            _ => return Verdict::Broken(Broken::OutOfPlace("another serial")),
        }
        let (tail, expect) = (1, ask.and_then(|ask| *ask.expect));
        match (kind, expect) {
            (_, Some(_)) | (OPENING | b'-', None) if is_end.is_none() => Verdict::More { total },
            (OPENING | b'-', None) => Verdict::Reply { len: total, tail },
            (b'-', Some(_)) => Verdict::Last { len: total, tail, why: Broken::ServerError("it gave up") },
            (b'+', Some(Kind::Many)) => Verdict::Part { len: total, tail },
            (b'v', Some(Kind::Value)) => Verdict::Reply { len: total, tail },
            (b'e', Some(kind)) if !matches!(kind, Kind::Value | Kind::Silent) => Verdict::Reply { len: total, tail },
            _ => Verdict::Broken(Broken::OutOfPlace("another kind")),
        }
    }
}

impl Command<Binary> for Tagged {
    type Output = ();

    fn check(&self, is_old: &bool) -> Result<(), Unsupported> {
        match self.order.kind {
            Kind::Modern if *is_old => Err(Unsupported { what: "a newer server".to_owned() }),
            _ => Ok(()),
        }
    }

    fn size_hint(&self) -> usize {
        HEADER_LEN + self.body().len()
    }

    fn may_run_in_part(&self) -> bool {
        self.order.kind == Kind::Pair
    }

    fn encode(&self, _: &bool, serial: u64, out: &mut Encoder<'_>) -> Option<Kind> {
        let Order { kind, len } = self.order;
        if kind != Kind::Empty {
            out.put(&header(self.letter(), serial as u16, self.tag, len));
            out.put_value(&self.body());
        }
        Some(kind)
    }

    fn decode(&self, reply: Reply) -> Result<(), Malformed> {
        let is_mine = |frame: &Frame| read_header(frame.as_slice()).is_some_and(|(_, _, tag, _)| tag == self.tag);
        let is_own = match (self.order.kind, &reply) {
            (Kind::Silent, Reply::Silence) => true,
            (Kind::Many, Reply::Many(parts)) => {
                parts.len() == usize::from(self.order.len) + 1 && parts.iter().all(is_mine)
            }
            (Kind::Value, Reply::One(frame)) => {
                is_mine(frame)
                    && frame.len() == HEADER_LEN + usize::from(self.order.len)
                    && frame.as_slice().iter().skip(HEADER_LEN).all(|byte| *byte == self.tag)
            }
            (Kind::Silent | Kind::Many, _) => false,
            (_, Reply::One(frame)) => is_mine(frame),
            _ => false,
        };
        if is_own { Ok(()) } else { Err(Malformed { what: "the reply of another command" }) }
    }
}

impl Tagged {
    fn letter(&self) -> u8 {
        match self.order.kind {
            Kind::Value => b'v',
            Kind::Put => b'p',
            Kind::Many => b'm',
            Kind::Silent => b's',
            Kind::Stop => b'x',
            Kind::Pair => b'q',
            Kind::Echo | Kind::Modern | Kind::Empty => b'e',
        }
    }

    /// What stands behind the header. Nobody looks into it, so it is the same for all.
    fn body(&self) -> Bytes {
        static BODY: [u8; u16::MAX as usize] = [b'b'; u16::MAX as usize];
        match self.order.kind {
            Kind::Put | Kind::Pair => Bytes::from_static(&BODY).slice(..usize::from(self.order.len)),
            _ => Bytes::new(),
        }
    }
}
