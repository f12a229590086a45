use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use memlink_core::Command;
use memlink_meta::{
    Arithmetic, Counted, Delete, DeleteOutcome, Fault, Get, Got, Invalid, Key, Meta, Set, SetMode, Stored, Ttl, Verb,
};

use super::OwnKey;
use crate::Client;
use crate::client::unix_now;
use crate::cluster::{Cluster, Order};
use crate::error::Error;
use crate::lease;
use crate::link::{Link, Timing};
use crate::probe;
use crate::value::Value;

/// One command of a [`Batch`](crate::Batch), or of a stream of commands: see [`Client::batch_stream`].
///
/// A key, a time or a value that cannot be sent is an error of this command and of no other.
#[derive(Debug)]
pub struct BatchCommand {
    any: Result<Any, Invalid>,
    value_len: usize,
}

/// What became of one [`BatchCommand`].
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

impl BatchCommand {
    /// Gets a value.
    #[must_use]
    pub fn get(key: impl AsRef<[u8]>) -> BatchCommand {
        BatchCommand::new(key, |key| Any::Get(Get::new(key)))
    }

    /// Stores a value in one of the modes of a store, for `ttl` or for ever.
    #[must_use]
    pub fn store(
        mode: SetMode,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        ttl: impl Into<Option<Ttl>>,
    ) -> BatchCommand {
        let (value, ttl) = (value.into(), ttl.into());
        let value_len = value.len();
        let set = |key| {
            let set = Set::with_mode(mode, key, value);
            Any::Set(match ttl {
                Some(ttl) => set.ttl(ttl),
                None => set,
            })
        };
        BatchCommand { value_len, ..BatchCommand::new(key, set) }
    }

    /// Stores a value that never expires.
    #[must_use]
    pub fn set(key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> BatchCommand {
        BatchCommand::store(SetMode::Set, key, value, None)
    }

    /// Stores a value for `ttl`.
    #[must_use]
    pub fn set_for(key: impl AsRef<[u8]>, value: impl Into<Bytes>, ttl: impl Into<Ttl>) -> BatchCommand {
        BatchCommand::store(SetMode::Set, key, value, Some(ttl.into()))
    }

    /// Deletes an item.
    #[must_use]
    pub fn delete(key: impl AsRef<[u8]>) -> BatchCommand {
        BatchCommand::new(key, |key| Any::Delete(Delete::new(key)))
    }

    /// Adds to a number.
    #[must_use]
    pub fn increment(key: impl AsRef<[u8]>, delta: u64) -> BatchCommand {
        BatchCommand::new(key, |key| Any::Arithmetic(Arithmetic::increment(key).delta(delta).with_value()))
    }

    /// Takes from a number.
    #[must_use]
    pub fn decrement(key: impl AsRef<[u8]>, delta: u64) -> BatchCommand {
        BatchCommand::new(key, |key| Any::Arithmetic(Arithmetic::decrement(key).delta(delta).with_value()))
    }

    fn new(key: impl AsRef<[u8]>, any: impl FnOnce(Key) -> Any) -> BatchCommand {
        BatchCommand { any: Key::new(key).map(any).map_err(Invalid::from), value_len: 0 }
    }

    /// Checks what is known only to the client, and settles times.
    pub(super) fn prepare(self, client: &Client) -> Result<Any, Invalid> {
        client.check_value_len(self.value_len)?;
        let mut any = self.any?;
        any.prepare(unix_now)?;
        Ok(any)
    }
}

/// A command of any kind.
#[derive(Debug)]
pub enum Any {
    /// Of [`BatchOutcome::Got`].
    Get(Get),
    /// Of [`BatchOutcome::Stored`].
    Set(Set),
    /// Of [`BatchOutcome::Deleted`].
    Delete(Delete),
    /// Of [`BatchOutcome::Counted`].
    Arithmetic(Arithmetic),
}

pub(super) type Sending<'a> = Pin<Box<dyn Future<Output = Result<BatchOutcome, Error>> + Send + 'a>>;

impl Any {
    fn prepare(&mut self, now: impl Fn() -> u64) -> Result<(), Invalid> {
        match self {
            Any::Get(get) => get.prepare(now),
            Any::Set(set) => set.prepare(now),
            Any::Delete(delete) => delete.prepare(now),
            Any::Arithmetic(arithmetic) => arithmetic.prepare(now),
        }
    }

    /// The bytes that say which server it belongs to.
    pub(super) fn key(&self) -> &[u8] {
        let key = match self {
            Any::Get(get) => get.key(),
            Any::Set(set) => set.key(),
            Any::Delete(delete) => delete.key(),
            Any::Arithmetic(arithmetic) => arithmetic.key(),
        };
        key.map_or(&[], Key::as_bytes)
    }

    /// About how many bytes it is on the wire.
    pub(super) fn len(&self) -> usize {
        match self {
            Any::Get(get) => get.size_hint(),
            Any::Set(set) => set.size_hint(),
            Any::Delete(delete) => delete.size_hint(),
            Any::Arithmetic(arithmetic) => arithmetic.size_hint(),
        }
    }

    /// Sends it over this connection, in its order among others.
    pub(super) fn send<'a>(
        self,
        client: &'a Client,
        lane: &'a Arc<Link<Meta>>,
        place: (&'a Arc<Order>, usize),
        timing: Timing,
    ) -> Sending<'a> {
        let cluster = client.cluster();
        match self {
            Any::Get(get) => Box::pin(async move {
                let Some(key) = get.key().cloned() else { return Ok(BatchOutcome::Got(None)) };
                let got = answer(cluster, lane, place, get, timing).await?;
                Ok(BatchOutcome::Got(got.map(|got| value(client, key, got))))
            }),
            Any::Set(set) => {
                Box::pin(async move { answer(cluster, lane, place, set, timing).await.map(BatchOutcome::Stored) })
            }
            Any::Delete(delete) => {
                Box::pin(async move { answer(cluster, lane, place, delete, timing).await.map(BatchOutcome::Deleted) })
            }
            Any::Arithmetic(arithmetic) => {
                Box::pin(
                    async move { answer(cluster, lane, place, arithmetic, timing).await.map(BatchOutcome::Counted) },
                )
            }
        }
    }
}

/// What a plain get has found.
pub(super) fn value(client: &Client, key: Key, mut got: Got) -> Value {
    lease::decline(client, &key, &mut got);
    Value::new(key, got)
}

async fn answer<V, T>(
    cluster: &Cluster<Meta>,
    lane: &Arc<Link<Meta>>,
    (order, number): (&Arc<Order>, usize),
    verb: V,
    timing: Timing,
) -> Result<T, Error>
where
    V: Verb + Unpin + Command<Meta, Output = Result<T, Fault>>,
{
    let mut send = cluster.send_by(lane, OwnKey, verb, timing).in_order(order, number);
    let result = (&mut send).await?.map_err(|fault| Error::fault(send.server_name().clone(), &fault));
    probe::note(send.link(), &result);
    result
}
