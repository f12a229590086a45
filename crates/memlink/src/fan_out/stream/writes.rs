use bytes::Bytes;
use memlink_core::Command;
use memlink_meta::{Delete, Invalid, Key, Set, Ttl, Verb};

use super::form::sealed::{Accepts, Sends};
use super::form::{Flight, Outcomes, answer, nothing, send};
use super::lane::Weight;
use super::lanes::Way;
use super::{BatchStream, DeleteStream, ManyStream, SetStream};
use crate::Client;
use crate::client::unix_now;
use crate::fan_out::command::{Any, BatchCommand, BatchOutcome};
use crate::fan_out::many::{read_deleted, read_stored};

/// Values are stored: see [`Client::set_stream`].
#[derive(Debug, Clone, Default)]
pub struct Sets {
    ttl: Option<Ttl>,
    client_flags: Option<u32>,
}

impl<K: AsRef<[u8]>, T: Into<Bytes>> Accepts<(K, T)> for Sets {
    fn accept(&self, client: &Client, (key, value): (K, T)) -> Result<Set, Invalid> {
        let value = value.into();
        client.check_value(&value)?;
        let mut set = Set::new(Key::new(key)?, value);
        if let Some(ttl) = self.ttl {
            set = set.ttl(ttl);
        }
        if let Some(client_flags) = self.client_flags {
            set = set.client_flags(client_flags);
        }
        set.prepare(unix_now)?;
        Ok(set)
    }
}

impl Sends for Sets {
    const FETCHES: bool = false;

    type Job = Set;
    type Output = ();

    fn key(job: &Set) -> &[u8] {
        Verb::key(job).map_or(&[], Key::as_bytes)
    }

    fn weigh(job: &Set) -> Weight {
        Weight { bytes: job.size_hint(), fetches: false }
    }

    fn launch(&self, client: &Client, way: Way, mut jobs: impl Iterator<Item = (usize, Set)>) -> Flight<()> {
        let Some((index, set)) = jobs.next() else { return nothing() };
        let send = send(client, &way, set).in_order(&way.order, index);
        Box::pin(async move {
            let stored = answer(send).await.and_then(|(stored, server)| read_stored(stored, &server));
            Outcomes::One(index, stored)
        })
    }
}

/// Options of [`Client::set_stream`].
impl<I> ManyStream<I, Sets> {
    /// How long the values live. Without this they never expire.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.source.form.ttl = Some(ttl.into());
        self
    }

    /// A number that is stored with each value.
    pub fn client_flags(mut self, client_flags: u32) -> Self {
        self.source.form.client_flags = Some(client_flags);
        self
    }
}

/// Items are deleted: see [`Client::delete_stream`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Deletes;

impl<K: AsRef<[u8]>> Accepts<K> for Deletes {
    fn accept(&self, _: &Client, given: K) -> Result<Delete, Invalid> {
        let mut delete = Delete::new(Key::new(given)?);
        delete.prepare(unix_now)?;
        Ok(delete)
    }
}

impl Sends for Deletes {
    const FETCHES: bool = false;

    type Job = Delete;
    type Output = bool;

    fn key(job: &Delete) -> &[u8] {
        Verb::key(job).map_or(&[], Key::as_bytes)
    }

    fn weigh(job: &Delete) -> Weight {
        Weight { bytes: job.size_hint(), fetches: false }
    }

    fn launch(&self, client: &Client, way: Way, mut jobs: impl Iterator<Item = (usize, Delete)>) -> Flight<bool> {
        let Some((index, delete)) = jobs.next() else { return nothing() };
        let send = send(client, &way, delete).in_order(&way.order, index);
        Box::pin(async move {
            let deleted = answer(send).await.and_then(|(outcome, server)| read_deleted(outcome, &server));
            Outcomes::One(index, deleted)
        })
    }
}

/// Commands of any kind are sent: see [`Client::batch_stream`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Commands;

