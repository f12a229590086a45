use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use memlink_core::{Broken, Cause, Framed, Incoming, Limits, Phase, Tick, Transmit};
use memlink_meta::Expect;

use super::{Link, Waiter};
use crate::mutant::Mutant;
use crate::policy::{COMMAND_LEN, Linger};
use crate::protocol::Spoken;
use crate::world::World;

/// One connection while it lives: `Wire` in the client, with the same steps in the same order.
pub(crate) struct Wire {
    /// The socket.
    pub(super) wired: usize,
    pub(super) incoming: Incoming<Spoken>,
    pub(super) transmit: Transmit<Expect>,
    limits: Arc<Limits>,
    linger: Linger,
    handed_over: usize,
    blocked_since: Option<Tick>,
    active_at: Tick,
    is_shrunk: bool,
    has_unframed: bool,
    pub(super) opened_at: Tick,
    pub(super) is_open: bool,
    pub(super) is_proved: bool,
    /// Suspended until something comes.
    pub(super) is_silent: bool,
    /// Since when nothing has come, and how many commands had been abandoned then.
    silence: (Option<Tick>, u64),
    /// When something was written last, for a mutant.
    wrote_at: Tick,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Driven {
    pub(super) timeout: Tick,
    pub(super) stop: Option<Tick>,
    pub(super) is_drained: bool,
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Begins,
    Ends,
    EndsInTime,
}

impl Turn {
    fn comes_late(self, now: Tick, timeout: Tick) -> bool {
        !matches!(self, Turn::EndsInTime) && timeout <= now
    }
}

/// As in the client.
const READS_MAX: usize = 64;
const IDLE_AFTER: Duration = Duration::from_secs(1);
const SLICES_MAX: usize = 32;

impl Wire {
    pub(super) fn new(link: &Link, wired: usize, now: Tick) -> Wire {
        Wire {
            wired,
            incoming: Incoming::new(link.protocol.clone(), link.limits.clone(), now),
            transmit: Transmit::default(),
            limits: link.limits.clone(),
            linger: Linger::default(),
            handed_over: 0,
            blocked_since: None,
            active_at: now,
            is_shrunk: false,
            has_unframed: false,
            opened_at: now,
            is_open: false,
            is_proved: false,
            is_silent: false,
            silence: (None, 0),
            wrote_at: Tick::ZERO,
        }
    }

    fn may_shrink(&self) -> bool {
        !self.is_shrunk && !self.incoming.is_owed() && self.incoming.is_empty()
    }

    /// When silence ends the connection.
    fn silent_at(&self, mutant: Option<Mutant>) -> Tick {
        match self.incoming.poll_timeout() {
            Tick::NEVER => Tick::NEVER,
            at if mutant == Some(Mutant::SilenceRenewedByWrites) => {
                at.max(self.wrote_at.after(self.limits.stall_timeout))
            }
            at => at,
        }
    }

    fn poll_timeout(&self, mutant: Option<Mutant>) -> Tick {
        let idle = if self.may_shrink() { self.active_at.after(IDLE_AFTER) } else { Tick::NEVER };
        self.silent_at(mutant).min(self.blocked_until()).min(idle)
    }

    fn blocked_until(&self) -> Tick {
        let since = self.blocked_since.map(|since| since.max(self.active_at));
        since.map_or(Tick::NEVER, |since| since.after(self.limits.stall_timeout))
    }
}

impl World {
    /// One turn.
    pub(super) fn drive(
        &mut self,
        link: usize,
        wire: &mut Wire,
        now: Tick,
        is_due: bool,
        woken: &mut Vec<Waiter>,
    ) -> Result<Driven, Broken> {
        if is_due {
            self.drive_all_read(link, wire, now, woken)?;
            self.drive_timeouts(link, wire, now, woken)?;
        } else {
            if wire.has_unframed {
                self.drive_gathered(link, wire, now, woken, Turn::Begins)?;
            }
            self.drive_read(link, wire, now, woken)?;
        }
        let turn = if is_due { Turn::EndsInTime } else { Turn::Ends };
        let driven = self.drive_gathered(link, wire, now, woken, turn)?;
        Ok(Driven { timeout: driven.timeout.min(wire.poll_timeout(self.mutant)), ..driven })
    }

