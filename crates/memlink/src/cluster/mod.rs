//! All servers, and which of them a key belongs to.
//!
//! ```text
//!   key --router--> index of the server --> its pool --> a link         one topology, as it stands now
//!                                                                       a change makes another, and swaps the two
//! ```
//!
//! Any protocol may be put on it: [`Cluster`] is what [`Client`](crate::Client) is made of.

mod change;
mod exchange;
mod order;
mod routing;
#[cfg(feature = "schemes")]
mod scheme;
mod topology;
mod when_down;

pub use change::{Changes, TopologyWatch};
pub(crate) use exchange::{Attempts, Elsewhere, sealed};
pub use exchange::{ByKey, Destination, Exchange, ThisServer};
pub(crate) use order::Order;
pub use routing::Routing;
pub(crate) use routing::{Fixed, OwnRing};
pub use topology::Topology;
pub(crate) use when_down::found_no_server;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use memlink_core::{Command, Stats};
use memlink_ring::Router;
use tokio::sync::watch;

use self::topology::Member;
use crate::config::{ConfigError, Lanes, Server, Settings, check_servers};
use crate::error::Error;
use crate::link::{Connector, Dialer, Link, LinkOptions, LinkProtocol, LinkState, Timing, Way};
use crate::pool::Pool;

/// Servers of one protocol, each reached by a few shared connections, and the function from keys to servers.
///
/// Cheap to clone; all clones share the connections. Nothing is dialled before it is needed. With the last clone, and the last
/// request, its tasks end.
///
/// ```no_run
/// # async fn example<P: memlink::generic::LinkProtocol, C: memlink::generic::Command<P> + Unpin>(
/// #     protocol: P,
/// #     command: C,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use memlink::generic::Cluster;
/// use memlink::{Server, Settings};
///
/// let cluster = Cluster::new(protocol, [Server::tcp("10.0.0.1:7000")?], Settings::default())?;
/// let reply = cluster.send(b"the bytes that route it", command).await?;
///
/// // Servers come and go while commands are sent.
/// cluster.add(Server::tcp("10.0.0.2:7000")?)?;
/// cluster.remove("10.0.0.1:7000", Duration::from_secs(5))?.drained().await;
/// # Ok(())
/// # }
/// ```
pub struct Cluster<P: LinkProtocol> {
    shared: Arc<Shared<P>>,
}

struct Shared<P: LinkProtocol> {
    topology: watch::Sender<Topology<P>>,
    /// Held while the list changes: connections to servers that were removed, as far as somebody still has them.
    changing: Mutex<Leaving<P>>,
    is_closed: AtomicBool,
    /// Tells of the end, for tasks that serve the cluster.
    closed: watch::Sender<bool>,
    routing: Box<dyn Routing>,
    protocol: Arc<P>,
    settings: Arc<Settings>,
    link_options: LinkOptions,
}

/// Links that finish what is in flight. Nobody but their requests keeps them.
type Leaving<P> = Vec<Weak<Link<P>>>;

impl<P: LinkProtocol> Clone for Cluster<P> {
    fn clone(&self) -> Cluster<P> {
        Cluster { shared: self.shared.clone() }
    }
}

impl<P: LinkProtocol> Cluster<P> {
    /// A cluster with memlink's default routing: a function of the servers' names and weights and of nothing else.
    ///
    /// Never dials and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is no server, or the same one twice.
    pub fn new(
        protocol: P,
        servers: impl IntoIterator<Item = Server>,
        settings: Settings,
    ) -> Result<Cluster<P>, ConfigError> {
        Cluster::with_routing(protocol, servers, settings, OwnRing)
    }

    /// A cluster with a routing of your own, for servers that never change: to add or remove one is an error. The router's answers
    /// index `servers`; an index behind its end counts from the start again.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is no server, or the same one twice.
    pub fn with_router(
        protocol: P,
        servers: impl IntoIterator<Item = Server>,
        settings: Settings,
        router: impl Router + 'static,
    ) -> Result<Cluster<P>, ConfigError> {
        Cluster::with_routing(protocol, servers, settings, Fixed::new(Box::new(router)))
    }

    /// A cluster with a routing of your own, which is asked again whenever the servers change.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there is no server, the same one twice, or the routing cannot be made.
    pub fn with_routing(
        protocol: P,
        servers: impl IntoIterator<Item = Server>,
        settings: Settings,
        routing: impl Routing,
    ) -> Result<Cluster<P>, ConfigError> {
        Cluster::with_boxed_routing(protocol, servers, settings, Box::new(routing))
    }

    pub(crate) fn with_boxed_routing(
        protocol: P,
        servers: impl IntoIterator<Item = Server>,
        settings: Settings,
        routing: Box<dyn Routing>,
    ) -> Result<Cluster<P>, ConfigError> {
        let servers: Vec<_> = servers.into_iter().collect();
        if servers.is_empty() {
            return Err(ConfigError::NoServer);
        }
        check_servers(&servers, &settings)?;
        let router = routing.router(&servers)?;
        Ok(Cluster::begin(protocol, settings, routing, |shared| {
            let members = servers.into_iter().map(|server| Member { pool: shared.pool(&server), server }).collect();
            Topology::new(0, members, router, shared.settings.clone(), Arc::default())
        }))
    }

