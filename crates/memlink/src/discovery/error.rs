use std::io;

use super::SERVERS_MAX;
use crate::config::ConfigError;

/// Why a source has no list of servers. The last good one stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// It could not be asked, or its answer says that it failed.
    #[error("{0}")]
    Failed(String),
    /// It did not answer in time.
    #[error("it has not answered in time")]
    TimedOut,
    /// It has answered, and what it said is no list of servers: what is wrong.
    #[error("the answer is no list of servers: {0}")]
    Malformed(String),
    /// A list without a server: taken for a mistake of the source, since nothing could be done with it.
    #[error("the answer has no server")]
    Empty,
    /// A list of more than [`SERVERS_MAX`] servers.
    #[error("the answer has {found} servers, and at most {SERVERS_MAX} are taken")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// Its servers cannot be those of this client: why.
    #[error("{0}")]
    Unusable(ConfigError),
}

impl DiscoveryError {
    pub(super) fn malformed(what: impl Into<String>) -> DiscoveryError {
        DiscoveryError::Malformed(what.into())
    }
}

impl From<io::Error> for DiscoveryError {
    fn from(error: io::Error) -> DiscoveryError {
        DiscoveryError::Failed(error.to_string())
    }
}

/// A server that a source gave cannot be one.
impl From<ConfigError> for DiscoveryError {
    fn from(error: ConfigError) -> DiscoveryError {
        DiscoveryError::Malformed(error.to_string())
    }
}
