use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memlink_core::{Command, Stats};
use memlink_ring::Router;
use tokio::sync::watch;

use super::exchange::Exchange;
use crate::config::{Server, Settings};
use crate::link::{Link, LinkProtocol, LinkState, Timing};
use crate::pool::Pool;

/// The servers as they stand at one moment, and how keys are divided among them: what [`Cluster::topology`] gives.
///
/// Servers may come and go while a program runs; an index means a server only together with the topology it is from. Commands that
/// belong together, such as those of a bulk, use one topology for all. Cheap to clone.
///
/// [`Cluster::topology`]: super::Cluster::topology
pub struct Topology<P: LinkProtocol>(Arc<View<P>>);

struct View<P: LinkProtocol> {
    /// How many changes led here.
    number: u64,
    /// Never empty.
    members: Vec<Member<P>>,
    router: Box<dyn Router>,
    settings: Arc<Settings>,
    /// Commands that went to a stand-in, in all topologies of a cluster.
    substituted: Arc<AtomicU64>,
    /// No server is known yet: the only member stands for those to come.
    is_waiting: bool,
}

/// A server with its connections, which outlive changes of the list that leave the server in it.
pub(super) struct Member<P: LinkProtocol> {
    pub(super) server: Server,
    pub(super) pool: Arc<Pool<P>>,
}

impl<P: LinkProtocol> Clone for Member<P> {
    fn clone(&self) -> Member<P> {
        Member { server: self.server.clone(), pool: self.pool.clone() }
    }
}

impl<P: LinkProtocol> Clone for Topology<P> {
    fn clone(&self) -> Topology<P> {
        Topology(self.0.clone())
    }
}

impl<P: LinkProtocol> Topology<P> {
    /// `members` may not be empty.
    pub(super) fn new(
        number: u64,
        members: Vec<Member<P>>,
        router: Box<dyn Router>,
        settings: Arc<Settings>,
        substituted: Arc<AtomicU64>,
    ) -> Topology<P> {
        Topology(Arc::new(View { number, members, router, settings, substituted, is_waiting: false }))
    }

    /// For a cluster that is being made, or is gone: nothing is asked of it.
    pub(super) fn none(settings: Arc<Settings>) -> Topology<P> {
        Topology::of(Vec::new(), settings)
    }

    /// For a cluster whose servers are still to be found: commands go to `placeholder`, until the first servers replace it.
    pub(super) fn waiting(placeholder: Member<P>, settings: Arc<Settings>) -> Topology<P> {
        Topology::of(vec![placeholder], settings)
    }

    fn of(members: Vec<Member<P>>, settings: Arc<Settings>) -> Topology<P> {
        let (router, substituted) = (Box::new(Sole), Arc::default());
        Topology(Arc::new(View { number: 0, members, router, settings, substituted, is_waiting: true }))
    }

    /// The servers as they were configured or found, in this order. Empty only while none has been found.
    #[must_use]
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &Server> {
        self.members().iter().map(|member| &member.server)
    }

    /// How many servers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members().len()
    }

    /// Whether no server has been found so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_waiting
    }

    /// Whether its cluster is there.
    pub(super) fn is_there(&self) -> bool {
        !self.0.members.is_empty()
    }

    /// How many changes of the list led here: greater than that of every topology before it.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// The index of the server that `key` belongs to; 0 while there is none.
    #[must_use]
    #[inline]
    pub fn route(&self, key: &[u8]) -> usize {
        match self.0.members.len() {
            1 => 0,
            len => self.0.router.route(key) % len,
        }
    }

    /// The index of the server with this name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.servers().position(|server| server.name == name)
    }

    /// The configured name of the server with this index. An index behind the last server counts from the start again, here and
    /// below.
    #[must_use]
    pub fn name(&self, server: usize) -> &Arc<str> {
        self.pool(server).name()
    }

    /// How the way to the server with this index stands.
    #[must_use]
    pub fn state(&self, server: usize) -> LinkState {
        self.pool(server).state()
    }

    /// Tells of every change of how the way to the server with this index stands.
    #[must_use]
    pub fn watch_state(&self, server: usize) -> watch::Receiver<LinkState> {
        self.pool(server).watch_state()
    }

    /// What the connections to the server with this index have done.
    #[must_use]
    pub fn stats(&self, server: usize) -> Stats {
        self.pool(server).stats()
    }

    /// Reads what the opening exchange has learned about the server with this index, while a connection to it is open.
    pub fn with_peer<R>(&self, server: usize, read: impl FnMut(&P::Peer) -> R) -> Option<R> {
        self.pool(server).with_peer(read)
    }

    /// Sends `command` to the server with this index, whatever its key, when the result is first polled. It goes to no other: where that
    /// server was removed before it was sent it ends with [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    pub fn send_to<C: Command<P>>(&self, server: usize, command: C) -> Exchange<P, C> {
        let lane = self.lane(server, command.size_hint());
        self.send_over(lane, command, self.timing())
    }

    /// One of the connections to the server with this index, for commands of about so many bytes: those that are
    /// [sent over](Topology::send_over) it leave in the order in which they are first polled.
    #[inline]
    pub(crate) fn lane(&self, server: usize, len: usize) -> &Arc<Link<P>> {
        self.pool(server).pick(len)
    }

    pub(crate) fn send_over<C: Command<P>>(&self, lane: &Arc<Link<P>>, command: C, timing: Timing) -> Exchange<P, C> {
        Exchange::over(lane.clone(), command, timing)
    }

    /// A connection to the server that has this key, for a command of about so many bytes.
    #[inline]
    pub(crate) fn lane_of(&self, key: &[u8], len: usize) -> Arc<Link<P>> {
        self.lane(self.choose(key), len).clone()
    }

    /// The server for another attempt at this key.
    pub(super) fn route_again(&self, key: &[u8], attempt: u32) -> usize {
        self.0.router.route_again(key, attempt) % self.0.members.len().max(1)
    }

    fn timing(&self) -> Timing {
        self.0.settings.timing()
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn substituted(&self) -> &Arc<AtomicU64> {
        &self.0.substituted
    }

    #[inline]
    pub(super) fn pool(&self, server: usize) -> &Arc<Pool<P>> {
        let members = &self.0.members;
        &members[server % members.len()].pool
    }

    /// Every pool, that of a placeholder included.
    pub(super) fn pools(&self) -> impl Iterator<Item = &Arc<Pool<P>>> {
        self.0.members.iter().map(|member| &member.pool)
    }

    /// The servers that are known.
    pub(super) fn members(&self) -> &[Member<P>] {
        if self.0.is_waiting { &[] } else { &self.0.members }
    }
}

/// A single server has every key.
struct Sole;

impl Router for Sole {
    fn route(&self, _: &[u8]) -> usize {
        0
    }
}

impl<P: LinkProtocol> fmt::Debug for Topology<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pools: Vec<_> = self.members().iter().map(|member| &member.pool).collect();
        f.debug_struct("Topology").field("number", &self.0.number).field("pools", &pools).finish_non_exhaustive()
    }
}
