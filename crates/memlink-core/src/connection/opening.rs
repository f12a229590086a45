use alloc::vec::Vec;

use super::{Connection, Phase};
use crate::pending::Entry;
use crate::protocol::Step;
use crate::waiters::Token;
use crate::{Broken, Frame, Incoming, Protocol, Reply, Tick};

/// The opening exchange: what is said before the first user's command.
///
/// Its commands go the same way as any others, under a token that names nobody. It cannot be trusted more than the rest: a
/// protocol that waits for nothing, or is ready while replies are owed, ends the connection.
impl<P: Protocol, W> Connection<P, W> {
    /// One reply of the exchange has come.
    pub(super) fn opening_reply(
        &mut self,
        now: Tick,
        incoming: &mut Incoming<P>,
        reply: &Reply,
        woken: &mut Vec<W>,
    ) -> Result<(), Broken> {
        // A connection that is being shut down needs no further opening.
        if !matches!(self.phase, Phase::Opening | Phase::Reopening(_)) {
            return Ok(());
        }
        match reply {
            Reply::One(frame) => self.opening_step(now, incoming, Some(frame), woken),
            Reply::Many(parts) => {
                let mut whole = Vec::new();
                parts.iter().for_each(|part| whole.extend_from_slice(part.as_slice()));
                self.opening_step(now, incoming, Some(&Frame::copy_from(&whole)), woken)
            }
            Reply::Silence => self.opening_step(now, incoming, Some(&Frame::copy_from(b"")), woken),
        }
    }

    pub(super) fn opening_step(
        &mut self,
        now: Tick,
        incoming: &mut Incoming<P>,
        reply: Option<&Frame>,
        woken: &mut Vec<W>,
    ) -> Result<(), Broken> {
        let protocol = &self.protocol;
        let step = self.outgoing.push_bytes(|out| protocol.open(&mut incoming.state, reply, out));
        match step {
            Ok(Step::Send(expects)) => {
                for expect in expects {
                    self.await_opening(now, incoming, expect)?;
                }
                self.check_opening()
            }
            Ok(Step::Await) => self.check_opening(),
            Ok(Step::Ready(_)) if self.in_flight > 0 => {
                Err(Broken::Syntax("the opening exchange ended while replies are owed"))
            }
            Ok(Step::Ready(peer)) => {
                self.peer = Some(peer);
                self.phase = Phase::Open;
                self.opening_ends = Tick::NEVER;
                incoming.is_opening = false;
                self.admit(woken);
                Ok(())
            }
            Err(refusal) => Err(Broken::Refused(refusal)),
        }
    }

    /// Enters a reply that the exchange waits for. When nothing is to be written, it is one that the server gives by itself
    /// (a greeting), and is owed from now on.
    fn await_opening(&mut self, now: Tick, incoming: &mut Incoming<P>, expect: P::Expect) -> Result<(), Broken> {
        let serial = self.serial;
        self.serial += 1;
        self.in_flight += 1;
        if !self.outgoing.is_empty() {
            self.outgoing.push_awaited(Token::OPENING, serial, expect);
        } else if self.driver_writes() {
            return Err(Broken::Syntax("the opening exchange awaits a greeting behind a command"));
        } else {
            let entry = Entry { token: Token::OPENING, serial, expect, start: 0, end: 0, is_placed: true };
            incoming.push_pending(now, entry, true);
        }
        Ok(())
    }

    fn check_opening(&self) -> Result<(), Broken> {
        match self.in_flight {
            0 => Err(Broken::Syntax("the opening exchange awaits a reply to nothing")),
            _ => Ok(()),
        }
    }
}
