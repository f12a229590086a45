use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::watcher::Watcher;
use super::{Discover, Dns, ElastiCache};
use crate::cluster::{Cluster, OwnRing, Routing};
use crate::config::{ConfigError, Server, Settings, Source, bounded, check_servers};
use crate::link::LinkProtocol;

/// Where a cluster finds its servers: sources, servers that are given, and how often it looks. For protocols of one's own; a
/// [`Client`](crate::Client) has it in its [`Builder`](crate::Builder).
#[derive(Clone, Default)]
pub struct Sources {
    pub(super) servers: Vec<Server>,
    pub(super) sources: Vec<Arc<dyn Discover>>,
    pub(super) interval: Option<Duration>,
}

impl Sources {
    /// None so far.
    #[must_use]
    pub fn new() -> Sources {
        Sources::default()
    }

    /// Looks for servers there, too.
    #[must_use]
    pub fn source(mut self, source: impl Discover) -> Sources {
        self.sources.push(Arc::new(source));
        self
    }

    /// Servers that are there in any case, in front of those that are found.
    #[must_use]
    pub fn servers(mut self, servers: impl IntoIterator<Item = Server>) -> Sources {
        self.servers.extend(servers);
        self
    }

    /// How often every source is asked, give or take a quarter, instead of at its [own interval](Discover::interval). From 10 ms to a
    /// day.
    #[must_use]
    pub fn interval(self, interval: Duration) -> Sources {
        Sources { interval: Some(bounded(interval)), ..self }
    }

    /// Whether there is nothing to ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// A cluster of the servers that are found, with memlink's own routing.
    ///
    /// Asks nobody and needs no runtime: the sources are asked from its first command on, and while it lives and is not closed.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is neither a source nor a server, or the given servers cannot be used.
    pub fn cluster<P: LinkProtocol>(self, protocol: P, settings: Settings) -> Result<Cluster<P>, ConfigError> {
        self.routed(protocol, settings, Box::new(OwnRing))
    }

    /// The same with a routing of your own, which is asked again whenever the servers change.
    ///
    /// # Errors
    ///
    /// As [`cluster`](Sources::cluster).
    pub fn cluster_with_routing<P: LinkProtocol>(
        self,
        protocol: P,
        settings: Settings,
        routing: impl Routing,
    ) -> Result<Cluster<P>, ConfigError> {
        self.routed(protocol, settings, Box::new(routing))
    }

    /// What a URL names.
    pub(crate) fn named(self, source: &Source) -> Result<Sources, ConfigError> {
        Ok(match source {
            Source::Dns(host) => self.source(Dns::new(host)?),
            Source::ElastiCache(endpoints) => {
                let mut endpoints = endpoints.iter();
                let first = ElastiCache::new(endpoints.next().map_or("", String::as_str))?;
                self.source(endpoints.try_fold(first, |source, endpoint| source.or(endpoint))?)
            }
            #[cfg(feature = "dns-srv")]
            Source::Srv(name) => self.source(super::Srv::new(name)?),
            #[cfg(not(feature = "dns-srv"))]
            Source::Srv(_) => return Err(ConfigError::Unavailable("dnssrv+, the feature `dns-srv`,")),
            #[cfg(feature = "discovery-file")]
            Source::File(path) => self.source(super::ServerFile::new(path)),
            #[cfg(not(feature = "discovery-file"))]
            Source::File(_) => return Err(ConfigError::Unavailable("memcache+file://, the feature `discovery-file`,")),
        })
    }

    pub(crate) fn routed<P: LinkProtocol>(
        self,
        protocol: P,
        settings: Settings,
        routing: Box<dyn Routing>,
    ) -> Result<Cluster<P>, ConfigError> {
        if self.is_empty() {
            return Cluster::with_boxed_routing(protocol, self.servers, settings, routing);
        }
        check_servers(&self.servers, &settings)?;
        Watcher::cluster(self, protocol, settings, routing)
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<_> = self.sources.iter().map(|source| source.source()).collect();
        f.debug_struct("Sources")
            .field("servers", &self.servers)
            .field("sources", &sources)
            .field("interval", &self.interval)
            .finish()
    }
}
