use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use memlink_core::Stats;

use crate::config::Server;
use crate::link::{CallError, DialGate, Link, LinkOptions, LinkProtocol, LinkState, dial_gate};

/// The links to one server.
pub(crate) struct Pool<P: LinkProtocol> {
    links: Vec<Arc<Link<P>>>,
    next: AtomicUsize,
    gate: DialGate,
}

impl<P: LinkProtocol> Pool<P> {
    pub(crate) fn new(server: &Server, protocol: &Arc<P>, options: &LinkOptions, connections: usize) -> Pool<P> {
        let name: Arc<str> = server.name.as_str().into();
        let gate = dial_gate();
        let link = |_| {
            let (name, address, protocol) = (name.clone(), server.address.clone(), protocol.clone());
            Arc::new(Link::new(name, address, protocol, options.clone(), gate.clone()))
        };
        let links = (0..connections.max(1)).map(link).collect();
        Pool { links, next: AtomicUsize::new(0), gate }
    }

    /// The link for the next command: each in turn, but one that is lost or down only when all are. One that was never needed counts
    /// as open, or it would never be needed as long as another one is.
    #[inline]
    pub(crate) fn pick(&self) -> &Arc<Link<P>> {
        match self.links.as_slice() {
            [only] => only,
            links => {
                let first = self.next.fetch_add(1, Ordering::Relaxed) % links.len();
                let (before, after) = links.split_at(first);
                let in_turn = || after.iter().chain(before);
                let is_fit = |link: &&Arc<Link<P>>| matches!(link.state(), LinkState::Open | LinkState::Idle);
                in_turn().find(is_fit).unwrap_or(&links[first])
            }
        }
    }

    /// The server's configured name.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.links[0].name()
    }

    /// The best of its links.
    pub(crate) fn state(&self) -> LinkState {
        let rank = |state: &LinkState| match state {
            LinkState::Open => 4,
            LinkState::Dialling => 3,
            LinkState::Idle => 2,
            LinkState::Down => 1,
            LinkState::Closed => 0,
        };
        self.links.iter().map(|link| link.state()).max_by_key(rank).unwrap_or(LinkState::Closed)
    }

    /// What its links have done, added up.
    pub(crate) fn stats(&self) -> Stats {
        self.links.iter().map(|link| link.stats()).fold(Stats::default(), add)
    }

    /// Reads what the opening exchange has learned about the server, if any link is open.
    pub(crate) fn with_peer<R>(&self, mut read: impl FnMut(&P::Peer) -> R) -> Option<R> {
        self.links.iter().find_map(|link| link.with_peer(&mut read))
    }

    /// Dials one link and waits for the answer.
    pub(crate) async fn open(&self) -> Result<(), CallError> {
        Ok(self.links[0].open().await?)
    }

    /// Replaces every connection by a new one, without a command that notices.
    pub(crate) fn renew(&self) {
        self.gate.renew();
        for link in &self.links {
            link.renew();
        }
    }

    /// Takes no new commands from now on, and lets what is in flight finish for up to `grace`.
    pub(crate) fn begin_close(&self, grace: Duration) {
        self.links.iter().for_each(|link| link.begin_close(grace));
    }

    /// Returns when nothing is left of what is being closed with this grace.
    pub(crate) async fn closed(&self, grace: Duration) {
        for link in &self.links {
            link.closed(grace).await;
        }
    }
}

impl<P: LinkProtocol> fmt::Debug for Pool<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.links).finish()
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
