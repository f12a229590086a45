use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use memlink_core::Command;
use memlink_meta::{Delete, DeleteOutcome, Fault, Invalid, Key, Meta, Set, SetOutcome, Stored, Ttl, Verb};
use tokio::time::Instant;

use super::{OwnKey, WINDOW, run};
use crate::Client;
use crate::client::unix_now;
use crate::cluster::{Order, found_no_server};
use crate::config::WhenDown;
use crate::error::Error;
use crate::link::Timing;
use crate::probe;

/// The outcomes of a bulk request, one for each key, in the caller's order.
#[must_use = "each outcome may be an error"]
#[derive(Debug, Clone)]
pub struct Many<T> {
    outcomes: Vec<Result<T, Error>>,
    /// Those that no server has seen.
    without_server: Vec<usize>,
}

impl<T> Many<T> {
    pub(super) fn new(outcomes: Vec<Result<T, Error>>) -> Many<T> {
        Many { outcomes, without_server: Vec::new() }
    }

    /// What the user has chosen for keys whose server is down ([`WhenDown::Miss`]): `absent` instead of an error.
    pub(super) fn or_without_server(mut self, client: &Client, is_read: bool, absent: impl Fn() -> T) -> Many<T> {
        if client.cluster().settings().when_down == WhenDown::Miss {
            for (place, outcome) in self.outcomes.iter_mut().enumerate() {
                if outcome.as_ref().is_err_and(found_no_server) {
                    *outcome = Ok(absent());
                    self.without_server.push(place);
                    client.counters().without_server(is_read);
                }
            }
        }
        self
    }

    /// The indexes of keys that no server has seen: misses and dropped writes by the choice of [`WhenDown::Miss`], and nothing else.
    #[must_use]
    pub fn without_server(&self) -> &[usize] {
        &self.without_server
    }

    /// The outcomes, in the order of the keys.
    pub fn iter(&self) -> std::slice::Iter<'_, Result<T, Error>> {
        self.outcomes.iter()
    }

    /// The outcomes, in the order of the keys.
    #[must_use]
    pub fn into_vec(self) -> Vec<Result<T, Error>> {
        self.outcomes
    }

    /// How many there are: as many as keys were given.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// Whether no key was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
    }

    /// All results, or the first error: for callers who can do nothing with a part.
    ///
    /// # Errors
    ///
    /// The first outcome that is an error.
    pub fn all(self) -> Result<Vec<T>, Error> {
        self.outcomes.into_iter().collect()
    }

    /// The errors, with the index of the key they belong to.
    pub fn errors(&self) -> impl Iterator<Item = (usize, &Error)> {
        self.outcomes.iter().enumerate().filter_map(|(index, outcome)| Some((index, outcome.as_ref().err()?)))
    }
}

impl<T> IntoIterator for Many<T> {
    type Item = Result<T, Error>;
    type IntoIter = std::vec::IntoIter<Result<T, Error>>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Many<T> {
    type Item = &'a Result<T, Error>;
    type IntoIter = std::slice::Iter<'a, Result<T, Error>>;

    fn into_iter(self) -> Self::IntoIter {
        self.outcomes.iter()
    }
}

impl<T> std::ops::Index<usize> for Many<T> {
    type Output = Result<T, Error>;

    fn index(&self, index: usize) -> &Result<T, Error> {
        &self.outcomes[index]
    }
}

/// What a bulk request is awaited as.
pub(super) type BulkFuture<'c, T> = Pin<Box<dyn Future<Output = Many<T>> + Send + 'c>>;

/// One deadline for a whole bulk request, counted from where it starts.
pub(super) fn timing(client: &Client, timeout: Option<Duration>) -> Timing {
    let mut timing = client.cluster().timing();
    timing.timeout = timeout.or(timing.timeout);
    timing.deadline = timing.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    timing
}

/// One command for each place; a place may be invalid from the start. Each counts as `len_min` bytes at least, for the choice of its
/// connection. Those of one key keep their `order`, if there is one to keep: reads have none.
pub(super) async fn each<V, T, U>(
    client: &Client,
    timing: Timing,
    order: Option<Arc<Order>>,
    verbs: Vec<Result<V, Invalid>>,
    len_min: usize,
    read: impl Fn(T, &str) -> Result<U, Error>,
) -> Many<U>
where
    V: Verb + Unpin + Command<Meta, Output = Result<T, Fault>>,
{
    let cluster = client.cluster();
    let topology = cluster.topology();
    let (number, len) = (topology.number(), verbs.len());
    let now = unix_now();
    let mut groups: Vec<Vec<(usize, V)>> = std::iter::repeat_with(Vec::new).take(topology.len().max(1)).collect();
    let mut refused = Vec::new();
    for (place, verb) in verbs.into_iter().enumerate() {
        match verb.and_then(|mut verb| verb.prepare(|| now).map(|()| verb)) {
            Ok(verb) => {
                let server = verb.key().map_or(0, |key| topology.choose(key.as_bytes()));
                groups[server].push((place, verb));
            }
            Err(invalid) => refused.push((place, Error::invalid(&invalid))),
        }
    }
    let order = order.as_ref();
    let groups = groups.into_iter().enumerate().map(|(server, group)| {
        let len = group.iter().map(|(_, verb)| verb.size_hint()).fold(len_min, usize::max);
        let lane = topology.lane(server, len);
        group.into_iter().map(move |(place, verb)| {
            let key = verb.key().map_or(&[][..], Key::as_bytes);
            let elsewhere = cluster.lane_if_changed(number, key, len);
            let send = cluster.send_by(elsewhere.as_ref().unwrap_or(lane), OwnKey, verb, timing);
            let mut send = match order {
                Some(order) => send.in_order(order, place),
                None => send.once(),
            };
            async move {
                let reply = (&mut send).await;
                let name = send.server_name().clone();
                let result = reply.and_then(|reply| reply.map_err(|fault| Error::fault(name.clone(), &fault)));
                probe::note(send.link(), &result);
                (place, (result, name))
            }
        })
    });
    let mut refused = refused.into_iter().peekable();
    let outcomes = run(groups, len, WINDOW).await.into_iter().enumerate().map(|(place, outcome)| match outcome {
        Some((result, name)) => result.and_then(|reply| read(reply, &name)),
        // Every place without an outcome was refused, and the refusals are in the order of the places.
        None => Err(refused.next_if(|(at, _)| *at == place).map_or_else(Error::lost, |(_, error)| error)),
    });
    Many::new(outcomes.collect())
}

/// Several values to be stored: see [`Client::set_many`].
#[must_use = "a request is sent when it is awaited"]
#[derive(Debug)]
pub struct SetMany<'c> {
    client: &'c Client,
    sets: Vec<Result<Set, Invalid>>,
    ttl: Option<Ttl>,
    client_flags: Option<u32>,
    timeout: Option<Duration>,
}

