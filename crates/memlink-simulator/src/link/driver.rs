use memlink_core::{Broken, Cause, Phase, Tick, Transmit};

use super::Waiter;
use super::renewal::Renewal;
use super::wire::{Driven, Wire};
use crate::mutant::Mutant;
use crate::plan::LINKS;
use crate::policy::{Backoff, LinkState, STEADY_AFTER};
use crate::world::{Next, World};

/// The one task that serves a link: `Driver` in the client, with the same turns in the same order.
pub(crate) struct Driver {
    pub(super) way: Way,
    pub(super) renewal: Renewal,
    backoff: Backoff,
    armed: Tick,
    is_free: bool,
    /// The dial whose turn is kept while its connection opens.
    turn: Option<usize>,
    pub(super) woken: Vec<Waiter>,
    /// The last connection's, for a mutant that goes on with it.
    old: Option<Box<Wire>>,
}

pub(super) enum Way {
    Idle,
    Dialling { dial: usize },
    Resting { until: Tick },
    Connected(Box<Wire>),
}

pub(super) enum Turn {
    Again,
    Until(Tick),
    End,
}

struct Look {
    wanted: bool,
    timeout: Tick,
}

/// Turns in one go after which a driver is said to spin.
const TURNS_MAX: usize = 10_000;

/// As in the client.
const WAIT_MAX: std::time::Duration = std::time::Duration::from_millis(250);

/// As in the client.
const PROVED_AFTER: std::time::Duration = std::time::Duration::from_secs(10);

impl Driver {
    pub(super) fn new(backoff: Backoff) -> Driver {
        Driver {
            way: Way::Idle,
            renewal: Renewal::None(0),
            backoff,
            armed: Tick::NEVER,
            is_free: true,
            turn: None,
            woken: Vec::new(),
            old: None,
        }
    }
}

impl World {
    /// Starts a driver, unless one serves the link already.
    pub(super) fn ensure_driver(&mut self, link: usize) {
        if self.links[link].is_served || self.links[link].stop.is_some() {
            return;
        }
        self.links[link].is_served = true;
        self.links[link].driver = Some(Box::new(super::new_driver(&self.rules)));
        self.schedule_driver(link);
    }

    pub(crate) fn poll_driver(&mut self, link: usize) {
        // It is away when it runs already, further down on the stack.
        let Some(mut driver) = self.links[link].driver.take() else { return };
        for _ in 0..TURNS_MAX {
            let now = self.tick();
            let turn = match driver.way {
                Way::Idle | Way::Resting { .. } => self.drive_rest(link, &mut driver, now),
                Way::Dialling { .. } => self.drive_dial(link, &mut driver, now),
                Way::Connected(_) => self.drive_wire(link, &mut driver, now),
            };
            self.wake_all(&mut driver.woken);
            match turn {
                Turn::Again => {}
                Turn::Until(wanted) if !self.arm(link, &mut driver, now, wanted) => {
                    self.links[link].driver = Some(driver);
                    return;
                }
                Turn::Until(_) => {}
                Turn::End => return,
            }
        }
        self.violate("P17", format!("the driver of link {link} spins"));
    }

    fn drive_rest(&mut self, link: usize, driver: &mut Driver, now: Tick) -> Turn {
        let look = match self.look(link, driver, now) {
            Ok(look) => look,
            Err(turn) => return turn,
        };
        match driver.way {
            Way::Idle if !look.wanted => return Turn::Until(look.timeout),
            Way::Resting { until } if now < until => return Turn::Until(look.timeout.min(until)),
            _ => {}
        }
        if !std::mem::take(&mut driver.is_free)
            && let Some(at) = self.redial(self.links[link].server)
        {
            driver.way = Way::Resting { until: Tick::from_nanos(at) };
            return Turn::Again;
        }
        driver.renewal = Renewal::None(self.gates[self.links[link].server].renewals);
        driver.way = Way::Dialling { dial: self.dial(link) };
        let shared = &mut self.links[link];
        if *shared.connection.phase() == Phase::Idle {
            shared.connection.dialling();
        }
        self.show(link);
        Turn::Again
    }

