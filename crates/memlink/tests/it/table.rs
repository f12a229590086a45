//! A table of requests, each run against a real memcached and against the embedded server of the newest version.

use std::pin::Pin;

use memlink::{Client, Server, Version};
use memlink_testserver::TestServer;

use crate::doors::{Door, Opened};
use crate::memcached::{Memcached, patient};
use crate::show::Show as _;

/// What a request gave, as text.
type Shown<'a> = Pin<Box<dyn Future<Output = String> + Send + 'a>>;

/// One request to an item that was prepared for it, and what becomes of it.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    /// The release of memcached 1.6 that first can do it; older ones must be told nothing of it.
    pub(crate) since: u16,
    pub(crate) run: for<'a> fn(&'a Client, &'a Keys) -> Shown<'a>,
    pub(crate) want: &'static str,
    /// The item `hit` afterwards.
    pub(crate) then: &'static str,
}

/// What is there for each case: `hit` is `"ada" flags=7 ttl=100`, `number` is 10, `missing` is not there.
pub(crate) struct Keys {
    pub(crate) hit: String,
    pub(crate) number: String,
    pub(crate) missing: String,
    /// The CAS ids of `hit` and `number`.
    pub(crate) cas: u64,
    pub(crate) number_cas: u64,
}

/// How `hit` looks when nothing was done to it.
pub(crate) const AS_IT_WAS: &str = "\"ada\" flags=7 ttl=100";

/// `case!("name", 0, |client, keys| request => "result", "item afterwards")`
macro_rules! case {
    ($what:literal, $since:literal, |$client:ident, $keys:ident| $request:expr => $want:expr, $then:expr) => {
        crate::table::Case {
            what: $what,
            since: $since,
            run: |$client, $keys| {
                let _ = &$keys;
                Box::pin(async move { crate::show::Show::show(&$request.await) })
            },
            want: $want,
            then: $then,
        }
    };
}
pub(crate) use case;

/// Runs the cases one after the other on one connection, to both servers, and to the newer one through every door.
pub(crate) async fn check(cases: &[Case]) {
    let old = Memcached::start();
    run("memcached", &old.client().await, cases).await;
    let new = TestServer::start().await.expect("the embedded server starts");
    let server = Server::tcp(&new.address()).expect("an address");
    let client = Client::builder().server(server).settings(patient()).connect().await.expect("it answers");
    run("embedded", &client, cases).await;
    for door in Door::ALL {
        let opened = Opened::start(*door, patient()).await;
        run(&format!("{door:?}"), &opened.client, cases).await;
    }
}

async fn run(name: &str, client: &Client, cases: &[Case]) {
    let version = client.stats().servers[0].version.clone().and_then(|text| Version::parse(&text)).expect("a version");
    client.set("neighbour", "untouched").await.expect("a set");
    for (number, case) in cases.iter().enumerate() {
        let keys = prepare(client, number).await;
        let is_new_enough = version.patch >= case.since;
        let before = bytes_read(client).await;
        let got = (case.run)(client, &keys).await;
        let sent = bytes_read(client).await - before - STATS_LEN;
        let want = if is_new_enough { case.want } else { "Unsupported NotSent" };
        assert_eq!(got, want, "{name}: {}", case.what);
        assert_eq!(sent > 0, !want.ends_with("NotSent"), "{name}: {} sent {sent} bytes", case.what);
        let then = client.get(&keys.hit).with_client_flags().with_ttl().no_bump().take_win().await.show();
        assert_eq!(then, if is_new_enough { case.then } else { AS_IT_WAS }, "{name}: the item after {}", case.what);
        assert_eq!(client.get("neighbour").await.show(), "\"untouched\"", "{name}: after {}", case.what);
    }
    let counters = client.stats().servers[0].counters;
    assert_eq!((counters.opened, counters.in_flight), (1, 0), "{name}");
    assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled, "{name}");
}

async fn prepare(client: &Client, number: usize) -> Keys {
    let [hit, count, missing] = ["hit", "number", "missing"].map(|kind| format!("{kind}-{number}"));
    let ttl = std::time::Duration::from_secs(100);
    let stored = client.set(&hit, "ada").ttl(ttl).client_flags(7).with_cas().await.expect("a set");
    let counted = client.set(&count, "10").ttl(ttl).with_cas().await.expect("a set");
    let (cas, number_cas) = (stored.cas.expect("an id"), counted.cas.expect("an id"));
    Keys { hit, number: count, missing, cas, number_cas }
}

/// What the server has read so far, this question included.
async fn bytes_read(client: &Client) -> usize {
    let statistics = client.server_stats().await.remove(0).reply.expect("statistics");
    statistics.get("bytes_read").and_then(|bytes| bytes.parse().ok()).expect("a number")
}

/// Length of the question.
const STATS_LEN: usize = "stats\r\n".len();
