//! The server dies with commands in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memlink::Outcome;
use memlink_resp::Redis;

use crate::redis::RedisServer;
use crate::wait::{until, until_async};

#[derive(Default)]
struct Counts {
    answered: AtomicU64,
    not_sent: AtomicU64,
    unknown: AtomicU64,
}

/// Asks for its own value again and again until `stop`; whatever it is told is either right or an error.
async fn ask(redis: Redis, number: usize, stop: Arc<AtomicU64>, counts: Arc<Counts>) {
    let (key, value) = (format!("key-{number}"), format!("value of {number}"));
    while stop.load(Ordering::SeqCst) == 0 {
        let counter = match redis.get(&key).await {
            Ok(found) => {
                // After a restart it is empty.
                assert!(found.is_none_or(|found| found == value), "a wrong reply");
                &counts.answered
            }
            Err(error) => match error.outcome() {
                Outcome::NotSent => &counts.not_sent,
                Outcome::Unknown => &counts.unknown,
                Outcome::Answered => panic!("{error}"),
            },
        };
        counter.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_with_commands_in_flight_gives_no_wrong_reply() {
    let mut server = RedisServer::start();
    let redis = server.client().await;
    let (stop, counts) = (Arc::new(AtomicU64::new(0)), Arc::new(Counts::default()));
    for number in 0..64 {
        redis.set(format!("key-{number}"), format!("value of {number}")).await.unwrap();
    }
    let callers: Vec<_> =
        (0..64).map(|number| tokio::spawn(ask(redis.clone(), number, stop.clone(), counts.clone()))).collect();
    for kills in 1..=5_u64 {
        let answered = counts.answered.load(Ordering::SeqCst);
        until("commands are answered", || counts.answered.load(Ordering::SeqCst) > answered + 1_000).await;
        server.kill();
        until("the loss was noticed", || redis.stats(0).closed >= kills).await;
        server.revive();
        until_async("it is connected again", async || redis.ping(0).await.is_ok()).await;
        for number in 0..64 {
            redis.set(format!("key-{number}"), format!("value of {number}")).await.unwrap();
        }
    }
    stop.store(1, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("no wrong reply");
    }
    let [answered, not_sent, unknown] =
        [&counts.answered, &counts.not_sent, &counts.unknown].map(|n| n.load(Ordering::SeqCst));
    println!("5 kills: {answered} answered, {not_sent} not sent, {unknown} unknown, wrong replies 0");
    assert!(unknown > 0, "nothing was in flight");
    until("nothing is in flight", || redis.stats(0).in_flight == 0).await;
    let stats = redis.stats(0);
    assert_eq!(stats.started, stats.replied + stats.failed + stats.cancelled, "{stats:?}");
}
