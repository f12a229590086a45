use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memlink_core::Stats;
use tokio::sync::watch;

use crate::config::{Lanes, Server};
use crate::link::{CallError, DialGate, Link, LinkOptions, LinkProtocol, LinkState};
use crate::policy::{self, Readiness};
use crate::sync::atomic::{AtomicUsize, Ordering};

/// The links to one server.
///
/// ```text
///   a command --small--> [ links ]  the one with the least in flight
///             '-large--> [ large ]  where there is such a lane: what is small does not wait behind it
/// ```
pub(crate) struct Pool<P: LinkProtocol> {
    /// For every command, or for all that are not large. Never empty.
    links: Vec<Arc<Link<P>>>,
    /// For large values alone; may be empty.
    large: Vec<Arc<Link<P>>>,
    /// From how many bytes on a command is large.
    large_min: usize,
    next: AtomicUsize,
    gate: DialGate,
}

impl<P: LinkProtocol> Pool<P> {
    pub(crate) fn new(server: &Server, protocol: &Arc<P>, options: &LinkOptions, lanes: Lanes) -> Pool<P> {
        let name: Arc<str> = server.name.as_str().into();
        let links = lanes.links.max(1);
        let gate = DialGate::new(links + lanes.large, options.backoff_cap);
        let link = |number| {
            let (name, address, protocol) = (name.clone(), server.address.clone(), protocol.clone());
            Arc::new(Link::new(name, number, address, protocol, options.clone(), gate.clone()))
        };
        Pool {
            links: (0..links).map(link).collect(),
            large: (links..links + lanes.large).map(link).collect(),
            large_min: lanes.large_min,
            next: AtomicUsize::new(0),
            gate,
        }
    }

    /// The link for a command of about so many bytes, its reply included as far as is known.
    #[inline]
    pub(crate) fn pick(&self, len: usize) -> &Arc<Link<P>> {
        match (self.links.as_slice(), self.large.is_empty()) {
            ([only], true) => only,
            _ => self.choose(len),
        }
    }

    fn choose(&self, len: usize) -> &Arc<Link<P>> {
        let lane = if len >= self.large_min && !self.large.is_empty() { &self.large } else { &self.links };
        // Among equals it is each one's turn.
        let first = self.next.fetch_add(1, Ordering::Relaxed) % lane.len();
        let (before, after) = lane.split_at(first);
        let in_turn = after.iter().chain(before).map(|link| (Readiness::of(link.state()), link.load(), link));
        let others = || self.all().find(|link| Readiness::of(link.state()) == Readiness::Fit);
        policy::choose(in_turn, others).unwrap_or(&lane[first])
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Link<P>>> {
        self.links.iter().chain(&self.large)
    }

    /// The server's configured name.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.links[0].name()
    }

    /// How the way to it stands: as the best of its links.
    #[inline]
    pub(crate) fn state(&self) -> LinkState {
        self.gate.state()
    }

    /// Tells of every change of it.
    pub(crate) fn watch_state(&self) -> watch::Receiver<LinkState> {
        self.gate.watch_state()
    }

    /// What its links have done, added up.
    pub(crate) fn stats(&self) -> Stats {
        self.all().map(|link| link.stats()).fold(Stats::default(), add)
    }

    /// Reads what the opening exchange has learned about the server, if any link is open.
    pub(crate) fn with_peer<R>(&self, mut read: impl FnMut(&P::Peer) -> R) -> Option<R> {
        self.all().find_map(|link| link.with_peer(&mut read))
    }

    /// Dials one link and waits for the answer.
    pub(crate) async fn open(&self) -> Result<(), CallError> {
        Ok(self.links[0].open().await?)
    }

    /// Replaces every connection by a new one, without a command that notices.
    pub(crate) fn renew(&self) {
        self.gate.renew();
        self.all().for_each(|link| link.renew());
    }

    /// Takes no new commands from now on, and lets what is in flight finish for up to `grace`.
    pub(crate) fn begin_close(&self, grace: Duration) {
        self.all().for_each(|link| link.begin_close(grace));
    }

    /// Returns when nothing is left of what is being closed with this grace.
    pub(crate) async fn closed(&self, grace: Duration) {
        for link in self.all() {
            link.closed(grace).await;
        }
    }
}

impl<P: LinkProtocol> fmt::Debug for Pool<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

fn add(one: Stats, other: Stats) -> Stats {
    Stats {
        started: one.started + other.started,
        replied: one.replied + other.replied,
        failed: one.failed + other.failed,
        cancelled: one.cancelled + other.cancelled,
        cut: one.cut + other.cut,
        abandoned: one.abandoned + other.abandoned,
        waited: one.waited + other.waited,
        queue_full: one.queue_full + other.queue_full,
        expired: one.expired + other.expired,
        unclaimed_dropped: one.unclaimed_dropped + other.unclaimed_dropped,
        unasked: one.unasked + other.unasked,
        opened: one.opened + other.opened,
        closed: one.closed + other.closed,
        in_flight: one.in_flight + other.in_flight,
        waiting: one.waiting + other.waiting,
        abandoned_now: one.abandoned_now + other.abandoned_now,
    }
}
