use memlink_core::{Broken, Connection, Tick};

use super::Waiter;
use super::driver::{Driver, Turn, Way};
use super::wire::Wire;
use crate::protocol::Spoken;
use crate::world::World;

/// A connection is replaced without a command that notices: `Renewal` in the client. The new one has its opening exchange on an
/// engine of its own, beside the one that serves.
pub(super) enum Renewal {
    None(u64),
    Dialling(u64, usize),
    Beside(u64, Box<Candidate>),
}

pub(super) struct Candidate {
    /// The link that has its engine, and nothing else.
    link: usize,
    wire: Box<Wire>,
    due: Tick,
    is_ready: bool,
}

impl World {
    pub(super) fn drive_renewal(&mut self, link: usize, driver: &mut Driver, now: Tick, timeout: Tick) -> Turn {
        match &mut driver.renewal {
            Renewal::None(known) => {
                let wanted = self.gates[self.links[link].server].renewals;
                if *known == wanted {
                    return Turn::Until(timeout);
                }
                driver.renewal = Renewal::Dialling(wanted, self.dial(link));
                Turn::Again
            }
            Renewal::Dialling(number, dial) => {
                let (number, dial) = (*number, *dial);
                let Some(dialled) = self.poll_dial(dial) else { return Turn::Until(timeout) };
                self.release_turn(dial);
                match dialled.and_then(|wired| self.begin_candidate(link, driver, wired, now)) {
                    Ok(candidate) => driver.renewal = Renewal::Beside(number, Box::new(candidate)),
                    Err(_) => self.renewal_failed(link, driver),
                }
                Turn::Again
            }
            Renewal::Beside(_, candidate) => {
                let is_due = now >= candidate.due;
                match self.drive(candidate.link, &mut candidate.wire, now, is_due, &mut driver.woken) {
                    Ok(driven) => candidate.due = driven.timeout,
                    Err(why) => {
                        let (beside, wired) = (candidate.link, candidate.wire.wired);
                        self.judge_loss(beside, wired, &why);
                        self.renewal_failed(link, driver);
                        return Turn::Again;
                    }
                }
                let due = candidate.due;
                if candidate.wire.is_open {
                    candidate.is_ready = true;
                    self.preempt(link);
                    if self.links[link].connection.retire() {
                        self.show(link);
                    }
                }
                if self.take_over(link, driver, None, now) { Turn::Again } else { Turn::Until(timeout.min(due)) }
            }
        }
    }

    fn begin_candidate(
        &mut self,
        link: usize,
        driver: &mut Driver,
        wired: usize,
        now: Tick,
    ) -> Result<Candidate, Broken> {
        let beside = self.new_candidate(link);
        let mut wire = Box::new(Wire::new(&self.links[link], wired, now));
        let opened = self.links[beside].connection.opened(now, false, &mut wire.incoming, &mut driver.woken);
        match opened {
            Ok(()) => Ok(Candidate { link: beside, wire, due: Tick::NEVER, is_ready: false }),
            Err(why) => {
                self.close_client(wired);
                Err(why)
            }
        }
    }

    /// The old connection stays: a new one can be asked for again.
    fn renewal_failed(&mut self, link: usize, driver: &mut Driver) {
        let number = match &driver.renewal {
            Renewal::None(number) | Renewal::Dialling(number, _) | Renewal::Beside(number, _) => *number,
        };
        self.preempt(link);
        if self.links[link].connection.reinstate(&mut driver.woken) {
            self.show(link);
        }
        self.drop_renewal(driver, Renewal::None(number));
    }

    /// The new one serves, if it is open: once nothing is in flight on the old one, or at once where that was `lost`.
    pub(super) fn take_over(&mut self, link: usize, driver: &mut Driver, lost: Option<&Broken>, now: Tick) -> bool {
        let (Way::Connected(old), Renewal::Beside(number, candidate)) = (&mut driver.way, &mut driver.renewal) else {
            return false;
        };
        self.preempt(link);
        let (number, old_wired) = (*number, old.wired);
        let shared = &mut self.links[link];
        if !candidate.is_ready || shared.stop.is_some() || (lost.is_none() && !shared.connection.is_drained()) {
            return false;
        }
        if let Some(why) = lost {
            self.judge_loss(link, old_wired, why);
        }
        let shared = &mut self.links[link];
        let remains = shared.connection.closed(lost.unwrap_or(&Broken::Shutdown), &mut old.transmit, &mut driver.woken);
        shared.connection.dialling();
        let wired = candidate.wire.wired;
        let inline = self.rules.inline.then_some(wired);
        let (this, beside) = self.two_connections(link, candidate.link);
        let adopted = this.adopt(beside, inline.is_some(), &mut candidate.wire.incoming, &mut driver.woken);
        let shared = &mut self.links[link];
        (shared.inline, shared.wired) = (inline, Some(wired));
        if let Renewal::Beside(_, candidate) = std::mem::replace(&mut driver.renewal, Renewal::None(number)) {
            driver.way = Way::Connected(candidate.wire);
        }
        drop(remains);
        self.close_client(old_wired);
        match adopted {
            Ok(remains) => {
                drop(remains);
                self.report.renewed += u64::from(lost.is_none());
                self.serves(link, driver);
            }
            Err(why) => self.lose(link, driver, &why, now),
        }
        true
    }

    fn two_connections(
        &mut self,
        link: usize,
        beside: usize,
    ) -> (&mut Connection<Spoken, Waiter>, &mut Connection<Spoken, Waiter>) {
        // A candidate is made after the link that it stands beside.
        let (links, candidates) = self.links.split_at_mut(beside);
        (&mut links[link].connection, &mut candidates[0].connection)
    }

    /// What a renewal has in hands is dropped with it.
    pub(super) fn drop_renewal(&mut self, driver: &mut Driver, next: Renewal) {
        match std::mem::replace(&mut driver.renewal, next) {
            Renewal::None(_) => {}
            Renewal::Dialling(_, dial) => self.drop_dial(dial),
            Renewal::Beside(_, mut candidate) => {
                // Dropped in the client; here it is closed, so that the counts of all connections agree.
                let connection = &mut self.links[candidate.link].connection;
                drop(connection.closed(&Broken::Shutdown, &mut candidate.wire.transmit, &mut driver.woken));
                self.close_client(candidate.wire.wired);
            }
        }
    }
}
