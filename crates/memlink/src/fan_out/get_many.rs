use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use memlink_core::{Command, Encoder, Malformed, Reply, Unsupported};
use memlink_meta::{Expect, Fault, Get, Got, Invalid, Key, Meta, MultiGet, Noop, Peer};

use super::command::value;
use super::many::{BulkFuture, Many, each, timing};
use super::run;
use crate::Client;
use crate::cluster::{Exchange, Topology, found_no_server};
use crate::config::WhenDown;
use crate::error::Outcome::NotSent;
use crate::error::{Error, ErrorKind};
use crate::link::{Link, Timing};
use crate::policy::Tries;
use crate::probe;
use crate::value::Value;

/// Several values to be fetched: see [`Client::get_many`].
#[must_use = "a request is sent when it is awaited"]
#[derive(Debug)]
pub struct GetMany<'c> {
    client: &'c Client,
    /// Without those that were refused, which have the places that are missing.
    keys: Vec<Key>,
    refused: Vec<(usize, Invalid)>,
    asked: Asked,
    timeout: Option<Duration>,
}

/// What is asked for beside the values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) client_flags: bool,
    pub(super) cas: bool,
    pub(super) ttl: bool,
    pub(super) size: bool,
    /// The values are large: not of the server, but of the connection.
    pub(super) is_large: bool,
}

impl Asked {
    /// Whether a line of many keys can ask for it.
    pub(super) fn is_value_alone(&self) -> bool {
        !(self.client_flags || self.cas || self.ttl || self.size)
    }

    /// How many bytes a command has to count as at least, for the choice of its connection.
    fn len_min(&self) -> usize {
        if self.is_large { usize::MAX } else { 0 }
    }

    /// A command that asks for it.
    pub(super) fn of(&self, key: Key) -> Get {
        let mut get = Get::new(key);
        for (asked, with) in [
            (self.client_flags, Get::with_client_flags as fn(Get) -> Get),
            (self.cas, Get::with_cas),
            (self.ttl, Get::with_ttl),
            (self.size, Get::with_size),
        ] {
            if asked {
                get = with(get);
            }
        }
        get
    }
}

impl GetMany<'_> {
    /// Asks for the client flags, too.
    pub fn with_client_flags(mut self) -> Self {
        self.asked.client_flags = true;
        self
    }

    /// Asks for the CAS ids, too.
    pub fn with_cas(mut self) -> Self {
        self.asked.cas = true;
        self
    }

    /// Asks for the times that are left, too.
    pub fn with_ttl(mut self) -> Self {
        self.asked.ttl = true;
        self
    }

    /// Asks for the lengths of the values, too.
    pub fn with_size(mut self) -> Self {
        self.asked.size = true;
        self
    }

    /// Says that the values are large: they take the [lane for large values](crate::Settings::large_lane), where there is one.
    pub fn large(mut self) -> Self {
        self.asked.is_large = true;
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
            let outcomes = match self.asked.is_value_alone() && self.keys.iter().all(|key| !key.is_binary()) {
                // Where values alone are asked for, one line of the classic protocol asks for many keys at a fraction of the server's
                // cost. It cannot carry other keys than plain ones, and it would not say that an item is stale.
                true if self.keys.len() > 1 => by_lines(self.client, timing, self.keys, self.asked).await,
                _ => by_key(self.client, timing, self.keys, self.asked).await,
            };
            Many::new(with_refused(outcomes, self.refused)).or_without_server(self.client, true, || None)
        })
    }
}

type Outcome = Result<Option<Value>, Error>;

/// Puts refusals, which are in the order of their places, among the outcomes of all other keys.
fn with_refused(outcomes: Vec<Outcome>, refused: Vec<(usize, Invalid)>) -> Vec<Outcome> {
    if refused.is_empty() {
        return outcomes;
    }
    let mut all = Vec::with_capacity(outcomes.len() + refused.len());
    let mut outcomes = outcomes.into_iter();
    for (place, invalid) in refused {
        let between = place.saturating_sub(all.len());
        all.extend(outcomes.by_ref().take(between));
        all.push(Err(Error::invalid(&invalid)));
    }
    all.extend(outcomes);
    all
}

/// One `mg` for each key.
async fn by_key(client: &Client, timing: Timing, keys: Vec<Key>, asked: Asked) -> Vec<Outcome> {
    let gets = keys.iter().map(|key| Ok(asked.of(key.clone()))).collect();
    let got = each(client, timing, None, gets, asked.len_min(), |got: Option<Got>, _| Ok(got)).await;
    let values = got.into_iter().zip(keys).map(|(outcome, key)| Ok(outcome?.map(|got| value(client, key, got))));
    values.collect()
}

