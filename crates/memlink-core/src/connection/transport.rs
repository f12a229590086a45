use alloc::vec::Vec;

use super::{Connection, Phase};
use crate::encoder::Trash;
use crate::outgoing::{Outgoing, Transmit};
use crate::waiters::Place;
use crate::{Broken, Cause, Failure, Incoming, Outcome, Protocol, Tick};

/// What is left of a closed connection: bytes that were not written. To be dropped where no lock is held.
#[derive(Debug)]
#[must_use]
pub struct Remains<E> {
    _outgoing: Outgoing<E>,
    _unfinished: Option<Transmit<E>>,
    _transmit: Transmit<E>,
    _trash: Trash,
}

/// The transport has changed.
///
/// ```text
///   Idle --dialling--> Dialling --opened--> Opening --the exchange ends--> Open
///    ^  <----------------'------------closed---'----------------------------'
///    '--- down: from everywhere, until the next exchange ends;   drain, shutdown: from everywhere, for good
///         suspend, resume: between Open and Suspended
/// ```
impl<P: Protocol, W> Connection<P, W> {
    /// A connection is being made. Waiting commands go on waiting. While the server is [down](Connection::down) commands go
    /// on being refused: a dial alone promises nothing.
    pub fn dialling(&mut self) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Dialling;
        }
    }

    /// The socket is there: a new connection begins, from nothing, with its opening exchange. `incoming` must be new.
    ///
    /// `may_write_inline` says whether callers may write to this transport by themselves.
    ///
    /// # Errors
    ///
    /// [`Broken`] when the protocol refuses at once, when the connection is shut down, or when the last one was not
    /// [closed](Connection::closed): close it.
    pub fn opened(
        &mut self,
        now: Tick,
        may_write_inline: bool,
        incoming: &mut Incoming<P>,
        woken: &mut Vec<W>,
    ) -> Result<(), Broken> {
        if self.is_ending() && !self.rises_again() {
            return Err(Broken::Shutdown);
        }
        if self.is_connected || incoming.life.is_some() {
            // What was in the hands of whoever drove the last one may have been written.
            self.sync(self.handed);
            return Err(Broken::OutOfPlace("a connection was opened before the last one was closed"));
        }
        incoming.life = Some(self.life);
        self.is_connected = true;
        self.may_write_inline = may_write_inline;
        self.phase = match core::mem::replace(&mut self.phase, Phase::Opening) {
            Phase::Down(cause) => Phase::Reopening(cause),
            _ => Phase::Opening,
        };
        self.opening_ends = now.after(self.limits.opening_timeout);
        self.stats.opened += 1;
        self.opening_step(now, incoming, None, woken)
    }

    /// Forgets everything that belongs to one connection.
    fn reset(&mut self, transmit: &mut Transmit<P::Expect>) -> Remains<P::Expect> {
        self.stats.closed += u64::from(self.is_connected);
        self.life = self.life.wrapping_add(1);
        self.is_connected = false;
        self.peer = None;
        self.sent.clear();
        self.serial = 0;
        (self.written, self.handed, self.settled) = (0, 0, 0);
        self.is_writing_inline = false;
        self.may_write_inline = false;
        self.in_flight = 0;
        self.stranded += self.reserved;
        (self.reserved, self.reserved_bytes) = (0, 0);
        self.left_at.clear();
        self.opening_ends = Tick::NEVER;
        self.promises_at = Tick::NEVER;
        self.pace.forget();
        Remains {
            _outgoing: core::mem::replace(&mut self.outgoing, Outgoing::new()),
            _unfinished: self.unfinished.take(),
            _transmit: core::mem::take(transmit),
            _trash: core::mem::take(&mut self.trash),
        }
    }

    /// The connection is no more. Every command in flight ends: those of which a byte was not handed over as
    /// [`Outcome::NotSent`], the others as [`Outcome::Unknown`]; one that [may run in part](crate::Command::may_run_in_part) as
    /// unknown from its first byte on. Commands that wait go on waiting.
    ///
    /// What remains has to be dropped where no lock is held: it may hold users' values.
    pub fn closed(
        &mut self,
        why: &Broken,
        transmit: &mut Transmit<P::Expect>,
        woken: &mut Vec<W>,
    ) -> Remains<P::Expect> {
        self.sync(transmit.written());
        // While a caller writes inline nobody knows how far it has come.
        self.lose(why, self.is_writing_inline, transmit, woken)
    }

    /// Ends what is in flight. With `is_uncertain` it is not known how much was written of what was taken for writing.
    fn lose(
        &mut self,
        why: &Broken,
        is_uncertain: bool,
        transmit: &mut Transmit<P::Expect>,
        woken: &mut Vec<W>,
    ) -> Remains<P::Expect> {
        let (written, forgets, mut lost) = (self.written, self.forgets(), 0);
        self.waiters.end_where(woken, |place| match place {
            Place::InFlight { span, .. } if forgets(*span) => None,
            Place::InFlight { span, .. } => {
                lost += 1;
                let is_sent = span.may_have_run(written) || (is_uncertain && !span.is_queued());
                let outcome = if is_sent { Outcome::Unknown } else { Outcome::NotSent };
                Some(Failure { outcome, cause: Cause::Closed(why.clone()) })
            }
            _ => None,
        });
        self.stats.failed += lost;
        let remains = self.reset(transmit);
        if !self.is_ending() {
            self.phase = match core::mem::replace(&mut self.phase, Phase::Idle) {
                Phase::Suspended(cause) | Phase::Down(cause) | Phase::Reopening(cause) => Phase::Down(cause),
                // Whoever comes next wakes the driver, until that says that it dials: those who want a connection now may have left by then.
                _ => Phase::Idle,
            };
        }
        remains
    }

    /// The server is known to be unreachable, or to refuse us: all who wait are told, and until the next opening exchange has
    /// ended well so is everyone who comes.
    pub fn down(&mut self, cause: Cause, woken: &mut Vec<W>) {
        if self.is_ending() {
            return;
        }
        self.fail_waiting(&cause, woken);
        self.phase = Phase::Down(cause);
    }

    /// Those who were admitted hold no waiter here any more; they were woken to look.
    pub(super) fn fail_waiting(&mut self, cause: &Cause, woken: &mut Vec<W>) {
        let failure = Failure { outcome: Outcome::NotSent, cause: cause.clone() };
        self.stats.failed += self.waiters.end_line(&failure, woken) as u64;
        (self.reserved, self.reserved_bytes, self.stranded) = (0, 0, 0);
    }

    /// Takes no new commands from now on and tells those who wait; what is in flight may finish
    /// ([`is_drained`](Connection::is_drained)).
    pub fn drain(&mut self, woken: &mut Vec<W>) {
        if !self.is_ending() {
            self.fail_waiting(&Cause::Shutdown, woken);
            self.phase = Phase::Draining;
        }
    }

    /// The end: whatever has not ended ends now.
    pub fn shutdown(
        &mut self,
        why: &Broken,
        transmit: &mut Transmit<P::Expect>,
        woken: &mut Vec<W>,
    ) -> Remains<P::Expect> {
        let remains = self.closed(why, transmit, woken);
        self.fail_waiting(&Cause::Shutdown, woken);
        self.phase = Phase::Shutdown;
        remains
    }

    /// The task that serves the connection is gone without an end: everybody is told, and a later command may start anew.
    /// How much it had written nobody can say.
    pub fn driver_gone(&mut self, woken: &mut Vec<W>) -> Remains<P::Expect> {
        let remains = self.lose(&Broken::DriverGone, true, &mut Transmit::default(), woken);
        self.fail_waiting(&Cause::Closed(Broken::DriverGone), woken);
        self.is_driver_notified = false;
        self.driver_armed = Tick::NEVER;
        if !self.is_ending() {
            self.phase = Phase::Idle;
        }
        remains
    }
}