    fn drive_dial(&mut self, link: usize, driver: &mut Driver, now: Tick) -> Turn {
        let look = match self.look(link, driver, now) {
            Ok(look) => look,
            Err(turn) => return turn,
        };
        self.preempt(link);
        let Way::Dialling { dial } = driver.way else { return Turn::Again };
        match self.poll_dial(dial) {
            Some(Ok(wired)) => {
                let server = self.links[link].server;
                let is_open = |other: &super::Link| other.server == server && other.state == LinkState::Open;
                driver.turn = Some(dial);
                if self.links.iter().any(is_open) {
                    self.release(driver);
                }
                self.begin_connection(link, driver, wired, now);
            }
            Some(Err(why)) => self.dial_failed(link, driver, &why, now),
            None => return Turn::Until(look.timeout),
        }
        Turn::Again
    }

    fn begin_connection(&mut self, link: usize, driver: &mut Driver, wired: usize, now: Tick) {
        let inline = self.rules.inline.then_some(wired);
        let shared = &mut self.links[link];
        let mut wire = Box::new(Wire::new(shared, wired, now));
        if let (Some(Mutant::PendingKept), Some(old)) = (self.mutant, &mut driver.old) {
            wire.incoming.keep_pending_of(&mut old.incoming);
        }
        let opened = shared.connection.opened(now, inline.is_some(), &mut wire.incoming, &mut driver.woken);
        shared.inline = inline;
        shared.wired = Some(wired);
        driver.way = Way::Connected(wire);
        if let Err(why) = opened {
            self.lose(link, driver, &why, now);
        }
    }

    fn dial_failed(&mut self, link: usize, driver: &mut Driver, why: &Broken, now: Tick) {
        let wait = driver.backoff.next_wait(self.dice.throw());
        let until = now.after(wait);
        driver.way = Way::Resting { until };
        self.rest_gate(self.links[link].server, until.as_nanos(), why);
        self.links[link].connection.down(down_cause(why), &mut driver.woken);
        self.show(link);
    }

    fn drive_wire(&mut self, link: usize, driver: &mut Driver, now: Tick) -> Turn {
        let is_due = now >= driver.armed;
        let Way::Connected(wire) = &mut driver.way else { return Turn::Again };
        let (was_open, was_silent) = (wire.is_open, wire.is_silent);
        let driven = self.drive(link, wire, now, is_due, &mut driver.woken);
        let (is_open, is_silent) = (wire.is_open, wire.is_silent);
        if is_open && !was_open {
            self.serves(link, driver);
        }
        if is_silent != was_silent {
            self.show(link);
        }
        match driven {
            Err(why) => {
                self.lose(link, driver, &why, now);
                Turn::Again
            }
            Ok(Driven { stop: Some(until), is_drained, .. }) if is_drained || now >= until => self.end(link, driver),
            Ok(Driven { stop: None, timeout, .. }) if is_open => self.drive_renewal(link, driver, now, timeout),
            Ok(Driven { stop, timeout, .. }) => Turn::Until(timeout.min(stop.unwrap_or(Tick::NEVER))),
        }
    }

    /// A connection has opened.
    pub(super) fn serves(&mut self, link: usize, driver: &mut Driver) {
        self.release(driver);
        self.end_rest(self.links[link].server);
        self.links[link].record.forget();
        self.show(link);
    }

    /// `Shared::show`: whoever was overtaken between the look and the telling looks again.
    pub(super) fn show(&mut self, link: usize) {
        let mut shown = None;
        loop {
            let state = LinkState::of(self.links[link].connection.phase());
            match state {
                Some(state) if shown != Some(state) => {
                    self.overtake(link);
                    if self.links[link].state != LinkState::Closed {
                        self.links[link].state = state;
                    }
                }
                _ => return,
            }
            shown = state;
        }
    }

    /// Somebody lets go of a link's lock and goes on behind that: meanwhile its driver may run, and callers.
    pub(super) fn overtake(&mut self, link: usize) {
        if self.links[link].is_scheduled && self.dice.one_in(8) && self.now >= self.suspended_until {
            self.poll_driver(link);
        }
        self.preempt(link);
    }