/// Lines of many keys, each with a fence behind it: the line carries nothing that confirms its place in the order, the fence does.
async fn by_lines(client: &Client, timing: Timing, keys: Vec<Key>, asked: Asked) -> Vec<Outcome> {
    let cluster = client.cluster();
    let keys_max = keys_max(client);
    let topology = &cluster.topology();
    let servers = topology.len().max(1);
    if servers == 1 && fitting(&keys, keys_max) == keys.len() {
        // The usual bulk: one line, whose outcomes are where they belong.
        return send_halves(client, topology, 0, MultiGet::new(keys), asked, timing).await;
    }
    let len = keys.len();
    let mut groups: Vec<(Vec<usize>, Vec<Key>)> = std::iter::repeat_with(Default::default).take(servers).collect();
    for (place, key) in keys.into_iter().enumerate() {
        let (places, keys) = &mut groups[topology.choose(key.as_bytes())];
        places.push(place);
        keys.push(key);
    }
    let mut lines = Vec::new();
    let mut number = |(places, line)| {
        lines.push(places);
        (lines.len() - 1, line)
    };
    let cut = |(places, keys)| cut_into_lines(places, keys, keys_max).into_iter().map(&mut number).collect();
    let numbered: Vec<Vec<(usize, MultiGet)>> = groups.into_iter().map(cut).collect();
    let groups = numbered.into_iter().enumerate().map(|(server, group)| {
        let send = move |(number, line): (usize, MultiGet)| async move {
            let is_as_begun = cluster.is_at(topology.number());
            let found = match is_as_begun {
                true => send_halves(client, topology, server, line, asked, timing).await,
                // The list of servers has changed since: its keys may belong to several others now.
                false => by_key(client, timing, line.into_keys(), asked).await,
            };
            (number, found)
        };
        group.into_iter().map(send)
    });
    let answers = run(groups, lines.len(), LINES_MAX).await;
    let mut outcomes: Vec<Outcome> = std::iter::repeat_with(|| Ok(None)).take(len).collect();
    for (places, answer) in lines.into_iter().zip(answers) {
        let answer = answer.unwrap_or_else(|| places.iter().map(|_| Err(Error::lost())).collect());
        for (place, outcome) in places.into_iter().zip(answer) {
            outcomes[place] = outcome;
        }
    }
    outcomes
}

/// How many keys a line has at the most.
pub(super) fn keys_max(client: &Client) -> usize {
    (client.cluster().settings().limits.unclaimed_bytes_max / VALUE_LEN).clamp(1, KEYS_MAX)
}

/// How many of the first keys go by one line: at least one.
fn fitting(keys: &[Key], keys_max: usize) -> usize {
    MultiGet::fitting(keys.iter().take(keys_max)).max(1)
}

/// Lines for the keys, each with the places of its keys.
fn cut_into_lines(places: Vec<usize>, keys: Vec<Key>, keys_max: usize) -> Vec<(Vec<usize>, MultiGet)> {
    let (mut places, mut keys) = (places.into_iter(), keys.into_iter());
    let mut lines = Vec::new();
    while !keys.as_slice().is_empty() {
        let n = fitting(keys.as_slice(), keys_max);
        lines.push((places.by_ref().take(n).collect(), MultiGet::new(keys.by_ref().take(n).collect())));
    }
    lines
}

/// Keys of one line: beyond a hundred the server's cost for each no longer falls, while everybody else on the connection waits for
/// the whole answer.
const KEYS_MAX: usize = 100;

/// Half of the largest value by a server's default limit: if all values of a line are so long it still holds no more than one reply may.
/// Longer ones cost a second attempt in halves.
const VALUE_LEN: usize = 512 * 1024;

/// Lines on their way to one server at the same time: each is a hundred keys, so a few fill a connection.
const LINES_MAX: usize = 8;

/// Asks for the keys by one line, and where its values are too many to be held at once by ever shorter ones. One outcome for each
/// key.
pub(super) async fn send_halves(
    client: &Client,
    topology: &Topology<Meta>,
    server: usize,
    line: MultiGet,
    asked: Asked,
    timing: Timing,
) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut rest = vec![line];
    while let Some(line) = rest.pop() {
        match send_line_again(topology, server, &line, asked, timing).await {
            // The usual case: all of them by the first line.
            Ok(found) if outcomes.is_empty() && rest.is_empty() => return found,
            Ok(found) => outcomes.extend(found),
            Err(error) if error.kind() == ErrorKind::Unclaimed && line.keys().len() > 1 => {
                let mut keys = line.into_keys();
                rest.push(MultiGet::new(keys.split_off(keys.len() / 2)));
                rest.push(MultiGet::new(keys));
            }
            // The server was removed, or is down where another may stand in: its keys may go to several others now.
            Err(error) if goes_elsewhere(client, &error) => {
                outcomes.extend(by_key(client, timing, line.into_keys(), asked).await);
            }
            Err(error) => outcomes.extend(line.keys().iter().map(|_| Err(error.clone()))),
        }
    }
    outcomes
}

/// Whether what was not sent has another place to go.
fn goes_elsewhere(client: &Client, error: &Error) -> bool {
    let was_removed = error.kind() == ErrorKind::Closed && error.outcome() == NotSent;
    was_removed || client.cluster().settings().when_down == WhenDown::NextServer && found_no_server(error)
}

