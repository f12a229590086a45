use alloc::vec::Vec;

use super::{Connection, Phase, Remains};
use crate::outgoing::Transmit;
use crate::{Broken, Incoming, Protocol};

/// Another connection takes the place of this one, without a command that notices.
///
/// ```text
///   this one    Open ......................... retire --> in flight finishes | closed | adopt --> Open
///   commands    go over it                   | wait                          |        | go over the new one
///   candidate   opened, opening exchange     | Open                                   '-- gives all it has
/// ```
///
/// The candidate is a value of its own that serves nobody. Should it be lost before it is adopted,
/// [`reinstate`](Connection::reinstate) takes the old one back.
impl<P: Protocol, W> Connection<P, W> {
    /// Another connection is to take the place of this one: what is in flight may finish
    /// ([`is_drained`](Connection::is_drained)), commands that come wait. Close it then, and [adopt](Connection::adopt) or
    /// open the other. Only an [open](Phase::Open) one need be retired; says whether it was.
    pub fn retire(&mut self) -> bool {
        let is_open = self.phase == Phase::Open;
        if is_open {
            self.phase = Phase::Dialling;
        }
        is_open
    }

    /// Nothing takes the place of this one after all: it serves those who wait, and everybody else. Says whether it was retired.
    pub fn reinstate(&mut self, woken: &mut Vec<W>) -> bool {
        let was_retired = self.phase == Phase::Dialling && self.is_connected && self.peer.is_some();
        if was_retired {
            self.phase = Phase::Open;
            self.admit(woken);
        }
        was_retired
    }

    /// Goes on with the connection of `candidate`, whose opening exchange has ended well: with its peer, its serial numbers, its
    /// place in the stream and what it has not written yet. `incoming` is the candidate's, and so is the transmit that is
    /// used from now on. The candidate counts as closed.
    ///
    /// `may_write_inline` says whether callers may write to this transport by themselves. What remains of the candidate is to be
    /// dropped where no lock is held.
    ///
    /// # Errors
    ///
    /// [`Broken`] when this one is shut down or not [closed](Connection::closed), or when the candidate is not open: nothing has
    /// changed then.
    pub fn adopt(
        &mut self,
        candidate: &mut Connection<P, W>,
        may_write_inline: bool,
        incoming: &mut Incoming<P>,
        woken: &mut Vec<W>,
    ) -> Result<Remains<P::Expect>, Broken> {
        if self.is_ending() {
            return Err(Broken::Shutdown);
        }
        if self.is_connected {
            return Err(Broken::OutOfPlace("a connection was adopted before the last one was closed"));
        }
        let has_served = candidate.in_flight > 0 || candidate.reserved > 0 || candidate.is_wanted();
        if candidate.phase != Phase::Open || has_served || incoming.life != Some(candidate.life) {
            return Err(Broken::OutOfPlace("what was adopted is no connection that has only been opened"));
        }
        incoming.life = Some(self.life);
        self.is_connected = true;
        self.may_write_inline = may_write_inline;
        self.peer = candidate.peer.take();
        core::mem::swap(&mut self.outgoing, &mut candidate.outgoing);
        self.serial = candidate.serial;
        (self.written, self.handed, self.settled) = (candidate.written, candidate.handed, candidate.settled);
        self.stats.opened += 1;
        self.stats.unasked += candidate.stats.unasked;
        self.stats.unclaimed_dropped += candidate.stats.unclaimed_dropped;
        self.phase = Phase::Open;
        self.admit(woken);
        Ok(candidate.closed(&Broken::Shutdown, &mut Transmit::default(), woken))
    }
}
