//! Many keys at once: an outcome for each, in the caller's order, whatever becomes of the others.

use std::time::Duration;

use memlink::{BatchOutcome, Client, Limits, Server, SetMode};
use memlink_testserver::TestServer;

use crate::memcached::{Memcached, patient};
use crate::show::Show as _;

/// Two servers, one of either kind.
async fn two() -> (Memcached, TestServer, Client) {
    let (old, new) = (Memcached::start(), TestServer::start().await.unwrap());
    let servers = [old.server(), Server::tcp(&new.address()).unwrap()];
    let client = Client::builder().servers(servers).settings(patient()).connect().await.unwrap();
    (old, new, client)
}

fn shown<T: crate::show::Show>(many: memlink::Many<T>) -> Vec<String> {
    many.iter().map(crate::show::Show::show).collect()
}

#[tokio::test]
async fn outcomes_come_in_the_order_of_the_keys() {
    let (_old, _new, client) = two().await;
    let keys: Vec<_> = (0..5_000).map(|n| format!("key-{n}")).collect();
    let stored = client.set_many(keys.iter().map(|key| (key, key.clone()))).ttl(Duration::from_secs(100)).await;
    assert_eq!(stored.len(), keys.len());
    stored.all().unwrap();
    for with_size in [false, true] {
        let mut get = client.get_many(&keys);
        if with_size {
            get = get.with_size();
        }
        for (key, value) in keys.iter().zip(get.await.all().unwrap()) {
            let value = value.expect("a hit");
            assert_eq!((value.key(), &value[..]), (key.as_bytes(), key.as_bytes()));
        }
    }
    let evens = keys.iter().step_by(2);
    assert!(client.delete_many(evens).await.all().unwrap().iter().all(|deleted| *deleted));
    let found = client.get_many(&keys).await.all().unwrap();
    assert!(found.iter().enumerate().all(|(place, value)| value.is_some() == (place % 2 == 1)));
    let deleted = client.delete_many(&keys).await.all().unwrap();
    assert!(deleted.iter().enumerate().all(|(place, deleted)| *deleted == (place % 2 == 1)));
}

#[tokio::test]
async fn options_reach_every_key() {
    let (_old, _new, client) = two().await;
    let keys = ["a", "b", "c", "d", "e", "f"];
    client.set_many(keys.map(|key| (key, key))).ttl(Duration::from_secs(100)).client_flags(9).await.all().unwrap();
    let got = client.get_many(keys).with_client_flags().with_cas().with_ttl().with_size().await;
    assert_eq!(shown(got), keys.map(|key| format!("{key:?} flags=9 cas ttl=100 size=1")));
}

#[tokio::test]
async fn nothing_asked_is_nothing_answered() {
    let (_old, _new, client) = two().await;
    assert!(client.get_many([""; 0]).await.is_empty());
    assert!(client.get_many([""; 0]).with_cas().await.is_empty());
    assert!(client.set_many([("", ""); 0]).await.is_empty());
    assert!(client.delete_many([""; 0]).await.is_empty());
    assert!(client.batch().await.is_empty());
}

#[tokio::test]
async fn a_key_given_twice_is_answered_twice() {
    let (_old, _new, client) = two().await;
    assert_eq!(shown(client.set_many([("k", "1"), ("other", "x"), ("k", "2")]).await), ["done"; 3]);
    for keys in [["k", "k", "other"], ["k", "other", "k"]] {
        let want = keys.map(|key| if key == "k" { "\"2\"" } else { "\"x\"" });
        assert_eq!(shown(client.get_many(keys).await), want);
        assert_eq!(shown(client.get_many(keys).with_size().await), want.map(|value| format!("{value} size=1")));
    }
    assert_eq!(shown(client.delete_many(["k", "k"]).await), ["true", "false"]);
}

