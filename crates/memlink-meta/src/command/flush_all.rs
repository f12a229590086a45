use core::time::Duration;

use memlink_core::{Command, Encoder, Malformed, Reply};

use super::Verb;
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer, Ttl, number,
    reply::{Answer, Status, malformed},
};

/// `flush_all [delay]\r\n`: invalidates every item of the server: `OK\r\n`.
///
/// Not exact: what is stored in the same second after an immediate flush survives it. A server started with `-F`
/// answers with a [`Fault`].
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
    fn prepare(&mut self, now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        super::settle(now_unix, [&mut self.delay])
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn name(&self) -> &'static str {
        "flush_all"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn a_delay_is_rounded_up() {
        assert_eq!(wire(FlushAll::new()), "flush_all\r\n");
        assert_eq!(wire(FlushAll::new().delay(Duration::ZERO)), "flush_all\r\n");
        assert_eq!(wire(FlushAll::new().delay(Duration::from_millis(1_500))), "flush_all 2\r\n");
        assert_eq!(wire(FlushAll::new().delay(Duration::from_secs(2_592_001))), "flush_all 1802592001\r\n");
        assert!(answer(&FlushAll::new(), "OK\r\n").is_ok());
        let fault = answer(&FlushAll::new(), "CLIENT_ERROR flush_all not allowed\r\n").unwrap_err();
        assert_eq!(fault.kind(), crate::FaultKind::NotAllowed);
    }

    #[test]
    fn the_small_commands_are_lines() {
        assert_eq!(wire(crate::Noop), "mn\r\n");
        assert_eq!(wire(crate::AskVersion), "version\r\n");
        assert_eq!(wire(crate::Verbosity::new(1)), "verbosity 1\r\n");
        assert!(answer(&crate::Noop, "MN\r\n").is_ok());
        assert_eq!(&*answer(&crate::AskVersion, "VERSION 1.6.45\r\n").unwrap(), "1.6.45");
        assert!(answer(&crate::Verbosity::new(1), "OK\r\n").is_ok());
    }
}