/// Whether the connection was lost before anything of it was sent.
fn was_lost(error: &Error) -> bool {
    error.kind() == ErrorKind::ConnectionLost && error.outcome() == NotSent
}

/// A line and its fence go again together, or not at all: a line is confirmed by nothing but a fence behind it, on its own connection.
async fn send_line_again(
    topology: &Topology<Meta>,
    server: usize,
    line: &MultiGet,
    asked: Asked,
    timing: Timing,
) -> Result<Vec<Outcome>, Error> {
    let mut tries = Tries::default();
    loop {
        let lane = topology.lane(server, asked.len_min());
        match send_line(topology, lane, line.clone(), timing).await {
            Err(error) if was_lost(&error) && tries.may_go_again() && lane.may_retry() => {}
            Err(error) => return Err(error),
            Ok(Some(found)) => return Ok(found),
            // The next connection has answered the fence: of a read nothing is done twice.
            Ok(None) if tries.may_go_again() => {}
            Ok(None) => return Err(Error::lost()),
        }
    }
}

async fn send_line(
    topology: &Topology<Meta>,
    lane: &Arc<Link<Meta>>,
    line: MultiGet,
    timing: Timing,
) -> Result<Option<Vec<Outcome>>, Error> {
    let line = topology.send_over(lane, Line(line), timing).once();
    // Over the same connection. Where the line was let in the fence is, too, be it that it waits for that.
    let fence = topology.send_over(lane, Noop, Timing { wait: true, ..timing }).once();
    let name = lane.name().clone();
    let (found, fence, is_one) = in_order(line, fence).await;
    let found = found?.map_err(|fault| Error::fault(name.clone(), &fault));
    probe::note(lane, &found);
    // An answer whose place is not confirmed is no answer.
    let found = found?;
    fence.unwrap_or_else(|| Err(Error::lost()))?.map_err(|fault| Error::fault(name, &fault))?;
    Ok(is_one.then_some(found))
}

/// Sends the fence when the line has been let in, never before it, and not at all behind one that was refused. Says in the end whether one
/// connection has answered both.
async fn in_order(
    mut line: Exchange<Meta, Line>,
    mut fence: Exchange<Meta, Noop>,
) -> (Result<Result<Vec<Outcome>, Fault>, Error>, Option<Result<Result<(), Fault>, Error>>, bool) {
    let (mut found, mut confirmed, mut is_begun) = (None, None, false);
    poll_fn(|cx| {
        if found.is_none()
            && let Poll::Ready(answer) = Pin::new(&mut line).poll(cx)
        {
            found = Some(answer);
        }
        is_begun = is_begun || found.as_ref().map_or_else(|| !line.is_in_line(), Result::is_ok);
        if is_begun
            && confirmed.is_none()
            && let Poll::Ready(answer) = Pin::new(&mut fence).poll(cx)
        {
            confirmed = Some(answer);
        }
        match found.take_if(|_| !is_begun || confirmed.is_some()) {
            Some(found) => Poll::Ready((found, confirmed.take(), line.opened() == fence.opened())),
            None => Poll::Pending,
        }
    })
    .await
}

/// A line of keys, whose answer is read as the outcomes of its keys.
struct Line(MultiGet);

impl Command<Meta> for Line {
    type Output = Result<Vec<Outcome>, Fault>;

    fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
        self.0.check(peer)
    }

    fn size_hint(&self) -> usize {
        self.0.size_hint()
    }

    fn encode(&self, peer: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
        self.0.encode(peer, serial, out)
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        self.0.decode_with(reply, |key, found| Ok(found.map(|found| Value::plain(key.clone(), found.value))))
    }
}

impl Client {
    /// Gets several values at once, each from its server. One outcome for each key, in the order given; a server that is down
    /// spoils only its own keys.
    ///
    /// As long as nothing but values is asked for, keys travel by the classic `get` of many keys, which costs the server least; it
    /// shows stale items and placeholders as plain hits. With any `with_…` option each key is asked for by an `mg` of its own.
    ///
    /// All keys and outcomes are held until the last has come: for very many see [`get_stream`](Client::get_stream).
    ///
    /// Values of one line share memory: see [`Value`]. A line asks for up to 100 keys. When what they hold is more than one reply may
    /// ([`Limits::unclaimed_bytes_max`](crate::Limits), 64 MiB), which takes values of more than 512 KiB, it is asked again in halves.
    pub fn get_many<K: AsRef<[u8]>>(&self, keys: impl IntoIterator<Item = K>) -> GetMany<'_> {
        let given = keys.into_iter();
        let (mut keys, mut refused) = (Vec::with_capacity(given.size_hint().0), Vec::new());
        for key in given {
            match Key::new(key) {
                Ok(key) => keys.push(key),
                Err(error) => refused.push((keys.len() + refused.len(), Invalid::from(error))),
            }
        }
        GetMany { client: self, keys, refused, asked: Asked::default(), timeout: None }
    }
}