#[tokio::test]
async fn a_bad_key_spoils_its_own_outcome() {
    let (_old, _new, client) = two().await;
    let long = "x".repeat(251);
    let invalid = "Invalid NotSent";
    let set = client.set_many([("a", "1"), ("", "2"), (&long, "3"), ("b", "4")]).await;
    assert_eq!(shown(set), ["done", invalid, invalid, "done"]);
    let keys = ["a", "", &long, "b"];
    assert_eq!(shown(client.get_many(keys).await), ["\"1\"", invalid, invalid, "\"4\""]);
    assert_eq!(shown(client.get_many(keys).with_size().await), ["\"1\" size=1", invalid, invalid, "\"4\" size=1"]);
    let many = client.delete_many(keys).await;
    assert_eq!(many.errors().map(|(place, _)| place).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(shown(many), ["true", invalid, invalid, "true"]);
    assert_eq!(shown(client.get_many(["", ""]).await), [invalid, invalid]);
}

#[tokio::test]
async fn binary_keys_go_beside_plain_ones() {
    let (_old, _new, client) = two().await;
    let keys: Vec<Vec<u8>> = vec![b"plain".into(), b"a b".into(), b"\r\nmn\r\n".into(), vec![0; 186], vec![0xff; 250]];
    client.set_many(keys.iter().map(|key| (key, key.clone()))).await.all().unwrap();
    for (key, value) in keys.iter().zip(client.get_many(&keys).await.all().unwrap()) {
        let value = value.expect("a hit");
        assert_eq!((value.key(), &value[..]), (&key[..], &key[..]));
    }
}

#[tokio::test]
async fn large_values_come_whole() {
    let (_old, _new, client) = two().await;
    let items: Vec<_> = (0..40_u8).map(|n| (format!("key-{n}"), vec![n; 300_000 + usize::from(n)])).collect();
    client.set_many(items.clone()).await.all().unwrap();
    let values = client.get_many(items.iter().map(|(key, _)| key)).await.all().unwrap();
    for ((_, want), got) in items.iter().zip(values) {
        assert!(got.expect("a hit") == want[..]);
    }
}

/// Together more than what may be held for callers that do not fetch their replies, each no more than the server's default allows.
#[tokio::test]
async fn more_than_one_reply_may_hold_is_still_fetched() {
    let memcached = Memcached::start_with(&["-m", "512"]);
    let client = memcached.client().await;
    let value = bytes::Bytes::from(vec![b'x'; 1_000_000]);
    let keys: Vec<_> = (0..80).map(|n| format!("key-{n}")).collect();
    let sum = keys.len() * value.len();
    assert!(sum > Limits::default().unclaimed_bytes_max);
    client.set_many(keys.iter().map(|key| (key, value.clone()))).await.all().unwrap();
    let values = client.get_many(&keys).await.all().unwrap();
    assert_eq!(values.into_iter().flatten().map(|value| value.len()).sum::<usize>(), sum);
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}

#[tokio::test]
async fn a_batch_does_one_thing_after_the_other() {
    let (_old, _new, client) = two().await;
    let ttl = Duration::from_secs(100);
    let outcomes = client
        .batch()
        .get("k")
        .set("k", "1")
        .get("k")
        .increment("k", 41)
        .decrement("k", 2)
        .store(SetMode::Append, "k", "0", None)
        .get("k")
        .delete("k")
        .delete("k")
        .get("")
        .set_for("k", "x", ttl)
        .increment("k", 1)
        .store(SetMode::Add, "k", "0", memlink::Ttl::from(ttl))
        .set("big", vec![0; 9 << 20])
        .await;
    let shown: Vec<_> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Ok(BatchOutcome::Got(got)) => got.show(),
            Ok(BatchOutcome::Stored(stored)) => stored.show(),
            Ok(BatchOutcome::Deleted(deleted)) => deleted.show(),
            Ok(BatchOutcome::Counted(counted)) => counted.show(),
            Err(error) => format!("{:?} {:?}", error.kind(), error.outcome()),
        })
        .collect();
    let want = [
        "none",
        "Stored",
        "\"1\"",
        "Done 42",
        "Done 40",
        "Stored",
        "\"400\"",
        "Deleted",
        "NotFound",
        "Invalid NotSent",
        "Stored",
        "Server Answered",
        "NotStored",
        "Invalid NotSent",
    ];
    assert_eq!(shown, want);
    assert_eq!(client.get("k").with_ttl().await.show(), "\"x\" ttl=100");
}

/// With several connections as well: what is said of the order holds for one bulk request.
#[tokio::test]
async fn a_bulk_request_keeps_its_order_on_several_connections() {
    let memcached = Memcached::start();
    let client = memcached.client_with(patient().connections_per_server(4)).await;
    for round in 0..200 {
        let text = round.to_string();
        let outcomes = client.batch().set("k", "none").set("k", text.clone()).get("k").await;
        assert!(matches!(&outcomes[2], Ok(BatchOutcome::Got(Some(value))) if *value == *text), "{:?}", outcomes[2]);
        client.set_many([("n", "none".to_owned()), ("n", text.clone())]).await.all().unwrap();
        assert_eq!(client.get("n").await.unwrap().unwrap(), *text, "round {round}");
    }
}

