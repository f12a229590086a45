use std::future::IntoFuture;
use std::time::Duration;

use bytes::Bytes;
use memlink_meta::{SetMode, Ttl};

use super::command::{Any, BatchCommand, BatchOutcome};
use super::many::{BulkFuture, Many, timing};
use super::stream::{Commands, ManyStream};
use super::{WINDOW, run};
use crate::Client;
use crate::cluster::Order;
use crate::error::Error;

/// Commands of different kinds to be sent together: see [`Client::batch`].
///
/// Those for one server are sent in the order in which they were added; those for different servers have no order. While servers change,
/// or where one stands in for another, it is those of one key that keep it. (A task that is
/// kept from running for a quarter of a second just when it is let in behind a full queue loses its turn, and with it the order.) It
/// is no transaction: each has its own outcome.
#[must_use = "a batch is sent when it is awaited"]
#[derive(Debug)]
pub struct Batch<'c> {
    client: &'c Client,
    commands: Vec<BatchCommand>,
    timeout: Option<Duration>,
}

impl Batch<'_> {
    /// Gets a value.
    pub fn get(self, key: impl AsRef<[u8]>) -> Self {
        self.command(BatchCommand::get(key))
    }

    /// Stores a value in one of the modes of a store, for `ttl` or for ever.
    pub fn store(
        self,
        mode: SetMode,
        key: impl AsRef<[u8]>,
        value: impl Into<Bytes>,
        ttl: impl Into<Option<Ttl>>,
    ) -> Self {
        self.command(BatchCommand::store(mode, key, value, ttl))
    }

    /// Stores a value that never expires.
    pub fn set(self, key: impl AsRef<[u8]>, value: impl Into<Bytes>) -> Self {
        self.command(BatchCommand::set(key, value))
    }

    /// Stores a value for `ttl`.
    pub fn set_for(self, key: impl AsRef<[u8]>, value: impl Into<Bytes>, ttl: impl Into<Ttl>) -> Self {
        self.command(BatchCommand::set_for(key, value, ttl))
    }

    /// Deletes an item.
    pub fn delete(self, key: impl AsRef<[u8]>) -> Self {
        self.command(BatchCommand::delete(key))
    }

    /// Adds to a number.
    pub fn increment(self, key: impl AsRef<[u8]>, delta: u64) -> Self {
        self.command(BatchCommand::increment(key, delta))
    }

    /// Takes from a number.
    pub fn decrement(self, key: impl AsRef<[u8]>, delta: u64) -> Self {
        self.command(BatchCommand::decrement(key, delta))
    }

    /// One command more, of any kind.
    pub fn command(mut self, command: BatchCommand) -> Self {
        self.commands.push(command);
        self
    }

    /// How long all of it may take; what has no reply by then ends with a deadline error.
    pub fn timeout(self, timeout: Duration) -> Self {
        Batch { timeout: Some(timeout), ..self }
    }

    /// Each outcome as it comes, instead of all together at the end: see [`Client::batch_stream`].
    pub fn stream(self) -> ManyStream<std::vec::IntoIter<BatchCommand>, Commands> {
        let stream = self.client.batch_stream(self.commands);
        match self.timeout {
            Some(timeout) => stream.timeout(timeout),
            None => stream,
        }
    }
}

impl<'c> IntoFuture for Batch<'c> {
    type Output = Many<BatchOutcome>;
    type IntoFuture = BulkFuture<'c, BatchOutcome>;

    fn into_future(self) -> BulkFuture<'c, BatchOutcome> {
        Box::pin(async move {
            let client = self.client;
            let timing = timing(client, self.timeout);
            let cluster = client.cluster();
            let topology = &cluster.topology();
            let len = self.commands.len();
            let mut groups: Vec<Vec<_>> = std::iter::repeat_with(Vec::new).take(topology.len().max(1)).collect();
            for (place, command) in self.commands.into_iter().enumerate() {
                let command = command.prepare(client);
                let server = command.as_ref().map_or(0, |command| topology.choose(command.key()));
                groups[server].push((place, command));
            }
            let order = &Order::new();
            let groups = groups.into_iter().enumerate().map(|(server, group)| {
                let lens = group.iter().filter_map(|(_, command)| command.as_ref().ok()).map(Any::len);
                let len = lens.max().unwrap_or(0);
                let lane = topology.lane(server, len);
                group.into_iter().map(move |(place, command)| async move {
                    let outcome = match command {
                        Ok(command) => {
                            let elsewhere = cluster.lane_if_changed(topology.number(), command.key(), len);
                            command.send(client, elsewhere.as_ref().unwrap_or(lane), (order, place), timing).await
                        }
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
        Batch { client: self, commands: Vec::new(), timeout: None }
    }
}
