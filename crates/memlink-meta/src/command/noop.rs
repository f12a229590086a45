use memlink_core::{Command, Encoder, Malformed, Reply};

use super::Verb;
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer,
    reply::{Answer, Status, malformed},
};

/// `mn\r\n`: does nothing and is always answered: `MN\r\n`.
///
/// A barrier behind quiet commands: what was not answered before it never will be. It takes no opaque, so its place is
/// confirmed by its status alone, which no other command can get.
#[derive(Debug, Clone, Copy, Default)]
pub struct Noop;

impl Command<Meta> for Noop {
    type Output = Result<(), Fault>;

    fn size_hint(&self) -> usize {
        4
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        out.put(b"mn\r\n");
        Expect::plain(&[Status::Mn])
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        match Answer::read(reply, &[])? {
            Answer::Status(line) if line.status == Status::Mn => Ok(Ok(())),
            Answer::Fault(fault) => Ok(Err(fault)),
            _ => Err(malformed("a status that a no-op cannot have")),
        }
    }
}

impl Verb for Noop {
    fn prepare(&mut self, _now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        Ok(())
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn name(&self) -> &'static str {
        "noop"
    }
}
