use memlink_ring::{Ring, Router};

use crate::config::{ConfigError, Server};

/// Makes the [`Router`] of a list of servers. Asked at the start, and again whenever the list changes.
///
/// What it makes must be a function of the list and of nothing else: other programs that share the servers make their own, and a
/// router that remembered earlier lists would send the same key elsewhere.
///
/// ```
/// use memlink::{Client, ConfigError, Router, Routing, Server};
///
/// /// Every key on the server whose name comes first, for a cache of one with others in reserve.
/// struct First;
///
/// struct Always(usize);
///
/// impl Router for Always {
///     fn route(&self, _key: &[u8]) -> usize {
///         self.0
///     }
/// }
///
/// impl Routing for First {
///     fn router(&self, servers: &[Server]) -> Result<Box<dyn Router>, ConfigError> {
///         let first = (0..servers.len()).min_by_key(|index| servers[*index].name());
///         Ok(Box::new(Always(first.unwrap_or(0))))
///     }
/// }
///
/// let cache = Client::builder().url("memcache://cache-2,cache-1")?.routing(First).build()?;
/// assert_eq!(cache.server_of("k").unwrap(), "cache-1:11211");
/// # Ok::<(), memlink::ConfigError>(())
/// ```
pub trait Routing: Send + Sync + 'static {
    /// The router for these servers: its answers index `servers`. Must not ask or change the cluster that it is for.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Routing`] when these servers cannot be routed to. A change of the list that led here is refused, and the servers
    /// stay as they were.
    fn router(&self, servers: &[Server]) -> Result<Box<dyn Router>, ConfigError>;
}

/// memlink's own: a function of names and weights in which a server that comes or goes moves no keys but its own.
pub(crate) struct OwnRing;

impl Routing for OwnRing {
    fn router(&self, servers: &[Server]) -> Result<Box<dyn Router>, ConfigError> {
        Ok(Box::new(Ring::new(servers.iter().map(|server| (server.name.as_str(), server.weight)))?))
    }
}

/// A router that was given for the servers of the start, and knows no others.
pub(crate) struct Fixed(std::sync::Mutex<Option<Box<dyn Router>>>);

impl Fixed {
    pub(crate) fn new(router: Box<dyn Router>) -> Fixed {
        Fixed(std::sync::Mutex::new(Some(router)))
    }
}

impl Routing for Fixed {
    fn router(&self, _: &[Server]) -> Result<Box<dyn Router>, ConfigError> {
        let taken = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        taken.ok_or(ConfigError::FixedRouter)
    }
}
