use std::path::Path;

use super::ConfigError;
use crate::transport::Address;

/// One server as configured: a name that routing hashes, an address that is dialled, a weight.
///
/// Name and address are two things. Keys stay with the name: give a server a new address and it keeps its keys, give it a new
/// name and it gets others. Unless it is [named](Server::named), a server is called by its address, always with the port, in lower
/// case: `Cache-1` and `cache-1:11211` are one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub(crate) name: String,
    pub(crate) address: Address,
    pub(crate) weight: u32,
}

impl Server {
    /// A server at `host`, `host:port` or `[ipv6]:port`; without a port at memcached's, 11211.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the text is no address.
    pub fn tcp(address: &str) -> Result<Server, ConfigError> {
        Ok(Server::at(address.parse()?))
    }

    /// A server that listens on a Unix domain socket.
    #[must_use]
    pub fn unix(path: impl AsRef<Path>) -> Server {
        Server::at(Address::Unix(path.as_ref().to_path_buf()))
    }

    /// A server at an address, called by it.
    #[must_use]
    pub fn at(address: Address) -> Server {
        Server { name: address.to_string(), address, weight: 1 }
    }

    /// Calls it by a name of your own. Routing hashes this name, errors and metrics show it.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Server {
        Server { name: name.into(), ..self }
    }

    /// Its share of the keys beside the others; 1 unless told otherwise, 0 for none.
    #[must_use]
    pub fn weight(self, weight: u32) -> Server {
        Server { weight, ..self }
    }

    /// What routing hashes, and errors and metrics show.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is dialled.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its share of the keys beside the others, as [set](Server::weight).
    #[must_use]
    pub fn weighs(&self) -> u32 {
        self.weight
    }
}
