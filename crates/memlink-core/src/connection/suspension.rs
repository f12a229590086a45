use alloc::vec::Vec;

use super::{Admission, Connection, Phase, Refused};
use crate::{Cause, Command, Protocol, Tick};

/// A server that has stopped answering, or answers nonsense, without having closed its connection.
///
/// ```text
///            suspend                                 closed
///   Open <------------> Suspended: refused at once -----------> Down, until it has opened anew
///            resume         | submit_probe: one command, to see whether it answers again
/// ```
///
/// When to suspend is decided by whoever drives the connection: the engine judges no server.
impl<P: Protocol, W> Connection<P, W> {
    /// Commands are refused from now on, with this cause; those that wait are told. What is in flight stays, and its replies are
    /// taken. Only an [open](Phase::Open) connection can be suspended; says whether it was.
    pub fn suspend(&mut self, cause: Cause, woken: &mut Vec<W>) -> bool {
        let is_open = self.phase == Phase::Open;
        if is_open {
            self.fail_waiting(&cause, woken);
            self.phase = Phase::Suspended(cause);
        }
        is_open
    }

    /// Commands are taken again; says whether they were not.
    pub fn resume(&mut self) -> bool {
        let was_suspended = matches!(self.phase, Phase::Suspended(_));
        if was_suspended {
            self.phase = Phase::Open;
        }
        was_suspended
    }

    /// Takes a command although the connection is suspended: one that asks whether the server answers again. It never waits for room.
    ///
    /// # Errors
    ///
    /// [`Refused`]: nothing was queued, nothing will be sent.
    pub fn submit_probe<C: Command<P>>(
        &mut self,
        command: &C,
        deadline: Tick,
        waiter: &mut Option<W>,
    ) -> Result<Admission, Refused> {
        if !matches!(self.phase, Phase::Suspended(_)) {
            return self.submit(command, deadline, false, waiter);
        }
        let suspended = core::mem::replace(&mut self.phase, Phase::Open);
        let submitted = self.submit(command, deadline, false, waiter);
        self.phase = suspended;
        submitted
    }
}