    pub(super) fn lose(&mut self, link: usize, driver: &mut Driver, why: &Broken, now: Tick) {
        if self.take_over(link, driver, Some(why), now) {
            return;
        }
        let Way::Connected(mut wire) = std::mem::replace(&mut driver.way, Way::Idle) else { return };
        self.drop_renewal(driver, Renewal::None(self.gates[self.links[link].server].renewals));
        let lived = now.since(wire.opened_at);
        let is_drained = self.links[link].connection.is_drained();
        let mut is_idle = wire.is_open && lived >= STEADY_AFTER && *why == Broken::EndOfStream && is_drained;
        let is_proved = wire.is_proved || is_idle || (wire.is_open && lived >= PROVED_AFTER);
        if is_idle {
            driver.backoff.reset();
        } else if is_proved {
            driver.backoff.served(lived);
        }
        self.judge_loss(link, wire.wired, why);
        let slot = self.links[link].slot;
        let is_spare = is_idle && LINKS[..slot].contains(&LINKS[slot]);
        let is_young = wire.is_proved && driver.backoff.failures() == 0 && lived < STEADY_AFTER;
        if is_spare || (is_young && !Self::has_several(LINKS[slot])) {
            match self.let_go(link, driver, wire, why) {
                Ok(()) => return self.release(driver),
                Err(back) => (wire, is_idle) = (back, false),
            }
        }
        let wait = driver.backoff.next_wait(self.dice.throw());
        let until = now.after(wait);
        driver.way = Way::Resting { until };
        self.preempt(link);
        let shared = &mut self.links[link];
        let was_suspended = matches!(shared.connection.phase(), Phase::Suspended(_));
        let is_near = is_proved && !was_suspended && wait <= WAIT_MAX;
        let server = shared.server;
        let is_waited_for = is_near && (is_idle || self.redial(server).is_none());
        driver.is_free = is_waited_for;
        let shared = &mut self.links[link];
        let remains = shared.connection.closed(why, &mut wire.transmit, &mut driver.woken);
        (shared.inline, shared.wired) = (None, None);
        if is_waited_for {
            shared.connection.dialling();
        } else {
            shared.connection.down(down_cause(why), &mut driver.woken);
        }
        self.preempt(link);
        drop(remains);
        self.close_client(wire.wired);
        driver.old = (self.mutant == Some(Mutant::PendingKept)).then_some(wire);
        if !is_near {
            self.rest_gate(self.links[link].server, until.as_nanos(), why);
        }
        self.show(link);
        self.release(driver);
    }

    /// Others may dial.
    fn release(&mut self, driver: &mut Driver) {
        if let Some(dial) = driver.turn.take() {
            self.release_turn(dial);
        }
    }

    /// Closes a connection on which nothing is owed, and dials the next one when it is wanted. Gives one back on which something is; and
    /// one that is suspended: nobody can want another one while everybody is refused.
    fn let_go(&mut self, link: usize, driver: &mut Driver, mut wire: Box<Wire>, why: &Broken) -> Result<(), Box<Wire>> {
        // Between the look at what is owed and this the lock was let go of.
        self.preempt(link);
        let shared = &mut self.links[link];
        let is_suspended = matches!(shared.connection.phase(), Phase::Suspended(_));
        if is_suspended || !shared.connection.is_drained() {
            return Err(wire);
        }
        let remains = shared.connection.closed(why, &mut wire.transmit, &mut driver.woken);
        (shared.inline, shared.wired) = (None, None);
        drop(remains);
        self.close_client(wire.wired);
        driver.is_free = true;
        driver.old = (self.mutant == Some(Mutant::PendingKept)).then_some(wire);
        self.report.let_go += 1;
        self.show(link);
        Ok(())
    }