    /// A cluster whose servers are still to be found. Until they are, commands wait as for a server that is being dialled: by
    /// `connector`, which gives no stream and whose error is why nothing was found so far.
    pub(crate) fn waiting(
        protocol: P,
        settings: Settings,
        routing: Box<dyn Routing>,
        placeholder: Server,
        connector: Arc<dyn Connector>,
    ) -> Result<Cluster<P>, ConfigError> {
        settings.check()?;
        Ok(Cluster::begin(protocol, settings, routing, |shared| {
            let dialer = Dialer { way: Way::User(connector), ..Dialer::default() };
            let options = LinkOptions { dialer, dial_timeout: PLACEHOLDER_TIMEOUT, ..shared.link_options.clone() };
            let pool = Arc::new(Pool::new(&placeholder, &shared.protocol, &options, Lanes::ONE));
            Topology::waiting(Member { server: placeholder, pool }, shared.settings.clone())
        }))
    }

    fn begin(
        protocol: P,
        settings: Settings,
        routing: Box<dyn Routing>,
        topology: impl FnOnce(&Shared<P>) -> Topology<P>,
    ) -> Cluster<P> {
        let (link_options, settings) = (settings.link_options(), Arc::new(settings));
        let mut shared = Shared {
            topology: watch::Sender::new(Topology::none(settings.clone())),
            changing: Mutex::default(),
            is_closed: AtomicBool::new(false),
            closed: watch::Sender::new(false),
            routing,
            protocol: Arc::new(protocol),
            settings,
            link_options,
        };
        shared.topology = watch::Sender::new(topology(&shared));
        Cluster { shared: Arc::new(shared) }
    }

    /// Sends `command` to the server that `key` belongs to now, when the result is first polled. The key is kept until it has an outcome,
    /// in case its server is removed before it was sent.
    pub fn send<K: AsRef<[u8]>, C: Command<P>>(&self, key: K, command: C) -> Exchange<P, C, ByKey<K>> {
        let lane = self.shared.topology.borrow().lane_of(key.as_ref(), command.size_hint());
        Exchange::new(lane, Some(self.clone()), ByKey(key), command, self.timing())
    }

    /// The same to the server that `destination` finds.
    pub(crate) fn send_by<C: Command<P>, D: Destination<C>>(
        &self,
        lane: &Arc<Link<P>>,
        destination: D,
        command: C,
        timing: Timing,
    ) -> Exchange<P, C, D> {
        Exchange::new(lane.clone(), Some(self.clone()), destination, command, timing)
    }

    /// Sends `command` to the server with this index in the present [topology](Cluster::topology), whatever its key.
    ///
    /// An index behind the last server counts from the start again. Where servers change, ask one [`Topology`] for index and server: what
    /// was not sent when that server is removed ends with [`ErrorKind::Closed`](crate::ErrorKind::Closed), as does what waits for the
    /// first servers to be found.
    pub fn send_to_server<C: Command<P>>(&self, server: usize, command: C) -> Exchange<P, C> {
        self.topology().send_to(server, command)
    }

    /// For a command that its owner keeps: see [`Attempts`].
    #[inline]
    pub(crate) fn attempts(&self, key: &[u8], len: usize, timing: Timing) -> Attempts<P> {
        Attempts::new(self.shared.topology.borrow().lane_of(key, len), timing)
    }

    /// The servers as they stand now; `None` when the cluster is closed.
    #[cold]
    pub(crate) fn if_open(&self) -> Option<Topology<P>> {
        let is_closed = self.shared.is_closed.load(Ordering::Acquire);
        (!is_closed).then(|| self.topology())
    }

    /// Whether these servers can be routed to.
    #[cold]
    pub(crate) fn check(&self, servers: &[Server]) -> Result<(), ConfigError> {
        self.shared.routing.router(servers).map(drop)
    }

    /// Whether the list of servers is still the one with this number.
    pub(crate) fn is_at(&self, number: u64) -> bool {
        self.shared.topology.borrow().number() == number
    }

    /// A connection to the server that has this key now, if the list of servers is not the one with this number any more.
    pub(crate) fn lane_if_changed(&self, number: u64, key: &[u8], len: usize) -> Option<Arc<Link<P>>> {
        let topology = self.shared.topology.borrow();
        (topology.number() != number).then(|| topology.lane_of(key, len))
    }

    /// How often a stand-in was chosen for a command because its server was down ([`WhenDown::NextServer`](crate::WhenDown)).
    #[must_use]
    pub fn substituted(&self) -> u64 {
        self.topology().substituted().load(Ordering::Relaxed)
    }

    /// The servers as they stand now.
    #[must_use]
    pub fn topology(&self) -> Topology<P> {
        self.shared.topology.borrow().clone()
    }

    /// The index of the server that `key` belongs to, in the present [topology](Cluster::topology).
    #[must_use]
    #[inline]
    pub fn route(&self, key: &[u8]) -> usize {
        self.shared.topology.borrow().route(key)
    }

