use std::sync::Arc;

use memlink_ring::Router;

use crate::config::{Server, Settings};
use crate::link::LinkProtocol;
use crate::pool::Pool;

/// The list of servers as it stands, and how keys are divided among them.
pub(crate) struct Topology<P: LinkProtocol> {
    /// Never empty.
    pools: Vec<Pool<P>>,
    router: Box<dyn Router>,
    settings: Settings,
}

impl<P: LinkProtocol> Topology<P> {
    pub(super) fn new(protocol: P, servers: &[Server], settings: Settings, router: Box<dyn Router>) -> Topology<P> {
        let protocol = Arc::new(protocol);
        let pools = servers.iter().map(|server| Pool::new(server, &protocol, &settings)).collect();
        Topology { pools, router, settings }
    }

    #[inline]
    pub(super) fn route(&self, key: &[u8]) -> usize {
        if self.pools.len() == 1 { 0 } else { self.router.route(key) % self.pools.len() }
    }

    #[inline]
    pub(super) fn pool(&self, server: usize) -> &Pool<P> {
        &self.pools[server % self.pools.len()]
    }

    pub(super) fn pools(&self) -> &[Pool<P>] {
        &self.pools
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl<P: LinkProtocol> std::fmt::Debug for Topology<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Topology").field("pools", &self.pools).finish_non_exhaustive()
    }
}
