use memlink_core::{Command, Encoder, Malformed, Reply};

use super::Verb;
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer, number,
    reply::{Answer, Status, malformed},
};

/// `verbosity <level>\r\n`: how much the server writes to its log: `OK\r\n`. 0 is what it starts with.
#[derive(Debug, Clone, Copy)]
pub struct Verbosity {
    level: u8,
}

impl Verbosity {
    /// Sets the level.
    #[must_use]
    pub fn new(level: u8) -> Verbosity {
        Verbosity { level }
    }
}

impl Command<Meta> for Verbosity {
    type Output = Result<(), Fault>;

    fn size_hint(&self) -> usize {
        16
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        out.put(b"verbosity ");
        number::put(out.buffer(), u64::from(self.level));
        out.put(b"\r\n");
        Expect::plain(&[Status::Ok])
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        match Answer::read(reply, &[])? {
            Answer::Status(line) if line.status == Status::Ok => Ok(Ok(())),
            Answer::Fault(fault) => Ok(Err(fault)),
            _ => Err(malformed("a status that a verbosity cannot have")),
        }
    }
}

impl Verb for Verbosity {
    fn prepare(&mut self, _now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        Ok(())
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn name(&self) -> &'static str {
        "verbosity"
    }
}
