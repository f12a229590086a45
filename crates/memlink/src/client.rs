use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use memlink_meta::{Arithmetic, Debug, Delete, Get, Invalid, Key, Meta, Set, SetMode, Ttl, Verb};

use crate::builder::Builder;
use crate::cluster::Cluster;
use crate::error::Error;
use crate::request::{AddedOrNot, Deleted, Described, Done, Fetched, Number, Present, Reading, Request};

/// A memcached client for any number of servers.
///
/// **All callers share a few connections.** The commands of many tasks leave in one write, and one read brings the answers of
/// many; still a reply reaches the request that caused it and nobody else, whatever is cancelled, late or cut. Cheap to clone, to be
/// shared by all tasks of a program; clones share everything.
///
/// * **What is sent when?** A request is sent when it is awaited. Requests to one server are sent in the order in which they are
///   first polled; requests to different servers have no order.
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
}

impl Counters {
    pub(crate) fn wins_taken_by_accident(&self) {
        self.wins_taken_by_accident.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn wins_given_back(&self) {
        self.wins_given_back.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> (u64, u64) {
        (self.wins_taken_by_accident.load(Ordering::Relaxed), self.wins_given_back.load(Ordering::Relaxed))
    }
}

impl Client {
    /// A client for the servers of a URL, once one of them has answered: see [`Builder::url`] for what a URL can say.
    ///
    /// Dials every server once. Servers that do not answer are dialled again by themselves.
    ///
    /// # Errors
    ///
    /// The URL is wrong, or no server answers; then the error is the first server's.
    pub async fn connect(url: &str) -> Result<Client, Error> {
        Client::builder().url(url)?.connect().await
    }

    /// A client to be configured in code, or by a URL and code.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(cluster: Cluster<Meta>) -> Client {
        Client { shared: Arc::new(Shared { cluster, counters: Counters::default() }) }
    }

    /// Gets a value. `None` is a miss: the server has said that there is no such item.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Request<'_, Get, Fetched> {
        self.request(key, Get::new, Fetched { takes_win: false })
    }

    /// Gets what is asked for of an item, but not its value: add at least one `with_…`, or take the result as *is there*.
    pub fn peek(&self, key: impl AsRef<[u8]>) -> Request<'_, Get, Fetched> {
        self.request(key, Get::without_value, Fetched { takes_win: false })
    }

    /// Sets a new time to live; whether there was such an item.
    pub fn touch(&self, key: impl AsRef<[u8]>, ttl: impl Into<Ttl>) -> Request<'_, Get, Present> {
        self.request(key, |key| Get::without_value(key).touch(ttl), Present)
    }

    /// Gets a value and sets a new time to live on a hit.
    pub fn get_and_touch(&self, key: impl AsRef<[u8]>, ttl: impl Into<Ttl>) -> Request<'_, Get, Fetched> {
        self.request(key, |key| Get::new(key).touch(ttl), Fetched { takes_win: false })
    }

    /// Stores a value, whatever was there before. Without a [`ttl`](Request::ttl) it never expires.
    ///
    /// A value that is too large for the server is an error, **and the old value is gone**: that is what memcached does.
    pub fn set(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, Done> {
        self.store(SetMode::Set, key, value, Done)
    }

    /// Stores a value if there is none; whether it was stored.
    pub fn add(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Add, key, value, AddedOrNot)
    }

    /// Stores a value if there is one; whether it was stored.
    pub fn replace(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Replace, key, value, AddedOrNot)
    }

    /// Puts bytes behind a value that is there; whether there was one, with room for them.
    pub fn append(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Append, key, value, AddedOrNot)
    }

    /// Puts bytes in front of a value that is there; whether there was one, with room for them.
    pub fn prepend(&self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Request<'_, Set, AddedOrNot> {
        self.store(SetMode::Prepend, key, value, AddedOrNot)
    }

    /// Deletes an item; whether there was one.
    pub fn delete(&self, key: impl AsRef<[u8]>) -> Request<'_, Delete, Deleted> {
        self.request(key, Delete::new, Deleted)
    }

    /// Adds to a number, 1 unless told otherwise; the number afterwards. `None`: there is no such item and no
    /// [`initial`](Request::initial) number. Beyond 2^64 - 1 it begins again at 0.
    pub fn increment(&self, key: impl AsRef<[u8]>) -> Request<'_, Arithmetic, Number> {
        self.request(key, |key| Arithmetic::increment(key).with_value(), Number)
    }

    /// Takes from a number, 1 unless told otherwise; the number afterwards, which is never below 0. `None`: there is no such item
    /// and no [`initial`](Request::initial) number.
    ///
    /// The value that is stored keeps its length: ten minus one is a `9` and a space
    /// ([`Value::to_counter`](crate::Value::to_counter) reads it).
    pub fn decrement(&self, key: impl AsRef<[u8]>) -> Request<'_, Arithmetic, Number> {
        self.request(key, |key| Arithmetic::decrement(key).with_value(), Number)
    }

    /// What the server knows of an item, for people who look for a fault (`me`). Some managed caches refuse it.
    pub fn debug(&self, key: impl AsRef<[u8]>) -> Request<'_, Debug, Described> {
        self.request(key, Debug::new, Described)
    }

    fn request<V: Verb, R: Reading<V>>(
        &self,
        key: impl AsRef<[u8]>,
        verb: impl FnOnce(Key) -> V,
        reading: R,
    ) -> Request<'_, V, R> {
        Request::new(self, Key::new(key).map(verb).map_err(Invalid::from), reading)
    }

    /// A value of more than the limit is refused here, before it is copied, queued or sent.
    fn store<R: Reading<Set>>(
        &self,
        mode: SetMode,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        reading: R,
    ) -> Request<'_, Set, R> {
        let value = value.into();
        let verb = self.check_value(&value).and_then(|()| Ok(Set::with_mode(mode, Key::new(key)?, value)));
        Request::new(self, verb, reading)
    }

    pub(crate) fn check_value(&self, value: &Bytes) -> Result<(), Invalid> {
        let len_max = self.cluster().settings().limits.value_len_max;
        match value.len() > len_max {
            true => Err(Invalid::TooLong { what: "a value", len: value.len(), len_max }),
            false => Ok(()),
        }
    }

    /// The configured name of the server that `key` belongs to.
    ///
    /// # Errors
    ///
    /// The key cannot be sent.
    pub fn server_of(&self, key: impl AsRef<[u8]>) -> Result<&str, Error> {
        let key = Key::new(key).map_err(Invalid::from)?;
        let server = self.cluster().route(key.as_bytes());
        Ok(self.cluster().servers().nth(server).unwrap_or_default())
    }

    /// Takes no more requests, lets what is in flight finish for up to `grace`, then closes every connection and ends every task.
    /// Requests made afterwards, through any clone, fail with [`ErrorKind::Closed`](crate::ErrorKind::Closed). Calling it again is
    /// harmless; dropping the last clone does the same without the grace.
    pub async fn close(&self, grace: Duration) {
        self.cluster().close(grace).await;
    }

    /// The servers and connections below: for commands of one's own.
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
