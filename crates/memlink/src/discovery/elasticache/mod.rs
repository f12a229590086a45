//! ElastiCache and Memorystore: any server of a cluster knows all of them.

mod answer;
mod protocol;

use std::time::Duration;

use memlink_ring::Router;
use tokio::time::Instant;

use self::answer::Answer;
pub use self::protocol::{Ask, Configuration, Replied};
use super::{Discover, DiscoverFuture, DiscoveryError, check_len};
use crate::cluster::Cluster;
use crate::config::{ConfigError, Server, Settings};
use crate::error::Error;

/// The servers of a cluster of ElastiCache or Memorystore, asked of its configuration endpoint by `config get cluster` (by
/// `get AmazonElastiCache:cluster` where that is unknown): `elasticache+host[:port]` in a URL.
///
/// A connection is made for each question, as to the client's servers: with their TLS, resolver and connector, but without credentials.
/// Servers are called by host and port, in the order of the answer, with the weight 1; where the answer leaves the host out, its IP
/// address stands for it. An endpoint that does not answer within three seconds has failed.
#[derive(Debug, Clone)]
pub struct ElastiCache {
    endpoints: Vec<Server>,
}

/// The version and the servers of an answer.
pub(super) fn read(text: &[u8]) -> Result<(u64, Vec<Server>), DiscoveryError> {
    Answer::read(text).map(|answer| (answer.version, answer.servers))
}

/// How long one endpoint has for its answer, dial included: three times what is common for a dial. Three of them have their turn within the
/// time of a source.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of an answer: 4,096 servers have 255 each.
const ANSWER_LEN_MAX: usize = 1 << 20;

impl ElastiCache {
    /// The cluster with this configuration endpoint, `host` or `host:port`; without a port at memcached's, 11211.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the text is no host and port.
    pub fn new(endpoint: &str) -> Result<ElastiCache, ConfigError> {
        Ok(ElastiCache { endpoints: vec![Server::tcp(endpoint)?] })
    }

    /// Another endpoint of the same cluster, which is asked when those before it have no answer. Clusters that have nothing in common are
    /// two sources.
    ///
    /// # Errors
    ///
    /// As [`new`](ElastiCache::new).
    pub fn or(mut self, endpoint: &str) -> Result<ElastiCache, ConfigError> {
        self.endpoints.push(Server::tcp(endpoint)?);
        Ok(self)
    }

    async fn ask(&self, settings: &Settings) -> Result<Vec<Server>, DiscoveryError> {
        let mut failed = DiscoveryError::Empty;
        for endpoint in &self.endpoints {
            match ask(endpoint, settings).await {
                Ok(servers) => return Ok(servers),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

async fn ask(endpoint: &Server, settings: &Settings) -> Result<Vec<Server>, DiscoveryError> {
    let settings = settings.for_questions(ANSWER_LEN_MAX, ANSWER_TIMEOUT);
    let cluster = Cluster::with_router(Configuration, [endpoint.clone()], settings, TheOnly)?;
    let failed = |error: Error| DiscoveryError::Failed(error.to_string());
    let begun = Instant::now();
    for question in [Ask::Config, Ask::Item] {
        let left = ANSWER_TIMEOUT.saturating_sub(begun.elapsed());
        match cluster.send_to_server(0, question).timeout(left).await.map_err(failed)? {
            Replied::Unknown => {}
            Replied::Nothing => return Err(DiscoveryError::malformed("the server is of no cluster")),
            Replied::Refused(text) => return Err(DiscoveryError::Failed(text)),
            Replied::Text(text) => {
                let Answer { servers, .. } = Answer::read(&text)?;
                check_len(servers.len())?;
                return Ok(servers);
            }
        }
    }
    Err(DiscoveryError::malformed("the server knows no configuration endpoint's commands"))
}

/// There is one server.
struct TheOnly;

impl Router for TheOnly {
    fn route(&self, _: &[u8]) -> usize {
        0
    }
}

impl Discover for ElastiCache {
    fn discover<'a>(&'a self, settings: &'a Settings) -> DiscoverFuture<'a> {
        Box::pin(self.ask(settings))
    }

    fn source(&self) -> String {
        let names: Vec<_> = self.endpoints.iter().map(|endpoint| format!("elasticache+{}", endpoint.name)).collect();
        names.join(" or ")
    }

    /// A minute, as Amazon's own clients have it.
    fn interval(&self) -> Duration {
        Duration::from_secs(60)
    }
}
