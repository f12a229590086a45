//! Servers that are found instead of listed: where to look for them, and what becomes of an answer.
//!
//! ```text
//!   sources, each at its interval          one list               cluster
//!   dns+cache.svc     --.
//!   elasticache+cfg   --+--last good of each--> united --changed?--> replace: new ones come, old ones are drained
//!   fixed servers     --'
//! ```
//!
//! * **A look-up that fails changes nothing.** Neither does an empty answer, one that is too long, or a list that cannot be routed to: the
//!   last good one stays, and [`Event::DiscoveryFailed`](crate::Event) says so.
//! * **Keys are not divided among half of the servers.** Where several sources are given, the first list is used when each has answered.
//!   Until then requests wait as for a server that is being dialled; once a source has failed they are refused at once, with its reason.
//! * **A server that stays keeps its connections**, whatever comes and goes beside it.
//!
//! Sources are named in a URL ([`Builder::url`](crate::Builder::url)) or given to [`Builder::discover`](crate::Builder::discover); one of your
//! own is a [`Discover`].

mod dns;
mod elasticache;
mod error;
#[cfg(feature = "discovery-file")]
mod file;
#[doc(hidden)]
pub mod parsers;
mod sources;
#[cfg(feature = "dns-srv")]
mod srv;
mod united;
mod watcher;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use dns::Dns;
pub use elasticache::ElastiCache;
pub use error::DiscoveryError;
#[cfg(feature = "discovery-file")]
pub use file::ServerFile;
pub use sources::Sources;
#[cfg(feature = "dns-srv")]
pub use srv::Srv;

use crate::config::{Server, Settings};

/// A source of servers.
///
/// ```
/// use memlink::discovery::{Discover, DiscoverFuture};
/// use memlink::{Client, Server, Settings};
///
/// /// Asks the company's registry.
/// struct Registry;
///
/// impl Discover for Registry {
///     fn discover<'a>(&'a self, _: &'a Settings) -> DiscoverFuture<'a> {
///         Box::pin(async { Ok(vec![Server::tcp("10.0.0.1")?, Server::tcp("10.0.0.2")?]) })
///     }
///
///     fn source(&self) -> String {
///         "registry".to_owned()
///     }
/// }
///
/// let cache = Client::builder().discover(Registry).build()?;
/// # Ok::<(), memlink::ConfigError>(())
/// ```
pub trait Discover: Send + Sync + 'static {
    /// All servers as they are now, in an order that stays the same while they do: some schemes of routing go by it. Given up after ten
    /// seconds. An error, an empty list, and one of more than [`SERVERS_MAX`] change nothing.
    ///
    /// `settings` say how the client reaches its servers, for sources that ask servers or names themselves.
    fn discover<'a>(&'a self, settings: &'a Settings) -> DiscoverFuture<'a>;

    /// What it is called in errors and events, as in `dns+cache.svc:11211`. Without secrets.
    fn source(&self) -> String;

    /// How often it is asked, give or take a quarter, unless the client was told otherwise. Default 30 s: what name services commonly
    /// let an answer be used for.
    fn interval(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// What [`Discover::discover`] gives.
pub type DiscoverFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<Server>, DiscoveryError>> + Send + 'a>>;

/// Most servers of one client that uses sources: four times the largest fleet that memlink is tested with. A longer answer is taken for a
/// mistake.
pub const SERVERS_MAX: usize = 4_096;

/// Refuses lists that no source should give.
fn check_len(found: usize) -> Result<(), DiscoveryError> {
    match found {
        0 => Err(DiscoveryError::Empty),
        1..=SERVERS_MAX => Ok(()),
        _ => Err(DiscoveryError::TooMany { found }),
    }
}