    fn drive_gathered(
        &mut self,
        link: usize,
        wire: &mut Wire,
        now: Tick,
        woken: &mut Vec<Waiter>,
        turn: Turn,
    ) -> Result<Driven, Broken> {
        let driven = self.look_at_callers(link, wire, now, woken, turn)?;
        if turn.comes_late(now, driven.timeout) {
            return Ok(driven);
        }
        if let Err(why) = self.drive_write(link, wire, now) {
            self.drive_all_read(link, wire, now, woken)?;
            return Err(why);
        }
        Ok(driven)
    }

    fn drive_all_read(
        &mut self,
        link: usize,
        wire: &mut Wire,
        now: Tick,
        woken: &mut Vec<Waiter>,
    ) -> Result<(), Broken> {
        let mut read = None;
        for _ in 0..READS_MAX {
            while std::mem::take(&mut wire.has_unframed) {
                self.drive_replies(link, wire, now, woken)?;
            }
            if read.replace(wire.incoming.received()) == Some(wire.incoming.received()) {
                break;
            }
            self.drive_read(link, wire, now, woken)?;
        }
        Ok(())
    }

    fn drive_read(&mut self, link: usize, wire: &mut Wire, now: Tick, woken: &mut Vec<Waiter>) -> Result<(), Broken> {
        if self.mutant == Some(Mutant::NoReadWhileWriting) && !wire.transmit.is_done() {
            return Ok(());
        }
        if std::mem::take(&mut wire.has_unframed) {
            self.drive_replies(link, wire, now, woken)?;
        }
        let mut budget = wire.limits.turn_bytes_max;
        while !wire.has_unframed {
            let wired = wire.wired;
            match wire.incoming.read_with(|space| self.poll_read(wired, space)) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => {
                    self.end_truncated(link, wire, now, woken)?;
                    return Err(Broken::EndOfStream);
                }
                Poll::Ready(Ok(n)) => {
                    wire.incoming.handle_input(now, n);
                    (wire.active_at, wire.is_shrunk) = (now, false);
                    self.drive_replies(link, wire, now, woken)?;
                    budget = budget.saturating_sub(n);
                    if budget == 0 {
                        self.schedule_driver(link);
                        break;
                    }
                }
                Poll::Ready(Err(why)) => return Err(why),
            }
        }
        Ok(())
    }

    /// The mutant that does not look at how much has come: what is missing of a value is whatever its buffer held.
    fn end_truncated(
        &mut self,
        link: usize,
        wire: &mut Wire,
        now: Tick,
        woken: &mut Vec<Waiter>,
    ) -> Result<(), Broken> {
        let lost = &mut self.wired[wire.wired].down.lost;
        if self.mutant != Some(Mutant::TruncatedAccepted) || lost.is_empty() {
            return Ok(());
        }
        let blank = |byte: u8| if matches!(byte, b'\r' | b'\n') { byte } else { 0 };
        let rest: Vec<u8> = std::mem::take(lost).into_iter().map(blank).collect();
        wire.incoming.handle_bytes(now, &rest);
        self.drive_replies(link, wire, now, woken)
    }

    fn drive_replies(
        &mut self,
        link: usize,
        wire: &mut Wire,
        now: Tick,
        woken: &mut Vec<Waiter>,
    ) -> Result<(), Broken> {
        loop {
            if wire.incoming.needs_pending() {
                self.preempt(link);
                self.links[link].connection.poll_sent(&mut wire.incoming);
            }
            let framed = wire.incoming.poll_replies();
            if wire.incoming.has_ready() {
                self.preempt(link);
                let shared = &mut self.links[link];
                wire.is_proved |= wire.is_open;
                let handled = shared.connection.handle_replies(now, &mut wire.incoming, woken);
                if std::mem::take(&mut wire.is_silent) {
                    shared.connection.resume();
                }
                wire.is_open |= *shared.connection.phase() == Phase::Open;
                wire.handed_over += woken.len();
                self.wake_all(woken);
                handled?;
            }
            drop(wire.incoming.drain_unasked());
            match framed? {
                Framed::NeedInput => return Ok(()),
                Framed::NeedPending => {}
                Framed::Budget => {
                    wire.has_unframed = true;
                    self.schedule_driver(link);
                    return Ok(());
                }
            }
        }
    }

