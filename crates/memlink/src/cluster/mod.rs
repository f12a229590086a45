//! All servers, and which of them a key belongs to.
//!
//! ```text
//!   key --router--> index of the server --> its pool --> a link
//! ```
//!
//! Any protocol may be put on it: [`Cluster`] is what [`Client`](crate::Client) is made of.

mod exchange;
mod topology;

pub(crate) use exchange::Attempts;
pub use exchange::Exchange;
pub(crate) use topology::Topology;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memlink_core::{Command, Stats};
use memlink_ring::{Ring, Router};

use crate::config::{ConfigError, Server, Settings};
use crate::error::Error;
use crate::link::{Link, LinkProtocol, LinkState, Timing};
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
/// use memlink::generic::Cluster;
/// use memlink::{Server, Settings};
///
/// let cluster = Cluster::new(protocol, [Server::tcp("10.0.0.1:7000")?], Settings::default())?;
/// let reply = cluster.send(b"the bytes that route it", command).await?;
/// # Ok(())
/// # }
/// ```
pub struct Cluster<P: LinkProtocol> {
    topology: Arc<Topology<P>>,
}

impl<P: LinkProtocol> Clone for Cluster<P> {
    fn clone(&self) -> Cluster<P> {
        Cluster { topology: self.topology.clone() }
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
        let servers: Vec<_> = servers.into_iter().collect();
        check(&servers, &settings)?;
        let ring = Ring::new(servers.iter().map(|server| (server.name.as_str(), server.weight)))?;
        Cluster::with_router(protocol, servers, settings, ring)
    }

    /// A cluster with a routing of your own. The router's answers index `servers`; an index behind its end counts from the start
    /// again.
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
        let servers: Vec<_> = servers.into_iter().collect();
        check(&servers, &settings)?;
        Ok(Cluster { topology: Arc::new(Topology::new(protocol, &servers, settings, Box::new(router))) })
    }

    /// Sends `command` to the server that `key` belongs to, when the result is first polled.
    pub fn send<C: Command<P>>(&self, key: &[u8], command: C) -> Exchange<P, C> {
        let timing = self.timing();
        self.send_to(self.route(key), command, timing)
    }

    /// Sends `command` to the server with this index, whatever its key.
    ///
    /// An index behind the last server counts from the start again.
    pub fn send_to_server<C: Command<P>>(&self, server: usize, command: C) -> Exchange<P, C> {
        let timing = self.timing();
        self.send_to(server, command, timing)
    }

    pub(crate) fn send_to<C: Command<P>>(&self, server: usize, command: C, timing: Timing) -> Exchange<P, C> {
        Exchange::new(self.lane(server).clone(), command, timing)
    }

    /// One of the connections to the server with this index: commands that are [sent over](Cluster::send_over) it leave in the order
    /// in which they are first polled.
    #[inline]
    pub(crate) fn lane(&self, server: usize) -> &Arc<Link<P>> {
        self.topology.pool(server).pick()
    }

    pub(crate) fn send_over<C: Command<P>>(&self, lane: &Arc<Link<P>>, command: C, timing: Timing) -> Exchange<P, C> {
        Exchange::new(lane.clone(), command, timing)
    }

    /// Two commands for one server, over the same connection: if the first is polled first, they leave in this order.
    pub(crate) fn send_pair<C: Command<P>, D: Command<P>>(
        &self,
        server: usize,
        first: C,
        second: D,
        timing: Timing,
    ) -> (Exchange<P, C>, Exchange<P, D>) {
        let lane = self.lane(server);
        (Exchange::new(lane.clone(), first, timing), Exchange::new(lane.clone(), second, timing))
    }

    /// For a command that its owner keeps: see [`Attempts`].
    #[inline]
    pub(crate) fn attempts(&self, server: usize, timing: Timing) -> Attempts<P> {
        Attempts::new(self.lane(server).clone(), timing)
    }

    /// The index of the server that `key` belongs to.
    #[must_use]
    #[inline]
    pub fn route(&self, key: &[u8]) -> usize {
        self.topology.route(key)
    }

    /// The configured names of all servers, in the order of configuration.
    pub fn servers(&self) -> impl ExactSizeIterator<Item = &str> {
        self.topology.pools().iter().map(|pool| &**pool.name())
    }

    /// How the way to the server with this index stands.
    #[must_use]
    pub fn state(&self, server: usize) -> LinkState {
        self.topology.pool(server).state()
    }

    /// What the connections to the server with this index have done.
    #[must_use]
    pub fn stats(&self, server: usize) -> Stats {
        self.topology.pool(server).stats()
    }

    /// Dials every server once and waits for the answers: one result for each, in the order of configuration.
    pub async fn open(&self) -> Vec<Result<(), Error>> {
        let opened = futures_util::future::join_all(self.topology.pools().iter().map(|pool| pool.open())).await;
        let names = self.topology.pools().iter().map(|pool| pool.name().clone());
        opened.into_iter().zip(names).map(|(opened, name)| opened.map_err(|error| Error::call(name, &error))).collect()
    }

    /// Replaces every connection by a new one, without a command that notices: certificates, passwords and addresses are those of now.
    /// Returns at once. A new connection is made beside the old one; when its opening exchange has ended well, the old one finishes
    /// what is in flight and commands go over the new one. Where the server cannot be reached or refuses it the old connection stays
    /// ([`Event::RenewalFailed`](crate::Event)).
    pub fn renew(&self) {
        self.topology.pools().iter().for_each(Pool::renew);
    }

    /// Takes no more commands, lets what is in flight finish for up to `grace`, then closes every connection. Afterwards every
    /// request ends at once with [`ErrorKind::Closed`](crate::ErrorKind::Closed). Calling it again is harmless.
    pub async fn close(&self, grace: Duration) {
        futures_util::future::join_all(self.topology.pools().iter().map(|pool| pool.close(grace))).await;
    }

    /// Reads what the opening exchange has learned about the server with this index, while a connection to it is open.
    pub fn with_peer<R>(&self, server: usize, read: impl FnMut(&P::Peer) -> R) -> Option<R> {
        self.topology.pool(server).with_peer(read)
    }

    pub(crate) fn timing(&self) -> Timing {
        let settings = self.topology.settings();
        Timing { timeout: settings.timeout, deadline: None, wait: settings.wait_when_full }
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.topology.settings()
    }
}

impl<P: LinkProtocol> fmt::Debug for Cluster<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.topology.fmt(f)
    }
}

/// The same server twice would get twice its share, or be two servers that are one.
fn check(servers: &[Server], settings: &Settings) -> Result<(), ConfigError> {
    settings.check()?;
    servers.iter().try_for_each(|server| settings.check_address(&server.address))?;
    if servers.is_empty() {
        return Err(ConfigError::NoServer);
    }
    let mut names: Vec<_> = servers.iter().map(|server| server.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(ConfigError::DuplicateServer(pair[0].to_owned())),
        None => Ok(()),
    }
}
