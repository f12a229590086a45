use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use memlink_meta::{
    Arithmetic, Counted, Delete, DeleteOutcome, Get, Got, Invalid, Key, Meta, Set, SetMode, Stored, Ttl, Verb,
};

use super::many::{BulkFuture, Many, timing};
use super::{OwnKey, WINDOW, run};
use crate::Client;
use crate::client::unix_now;
use crate::cluster::{Cluster, Topology};
use crate::error::Error;
use crate::lease;
use crate::link::{Link, Timing};
use crate::value::Value;

/// Commands of different kinds to be sent together: see [`Client::batch`].
///
/// Those for one server are sent in the order in which they were added; those for different servers have no order. (A task that is
/// kept from running for a quarter of a second just when it is let in behind a full queue loses its turn, and with it the order.) It
/// is no transaction: each has its own outcome.
#[must_use = "a batch is sent when it is awaited"]
#[derive(Debug)]
pub struct Batch<'c> {
    client: &'c Client,
    verbs: Vec<Result<Any, Invalid>>,
    timeout: Option<Duration>,
}

/// What became of one command of a [`Batch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// Of a get: the value, or `None` for a miss.
    Got(Option<Value>),
    /// Of a set, add, replace, append or prepend.
    Stored(Stored),
    /// Of a delete.
    Deleted(DeleteOutcome),
    /// Of an increment or decrement.
    Counted(Counted),
}

#[derive(Debug)]
enum Any {
    Get(Get),
    Set(Set),
    Delete(Delete),
    Arithmetic(Arithmetic),
}

impl Batch<'_> {
    /// Gets a value.
    pub fn get(self, key: impl AsRef<[u8]>) -> Self {
        self.add_verb(Key::new(key).map(|key| Any::Get(Get::new(key))).map_err(Invalid::from))
    }

    /// Stores a value in one of the modes of a store, for `ttl` or for ever.
    pub fn store(
        self,
        mode: SetMode,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        ttl: impl Into<Option<Ttl>>,
    ) -> Self {
        let value = value.into();
        let set = self.client.check_value(&value).and_then(|()| {
            let set = Set::with_mode(mode, Key::new(key)?, value);
            Ok(Any::Set(match ttl.into() {
                Some(ttl) => set.ttl(ttl),
                None => set,
            }))
        });
        self.add_verb(set)
    }

    /// Stores a value that never expires.
    pub fn set(self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Self {
        self.store(SetMode::Set, key, value, None)
    }

    /// Stores a value for `ttl`.
    pub fn set_for(self, key: impl AsRef<[u8]>, value: impl Into<Bytes>, ttl: impl Into<Ttl>) -> Self {
        self.store(SetMode::Set, key, value, Some(ttl.into()))
    }

    /// Deletes an item.
    pub fn delete(self, key: impl AsRef<[u8]>) -> Self {
        self.add_verb(Key::new(key).map(|key| Any::Delete(Delete::new(key))).map_err(Invalid::from))
    }

    /// Adds to a number.
    pub fn increment(self, key: impl AsRef<[u8]>, delta: u64) -> Self {
        let arithmetic = |key| Any::Arithmetic(Arithmetic::increment(key).delta(delta).with_value());
        self.add_verb(Key::new(key).map(arithmetic).map_err(Invalid::from))
    }

    /// Takes from a number.
    pub fn decrement(self, key: impl AsRef<[u8]>, delta: u64) -> Self {
        let arithmetic = |key| Any::Arithmetic(Arithmetic::decrement(key).delta(delta).with_value());
        self.add_verb(Key::new(key).map(arithmetic).map_err(Invalid::from))
    }

    /// How long all of it may take; what has no reply by then ends with a deadline error.
    pub fn timeout(self, timeout: Duration) -> Self {
        Batch { timeout: Some(timeout), ..self }
    }

    fn add_verb(mut self, verb: Result<Any, Invalid>) -> Self {
        self.verbs.push(verb);
        self
    }
}

impl<'c> IntoFuture for Batch<'c> {
    type Output = Many<BatchOutcome>;
    type IntoFuture = BulkFuture<'c, BatchOutcome>;