    /// The configured names of all servers, in the order of configuration, as they are now.
    #[must_use]
    pub fn servers(&self) -> Vec<String> {
        self.shared.topology.borrow().servers().map(|server| server.name.clone()).collect()
    }

    /// How the way to the server with this index stands.
    #[must_use]
    pub fn state(&self, server: usize) -> LinkState {
        self.shared.topology.borrow().state(server)
    }

    /// What the connections to the server with this index have done.
    #[must_use]
    pub fn stats(&self, server: usize) -> Stats {
        self.shared.topology.borrow().stats(server)
    }

    /// Reads what the opening exchange has learned about the server with this index, while a connection to it is open.
    pub fn with_peer<R>(&self, server: usize, read: impl FnMut(&P::Peer) -> R) -> Option<R> {
        self.topology().with_peer(server, read)
    }

    /// Dials every server once and waits for the answers: one result for each, in the order of configuration. Servers that are still to
    /// be found are waited for; when that fails there is one result, which says why.
    pub async fn open(&self) -> Vec<Result<(), Error>> {
        let topology = match self.found().await {
            Ok(topology) => topology,
            Err(error) => return vec![Err(error)],
        };
        let opened = futures_util::future::join_all(topology.pools().map(|pool| pool.open())).await;
        let names = topology.pools().map(|pool| pool.name().clone());
        opened.into_iter().zip(names).map(|(opened, name)| opened.map_err(|error| Error::call(name, &error))).collect()
    }

    /// The servers, once they have been found, should they still have to be.
    pub(crate) async fn found(&self) -> Result<Topology<P>, Error> {
        loop {
            let topology = self.topology();
            if !topology.is_empty() {
                return Ok(topology);
            }
            // The placeholder never opens: it is down, or it has made room for the servers.
            let opened = futures_util::future::join_all(topology.pools().map(|pool| pool.open())).await;
            match opened.into_iter().find_map(Result::err) {
                Some(error) if self.topology().is_empty() => return Err(Error::call(topology.name(0).clone(), &error)),
                _ => {}
            }
        }
    }

    /// The same cluster for one who must not keep it.
    pub(crate) fn downgrade(&self) -> WeakCluster<P> {
        WeakCluster(Arc::downgrade(&self.shared))
    }

    /// Becomes true when the cluster is closed, and ends with it.
    pub(crate) fn ended(&self) -> watch::Receiver<bool> {
        self.shared.closed.subscribe()
    }

    /// Replaces every connection by a new one, without a command that notices: certificates, passwords and addresses are those of now.
    /// Returns at once. A new connection is made beside the old one; when its opening exchange has ended well, the old one finishes
    /// what is in flight and commands go over the new one. Where the server cannot be reached or refuses it the old connection stays
    /// ([`Event::RenewalFailed`](crate::Event)).
    pub fn renew(&self) {
        self.topology().pools().for_each(|pool| pool.renew());
    }

    /// Takes no more commands, lets what is in flight finish for up to `grace`, then closes every connection, those to servers that were
    /// removed before included. Afterwards every request ends at once with [`ErrorKind::Closed`](crate::ErrorKind::Closed). Calling it
    /// again is harmless.
    pub async fn close(&self, grace: Duration) {
        let leaving = self.shared.close();
        self.shared.closed.send_replace(true);
        let topology = self.topology();
        topology.pools().for_each(|pool| pool.begin_close(grace));
        leaving.iter().for_each(|link| link.begin_close(grace));
        futures_util::future::join_all(topology.pools().map(|pool| pool.closed(grace))).await;
        futures_util::future::join_all(leaving.iter().map(|link| link.closed(grace))).await;
    }

    #[inline]
    pub(crate) fn timing(&self) -> Timing {
        self.shared.settings.timing()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.shared.settings
    }
}

/// A cluster as seen by one who does not keep it.
pub(crate) struct WeakCluster<P: LinkProtocol>(Weak<Shared<P>>);

impl<P: LinkProtocol> WeakCluster<P> {
    /// The cluster, while somebody keeps it.
    pub(crate) fn upgrade(&self) -> Option<Cluster<P>> {
        self.0.upgrade().map(|shared| Cluster { shared })
    }
}

/// How long a dial of the placeholder may take: for ever, nearly. Whoever looks for the servers has bounds of its own, and callers have
/// their deadlines.
const PLACEHOLDER_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

impl<P: LinkProtocol> Shared<P> {
    /// The list changes no more, once this has returned. Gives the links to servers that were removed.
    fn close(&self) -> Vec<Arc<Link<P>>> {
        let after_the_last_change = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_closed.store(true, Ordering::Release);
        after_the_last_change.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Whoever watches the list of servers does not keep their connections.
impl<P: LinkProtocol> Drop for Shared<P> {
    fn drop(&mut self) {
        self.topology.send_replace(Topology::none(self.settings.clone()));
    }
}

impl<P: LinkProtocol> fmt::Debug for Cluster<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.topology().fmt(f)
    }
}
