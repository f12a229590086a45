use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use memlink_ring::Router;
use tokio::sync::watch;

use super::topology::{Member, Topology};
use super::{Cluster, Shared};
use crate::config::{ConfigError, Server, check_servers};
use crate::event::Event;
use crate::link::LinkProtocol;
use crate::pool::Pool;

/// Servers come and go while the program runs, from any task. Requests that are made meanwhile do not notice:
///
/// ```text
///   a server comes   connections are made when the first command wants one
///   a server stays   its connections, and what is in flight on them, stay as they are
///   a server goes    in flight: may finish within the grace    not sent yet: goes to the server that has the key now
/// ```
///
/// Each change computes the routing anew, some 15 ms with memlink's own ring, on the thread that asks for it. Changes are made one
/// after the other; each is whole or not at all.
impl<P: LinkProtocol> Cluster<P> {
    /// Adds a server. With memlink's own routing it takes its share of the keys from all others, and no other key moves.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is a server of this name or at this address, or the routing cannot be made. Nothing has changed.
    pub fn add(&self, server: Server) -> Result<Changes<P>, ConfigError> {
        self.shared.change(Duration::ZERO, |servers| {
            servers.push(server);
            Ok(())
        })
    }

    /// Removes a server: no new command goes there, what is in flight may finish for up to `grace`, then its connections close.
    /// Returns at once; [`Changes::drained`] waits for the end. Its keys go to the others.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is no server of this name, it is the last one, or the routing cannot be made. Nothing has changed.
    pub fn remove(&self, name: &str, grace: Duration) -> Result<Changes<P>, ConfigError> {
        self.shared.change(grace, |servers| {
            let position = servers.iter().position(|server| server.name == name);
            servers.remove(position.ok_or_else(|| ConfigError::UnknownServer(name.to_owned()))?);
            Ok(())
        })
    }

    /// Gives a server another weight. Its connections stay; with memlink's own routing keys move only to it or only away from it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is no server of this name, or the routing cannot be made. Nothing has changed.
    pub fn reweight(&self, name: &str, weight: u32) -> Result<Changes<P>, ConfigError> {
        self.shared.change(Duration::ZERO, |servers| {
            let server = servers.iter_mut().find(|server| server.name == name);
            server.ok_or_else(|| ConfigError::UnknownServer(name.to_owned()))?.weight = weight;
            Ok(())
        })
    }

    /// Makes these the servers. Those that were there before under the same name and address keep their connections; the others of
    /// before are removed as by [`remove`](Cluster::remove). A server that keeps its name and gets another address keeps its keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is no server among them, one twice, or the routing cannot be made. Nothing has changed.
    pub fn replace(
        &self,
        servers: impl IntoIterator<Item = Server>,
        grace: Duration,
    ) -> Result<Changes<P>, ConfigError> {
        let wanted: Vec<_> = servers.into_iter().collect();
        self.shared.change(grace, |servers| {
            *servers = wanted;
            Ok(())
        })
    }

    /// Tells of every change of the list of servers. Holds the servers' connections no longer than the cluster does.
    #[must_use]
    pub fn watch(&self) -> TopologyWatch<P> {
        TopologyWatch(self.shared.topology.subscribe())
    }
}

impl<P: LinkProtocol> Shared<P> {
    fn change(
        &self,
        grace: Duration,
        edit: impl FnOnce(&mut Vec<Server>) -> Result<(), ConfigError>,
    ) -> Result<Changes<P>, ConfigError> {
        let mut one_at_a_time = self.changing.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.is_closed.load(Ordering::Acquire) {
            return Err(ConfigError::Closed);
        }
        let before = self.topology.borrow().clone();
        let mut wanted: Vec<_> = before.servers().cloned().collect();
        edit(&mut wanted)?;
        if !wanted.is_empty() && before.servers().eq(&wanted) {
            return Ok(Changes::none());
        }
        if wanted.is_empty() {
            return Err(ConfigError::NoServer);
        }
        check_servers(&wanted, &self.settings)?;
        let router = self.routing.router(&wanted)?;
        let (after, changes) = self.exchanged(&before, wanted, router);
        // From here on no new command goes to a server that was removed; those that come too late look here again.
        self.topology.send_replace(after);
        let placeholder = before.is_empty().then(|| before.pools().cloned()).into_iter().flatten();
        let leaving: Vec<_> = changes.leaving.iter().cloned().chain(placeholder).collect();
        one_at_a_time.retain(|link| link.strong_count() > 0);
        one_at_a_time.extend(leaving.iter().flat_map(|pool| pool.all()).map(Arc::downgrade));
        drop(one_at_a_time);
        leaving.iter().for_each(|pool| pool.begin_close(grace));
        self.tell(&changes);
        Ok(Changes { grace, ..changes })
    }

