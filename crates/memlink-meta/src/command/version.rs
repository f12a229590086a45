use alloc::boxed::Box;

use memlink_core::{Command, Encoder, Malformed, Reply};

use super::Verb;
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer,
    error::printable,
    reply::{Answer, Status, malformed},
};

/// `version\r\n`: the server's version: `VERSION <text>\r\n`.
#[derive(Debug, Clone, Copy, Default)]
pub struct AskVersion;

impl Command<Meta> for AskVersion {
    /// The text, printable and at most 200 bytes; [`Version::parse`](crate::Version::parse) reads it.
    type Output = Result<Box<str>, Fault>;

    fn size_hint(&self) -> usize {
        9
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        out.put(b"version\r\n");
        Expect::plain(&[Status::Version])
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        match Answer::read(reply, &[])? {
            Answer::Status(line) if line.status == Status::Version => Ok(Ok(printable(line.rest().trim_ascii()))),
            Answer::Fault(fault) => Ok(Err(fault)),
            _ => Err(malformed("a status that a question for the version cannot have")),
        }
    }
}

impl Verb for AskVersion {
    fn prepare(&mut self, _now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        Ok(())
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn name(&self) -> &'static str {
        "version"
    }
}