impl SetMany<'_> {
    /// How long the values live. Without this they never expire.
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Self {
        SetMany { ttl: Some(ttl.into()), ..self }
    }

    /// A number that is stored with each value.
    pub fn client_flags(self, client_flags: u32) -> Self {
        SetMany { client_flags: Some(client_flags), ..self }
    }

    /// How long all of it may take; what has no reply by then ends with a deadline error.
    pub fn timeout(self, timeout: Duration) -> Self {
        SetMany { timeout: Some(timeout), ..self }
    }
}

impl<'c> IntoFuture for SetMany<'c> {
    type Output = Many<()>;
    type IntoFuture = BulkFuture<'c, ()>;

    fn into_future(self) -> BulkFuture<'c, ()> {
        Box::pin(async move {
            let timing = timing(self.client, self.timeout);
            let complete = |mut set: Set| {
                if let Some(ttl) = self.ttl {
                    set = set.ttl(ttl);
                }
                match self.client_flags {
                    Some(client_flags) => set.client_flags(client_flags),
                    None => set,
                }
            };
            let sets = self.sets.into_iter().map(|set| set.map(complete)).collect();
            each(self.client, timing, Some(Order::new()), sets, 0, read_stored).await.or_without_server(
                self.client,
                false,
                || (),
            )
        })
    }
}

/// Several items to be deleted: see [`Client::delete_many`].
#[must_use = "a request is sent when it is awaited"]
#[derive(Debug)]
pub struct DeleteMany<'c> {
    client: &'c Client,
    deletes: Vec<Result<Delete, Invalid>>,
    timeout: Option<Duration>,
}

impl DeleteMany<'_> {
    /// How long all of it may take; what has no reply by then ends with a deadline error.
    pub fn timeout(self, timeout: Duration) -> Self {
        DeleteMany { timeout: Some(timeout), ..self }
    }
}

impl<'c> IntoFuture for DeleteMany<'c> {
    type Output = Many<bool>;
    type IntoFuture = BulkFuture<'c, bool>;

    fn into_future(self) -> BulkFuture<'c, bool> {
        Box::pin(async move {
            let timing = timing(self.client, self.timeout);
            each(self.client, timing, Some(Order::new()), self.deletes, 0, read_deleted).await.or_without_server(
                self.client,
                false,
                || false,
            )
        })
    }
}

/// A plain set stores, or fails.
pub(super) fn read_stored(stored: Stored, server: &str) -> Result<(), Error> {
    match stored.outcome {
        SetOutcome::Stored => Ok(()),
        SetOutcome::NotStored | SetOutcome::Exists | SetOutcome::NotFound => {
            Err(Error::unexpected(server.into(), "the server did not store the value"))
        }
    }
}

/// A plain delete says whether there was such an item, or fails.
pub(super) fn read_deleted(outcome: DeleteOutcome, server: &str) -> Result<bool, Error> {
    match outcome {
        DeleteOutcome::Deleted => Ok(true),
        DeleteOutcome::NotFound => Ok(false),
        DeleteOutcome::Exists | DeleteOutcome::NotStored => {
            Err(Error::unexpected(server.into(), "the server did not delete the item"))
        }
    }
}

impl Client {
    /// Stores several values at once, each on its server. One outcome for each, in the order given; when a key is given twice both
    /// values are sent, in that order.
    pub fn set_many<K: AsRef<[u8]>, T: Into<Bytes>>(&self, items: impl IntoIterator<Item = (K, T)>) -> SetMany<'_> {
        let set = |(key, value): (K, T)| {
            let value = value.into();
            self.check_value(&value)?;
            Ok(Set::new(Key::new(key)?, value))
        };
        let sets = items.into_iter().map(set).collect();
        SetMany { client: self, sets, ttl: None, client_flags: None, timeout: None }
    }

    /// Deletes several items at once. One outcome for each key, in the order given: whether there was such an item.
    pub fn delete_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> DeleteMany<'_> {
        let deletes = keys.into_iter().map(|key| Ok(Delete::new(Key::new(key)?))).collect();
        DeleteMany { client: self, deletes, timeout: None }
    }
}