    fn into_future(self) -> BulkFuture<'c, BatchOutcome> {
        Box::pin(async move {
            let timing = timing(self.client, self.timeout);
            let topology = &self.client.cluster().topology();
            let len = self.verbs.len();
            let now = unix_now();
            let mut groups: Vec<Vec<_>> = std::iter::repeat_with(Vec::new).take(topology.len().max(1)).collect();
            for (place, verb) in self.verbs.into_iter().enumerate() {
                let verb = verb.and_then(|mut verb| verb.prepare(|| now).map(|()| verb));
                let server = verb.as_ref().map_or(0, |verb| verb.server(topology));
                groups[server].push((place, verb));
            }
            let client = self.client;
            let groups = groups.into_iter().enumerate().map(|(server, group)| {
                let lane = topology.lane(server, 0);
                group.into_iter().map(move |(place, verb)| async move {
                    let outcome = match verb {
                        Ok(verb) => verb.send(client, lane, timing).await,
                        Err(invalid) => Err(Error::invalid(&invalid)),
                    };
                    (place, outcome)
                })
            });
            let outcomes = run(groups, len, WINDOW).await.into_iter();
            Many::new(outcomes.map(|outcome| outcome.unwrap_or_else(|| Err(Error::lost()))).collect())
        })
    }
}

/// The connection that a batch uses to one server.
type Lane = Arc<Link<Meta>>;

type Sending<'a> = Pin<Box<dyn Future<Output = Result<BatchOutcome, Error>> + Send + 'a>>;

impl Any {
    fn prepare(&mut self, now: impl Fn() -> u64) -> Result<(), Invalid> {
        match self {
            Any::Get(get) => get.prepare(now),
            Any::Set(set) => set.prepare(now),
            Any::Delete(delete) => delete.prepare(now),
            Any::Arithmetic(arithmetic) => arithmetic.prepare(now),
        }
    }

    fn server(&self, topology: &Topology<Meta>) -> usize {
        let key = match self {
            Any::Get(get) => get.key(),
            Any::Set(set) => set.key(),
            Any::Delete(delete) => delete.key(),
            Any::Arithmetic(arithmetic) => arithmetic.key(),
        };
        key.map_or(0, |key| topology.choose(key.as_bytes()))
    }

    fn send<'a>(self, client: &'a Client, lane: &'a Lane, timing: Timing) -> Sending<'a> {
        let cluster = client.cluster();
        match self {
            Any::Get(get) => Box::pin(async move {
                let Some(key) = get.key().cloned() else { return Ok(BatchOutcome::Got(None)) };
                let got = answer(cluster, lane, get, timing).await?;
                Ok(BatchOutcome::Got(got.map(|got| value(client, key, got))))
            }),
            Any::Set(set) => {
                Box::pin(async move { answer(cluster, lane, set, timing).await.map(BatchOutcome::Stored) })
            }
            Any::Delete(delete) => {
                Box::pin(async move { answer(cluster, lane, delete, timing).await.map(BatchOutcome::Deleted) })
            }
            Any::Arithmetic(arithmetic) => {
                Box::pin(async move { answer(cluster, lane, arithmetic, timing).await.map(BatchOutcome::Counted) })
            }
        }
    }
}

fn value(client: &Client, key: Key, mut got: Got) -> Value {
    lease::decline(client, &key, &mut got);
    Value::new(key, got)
}

async fn answer<V, T>(cluster: &Cluster<Meta>, lane: &Lane, verb: V, timing: Timing) -> Result<T, Error>
where
    V: Verb + Unpin + memlink_core::Command<Meta, Output = Result<T, memlink_meta::Fault>>,
{
    // Not again by itself: it would come behind those that were added after it.
    let mut send = cluster.send_by(lane, OwnKey, verb, timing).once();
    let outcome = (&mut send).await?;
    outcome.map_err(|fault| Error::fault(send.server_name().clone(), &fault))
}

impl Client {
    /// Commands of different kinds, to be sent together.
    ///
    /// ```no_run
    /// # async fn example(cache: memlink::Client) {
    /// let outcomes = cache.batch().set("a", "1").get("b").increment("hits", 1).delete("c").await;
    /// for outcome in &outcomes {
    ///     println!("{outcome:?}");
    /// }
    /// # }
    /// ```
    pub fn batch(&self) -> Batch<'_> {
        Batch { client: self, verbs: Vec::new(), timeout: None }
    }
}
