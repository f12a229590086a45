//! Several connections to one server: all are used, and none is worse than a single one.

use std::time::Duration;

use futures_util::future::join_all;
use memlink::{BatchOutcome, Client, ErrorKind, Limits};
use tokio::time::sleep;

use crate::memcached::{Memcached, patient};
use crate::pipe::{Dialled, Pipes};
use crate::show::Show as _;

/// Forty dials in half a minute are promised for any number of connections, and one at a time.
#[tokio::test(start_paused = true)]
async fn a_large_pool_dials_no_more_than_a_small_one() {
    for connections in [1, 32] {
        let pipes = Pipes::new(64);
        pipes.set(Dialled::Refused);
        let client = pipes.client(patient().connections_per_server(connections));
        for _ in 0..connections * 2 {
            assert_eq!(client.get("k").await.unwrap_err().kind(), ErrorKind::ServerDown);
        }
        for _ in 0..3_000 {
            let _ = client.get("k").await;
            sleep(Duration::from_millis(10)).await;
        }
        assert!((10..=40).contains(&pipes.dials()), "{} dials of {connections} connections", pipes.dials());
    }
}

/// One connection that is lost and cannot be made again does not take a share of the requests with it.
#[tokio::test]
async fn one_lost_connection_of_several_costs_nothing() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient().connections_per_server(2).timeout(Duration::from_secs(20)));
    let both: Vec<_> = (0..2).map(|_| tokio::spawn(client.get("k").into_future())).collect();
    let mut ends = Vec::new();
    for _ in 0..2 {
        let mut end = pipes.open().await;
        end.expect("mg k v\r\n").await;
        end.say("EN\r\n").await;
        ends.push(end);
    }
    for asked in both {
        assert_eq!(asked.await.unwrap().show(), "none");
    }
    pipes.set(Dialled::Swallowed);
    drop(ends.remove(0));
    crate::wait::until("the loss is seen", || client.stats().servers[0].counters.closed == 1).await;
    let mut end = ends.remove(0);
    for _ in 0..10 {
        let asked = tokio::spawn(client.get("k").into_future());
        end.expect("mg k v\r\n").await;
        end.say("EN\r\n").await;
        assert_eq!(asked.await.unwrap().show(), "none");
    }
}

/// In the order in which they were added, also while the connection is still being made and while there is hardly any room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_request_keeps_its_order_from_the_dial_on() {
    let memcached = Memcached::start();
    for (round, in_flight_max) in [8_192, 3, 1].into_iter().cycle().take(30).enumerate() {
        let limits = Limits { in_flight_max, stall_timeout: Duration::from_secs(20), ..Limits::default() };
        let settings = patient().limits(limits).connections_per_server(1 + round % 2);
        let client = Client::builder().server(memcached.server()).settings(settings).build().unwrap();
        let last = 599;
        let batch = (0..=last).fold(client.batch(), |batch, n| batch.set("k", n.to_string()));
        let outcomes = batch.get("k").await.into_vec();
        let Some(Ok(BatchOutcome::Got(Some(value)))) = outcomes.last() else { panic!("{:?}", outcomes.last()) };
        assert_eq!(*value, *last.to_string(), "round {round}");
    }
}

/// Values of a line that hold more than a reply may: the keys are still answered, or say what was too much, and nobody else is hurt.
#[tokio::test]
async fn a_bulk_get_of_too_much_harms_nobody_else() {
    let memcached = Memcached::start();
    let limits = Limits { unclaimed_bytes_max: 3 << 20, ..Limits::default() };
    let client = memcached.client_with(patient().limits(limits)).await;
    client.set("small", "v").await.unwrap();
    let items: Vec<_> = (0..12_u8).map(|n| (format!("key-{n}"), vec![n; 900_000])).collect();
    client.set_many(items.clone()).await.all().unwrap();
    let bulk = client.get_many(items.iter().map(|(key, _)| key)).into_future();
    let small = join_all((0..20).map(|_| client.get("small").into_future()));
    let (values, small) = futures_util::future::join(bulk, small).await;
    for ((_, want), got) in items.iter().zip(values) {
        match got {
            Ok(got) => assert!(got.expect("a hit") == want[..]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unclaimed, "{error}"),
        }
    }
    assert!(small.iter().all(|got| got.show() == "\"v\""));
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}