/// However many they are: tokio lets a task go on for only so long, and then it has to be asked again in the same order.
#[tokio::test]
async fn a_long_bulk_request_keeps_its_order() {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    client.set_many((0..2_000).map(|n| ("n", n.to_string()))).await.all().unwrap();
    assert_eq!(client.get("n").await.unwrap().unwrap(), "1999");
    let batch = (0..2_000)
        .fold(client.batch().set("all", ""), |batch, n| batch.store(SetMode::Append, "all", format!("{n} "), None));
    batch.await.all().unwrap();
    let want: String = (0..2_000).map(|n| format!("{n} ")).collect();
    assert_eq!(client.get("all").await.unwrap().unwrap(), *want);
}

#[tokio::test]
async fn one_dead_server_spoils_its_own_keys() {
    let (mut old, _new, client) = two().await;
    let keys: Vec<_> = (0..200).map(|n| format!("key-{n}")).collect();
    let of_old = |key: &String| client.server_of(key).unwrap() == old.address();
    let dead: Vec<_> = keys.iter().map(of_old).collect();
    assert!(dead.contains(&true) && dead.contains(&false));
    old.kill();
    let values = || keys.iter().map(|key| (key, key.clone()));
    let check = |what: &str, failed: Vec<bool>| assert_eq!(failed, dead, "{what}");
    check("set_many", client.set_many(values()).await.iter().map(Result::is_err).collect());
    check("get_many", client.get_many(&keys).await.iter().map(Result::is_err).collect());
    check("get_many with", client.get_many(&keys).with_cas().await.iter().map(Result::is_err).collect());
    check("delete_many", client.delete_many(&keys).await.iter().map(Result::is_err).collect());
    let batch = keys.iter().fold(client.batch(), |batch, key| batch.get(key));
    check("batch", batch.await.iter().map(Result::is_err).collect());
}

#[tokio::test]
async fn a_bulk_request_ends_with_its_timeout() {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    let keys: Vec<_> = (0..1_000).map(|n| format!("key-{n}")).collect();
    memcached.freeze();
    let timeout = Duration::from_millis(50);
    let begun = std::time::Instant::now();
    let all = |many: Vec<String>| assert!(many.iter().all(|shown| shown.starts_with("Deadline")), "{many:?}");
    all(shown(client.get_many(&keys).timeout(timeout).await));
    all(shown(client.get_many(&keys).with_cas().timeout(timeout).await));
    all(shown(client.set_many(keys.iter().map(|key| (key, "v"))).timeout(timeout).await));
    all(shown(client.delete_many(&keys).timeout(timeout).await));
    let batch = keys.iter().fold(client.batch(), |batch, key| batch.get(key)).timeout(timeout).await;
    assert!(batch.iter().all(|outcome| outcome.as_ref().is_err_and(|e| e.kind() == memlink::ErrorKind::Deadline)));
    assert!(begun.elapsed() < Duration::from_secs(10));
    memcached.thaw();
    assert_eq!(client.get("k").timeout(Duration::from_secs(20)).await.show(), "none");
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}

#[tokio::test]
async fn values_of_a_line_share_memory_until_they_are_detached() {
    let server = TestServer::start().await.unwrap();
    let client = Client::builder().servers([Server::tcp(&server.address()).unwrap()]).connect().await.unwrap();
    let keys: Vec<_> = (0..100).map(|n| format!("key-{n}")).collect();
    client.set_many(keys.iter().map(|key| (key, vec![b'x'; 100]))).await.all().unwrap();
    let values = client.get_many(&keys).await.all().unwrap();
    let values: Vec<_> = values.into_iter().map(|value| value.expect("a hit")).collect();
    let at = |value: &memlink::Value| value.as_ptr() as usize;
    // What lies between two values on the wire lies between them in memory, but where a read ended the room for it.
    let is_next = |n: &usize| {
        let head = format!("VALUE {} 0 100\r\n", keys[*n]).len();
        at(&values[*n]) == at(&values[n - 1]) + 100 + "\r\n".len() + head
    };
    assert!((1..100).filter(is_next).count() > 90);
    let detached = values[50].clone().detach();
    assert_eq!(detached, values[50]);
    assert_ne!(at(&detached), at(&values[50]));
}