impl Accepts<BatchCommand> for Commands {
    fn accept(&self, client: &Client, given: BatchCommand) -> Result<Any, Invalid> {
        given.prepare(client)
    }
}

impl Sends for Commands {
    const FETCHES: bool = true;

    type Job = Any;
    type Output = BatchOutcome;

    fn key(job: &Any) -> &[u8] {
        job.key()
    }

    fn weigh(job: &Any) -> Weight {
        Weight { bytes: job.len(), fetches: matches!(job, Any::Get(_)) }
    }

    fn launch(&self, client: &Client, way: Way, mut jobs: impl Iterator<Item = (usize, Any)>) -> Flight<BatchOutcome> {
        let Some((index, command)) = jobs.next() else { return nothing() };
        let client = client.clone();
        Box::pin(async move {
            Outcomes::One(index, command.send(&client, &way.link, (&way.order, index), way.timing).await)
        })
    }

    fn value_len(output: &BatchOutcome) -> Option<usize> {
        match output {
            BatchOutcome::Got(got) => got.as_ref().map(|value| value.len()),
            BatchOutcome::Stored(_) | BatchOutcome::Deleted(_) | BatchOutcome::Counted(_) => None,
        }
    }
}

impl Client {
    /// Stores very many values, each outcome as it comes. Items are taken from the iterator as their servers have room for them, never
    /// all at once: see [`ManyStream`]. When a key is given twice both values are sent, in that order, but where a server begins or ends to
    /// stand in for another ([`WhenDown::NextServer`](crate::WhenDown)).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = memlink_testserver::TestServer::start().await?;
    /// # let cache = memlink::Client::connect(&format!("memcache://{}?timeout_ms=60000", server.address())).await?;
    /// use std::time::Duration;
    ///
    /// let items = (0..10_000).map(|id| (format!("user:{id}"), id.to_string()));
    /// let mut stored = cache.set_stream(items).ttl(Duration::from_secs(60));
    /// while let Some((id, outcome)) = stored.next().await {
    ///     if let Err(error) = outcome {
    ///         println!("user {id}: {error}");
    ///     }
    /// }
    /// assert_eq!(cache.get("user:9999").await?.expect("it was stored"), "9999");
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_stream<K: AsRef<[u8]>, T: Into<Bytes>, I: IntoIterator<Item = (K, T)>>(
        &self,
        items: I,
    ) -> SetStream<I::IntoIter> {
        ManyStream::new(self, Sets::default(), items.into_iter())
    }

    /// Deletes very many items, each outcome as it comes: whether there was such an item. Keys are taken from the iterator as their
    /// servers have room for them, never all at once: see [`ManyStream`].
    pub fn delete_stream<K: AsRef<[u8]>, I: IntoIterator<Item = K>>(&self, keys: I) -> DeleteStream<I::IntoIter> {
        ManyStream::new(self, Deletes, keys.into_iter())
    }

    /// Sends very many commands of different kinds, each outcome as it comes. Commands are taken from the iterator as their servers
    /// have room for them, never all at once: see [`ManyStream`]. Those for one server are sent in the order given, and while servers change
    /// those of one key; not where a server begins or ends to stand in for another ([`WhenDown::NextServer`](crate::WhenDown)).
    ///
    /// ```no_run
    /// # async fn example(cache: memlink::Client) {
    /// use memlink::BatchCommand;
    ///
    /// let days = (0..1_000_000).flat_map(|day| {
    ///     [BatchCommand::increment(format!("hits:{day}"), 1), BatchCommand::delete(format!("page:{day}"))]
    /// });
    /// let mut outcomes = cache.batch_stream(days);
    /// while let Some((index, outcome)) = outcomes.next().await {
    ///     println!("{index}: {outcome:?}");
    /// }
    /// # }
    /// ```
    pub fn batch_stream<I: IntoIterator<Item = BatchCommand>>(&self, commands: I) -> BatchStream<I::IntoIter> {
        ManyStream::new(self, Commands, commands.into_iter())
    }
}
