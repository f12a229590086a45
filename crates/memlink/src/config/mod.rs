//! Every option, from code or from a URL, documented once.

mod server;
mod settings;
mod url;

pub use server::Server;
pub(crate) use settings::Lanes;
pub use settings::{Settings, WhenDown};
pub(crate) use settings::{bounded, check_servers};
#[cfg(test)]
pub(crate) use url::parse_url;
pub(crate) use url::{Source, parse_url_after};

use memlink_ring::RingError;

use crate::transport::AddressError;

/// What is wrong with a configuration. Found before anything is dialled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// An address cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// There is no server.
    #[error("no server is configured; name at least one, as in memcache://cache-1:11211")]
    NoServer,
    /// Two servers have the same name.
    #[error("the server {0:?} is configured twice")]
    DuplicateServer(String),
    /// Two servers of different names have the same address.
    #[error(
        "the servers {one:?} and {other:?} are the same one, at {address}: name it once, with a weight where it is to have more"
    )]
    SameAddress {
        /// Where both are.
        address: String,
        /// The name of one.
        one: String,
        /// The name of the other.
        other: String,
    },
    /// A server that is to be removed or changed is not there.
    #[error("there is no server {0:?}")]
    UnknownServer(String),
    /// The servers cannot change, because the router was made for those of the start.
    #[error(
        "the servers cannot change: the router was given for those of the start; give a routing that makes one for any list"
    )]
    FixedRouter,
    /// A routing of the user's own cannot route to these servers: why.
    #[error("the servers cannot be routed to: {0}")]
    Routing(String),
    /// The cluster was closed: its servers change no more.
    #[error("the client was closed")]
    Closed,
    /// The servers cannot be routed to.
    #[error("the servers cannot be routed to: {0}")]
    Ring(#[from] RingError),
    /// The text does not begin with a scheme that memlink knows.
    #[error(
        "the URL scheme {0:?} is unknown; memcache://, memcaches:// (TLS), memcache+unix:// and memcache+file:// are known"
    )]
    Scheme(String),
    /// What the scheme stands for is not built in.
    #[error("{0} is not supported by this build of memlink")]
    Unavailable(&'static str),
    /// The options or files of TLS cannot be used.
    #[cfg(feature = "tls-own-provider")]
    #[error("TLS: {0}")]
    Tls(#[from] crate::transport::TlsError),
    /// A URL has something where nothing belongs.
    #[error("the URL cannot be read: {0}")]
    Url(String),
    /// An option is not known.
    #[error("the option {name:?} is unknown; known are {known}")]
    UnknownOption {
        /// As it was written.
        name: String,
        /// All that are known.
        known: String,
    },
    /// The value of an option cannot be used.
    #[error("the option {name} cannot be {value:?}: {why}")]
    BadOption {
        /// The option.
        name: &'static str,
        /// As it was written.
        value: String,
        /// What would be right.
        why: &'static str,
    },
}
