use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Topology;
use crate::link::{Link, LinkProtocol, LinkState};

/// The one connection to each server that commands take whose order matters: also those that were meant for a server that is gone, and
/// those that come behind them.
pub(crate) struct Ways<P: LinkProtocol>(Mutex<Vec<Arc<Link<P>>>>);

impl<P: LinkProtocol> Ways<P> {
    pub(crate) fn new() -> Arc<Ways<P>> {
        Arc::new(Ways(Mutex::default()))
    }

    /// The way to the server of `link`, to which there was none.
    pub(crate) fn begin(&self, link: Arc<Link<P>>) {
        self.links().push(link);
    }

    /// Another way to the server of `link`: nothing is on its way there.
    pub(crate) fn replace(&self, link: Arc<Link<P>>) {
        let mut links = self.links();
        links.retain(|other| !Arc::ptr_eq(other.name(), link.name()));
        links.push(link);
    }

    /// The way to the server with this index. Who first asks for it chooses one for commands of about so many bytes.
    #[cold]
    pub(crate) fn to(&self, topology: &Topology<P>, server: usize, len: usize) -> Arc<Link<P>> {
        let name = topology.name(server);
        let mut links = self.links();
        // A server that was removed and came again under its name has connections of its own, and so has a name of its own.
        if let Some(link) = links.iter().find(|link| Arc::ptr_eq(link.name(), name)) {
            return link.clone();
        }
        links.retain(|link| link.state() != LinkState::Closed);
        let link = topology.lane(server, len).clone();
        links.push(link.clone());
        link
    }

    fn links(&self) -> MutexGuard<'_, Vec<Arc<Link<P>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
