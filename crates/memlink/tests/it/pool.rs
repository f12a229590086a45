//! Several connections to one server: all are used, and none is worse than a single one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use memlink::{BatchOutcome, Client, Error, ErrorKind, Limits, Outcome, Settings};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::memcached::{Memcached, patient};
use crate::pipe::{Dialled, End, Pipes};
use crate::show::Show as _;
use crate::wait::until;

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

/// A server that accepts and says nothing is as dead as one that refuses.
#[tokio::test(start_paused = true)]
async fn a_large_pool_dials_a_silent_server_no_more_often() {
    for connections in [1, 32] {
        let pipes = Pipes::new(1 << 10);
        let client = pipes.client(Settings::default().connections_per_server(connections));
        let callers = (0..connections * 2).map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for _ in 0..300 {
                    assert!(client.get("k").await.is_err());
                    sleep(Duration::from_millis(100)).await;
                }
            })
        });
        let callers: Vec<_> = callers.collect();
        sleep(Duration::from_secs(30)).await;
        assert!((5..=40).contains(&pipes.dials()), "{} dials of {connections} connections", pipes.dials());
        callers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Answers every line with a miss, until it is aborted.
async fn serve(mut end: End) {
    end.greet().await;
    while let Some(lines) = end.some_or_end().await {
        end.say(&"EN\r\n".repeat(lines.matches('\n').count())).await;
    }
}

/// All connections are lost at once, and the server goes on: nobody waits for one of those that are dialled last.
#[tokio::test(start_paused = true)]
async fn a_pool_that_has_lost_all_connections_serves_at_once_over_the_first_ones() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(Settings::default().connections_per_server(32));
    let served: Arc<Mutex<Vec<JoinHandle<()>>>> = Arc::default();
    let serving = served.clone();
    let acceptor = tokio::spawn(async move {
        loop {
            let end = pipes.accept().await;
            serving.lock().unwrap().push(tokio::spawn(serve(end)));
        }
    });
    let failed: Arc<Mutex<Vec<Error>>> = Arc::default();
    let callers: Vec<_> = (0..32)
        .map(|_| {
            let (client, failed) = (client.clone(), failed.clone());
            tokio::spawn(async move {
                loop {
                    if let Err(error) = client.get("k").await {
                        failed.lock().unwrap().push(error);
                    }
                    sleep(Duration::from_millis(20)).await;
                }
            })
        })
        .collect();
    until("all connections are open", || client.stats().servers[0].counters.opened == 32).await;
    assert_eq!(failed.lock().unwrap().len(), 0);
    for round in 1..=2 {
        served.lock().unwrap().drain(..).for_each(|served| served.abort());
        let replied = client.stats().servers[0].counters.replied;
        until("they are lost", || client.stats().servers[0].counters.closed >= 32 * round).await;
        sleep(Duration::from_secs(40)).await;
        let counters = client.stats().servers[0].counters;
        assert!(counters.replied > replied + 32 * 1_000, "{counters:?}");
        assert_eq!(counters.opened, 32 * (round + 1), "all are there again");
    }
    // What was in flight, and nothing else.
    for error in failed.lock().unwrap().iter() {
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown), "{error}");
    }
    callers.iter().for_each(JoinHandle::abort);
    acceptor.abort();
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
    until("the loss is seen", || client.stats().servers[0].counters.closed == 1).await;
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

/// A reply of a megabyte does not hold up replies of a few bytes, nor does a value that is being stored.
#[tokio::test]
async fn what_is_large_has_a_lane_of_its_own() {
    let mut pipes = Pipes::new(1 << 10);
    let client = pipes.client(patient().large_lane(100_000, 1).timeout(Duration::from_secs(20)));
    let large = tokio::spawn(client.get("large").large().into_future());
    let mut large_end = pipes.open().await;
    large_end.expect("mg large v\r\n").await;
    large_end.say("VA 1000000\r\nxxx").await;
    let set = tokio::spawn(client.set("k", vec![b'x'; 200_000]).into_future());
    // The value lies behind the large reply; small ones have a connection of their own.
    let small = tokio::spawn(client.get("small").into_future());
    let mut end = pipes.open().await;
    end.expect("mg small v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(small.await.unwrap().show(), "none");
    large_end.expect("ms k 200000\r\nxxx").await;
    set.abort();
    // The loss of the one does not touch the other.
    drop(large_end);
    assert_eq!(large.await.unwrap().show(), "ConnectionLost Unknown");
    let small = tokio::spawn(client.get("small").into_future());
    end.expect("mg small v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(small.await.unwrap().show(), "none");
}

/// So does what a bulk gets and stores.
#[tokio::test]
async fn what_is_large_in_a_bulk_goes_over_the_lane_for_it() {
    let mut pipes = Pipes::new(1 << 20);
    let client = pipes.client(patient().large_lane(100_000, 1));
    let small = tokio::spawn(client.get("small").into_future());
    let mut end = pipes.open().await;
    end.expect("mg small v\r\n").await;
    end.say("EN\r\n").await;
    small.await.unwrap().unwrap();
    let asked = {
        let client = client.clone();
        tokio::spawn(async move {
            let got = client.get_many(["a", "b"]).large().await.all().unwrap();
            let batch = client.batch().get("a").set("k", vec![b'x'; 200_000]).await.all();
            (got.len(), batch.is_ok())
        })
    };
    let mut large = pipes.open().await;
    large.expect("get a b\r\nmn\r\n").await;
    large.say("END\r\nMN\r\n").await;
    large.expect("mg a v\r\nms k 200000\r\n").await;
    large.expect(&"x".repeat(200_000)).await;
    large.say("EN\r\nHD\r\n").await;
    assert_eq!(asked.await.unwrap(), (2, true));
    end.expect_nothing(Duration::ZERO).await;
}

/// The next command goes where the least is in flight.
#[tokio::test]
async fn the_connection_with_the_least_in_flight_is_chosen() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient().connections_per_server(2).timeout(Duration::from_secs(20)));
    let mut asked = vec![tokio::spawn(client.get("k").into_future()), tokio::spawn(client.get("k").into_future())];
    let (mut busy, mut free) = (pipes.open().await, pipes.open().await);
    busy.expect("mg k v\r\n").await;
    free.expect("mg k v\r\n").await;
    free.say("EN\r\n").await;
    // One reply is of many bytes and does not come to its end: whatever is asked meanwhile goes the other way.
    busy.say("VA 1000000\r\nxxx").await;
    crate::wait::until("one is answered", || client.stats().servers[0].counters.replied == 1).await;
    for _ in 0..10 {
        asked.push(tokio::spawn(client.get("k").into_future()));
        free.expect("mg k v\r\n").await;
        free.say("EN\r\n").await;
        crate::wait::until("it is answered", || asked.last().is_some_and(|asked| asked.is_finished())).await;
    }
    drop((busy, free, client));
    for asked in asked {
        let _ = asked.await;
    }
}
