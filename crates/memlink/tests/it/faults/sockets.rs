//! What only real sockets can do: refusals, resets, a server that dies or comes and goes, full buffers of the system.

use std::time::{Duration, Instant};

use memlink::{Client, Server, Settings, TcpOptions};
use memlink_testserver::{Fault, TestServer};

use super::{keys_of, told, value_of};
use crate::memcached::patient;
use crate::wait::{until, until_async};

async fn client_of(servers: &[&TestServer], settings: Settings) -> Client {
    let servers: Vec<_> = servers.iter().map(|server| Server::tcp(&server.address()).expect("an address")).collect();
    Client::builder().servers(servers).settings(settings).connect().await.expect("they answer")
}

/// Quick to dial again, and patient with a busy machine.
fn quick() -> Settings {
    patient().backoff(Duration::from_millis(5), Duration::from_millis(50))
}

#[tokio::test]
async fn a_connection_that_is_reset_leaves_no_reply_to_another() {
    for byte in [0, 4, 20] {
        let server = TestServer::builder().record().start().await.expect("starts");
        let client = client_of(&[&server], quick()).await;
        let keys: Vec<_> = (0..9).map(|n| format!("key-{n}")).chain(["victim".to_owned()]).collect();
        for key in &keys {
            client.set(key, value_of(key)).await.expect("a set");
        }
        let fault = server.faults().add(Fault::reset().in_reply(byte).key_prefix("victim").once());
        let gets = futures_util::future::join_all(keys.iter().map(|key| client.get(key).into_future())).await;
        for (got, key) in gets.into_iter().zip(&keys) {
            let told = told(got, key);
            assert!(told == "ConnectionLost Unknown" || (told == "right" && key != "victim"), "{key} is {told}");
        }
        assert_eq!(fault.injected(), 1);
        until_async("it is connected again", async || client.get("victim").await.is_ok()).await;
    }
}

#[tokio::test]
async fn a_server_that_dies_in_the_middle_of_a_value_gives_no_part_of_it() {
    for fault in [Fault::kill(), Fault::restart()] {
        let server = TestServer::builder().start().await.expect("starts");
        let client = client_of(&[&server], quick()).await;
        client.set("victim", vec![b'v'; 900_000]).await.expect("a set");
        let fault = server.faults().add(fault.in_reply(500_000).once());
        let name = fault.fault().to_string();
        assert_eq!(told(client.get("victim").await, "victim"), "ConnectionLost Unknown", "{name}");
        assert_eq!(fault.injected(), 1, "{name}");
        if name.starts_with("kill") {
            until_async("it is known to be down", async || {
                told(client.get("victim").await, "victim") == "ServerDown NotSent"
            })
            .await;
            server.revive().await.expect("is revived");
        }
        until_async("it is back, and empty", async || told(client.get("victim").await, "victim") == "miss").await;
    }
}

#[tokio::test]
async fn a_server_that_turns_everyone_away_costs_its_own_keys_alone() {
    let (good, bad) = tokio::join!(TestServer::start(), TestServer::start());
    let (good, bad) = (good.expect("starts"), bad.expect("starts"));
    let client = client_of(&[&good, &bad], quick()).await;
    let (good_keys, bad_keys) = (keys_of(&client, &good, 20), keys_of(&client, &bad, 20));
    for key in good_keys.iter().chain(&bad_keys) {
        client.set(key, value_of(key)).await.expect("a set");
    }
    for fault in [
        Fault::refuse(),
        Fault::reset_on_connect(),
        Fault::close_on_connect(),
        Fault::connections_max(0),
        Fault::banner("ERROR Too many open connections"),
    ] {
        let fault = bad.faults().add(fault);
        let name = fault.fault().to_string();
        bad.faults().settled().await;
        bad.disconnect().await.expect("is done");
        until("it strikes", || fault.injected() > 0).await;
        until_async("its keys are refused", async || client.get(&bad_keys[0]).await.is_err()).await;
        for (good, bad) in good_keys.iter().zip(&bad_keys) {
            assert_eq!(told(client.get(good).await, good), "right", "{name}");
            let bad = told(client.get(bad).await, bad);
            assert!(bad.ends_with(" NotSent"), "{name}: {bad}");
        }
        fault.remove();
        bad.faults().settled().await;
        until_async("it is used again", async || client.get(&bad_keys[0]).await.is_ok()).await;
        // It was cut off and did not die.
        assert_eq!(told(client.get(&bad_keys[0]).await, &bad_keys[0]), "right", "{name}");
    }
}

/// It comes and goes, and nobody is told anything that is not so.
#[tokio::test]
async fn a_flapping_server_is_used_while_it_is_there() {
    let server = TestServer::start().await.expect("starts");
    let client = client_of(&[&server], quick()).await;
    for key in (0..10).map(|n| format!("key-{n}")) {
        client.set(&key, value_of(&key)).await.expect("a set");
    }
    let flap = server.faults().add(Fault::flap(Duration::from_millis(100), Duration::from_millis(100)));
    let (mut right, mut failed) = (0, 0);
    let begun = Instant::now();
    let mut n = 0;
    while flap.injected() < 8 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{right} {failed}");
        n += 1;
        let key = format!("key-{}", n % 10);
        match told(client.get(&key).await, &key).as_str() {
            "right" => right += 1,
            "miss" => panic!("{key} was there all the time"),
            _ => {
                failed += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert!(right > 0 && failed > 0, "{right} {failed}");
    flap.remove();
    until_async("it stays", async || client.get("key-0").await.is_ok()).await;
    let dials = client.stats().servers[0].counters.opened;
    assert!(dials <= 2 + flap.injected() * 2, "{dials} connections for {} flaps", flap.injected());
}

/// A bulk whose commands and replies are many times what all the buffers between hold, so that neither side can go on without
/// the other reading.
#[tokio::test]
async fn a_bulk_gets_through_the_smallest_buffers() {
    let server = TestServer::builder().socket_buffers(4096).start().await.expect("starts");
    let tcp = TcpOptions { receive_buffer: Some(4096), send_buffer: Some(4096), ..TcpOptions::default() };
    let client = client_of(&[&server], patient().tcp(tcp)).await;
    let keys: Vec<_> = (0..5_000).map(|n| format!("key-{n}")).collect();
    for set in client.set_many(keys.iter().map(|key| (key, value_of(key)))).await {
        set.expect("a set");
    }
    for (got, key) in client.get_many(keys.iter()).await.into_iter().zip(&keys) {
        assert_eq!(told(got, key), "right");
    }
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}