    fn exchanged(
        &self,
        before: &Topology<P>,
        wanted: Vec<Server>,
        router: Box<dyn Router>,
    ) -> (Topology<P>, Changes<P>) {
        let (mut members, mut changes) = (Vec::with_capacity(wanted.len()), Changes::none());
        for server in wanted {
            let old = before.members().iter().find(|member| member.server.name == server.name);
            let pool = match old {
                Some(old) if old.server.address == server.address => {
                    if old.server.weight != server.weight {
                        changes.reweighted.push(old.pool.name().clone());
                    }
                    old.pool.clone()
                }
                _ => {
                    let pool = self.pool(&server);
                    changes.added.push(pool.name().clone());
                    pool
                }
            };
            members.push(Member { server, pool });
        }
        let stays = |old: &Member<P>| members.iter().any(|member| Arc::ptr_eq(&member.pool, &old.pool));
        changes.leaving = before.members().iter().filter(|old| !stays(old)).map(|old| old.pool.clone()).collect();
        changes.removed = changes.leaving.iter().map(|pool| pool.name().clone()).collect();
        let (settings, substituted) = (self.settings.clone(), before.substituted().clone());
        (Topology::new(before.number() + 1, members, router, settings, substituted), changes)
    }

    /// A pool for a server, which nothing dials yet.
    pub(super) fn pool(&self, server: &Server) -> Arc<Pool<P>> {
        Arc::new(Pool::new(server, &self.protocol, &self.link_options, self.settings.lanes()))
    }

    fn tell(&self, changes: &Changes<P>) {
        let events = (changes.added.iter().map(|server| Event::Added { server: server.clone() }))
            .chain(changes.removed.iter().map(|server| Event::Removed { server: server.clone() }))
            .chain(changes.reweighted.iter().map(|server| Event::Reweighted { server: server.clone() }));
        events.for_each(|event| self.link_options.observe(&event));
    }
}

/// What a change of the list of servers has changed, by their names.
#[derive(Debug)]
pub struct Changes<P: LinkProtocol> {
    /// Servers that came. One whose address has changed has come and gone.
    pub added: Vec<Arc<str>>,
    /// Servers that went.
    pub removed: Vec<Arc<str>>,
    /// Servers that have another weight.
    pub reweighted: Vec<Arc<str>>,
    leaving: Vec<Arc<Pool<P>>>,
    grace: Duration,
}

impl<P: LinkProtocol> Changes<P> {
    fn none() -> Changes<P> {
        let (added, removed, reweighted) = (Vec::new(), Vec::new(), Vec::new());
        Changes { added, removed, reweighted, leaving: Vec::new(), grace: Duration::ZERO }
    }

    /// Whether everything is as it was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.reweighted.is_empty()
    }

    /// Returns when nothing is left of the servers that went: their tasks have ended, their sockets are closed. Soon after the grace is
    /// over at the latest. They end without it, too.
    pub async fn drained(self) {
        futures_util::future::join_all(self.leaving.iter().map(|pool| pool.closed(self.grace))).await;
    }
}

/// Tells of changes of the list of servers: see [`Cluster::watch`].
#[derive(Debug, Clone)]
pub struct TopologyWatch<P: LinkProtocol>(watch::Receiver<Topology<P>>);

impl<P: LinkProtocol> TopologyWatch<P> {
    /// The servers as they stand now. `None`: the cluster is gone.
    #[must_use]
    pub fn current(&self) -> Option<Topology<P>> {
        Some(self.0.borrow().clone()).filter(Topology::is_there)
    }

    /// Waits until the list is another than when it was last asked for here, and gives it. `None`: the cluster is gone.
    pub async fn changed(&mut self) -> Option<Topology<P>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone()).filter(Topology::is_there)
    }
}
