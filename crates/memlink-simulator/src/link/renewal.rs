use memlink_core::{Broken, Tick};

use super::LinkState;
use super::driver::{Driver, Turn, Way};
use crate::world::World;

/// A connection is replaced without a command that notices: `Renewal` in the client.
pub(super) enum Renewal {
    None(u64),
    Dialling(u64, usize),
    Ready(u64, usize),
}

impl World {
    pub(super) fn drive_renewal(&mut self, link: usize, driver: &mut Driver, now: Tick) -> Option<Turn> {
        let server = self.links[link].server;
        match driver.renewal {
            Renewal::None(known) => {
                let wanted = self.gates[server].renewals;
                if known == wanted {
                    return None;
                }
                driver.renewal = Renewal::Dialling(wanted, self.dial(link));
                Some(Turn::Again)
            }
            Renewal::Dialling(number, dial) => match self.poll_dial(dial)? {
                Ok(wired) => {
                    driver.renewal = Renewal::Ready(number, wired);
                    self.links[link].connection.retire();
                    self.links[link].state = LinkState::Dialling;
                    Some(Turn::Again)
                }
                Err(_) => {
                    driver.renewal = Renewal::None(number);
                    Some(Turn::Again)
                }
            },
            Renewal::Ready(number, wired) => self.replace(link, driver, number, wired, now),
        }
    }

    fn replace(&mut self, link: usize, driver: &mut Driver, number: u64, new: usize, now: Tick) -> Option<Turn> {
        let Way::Connected(wire) = &mut driver.way else { return None };
        let shared = &mut self.links[link];
        if !shared.connection.is_drained() || shared.stop.is_some() {
            return None;
        }
        let remains = shared.connection.closed(&Broken::Shutdown, &mut wire.transmit, &mut driver.woken);
        shared.connection.dialling();
        (shared.inline, shared.wired) = (None, None);
        let old = wire.wired;
        driver.renewal = Renewal::None(number);
        drop(remains);
        self.preempt(link);
        self.report.renewed += 1;
        self.close_client(old);
        self.begin_connection(link, driver, new, now);
        Some(Turn::Again)
    }

    /// What a renewal has in hands is dropped with it.
    pub(super) fn drop_renewal(&mut self, driver: &mut Driver, next: Renewal) {
        match std::mem::replace(&mut driver.renewal, next) {
            Renewal::None(_) => {}
            Renewal::Dialling(_, dial) => self.drop_dial(dial),
            Renewal::Ready(_, wired) => self.close_client(wired),
        }
    }
}
