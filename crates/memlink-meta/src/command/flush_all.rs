use core::time::Duration;

use memlink_core::{Command, Encoder, Malformed, Reply};

use super::Verb;
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer, Ttl, number,
    reply::{Answer, Status, malformed},
};

/// `flush_all [delay]\r\n`: invalidates every item of the server: `OK\r\n`.
///
/// Not exact: what is stored in the same second after an immediate flush survives it. A server started with `-F` answers with a
/// [`Fault`].
#[derive(Debug, Clone, Default)]
pub struct FlushAll {
    delay: Option<Ttl>,
}

impl FlushAll {
    /// At once.
    #[must_use]
    pub fn new() -> FlushAll {
        FlushAll::default()
    }

    /// After a while, rounded up to whole seconds; it then hits all items stored up to that moment. Zero is at once.
    #[must_use]
    pub fn delay(self, delay: Duration) -> FlushAll {
        FlushAll { delay: (!delay.is_zero()).then(|| Ttl::from(delay)) }
    }
}

impl Command<Meta> for FlushAll {
    type Output = Result<(), Fault>;

    fn size_hint(&self) -> usize {
        24
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        out.put(b"flush_all");
        if let Some(delay) = self.delay {
            out.put_u8(b' ');
            number::put_signed(out.buffer(), delay.wire());
        }
        out.put(b"\r\n");
        Expect::plain(&[Status::Ok])
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        match Answer::read(reply, &[])? {
            Answer::Status(line) if line.status == Status::Ok => Ok(Ok(())),
            Answer::Fault(fault) => Ok(Err(fault)),
            _ => Err(malformed("a status that a flush cannot have")),
        }
    }
}

impl Verb for FlushAll {
    fn prepare(&mut self, now_unix: u64) -> Result<(), Invalid> {
        super::settle(now_unix, [&mut self.delay])
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn name(&self) -> &'static str {
        "flush_all"
    }
}
