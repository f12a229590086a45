//! What the sources' answers are read by, for those who feed it bytes: fuzz targets. Not for users, and not promised to stay.

pub use super::elasticache::{Ask, Configuration, Replied};
use super::{DiscoveryError, elasticache};
use crate::config::Server;

/// The text of a configuration endpoint: its version and its servers.
///
/// # Errors
///
/// [`DiscoveryError::Malformed`] for anything else.
pub fn elasticache(text: &[u8]) -> Result<(u64, Vec<Server>), DiscoveryError> {
    elasticache::read(text)
}

/// The contents of a file of servers.
///
/// # Errors
///
/// [`DiscoveryError::Malformed`] for anything else.
#[cfg(feature = "discovery-file")]
pub fn file(bytes: &[u8]) -> Result<Vec<Server>, DiscoveryError> {
    super::file::read_list(bytes)
}
