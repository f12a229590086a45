use std::sync::Arc;
use std::time::Duration;

use memlink_meta::Meta;
use tokio::time::Instant;

use super::lane::{Departed, Go, Landed, Lane, Waiting};
use super::window::Window;
use crate::cluster::{Cluster, Order, Topology};
use crate::error::Error;
use crate::link::{Link, Timing};

/// The lanes to all servers, and which of them a key belongs to.
///
/// As many keys and bytes as all windows together may wait beside them, for servers whose windows are full.
pub(super) struct Lanes<J> {
    topology: Topology<Meta>,
    seats: Vec<Seat<J>>,
    /// The seat of each server of the topology.
    by_server: Vec<usize>,
    /// In which commands of one key leave, over whatever seats.
    order: Arc<Order>,
    window: Window,
    fetches: bool,
    waiting_keys: usize,
    waiting_bytes: usize,
    hungry: usize,
    behind: usize,
}

/// One lane, and the server it leads to. It keeps its place until all that was sent over it has come to an end.
struct Seat<J> {
    lane: Lane<J>,
    link: Arc<Link<Meta>>,
    /// The index of its server in the topology; `None` when that was removed.
    server: Option<usize>,
    is_hungry: bool,
    is_behind: bool,
    /// What further keys are told, made once.
    refusal: Option<Error>,
    lateness: Option<Error>,
}

/// Keys that end without having been sent, and why.
pub(super) type Unsent = Vec<(usize, Error)>;

/// Where a command leaves for its server.
pub struct Way {
    pub(super) topology: Topology<Meta>,
    pub(super) server: usize,
    pub(super) link: Arc<Link<Meta>>,
    pub(super) order: Arc<Order>,
    pub(super) timing: Timing,
}

/// When something leaves: the time, the time that was [waited](super::patience::Patience::waited) so far, and when it ends at the
/// latest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departure {
    pub(super) now: Instant,
    pub(super) waited: Duration,
    pub(super) timing: Timing,
}

impl<J> Lanes<J> {
    pub(super) fn new(topology: Topology<Meta>, window: Window, fetches: bool) -> Lanes<J> {
        let mut lanes = Lanes {
            topology,
            seats: Vec::new(),
            by_server: Vec::new(),
            order: Order::new(),
            window,
            fetches,
            waiting_keys: 0,
            waiting_bytes: 0,
            hungry: 0,
            behind: 0,
        };
        lanes.seat_servers();
        lanes
    }

    /// Goes by the servers as they are now: what waits for one that was removed goes to the one that has its keys. Gives what ends
    /// by that.
    pub(super) fn follow(&mut self, cluster: &Cluster<Meta>, key_of: impl Fn(&J) -> &[u8]) -> Unsent {
        let topology = cluster.topology();
        if topology.number() == self.topology.number() {
            return Unsent::new();
        }
        self.topology = topology;
        let mut moving: Vec<_> = self.seats.iter_mut().flat_map(|seat| seat.lane.take_waiting()).collect();
        // A key that waited in two of them, because another server stood in, keeps its order.
        moving.sort_by_key(|waiting| waiting.index);
        (self.waiting_keys, self.waiting_bytes) = (0, 0);
        self.seat_servers();
        let unsent = moving.into_iter().filter_map(|waiting| {
            let seat = self.route(key_of(&waiting.job));
            let index = waiting.index;
            self.push(seat, waiting).err().map(|error| (index, error))
        });
        unsent.collect()
    }

