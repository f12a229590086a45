use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::join;
use memlink_meta::{Found, Get, Got, Invalid, Key, MultiGet, Noop};

use super::many::{BulkFuture, Many, each, timing};
use super::run;
use crate::Client;
use crate::error::{Error, ErrorKind};
use crate::lease;
use crate::link::Timing;
use crate::retry;
use crate::value::Value;

/// Several values to be fetched: see [`Client::get_many`].
#[must_use = "a request is sent when it is awaited"]
#[derive(Debug)]
pub struct GetMany<'c> {
    client: &'c Client,
    keys: Vec<Result<Key, Invalid>>,
    options: Options,
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Options {
    client_flags: bool,
    cas: bool,
    ttl: bool,
    size: bool,
}

impl GetMany<'_> {
    /// Asks for the client flags, too.
    pub fn with_client_flags(mut self) -> Self {
        self.options.client_flags = true;
        self
    }

    /// Asks for the CAS ids, too.
    pub fn with_cas(mut self) -> Self {
        self.options.cas = true;
        self
    }

    /// Asks for the times that are left, too.
    pub fn with_ttl(mut self) -> Self {
        self.options.ttl = true;
        self
    }

    /// Asks for the lengths of the values, too.
    pub fn with_size(mut self) -> Self {
        self.options.size = true;
        self
    }

    /// How long all of it may take; what has no reply by then ends with a deadline error.
    pub fn timeout(self, timeout: Duration) -> Self {
        GetMany { timeout: Some(timeout), ..self }
    }
}

impl<'c> IntoFuture for GetMany<'c> {
    type Output = Many<Option<Value>>;
    type IntoFuture = BulkFuture<'c, Option<Value>>;

    fn into_future(self) -> BulkFuture<'c, Option<Value>> {
        Box::pin(async move {
            let timing = timing(self.client, self.timeout);
            let Options { client_flags, cas, ttl, size } = self.options;
            // Where values alone are asked for, one line of the classic protocol asks for many keys at a fraction of the server's cost.
            // It cannot carry other keys than plain ones, and it would not say that an item is stale.
            let plain = !client_flags && !cas && !ttl && !size;
            if plain && self.keys.len() > 1 && self.keys.iter().flatten().all(|key| !key.is_binary()) {
                return by_lines(self.client, timing, self.keys).await;
            }
            by_key(self.client, timing, self.keys, self.options).await
        })
    }
}

/// One `mg` for each key.
async fn by_key(
    client: &Client,
    timing: Timing,
    keys: Vec<Result<Key, Invalid>>,
    options: Options,
) -> Many<Option<Value>> {
    let build = |key: &Key| {
        let mut get = Get::new(key.clone());
        for (asked, with) in [
            (options.client_flags, Get::with_client_flags as fn(Get) -> Get),
            (options.cas, Get::with_cas),
            (options.ttl, Get::with_ttl),
            (options.size, Get::with_size),
        ] {
            if asked {
                get = with(get);
            }
        }
        get
    };
    let gets = keys.iter().map(|key| key.as_ref().map(build).map_err(Clone::clone)).collect();
    let got = each(client, timing, gets, |got: Option<Got>, _| Ok(got)).await;
    let values = got.into_iter().zip(keys).map(|(outcome, key)| match (outcome?, key) {
        (Some(mut got), Ok(key)) => {
            lease::decline(client, &key, &mut got);
            Ok(Some(Value::new(key, got)))
        }
        _ => Ok(None),
    });
    Many::new(values.collect())
}

/// Lines of many keys, each with a fence behind it: the line carries nothing that confirms its place in the order, the fence does.
async fn by_lines(client: &Client, timing: Timing, keys: Vec<Result<Key, Invalid>>) -> Many<Option<Value>> {
    let cluster = client.cluster();
    let mut groups: Vec<Vec<(usize, Key)>> = std::iter::repeat_with(Vec::new).take(cluster.servers().len()).collect();
    for (place, key) in keys.iter().enumerate() {
        if let Ok(key) = key {
            groups[cluster.route(key.as_bytes())].push((place, key.clone()));
        }
    }
    let mut lines = Vec::new();
    let keys_max = (cluster.settings().limits.unclaimed_bytes_max / VALUE_LEN).clamp(1, KEYS_MAX);
    let mut number = |(places, keys)| {
        lines.push(places);
        (lines.len() - 1, keys)
    };
    let cut = |group| cut_into_lines(group, keys_max).into_iter().map(&mut number).collect();
    let numbered: Vec<Vec<(usize, Vec<Key>)>> = groups.into_iter().map(cut).collect();
    let groups = numbered.into_iter().enumerate().map(|(server, group)| {
        let send = move |(line, keys)| async move { (line, send_halves(client, server, keys, timing).await) };
        group.into_iter().map(send)
    });
    let answers = run(groups, lines.len(), LINES_MAX).await;
    let mut outcomes: Vec<_> = keys.iter().map(|key| key.as_ref().map(|_| None).map_err(Error::invalid)).collect();
    for (places, answer) in lines.into_iter().zip(answers) {
        let lost = || places.iter().map(|_| Err(Error::lost())).collect();
        let answer = answer.unwrap_or_else(lost);
        spread(places, answer, &keys, &mut outcomes);
    }
    Many::new(outcomes)
}

