use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use memlink_meta::{Invalid, Key, Meta};

use crate::cluster::Cluster;
use crate::error::Error;

/// A memcached client for any number of servers.
///
/// **All callers share a few connections.** The commands of many tasks leave in one write, and one read brings the answers of
/// many; still a reply reaches the request that caused it and nobody else, whatever is cancelled, late or cut. Cheap to clone, to be
/// shared by all tasks of a program; clones share everything.
///
/// * **What is sent when?** A request is sent when it is awaited. Requests to one server are sent in the order in which they are
///   first polled, except that one that has to wait, for a connection or for room, may be overtaken while it is being let in; requests
///   to different servers have no order. Await the first where order matters.
/// * **Who serves it?** A task for each connection, on the runtime on which it was first used. While that runtime is not being run, or
///   its thread is blocked, nobody on these connections is served, and no deadline is kept.
/// * **What happens on failure?** A request ends with its result or an [`Error`] that says whether the command can have been
///   applied ([`Error::outcome`]). A server that is down is an error for its own keys and for no others; no other server ever
///   answers for it. It is dialled again for ever.
/// * **What is cancelled?** Dropping a request abandons the command and nothing else: what was not sent by then is not sent.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let cache = memlink::Client::connect("memcache://cache-1,cache-2:11212").await?;
/// cache.set("user:1", "ada").ttl(Duration::from_secs(60)).await?;
/// if let Some(value) = cache.get("user:1").await? {
///     println!("{}", value.to_str()?);
/// }
/// let hits = cache.increment("hits").by(2).initial(0).await?;
/// cache.delete("user:1").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    cluster: Cluster<Meta>,
    counters: Counters,
}

/// What only the memcached side knows.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    wins_taken_by_accident: AtomicU64,
    wins_given_back: AtomicU64,
    reads_without_server: AtomicU64,
    writes_without_server: AtomicU64,
}

impl Counters {
    pub(crate) fn wins_taken_by_accident(&self) {
        self.wins_taken_by_accident.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wins_given_back(&self) {
        self.wins_given_back.fetch_add(1, Ordering::Relaxed);
    }

    /// A request went without an answer because its server was down, and its caller took that for one.
    pub(crate) fn without_server(&self, is_read: bool) {
        let counter = if is_read { &self.reads_without_server } else { &self.writes_without_server };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Wins: taken by accident, given back. Without a server: reads, writes.
    pub(crate) fn read(&self) -> [u64; 4] {
        let counters = [
            &self.wins_taken_by_accident,
            &self.wins_given_back,
            &self.reads_without_server,
            &self.writes_without_server,
        ];
        counters.map(|counter| counter.load(Ordering::Relaxed))
    }
}

impl Client {
    pub(crate) fn new(cluster: Cluster<Meta>) -> Client {
        Client { shared: Arc::new(Shared { cluster, counters: Counters::default() }) }
    }

    pub(crate) fn check_value(&self, value: &Bytes) -> Result<(), Invalid> {
        self.check_value_len(value.len())
    }

    pub(crate) fn check_value_len(&self, len: usize) -> Result<(), Invalid> {
        let len_max = self.cluster().settings().limits.value_len_max;
        match len > len_max {
            true => Err(Invalid::TooLong { what: "a value", len, len_max }),
            false => Ok(()),
        }
    }

    /// The configured name of the server that `key` belongs to, as the servers are now; while none has been found, where they are looked
    /// for.
    ///
    /// # Errors
    ///
    /// The key cannot be sent.
    pub fn server_of(&self, key: impl AsRef<[u8]>) -> Result<String, Error> {
        let key = Key::new(key).map_err(Invalid::from)?;
        let topology = self.cluster().topology();
        Ok(topology.name(topology.route(key.as_bytes())).to_string())
    }

    /// Takes no more requests, lets what is in flight finish for up to `grace`, then closes every connection and ends every task.
    /// Requests made afterwards, through any clone, fail with [`ErrorKind::Closed`](crate::ErrorKind::Closed). Calling it again is
    /// harmless; dropping the last clone does the same without the grace.
    pub async fn close(&self, grace: Duration) {
        self.cluster().close(grace).await;
    }

    /// What was configured for TLS, by the URL too: to [`reload`](crate::Tls::reload) its files.
    #[cfg(feature = "tls-own-provider")]
    #[must_use]
    pub fn tls(&self) -> Option<&crate::transport::Tls> {
        self.cluster().settings().dialer.tls.as_ref()
    }

    /// The servers and connections below: to [add](Cluster::add) and [remove](Cluster::remove) servers, to watch them, and for commands
    /// of one's own.
    #[must_use]
    pub fn cluster(&self) -> &Cluster<Meta> {
        &self.shared.cluster
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }
}

/// Seconds since 1970 by the caller's clock; 0 before that.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
