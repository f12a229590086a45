//! Elections: who refreshes an item that is missing, late or stale.

use std::time::Duration;

use memlink::{Client, Server};
use memlink_testserver::{TestServer, Version};

use crate::memcached::{Memcached, patient};
use crate::show::Show as _;
use crate::wait::until;

const MINUTE: Duration = Duration::from_secs(60);

/// Runs `check` with a client of a real memcached, and with one of the embedded server of the newest version.
async fn on_both(check: impl AsyncFn(&Client)) {
    let old = Memcached::start();
    check(&old.client().await).await;
    let new = TestServer::start().await.expect("the embedded server starts");
    check(&embedded(&new).await).await;
}

async fn embedded(server: &TestServer) -> Client {
    let server = Server::tcp(&server.address()).expect("an address");
    Client::builder().server(server).settings(patient()).connect().await.expect("it answers")
}

#[tokio::test]
async fn a_miss_elects_one_and_all_others_wait_for_it() {
    on_both(async |client| {
        let get = || client.get("k").vivify(MINUTE);
        assert_eq!(get().await.show(), "\"\" won");
        assert_eq!(get().await.show(), "\"\" taken");
        assert_eq!(client.get("k").await.show(), "\"\" taken");
        client.set("k", "new").ttl(MINUTE).await.unwrap();
        assert_eq!(get().await.show(), "\"new\"");
    })
    .await;
}

#[tokio::test]
async fn of_many_callers_one_is_elected() {
    on_both(async |client| {
        let gets = (0..100).map(|_| client.get("k").vivify(MINUTE).into_future());
        let won = futures_util::future::join_all(gets).await;
        assert_eq!(won.iter().filter(|got| got.as_ref().unwrap().as_ref().unwrap().is_won()).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_stale_item_is_served_and_refreshed_once() {
    on_both(async |client| {
        client.set("k", "old").await.unwrap();
        assert!(client.delete("k").mark_stale().ttl(MINUTE).await.unwrap());
        assert_eq!(client.get("k").take_win().await.show(), "\"old\" won stale");
        assert_eq!(client.get("k").take_win().await.show(), "\"old\" stale taken");
        client.set("k", "new").await.unwrap();
        assert_eq!(client.get("k").take_win().await.show(), "\"new\"");
        assert_eq!(client.stats().wins_taken_by_accident, 0);
    })
    .await;
}

/// What a get that wins by accident looks like in every form that does not ask for the win.
#[tokio::test]
async fn an_election_that_nobody_asked_for_is_given_back() {
    on_both(async |client| {
        let mut accidents = 0;
        for form in ["get", "get with", "peek", "touch", "get_and_touch", "get_many", "batch"] {
            client.set(form, "old").await.unwrap();
            assert!(client.delete(form).mark_stale().ttl(MINUTE).await.unwrap());
            let shown = match form {
                "get" => client.get(form).await.show(),
                "get with" => client.get(form).with_cas().await.show(),
                "peek" => client.peek(form).await.show(),
                "touch" => client.touch(form, MINUTE).await.show(),
                "get_and_touch" => client.get_and_touch(form, MINUTE).await.show(),
                "get_many" => client.get_many([form, "other"]).with_size().await.into_vec().remove(0).show(),
                _ => match client.batch().get(form).await.into_vec().remove(0) {
                    Ok(memlink::BatchOutcome::Got(got)) => got.show(),
                    other => panic!("{other:?}"),
                },
            };
            assert!(!shown.contains("won"), "{form}: {shown}");
            assert!(shown == "true" || shown.contains("stale taken"), "{form}: {shown}");
            accidents += 1;
            until("the win is given back", || client.stats().wins_given_back == accidents).await;
            assert_eq!(client.stats().wins_taken_by_accident, accidents, "{form}");
            assert_eq!(client.get(form).take_win().with_ttl().await.show(), "\"old\" ttl=60 won stale", "{form}");
        }
    })
    .await;
}

/// The one who stores a value between the accident and the giving back keeps it unharmed.
#[tokio::test]
async fn giving_back_leaves_a_value_stored_meanwhile_alone() {
    on_both(async |client| {
        for round in 0..50 {
            let key = format!("k-{round}");
            client.set(&key, "old").await.unwrap();
            assert!(client.delete(&key).mark_stale().await.unwrap());
            assert_eq!(client.get(&key).await.show(), "\"old\" stale taken");
            client.set(&key, "new").await.unwrap();
        }
        client.noop().await;
        until("nothing is on its way", || client.stats().servers[0].counters.in_flight == 0).await;
        for round in 0..50 {
            assert_eq!(client.get(format!("k-{round}")).take_win().await.show(), "\"new\"");
        }
        assert_eq!(client.stats().wins_taken_by_accident, 50);
    })
    .await;
}

/// An old server cannot leave the value out, and is not asked to.
#[tokio::test]
async fn an_unchanged_value_is_left_out_by_either_side() {
    for (version, is_asked) in [(Version::V1_6_18, false), (Version::V1_6_45, true)] {
        let server = TestServer::builder().version(version).record().start().await.unwrap();
        let client = embedded(&server).await;
        let cas = client.set("k", "value").with_cas().await.unwrap().cas.unwrap();
        assert_eq!(client.get("k").unless_cas(cas).await.show(), "\"\" unchanged");
        assert_eq!(client.get("k").unless_cas(cas + 1).await.show(), "\"value\"");
        let executed = server.executed();
        let line = executed.iter().map(|command| &command.line).find(|line| line.starts_with(b"mg k ")).unwrap();
        let condition = format!(" C{cas} ");
        let asks = line.windows(condition.len()).any(|window| window == condition.as_bytes());
        assert_eq!(asks, is_asked, "{version:?}: {line:?}");
    }
}

/// The placeholder of an election that nobody honours is gone after its time, and the next caller is elected.
#[tokio::test]
async fn an_election_ends_with_its_placeholder() {
    let server = TestServer::start().await.unwrap();
    let client = embedded(&server).await;
    assert_eq!(client.get("k").vivify(MINUTE).await.show(), "\"\" won");
    server.clock().advance(MINUTE * 2);
    assert_eq!(client.get("k").vivify(MINUTE).await.show(), "\"\" won");
}

#[tokio::test]
async fn refreshing_ahead_of_time_elects_one() {
    let server = TestServer::start().await.unwrap();
    let client = embedded(&server).await;
    client.set("k", "old").ttl(MINUTE * 10).await.unwrap();
    let get = || client.get("k").recache(MINUTE);
    assert_eq!(get().await.show(), "\"old\"");
    server.clock().advance(MINUTE * 9 + MINUTE / 2);
    assert_eq!(get().await.show(), "\"old\" won");
    assert_eq!(get().await.show(), "\"old\" taken");
    client.set("k", "new").ttl(MINUTE * 10).await.unwrap();
    assert_eq!(get().await.show(), "\"new\"");
}