    fn drive_timeouts(
        &mut self,
        link: usize,
        wire: &mut Wire,
        now: Tick,
        woken: &mut Vec<Waiter>,
    ) -> Result<(), Broken> {
        self.preempt(link);
        let shared = &mut self.links[link];
        shared.connection.poll_sent(&mut wire.incoming);
        if wire.silence.0 != wire.incoming.silent_since() {
            wire.silence = (wire.incoming.silent_since(), shared.connection.stats().abandoned);
        }
        shared.connection.handle_timeout(now, &mut wire.transmit, woken)?;
        self.suspend_if_silent(link, wire, now, woken);
        wire.transmit.drop_cut();
        if now >= wire.silent_at(self.mutant).min(wire.blocked_until()) {
            let shared = &mut self.links[link];
            shared.connection.poll_transmit(&mut wire.transmit, woken);
            wire.transmit.drop_cut();
            self.drive_write(link, wire, now)?;
        }
        if now >= wire.silent_at(self.mutant) {
            wire.incoming.handle_timeout(now)?;
        }
        if now >= wire.blocked_until() {
            return Err(Broken::WriteStalled);
        }
        if wire.may_shrink() && now >= wire.active_at.after(IDLE_AFTER) {
            wire.incoming.shrink();
            self.links[link].connection.shrink();
            wire.is_shrunk = true;
        }
        Ok(())
    }

    /// A server that lets commands wait until nobody waits any more, and says nothing meanwhile, is not given more of them.
    fn suspend_if_silent(&mut self, link: usize, wire: &mut Wire, now: Tick, woken: &mut Vec<Waiter>) {
        let (Some(since), before) = wire.silence else { return };
        let (commands, silence) = self.rules.suspension;
        let connection = &mut self.links[link].connection;
        if connection.stats().abandoned.saturating_sub(before) >= commands && now >= since.after(silence) {
            let was_suspended = connection.suspend(Cause::Down("silent".to_owned()), woken);
            wire.is_silent |= was_suspended;
            self.report.suspended += u64::from(was_suspended);
        }
    }

    fn look_at_callers(
        &mut self,
        link: usize,
        wire: &mut Wire,
        now: Tick,
        woken: &mut Vec<Waiter>,
        turn: Turn,
    ) -> Result<Driven, Broken> {
        self.preempt(link);
        let shared = &mut self.links[link];
        shared.has_waker = true;
        wire.is_open |= *shared.connection.phase() == Phase::Open;
        if let Some((opened, what)) = shared.distrusted.take()
            && opened == shared.connection.opened_so_far()
        {
            return Err(Broken::Malformed(what));
        }
        let timeout = shared.connection.poll_timeout();
        if turn.comes_late(now, timeout) {
            return Ok(Driven { timeout, stop: shared.stop, is_drained: shared.connection.is_drained() });
        }
        let queued = shared.connection.queued_bytes();
        let waits = match turn {
            Turn::Begins => {
                wire.linger.end(queued);
                false
            }
            Turn::Ends | Turn::EndsInTime => {
                let handed_over = std::mem::take(&mut wire.handed_over);
                wire.transmit.is_done() && wire.linger.waits(queued, handed_over)
            }
        };
        if waits {
            shared.connection.expect_driver();
            self.schedule_driver(link);
        } else {
            shared.connection.poll_sent(&mut wire.incoming);
            shared.connection.poll_transmit(&mut wire.transmit, woken);
            if shared.connection.has_too_many_abandoned() {
                return Err(Broken::Abandoned);
            }
        }
        let shared = &mut self.links[link];
        let commands = shared.connection.in_flight() * COMMAND_LEN;
        shared.load = commands + shared.connection.queued_bytes() + wire.transmit.remaining() + wire.incoming.lacking();
        let driven = Driven {
            timeout: shared.connection.poll_timeout(),
            stop: shared.stop,
            is_drained: shared.connection.is_drained(),
        };
        wire.transmit.drop_cut();
        self.wake_all(woken);
        Ok(driven)
    }

    fn drive_write(&mut self, link: usize, wire: &mut Wire, now: Tick) -> Result<(), Broken> {
        while !wire.transmit.is_done() {
            self.preempt(link);
            let mut slices = [&[][..]; SLICES_MAX];
            let filled = wire.transmit.slices(&mut slices);
            match self.poll_write(wire.wired, &slices[..filled]) {
                Poll::Ready(Ok(n)) => {
                    let forgets = self.mutant == Some(Mutant::PartialWriteForgotten);
                    let n = if forgets { wire.transmit.remaining() } else { n };
                    wire.incoming.handle_written(now, &mut wire.transmit, n);
                    wire.blocked_since = None;
                    wire.wrote_at = now;
                }
                Poll::Ready(Err(why)) => return Err(why),
                Poll::Pending => {
                    wire.blocked_since.get_or_insert(now);
                    return Ok(());
                }
            }
        }
        wire.blocked_since = None;
        Ok(())
    }
}
