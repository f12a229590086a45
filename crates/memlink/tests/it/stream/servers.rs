//! Servers that die or go, and callers that do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use memlink::{Client, ErrorKind, Outcome, Server};

use super::{all, keys, kinds, serve_counting};
use crate::memcached::{Memcached, patient};
use crate::pipe::Pipes;
use crate::wait::until;

async fn three() -> (Vec<Memcached>, Client) {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let client = Client::builder().servers(servers.iter().map(Memcached::server)).settings(patient());
    let client = client.connect().await.unwrap();
    (servers, client)
}

/// Only the keys of a server that dies in the middle are lost, and each says how.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_spoils_its_own_keys() {
    let (mut servers, client) = three().await;
    let keys = keys(20_000);
    assert!(all(client.set_stream(keys.iter().map(|key| (key, "v")))).await.iter().all(Result::is_ok));
    let address = servers[0].address();
    let mut stream = client.get_stream(&keys);
    let (mut seen, mut lost) = (0, 0);
    while let Some((index, outcome)) = stream.next().await {
        seen += 1;
        if seen == 4_000 {
            servers[0].kill();
        }
        if client.server_of(&keys[index]).unwrap() != address {
            outcome.unwrap().expect("a hit");
        } else if let Err(error) = outcome {
            assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::ServerDown), "{error}");
            assert_eq!(error.server(), Some(&*address));
            lost += 1;
        }
    }
    assert_eq!(seen, keys.len());
    assert!(lost > 500, "{lost}");
    for outcome in all(client.set_stream(keys.iter().map(|key| (key, "v")))).await {
        assert!(matches!(kinds(&outcome), None | Some((ErrorKind::ServerDown, Outcome::NotSent))), "{outcome:?}");
    }
}

/// What was not sent to a server that is removed goes to the one that has its keys then: nothing fails, of any form.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_fails_when_servers_come_and_go() {
    let (servers, client) = three().await;
    let grace = Duration::from_secs(10);
    let keys = keys(10_000);
    let cluster = client.cluster();
    let change = |seen: usize| {
        if seen % 2_000 == 1_000 {
            cluster.remove(&servers[0].address(), grace).unwrap();
        } else if seen.is_multiple_of(2_000) {
            cluster.add(servers[0].server()).unwrap();
        }
    };
    let mut seen = 0;
    let mut stored = client.set_stream(keys.iter().map(|key| (key, key.clone())));
    while let Some((_, outcome)) = stored.next().await {
        outcome.unwrap();
        seen += 1;
        change(seen);
    }
    for with_cas in [false, true] {
        let mut got = client.get_stream(&keys);
        if with_cas {
            got = got.with_cas();
        }
        while let Some((index, outcome)) = got.next().await {
            // A server that came anew has nothing of others' keys.
            assert!(outcome.unwrap().is_none_or(|value| value == *keys[index]));
            seen += 1;
            change(seen);
        }
    }
    let mut deleted = client.delete_stream(&keys);
    while let Some((_, outcome)) = deleted.next().await {
        outcome.unwrap();
        seen += 1;
        change(seen);
    }
    assert_eq!((seen, cluster.topology().number()), (40_000, 40));
}

#[tokio::test]
async fn a_client_that_is_closed_ends_its_streams() {
    let (_servers, client) = three().await;
    let mut stream = client.get_stream(keys(10_000));
    stream.next().await.unwrap().1.unwrap();
    client.close(Duration::from_secs(5)).await;
    let mut closed = 0;
    while let Some((_, outcome)) = stream.next().await {
        closed += usize::from(kinds(&outcome) == Some((ErrorKind::Closed, Outcome::NotSent)));
    }
    assert!(closed > 5_000, "{closed}");
}

/// What was in flight is abandoned; the connection is as it was, and nothing more is sent.
#[tokio::test]
async fn a_stream_that_is_dropped_leaves_nothing_behind() {
    let (servers, client) = three().await;
    let all_keys = keys(100_000);
    for round in 1..20 {
        let mut gets = client.get_stream(&all_keys);
        let mut sets = client.set_stream(all_keys.iter().map(|key| (key, "v"))).window_keys(usize::MAX);
        for _ in 0..round * 50 {
            gets.next().await.unwrap().1.unwrap();
            sets.next().await.unwrap().1.unwrap();
        }
    }
    let counters = |n: usize| client.stats().servers[n].counters;
    for n in 0..servers.len() {
        until("nothing is in flight", || counters(n).in_flight == 0 && counters(n).abandoned_now == 0).await;
        assert_eq!((counters(n).opened, counters(n).waiting), (1, 0));
        assert!(counters(n).cancelled > 0);
    }
    assert!(all(client.get_stream(&all_keys[..1_000])).await.iter().all(Result::is_ok));
}

/// Whoever drops it while the server is silent has sent a window and no more.
#[tokio::test(start_paused = true)]
async fn nothing_is_sent_after_the_drop() {
    let mut pipes = Pipes::new(1 << 20);
    let client = pipes.client(patient());
    let stream = client.get_stream(keys(10_000)).window_keys(100);
    let polling = tokio::spawn(all(stream));
    let end = pipes.open().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    polling.abort();
    assert!(polling.await.unwrap_err().is_cancelled());
    let asked = Arc::new(AtomicUsize::new(0));
    tokio::spawn(serve_counting(end, asked.clone()));
    client.get("after").await.unwrap();
    // Before anything is known of the values few are asked for.
    assert!(asked.load(Ordering::SeqCst) <= 1 + 16);
    let counters = client.stats().servers[0].counters;
    assert_eq!((counters.opened, counters.in_flight, counters.abandoned_now), (1, 0, 0));
}

#[tokio::test]
async fn a_server_that_is_down_is_told_at_once() {
    let (mut servers, _) = three().await;
    servers[1].kill();
    let servers: Vec<Server> = servers.iter().map(Memcached::server).collect();
    let client = Client::builder().servers(servers.clone()).settings(patient()).build().unwrap();
    let keys = keys(10_000);
    for (key, outcome) in keys.iter().zip(all(client.get_stream(&keys)).await) {
        let is_down = client.server_of(key).unwrap() == servers[1].name();
        assert_eq!(kinds(&outcome), is_down.then_some((ErrorKind::ServerDown, Outcome::NotSent)));
    }
}