/// Puts the outcomes of one line where they belong.
fn spread(
    places: Vec<usize>,
    answers: Vec<Outcome>,
    keys: &[Result<Key, Invalid>],
    outcomes: &mut [Result<Option<Value>, Error>],
) {
    for (place, answer) in places.into_iter().zip(answers) {
        let value =
            |found: Found, key: &Key| Value::new(key.clone(), Got { value: Some(found.value), ..Got::default() });
        if let Some(Ok(key)) = keys.get(place) {
            outcomes[place] = answer.map(|found| found.map(|found| value(found, key)));
        }
    }
}

/// Keys that fit one line each, with their places.
fn cut_into_lines(mut group: Vec<(usize, Key)>, keys_max: usize) -> Vec<(Vec<usize>, Vec<Key>)> {
    let mut lines = Vec::new();
    while !group.is_empty() {
        let fitting = MultiGet::fitting(group.iter().map(|(_, key)| key)).clamp(1, keys_max.min(group.len()));
        let rest = group.split_off(fitting);
        lines.push(std::mem::replace(&mut group, rest).into_iter().unzip());
    }
    lines
}

/// Keys of one line: beyond a hundred the server's cost for each no longer falls, while everybody else on the connection waits for
/// the whole answer.
const KEYS_MAX: usize = 100;

/// Largest value by a server's default limit, with what is kept beside it: the values of a line may not hold more than one reply may.
const VALUE_LEN: usize = (1 << 20) + 1024;

/// Lines on their way to one server at the same time: each is a hundred keys, so a few fill a connection.
const LINES_MAX: usize = 8;

/// Asks for the keys by one line, and where its values are too many to be held at once by ever shorter ones. One outcome for each
/// key.
async fn send_halves(client: &Client, server: usize, keys: Vec<Key>, timing: Timing) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(keys.len());
    let mut rest = vec![keys];
    while let Some(mut keys) = rest.pop() {
        match send_line_again(client, server, &keys, timing).await {
            Ok(found) => outcomes.extend(found.into_iter().map(Ok)),
            Err(error) if error.kind() == ErrorKind::Unclaimed && keys.len() > 1 => {
                rest.push(keys.split_off(keys.len() / 2));
                rest.push(keys);
            }
            Err(error) => outcomes.extend(keys.iter().map(|_| Err(error.clone()))),
        }
    }
    outcomes
}

type Outcome = Result<Option<Found>, Error>;

/// A line and its fence go again together, or not at all: a line behind its fence would be confirmed by nothing.
async fn send_line_again(
    client: &Client,
    server: usize,
    keys: &[Key],
    timing: Timing,
) -> Result<Vec<Option<Found>>, Error> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match send_line(client, server, keys.to_vec(), timing).await {
            Err(error) if retry::repeats_unasked(error.kind(), error.outcome(), attempts) => {}
            result => return result,
        }
    }
}

async fn send_line(
    client: &Client,
    server: usize,
    keys: Vec<Key>,
    timing: Timing,
) -> Result<Vec<Option<Found>>, Error> {
    let (line, fence) = client.cluster().send_pair(server, MultiGet::new(keys), Noop, timing);
    let name = line.server_name();
    let (line, fence) = join(line.once(), fence.once()).await;
    // An answer whose place is not confirmed is no answer.
    let found = line?.map_err(|fault| Error::fault(name.clone(), &fault))?;
    fence?.map_err(|fault| Error::fault(name, &fault))?;
    Ok(found)
}

impl Client {
    /// Gets several values at once, each from its server. One outcome for each key, in the order given; a server that is down
    /// spoils only its own keys.
    ///
    /// As long as nothing but values is asked for, keys travel by the classic `get` of many keys, which costs the server least; it
    /// shows stale items and placeholders as plain hits. With any `with_…` option each key is asked for by an `mg` of its own.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> GetMany<'_> {
        let keys = keys.into_iter().map(|key| Key::new(key).map_err(Invalid::from)).collect();
        GetMany { client: self, keys, options: Options::default(), timeout: None }
    }
}
