use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memlink::generic::Cluster;
use memlink::{LinkState, Stats};

use crate::protocol::{Peer, Query, Resp};
use crate::{Builder, Cmd, Error, FromReply, Request};

/// A client for any number of independent Redis or Valkey servers.
///
/// **All callers share one connection to each server.** The commands of many tasks leave in one write, and one read brings the
/// replies of many; a reply reaches the request that caused it and nobody else, whatever is cancelled, late or cut. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), memlink_resp::Error> {
/// use std::time::Duration;
///
/// use memlink_resp::{Cmd, Redis};
///
/// let redis = Redis::connect("redis://cache-1,cache-2:6380").await?;
/// redis.set("user:1", "ada").ttl(Duration::from_secs(60)).await?;
/// let name = redis.get("user:1").await?;
/// let visits = redis.incr("visits").await?;
/// // Any command, its reply read as any type.
/// let top: Vec<(String, f64)> = redis.query(Cmd::new("ZRANGE").key("z").arg("0").arg("9").arg("WITHSCORES")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Redis {
    pub(crate) cluster: Cluster<Resp>,
    #[cfg(feature = "tls-own-provider")]
    pub(crate) tls: Option<memlink::Tls>,
}

impl Redis {
    /// For what a URL cannot say.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Connects to the servers of a [URL](Builder::url); one that answers is enough.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, or no server answers: what the first of them said.
    pub async fn connect(url: &str) -> Result<Redis, Error> {
        Redis::builder().url(url)?.connect().await
    }

    /// Any command, its reply read as a `T`. Goes to the server that its keys belong to ([`Cmd`]).
    pub fn query<T: FromReply>(&self, cmd: Cmd) -> Request<T> {
        Request::new(self.checked_server(&cmd).map(|server| self.cluster.send_to_server(server, Query::new(cmd))))
    }

    /// Any command, to the server with this index, whatever its keys. An index behind the last counts from the start again.
    pub fn query_server<T: FromReply>(&self, server: usize, cmd: Cmd) -> Request<T> {
        Request::new(cmd.check().map(|()| self.cluster.send_to_server(server, Query::new(cmd))))
    }

    /// One of this crate's own commands with a key: nothing about it needs to be checked but its size.
    pub(crate) fn send<T: FromReply>(&self, cmd: Cmd) -> Request<T> {
        let server = cmd.keys().next().map_or(0, |key| self.cluster.route(key));
        Request::new(cmd.check_size().map(|()| self.cluster.send_to_server(server, Query::new(cmd))))
    }

    /// The server of a command that may be sent.
    pub(crate) fn checked_server(&self, cmd: &Cmd) -> Result<usize, Error> {
        cmd.check()?;
        self.server_of(cmd)?.map_or_else(|| self.only_server(), Ok)
    }

    /// The server that all keys of a command belong to; `None` when it has none.
    pub(crate) fn server_of(&self, cmd: &Cmd) -> Result<Option<usize>, Error> {
        let mut servers = cmd.keys().map(|key| self.cluster.route(key));
        let first = servers.next();
        if servers.any(|server| Some(server) != first) { Err(Error::Spread) } else { Ok(first) }
    }

    pub(crate) fn only_server(&self) -> Result<usize, Error> {
        if self.cluster.topology().len() == 1 { Ok(0) } else { Err(Error::NoKey) }
    }

    /// The index of the server that a key belongs to: a function of the servers' names and weights.
    #[must_use]
    pub fn route(&self, key: impl AsRef<[u8]>) -> usize {
        self.cluster.route(key.as_ref())
    }

    /// The configured names of all servers, in the order of configuration.
    pub fn servers(&self) -> Vec<String> {
        self.cluster.servers()
    }

    /// How the way to the server with this index stands.
    #[must_use]
    pub fn state(&self, server: usize) -> LinkState {
        self.cluster.state(server)
    }

    /// What the connections to the server with this index have done.
    #[must_use]
    pub fn stats(&self, server: usize) -> Stats {
        self.cluster.stats(server)
    }

    /// What the server with this index said of itself, while it is connected.
    #[must_use]
    pub fn peer(&self, server: usize) -> Option<Peer> {
        self.cluster.with_peer(server, Peer::clone)
    }

    /// Replaces every connection by a new one, without a command that notices: certificates, passwords and addresses are those of now.
    /// Returns at once. A new connection is made beside the old one; when its opening exchange has ended well, the old one finishes what
    /// is in flight and commands go over the new one. Where the server cannot be reached or refuses it the old connection stays
    /// ([`Event::RenewalFailed`](memlink::Event)).
    pub fn renew(&self) {
        self.cluster.renew();
    }

    /// What was configured for TLS, by the URL too: to [`reload`](memlink::Tls::reload) its files.
    #[cfg(feature = "tls-own-provider")]
    #[must_use]
    pub fn tls(&self) -> Option<&memlink::Tls> {
        self.tls.as_ref()
    }

    /// Takes no more commands, lets what is in flight finish for up to `grace`, then closes every connection.
    pub async fn close(&self, grace: Duration) {
        self.cluster.close(grace).await;
    }

    pub(crate) fn server_name(&self, server: usize) -> Arc<str> {
        self.cluster.topology().name(server).clone()
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("cluster", &self.cluster).finish()
    }
}
