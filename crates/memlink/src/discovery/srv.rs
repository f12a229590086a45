use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;

use super::{Discover, DiscoverFuture, DiscoveryError, check_len};
use crate::config::{ConfigError, Server, Settings};
use crate::transport::{Address, AddressError};

/// The servers of a name's SRV records, with their ports and weights: `dnssrv+name` in a URL; feature `dns-srv`.
///
/// The name services are those of the operating system's configuration (`/etc/resolv.conf`), unless [others](Srv::name_server) are
/// named; they are really asked each time, and not what was learned before. What a record says is used so:
///
/// | record | used as |
/// | --- | --- |
/// | priority | only those of the lowest number are used: a cache has no second choice for a key |
/// | target, port | the address of a server, and its name: `cache-1.example:11211` |
/// | weight | the server's [weight](Server::weight) |
/// | weight 0 beside others above 0 | weight 0: no keys. DNS means "hardly ever", and a cache that is hardly ever used is cold |
/// | weight 0 in all | weight 1: they share alike |
/// | port 0 | the whole answer is refused |
/// | the target `.` | there is no such service: no server |
#[derive(Debug, Clone)]
pub struct Srv {
    name: String,
    name_servers: Vec<SocketAddr>,
}

/// How long one name server has for one answer. Two tries of two servers fit into what a source has.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a name server is asked that does not answer: datagrams get lost.
const TRIES: usize = 2;

impl Srv {
    /// The records of `name`, commonly of the form `_memcache._tcp.example.com`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the text is no name.
    pub fn new(name: &str) -> Result<Srv, ConfigError> {
        // What belongs into a host name belongs into this; a port does not.
        match Address::parse(name, 1)? {
            Address::Tcp { host, port: 1 } if !name.contains(':') && host.len() <= NAME_LEN_MAX => {
                Ok(Srv { name: host, name_servers: Vec::new() })
            }
            // Behind a colon may be a password.
            _ => Err(AddressError::Host(name.split(':').next().unwrap_or_default().to_owned()).into()),
        }
    }

    /// Asks this name server, too, and none of the system's configuration.
    #[must_use]
    pub fn name_server(mut self, address: SocketAddr) -> Srv {
        self.name_servers.push(address);
        self
    }

    fn resolver(&self) -> Result<TokioResolver, DiscoveryError> {
        let mut builder = match self.name_servers.as_slice() {
            // Read each time: the system may have moved to another network.
            [] => TokioResolver::builder_tokio().map_err(failed)?,
            named => {
                let config = ResolverConfig::from_parts(None, Vec::new(), named.iter().map(name_server).collect());
                TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        let options: &mut ResolverOpts = builder.options_mut();
        // How often it is asked is the client's decision.
        options.cache_size = 0;
        options.timeout = ANSWER_TIMEOUT;
        options.attempts = TRIES;
        builder.build().map_err(failed)
    }

    async fn servers(&self) -> Result<Vec<Server>, DiscoveryError> {
        let answer = self.resolver()?.srv_lookup(self.name.as_str()).await.map_err(failed)?;
        let records = answer.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(Record {
                priority: srv.priority,
                weight: srv.weight,
                port: srv.port,
                target: srv.target.to_ascii(),
            }),
            _ => None,
        });
        let servers = chosen(records.collect())?;
        check_len(servers.len())?;
        Ok(servers)
    }
}

/// Bytes of a name, by the rules of DNS.
const NAME_LEN_MAX: usize = 253;

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(address.ip());
    config.connections.iter_mut().for_each(|connection| connection.port = address.port());
    config
}

fn failed(error: impl std::fmt::Display) -> DiscoveryError {
    DiscoveryError::Failed(error.to_string())
}

/// What one record says.
#[derive(Debug, Clone)]
struct Record {
    priority: u16,
    weight: u16,
    port: u16,
    target: String,
}

/// The servers of an answer, in an order of their own.
fn chosen(mut records: Vec<Record>) -> Result<Vec<Server>, DiscoveryError> {
    for record in &mut records {
        record.target = record.target.trim_end_matches('.').to_ascii_lowercase();
    }
    records.retain(|record| !record.target.is_empty());
    let lowest = records.iter().map(|record| record.priority).min();
    records.retain(|record| Some(record.priority) == lowest);
    // The greatest weight first, should a server be there several times.
    records.sort_by_key(|record| (record.target.clone(), record.port, Reverse(record.weight)));
    records.dedup_by_key(|record| (record.target.clone(), record.port));
    let all_zero = records.iter().all(|record| record.weight == 0);
    let server = |record: Record| {
        if record.port == 0 {
            return Err(DiscoveryError::malformed(format!("{} has port 0", record.target)));
        }
        let address = Address::parse(&record.target, record.port).map_err(ConfigError::from)?;
        Ok(Server::at(address).weight(if all_zero { 1 } else { record.weight.into() }))
    };
    records.into_iter().map(server).collect()
}

impl Discover for Srv {
    fn discover<'a>(&'a self, _: &'a Settings) -> DiscoverFuture<'a> {
        Box::pin(self.servers())
    }

    fn source(&self) -> String {
        format!("dnssrv+{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(records: &[(u16, u16, u16, &str)]) -> Result<Vec<String>, DiscoveryError> {
        let record = |&(priority, weight, port, target): &(u16, u16, u16, &str)| Record {
            priority,
            weight,
            port,
            target: target.to_owned(),
        };
        let servers = chosen(records.iter().map(record).collect())?;
        Ok(servers.into_iter().map(|server| format!("{}*{}", server.name, server.weight)).collect())
    }

    #[test]
    fn records_become_servers_as_the_table_says() {
        for (records, wanted) in [
            (&[(0, 2, 5, "b."), (0, 1, 5, "A.")][..], &["a:5*1", "b:5*2"][..]),
            (&[(2, 1, 5, "a."), (1, 1, 5, "b."), (3, 1, 5, "c.")], &["b:5*1"]),
            (&[(1, 0, 5, "a."), (1, 7, 5, "b.")], &["a:5*0", "b:5*7"]),
            (&[(1, 0, 5, "a."), (1, 0, 6, "a.")], &["a:5*1", "a:6*1"]),
            (&[(1, 3, 5, "a."), (1, 9, 5, "a"), (1, 0, 5, "A.")], &["a:5*9"]),
            (&[(0, 0, 0, ".")], &[]),
            (&[(0, 0, 0, "."), (1, 1, 5, "a.")], &["a:5*1"]),
            (&[], &[]),
        ] {
            assert_eq!(shown(records).unwrap(), wanted, "{records:?}");
        }
        for records in [&[(1, 1, 0, "a.")][..], &[(1, 1, 5, "a."), (1, 1, 0, "b.")], &[(1, 1, 5, "a b.")]] {
            assert!(matches!(shown(records), Err(DiscoveryError::Malformed(_))), "{records:?}");
        }
    }

    #[test]
    fn names_are_checked() {
        assert_eq!(Srv::new("_Memcache._tcp.example.com").unwrap().source(), "dnssrv+_memcache._tcp.example.com");
        for name in ["", "a:5", "a b", "::1", "[::1]", &"a".repeat(254)] {
            assert!(Srv::new(name).is_err(), "{name}");
        }
    }
}