    /// Looks at what callers have left while there is no connection, and ends waits that are over.
    fn look(&mut self, link: usize, driver: &mut Driver, now: Tick) -> Result<Look, Turn> {
        let shared = &mut self.links[link];
        let mut none = Transmit::default();
        shared.connection.poll_transmit(&mut none, &mut driver.woken);
        shared.has_waker = true;
        let is_resurrected = self.mutant == Some(Mutant::Resurrected) && matches!(driver.way, Way::Dialling { .. });
        if shared.stop.is_some() && !is_resurrected {
            return Err(self.end(link, driver));
        }
        if now >= shared.connection.poll_timeout() {
            // Without a connection the only waits are those of callers, and their end breaks nothing.
            let _ = shared.connection.handle_timeout(now, &mut none, &mut driver.woken);
        }
        Ok(Look { timeout: shared.connection.poll_timeout(), wanted: shared.connection.is_wanted() })
    }

    fn end(&mut self, link: usize, driver: &mut Driver) -> Turn {
        let mut none = Transmit::default();
        let mut way = std::mem::replace(&mut driver.way, Way::Idle);
        let transmit = match &mut way {
            Way::Connected(wire) => &mut wire.transmit,
            _ => &mut none,
        };
        let shared = &mut self.links[link];
        let remains = shared.connection.shutdown(&Broken::Shutdown, transmit, &mut driver.woken);
        (shared.inline, shared.wired) = (None, None);
        shared.is_served = false;
        shared.state = LinkState::Closed;
        drop(remains);
        self.drop_way(way);
        self.release(driver);
        self.drop_renewal(driver, Renewal::None(0));
        self.wake_all(&mut driver.woken);
        Turn::End
    }

    fn drop_way(&mut self, way: Way) {
        match way {
            Way::Connected(wire) => self.close_client(wire.wired),
            Way::Dialling { dial } => self.drop_dial(dial),
            Way::Idle | Way::Resting { .. } => {}
        }
    }

    /// Sees that the task wakes at `wanted` at the latest; `true` when that is now.
    fn arm(&mut self, link: usize, driver: &mut Driver, now: Tick, wanted: Tick) -> bool {
        if wanted <= now {
            driver.armed = wanted;
            return true;
        }
        if wanted >= driver.armed && now < driver.armed {
            return false;
        }
        self.preempt(link);
        let shared = &mut self.links[link];
        let wanted = shared.connection.arm(wanted);
        driver.armed = wanted;
        shared.timer += 1;
        let number = shared.timer;
        if wanted == Tick::NEVER {
            return false;
        }
        if wanted <= now {
            return true;
        }
        // A timer fires a little late, never early.
        let late = self.dice.below(1_000_000);
        self.at(wanted.as_nanos() + late, Next::Timer(link, number));
        false
    }

    /// The task is gone: `Drop` of the client's driver.
    pub(crate) fn driver_gone(&mut self, link: usize) {
        let Some(mut driver) = self.links[link].driver.take() else { return };
        self.drop_renewal(&mut driver, Renewal::None(0));
        let way = std::mem::replace(&mut driver.way, Way::Idle);
        let shared = &mut self.links[link];
        let remains = shared.connection.driver_gone(&mut driver.woken);
        (shared.inline, shared.wired, shared.has_waker, shared.is_served) = (None, None, false, false);
        let next = if shared.stop.is_some() { LinkState::Closed } else { LinkState::Idle };
        if shared.state != LinkState::Closed {
            shared.state = next;
        }
        drop(remains);
        self.drop_way(way);
        self.release(&mut driver);
        self.wake_all(&mut driver.woken);
    }

    /// `Shared::stop`: the link takes nothing new, and ends at `until` at the latest.
    pub(crate) fn stop(&mut self, link: usize, until: Tick) {
        let mut woken = Vec::new();
        let shared = &mut self.links[link];
        shared.stop = Some(shared.stop.map_or(until, |earlier| earlier.min(until)));
        shared.connection.drain(&mut woken);
        let has_waker = shared.take_waker();
        if !shared.is_served {
            shared.state = LinkState::Closed;
        }
        self.wake_all(&mut woken);
        if has_waker {
            self.schedule_driver(link);
        }
    }
}

fn down_cause(why: &Broken) -> Cause {
    match why {
        Broken::Refused(refusal) => Cause::Refused(refusal.clone()),
        other => Cause::Down(other.to_string()),
    }
}