    fn seat_servers(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.server = None);
        // While no server was found there is a placeholder for those to come.
        let servers = self.topology.len().max(1);
        self.by_server = (0..servers).map(|server| self.seat_for(server)).collect();
        (self.hungry, self.behind) = (0, 0);
        for seat in &mut self.seats {
            (seat.is_hungry, seat.is_behind) = (false, false);
        }
        (0..self.seats.len()).for_each(|seat| self.count(seat));
    }

    fn seat_for(&mut self, server: usize) -> usize {
        let name = self.topology.name(server);
        // A server that was removed and came again under its name has connections of its own, and so has a name of its own.
        let old = self.seats.iter().position(|seat| Arc::ptr_eq(seat.link.name(), name));
        let free = || self.seats.iter().position(|seat| seat.server.is_none() && seat.lane.is_unused());
        if let Some(old) = old {
            self.seats[old].server = Some(server);
            return old;
        }
        let seat = Seat {
            lane: Lane::new(self.window, self.fetches),
            link: self.topology.lane(server, 0).clone(),
            server: Some(server),
            is_hungry: false,
            is_behind: false,
            refusal: None,
            lateness: None,
        };
        match free() {
            Some(free) => {
                self.seats[free] = seat;
                free
            }
            None => {
                self.seats.push(seat);
                self.seats.len() - 1
            }
        }
    }

    /// The seat of the server that has this key.
    pub(super) fn route(&self, key: &[u8]) -> usize {
        let server = self.topology.choose(key) % self.by_server.len();
        self.by_server[server]
    }

    /// Lets a key wait for its server, unless that does not keep up.
    pub(super) fn push(&mut self, seat: usize, waiting: Waiting<J>) -> Result<(), Error> {
        let at = &mut self.seats[seat];
        if at.lane.refuses() {
            return Err(at.refusal());
        }
        self.waiting_keys += 1;
        self.waiting_bytes += waiting.weight.bytes;
        at.lane.push(waiting);
        self.count(seat);
        Ok(())
    }

    /// What a key is told whose time is over.
    pub(super) fn lateness(&mut self, seat: usize) -> Error {
        self.seats[seat].lateness()
    }

    /// Time is over: what waits is not sent.
    pub(super) fn end_waiting(&mut self) -> Unsent {
        (0..self.seats.len()).flat_map(|seat| self.end_waiting_of(seat, Seat::lateness)).collect()
    }

    /// Those who hold up others and have not answered for so long do not keep up: what waits for them is not sent.
    pub(super) fn judge(&mut self, waited: Duration, patience: Duration) -> Unsent {
        let mut unsent = Unsent::new();
        for seat in 0..self.seats.len() {
            if self.seats[seat].lane.falls_behind(waited, patience) {
                unsent.extend(self.end_waiting_of(seat, Seat::refusal));
            }
        }
        unsent
    }

    fn end_waiting_of(&mut self, seat: usize, why: fn(&mut Seat<J>) -> Error) -> Unsent {
        let waiting = self.seats[seat].lane.take_waiting();
        self.waiting_keys -= waiting.len();
        self.waiting_bytes -= waiting.iter().map(|waiting| waiting.weight.bytes).sum::<usize>();
        self.count(seat);
        waiting.into_iter().map(|waiting| (waiting.index, why(&mut self.seats[seat]))).collect()
    }

    /// How many seats there are.
    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether another key could be sent at once, or would end at once.
    pub(super) fn is_hungry(&self) -> bool {
        !self.is_full() && (self.hungry > 0 || self.behind == self.by_server.len())
    }

    /// Whether a server could have more, but nobody knows its keys as long as those of others wait.
    pub(super) fn is_held_up(&self) -> bool {
        self.is_full() && self.hungry > 0
    }

    /// Whether as much waits as may.
    pub(super) fn is_full(&self) -> bool {
        let servers = self.by_server.len();
        self.waiting_keys >= self.window.keys.saturating_mul(servers)
            || self.waiting_bytes >= self.window.bytes.saturating_mul(servers)
    }

    /// The keys that would leave next by this seat, as far as one command may take them.
    pub(super) fn next(&self, seat: usize, go: Go) -> impl ExactSizeIterator<Item = &J> {
        let lane = &self.seats[seat].lane;
        lane.waiting().take(lane.next_len(go)).map(|waiting| &waiting.job)
    }

    /// The first `len` of them leave.
    pub(super) fn depart(
        &mut self,
        seat: usize,
        len: usize,
        departure: Departure,
    ) -> (Departed, Way, impl Iterator<Item = (usize, J)>) {
        let at = &mut self.seats[seat];
        let server = at.server.unwrap_or(0);
        let bytes: usize = at.lane.waiting().take(len).map(|waiting| waiting.weight.bytes).sum();
        if !at.lane.has_in_flight() {
            // Another connection is as good when nothing before it can be overtaken.
            at.link = self.topology.lane(server, bytes).clone();
        }
        self.waiting_keys -= len;
        self.waiting_bytes -= bytes;
        let (topology, link, order) = (self.topology.clone(), at.link.clone(), self.order.clone());
        let way = Way { topology, server, link, order, timing: departure.timing };
        let (departed, jobs) = at.lane.depart(len, departure.now, departure.waited);
        (departed, way, jobs)
    }

    /// A command has ended.
    pub(super) fn land(&mut self, seat: usize, departed: Departed, landed: Landed, now: Instant, waited: Duration) {
        self.seats[seat].lane.land(departed, landed, now, waited);
        self.count(seat);
    }

    /// The caller has taken one outcome with a value of so many bytes.
    pub(super) fn release(&mut self, seat: usize, bytes: usize) {
        self.seats[seat].lane.release(bytes);
        self.count(seat);
    }

    /// Keeps the sums after a lane has changed, so that nobody has to look at all of them for every key.
    pub(super) fn count(&mut self, seat: usize) {
        let seat = &mut self.seats[seat];
        let is_there = seat.server.is_some();
        let (is_hungry, is_behind) = (is_there && seat.lane.is_hungry(), is_there && seat.lane.is_behind());
        self.hungry = self.hungry + usize::from(is_hungry) - usize::from(seat.is_hungry);
        self.behind = self.behind + usize::from(is_behind) - usize::from(seat.is_behind);
        (seat.is_hungry, seat.is_behind) = (is_hungry, is_behind);
    }
}

impl<J> Seat<J> {
    fn refusal(&mut self) -> Error {
        self.refusal.get_or_insert_with(|| Error::not_keeping_up(self.link.name().clone())).clone()
    }

    fn lateness(&mut self) -> Error {
        self.lateness.get_or_insert_with(|| Error::deadline(self.link.name().clone())).clone()
    }
}
