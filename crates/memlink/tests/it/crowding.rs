//! Too much at once: full queues, full buffers, replies that nobody fetches.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use memlink::{Client, Limits};

use crate::memcached::{Memcached, patient};
use crate::pipe::{End, Pipes};
use crate::show::Show as _;
use crate::wait::until;

const MINUTE: Duration = Duration::from_secs(60);

fn limits() -> Limits {
    Limits { stall_timeout: MINUTE, ..Limits::default() }
}

/// A client with an open connection on which one get is in flight, the server's end, and what is to answer that get.
async fn busy(pipes: &mut Pipes, limits: Limits) -> (Client, End, tokio::task::JoinHandle<String>) {
    let client = pipes.client(patient().timeout(None).limits(limits));
    let first = client.get("first").into_future();
    let first = tokio::spawn(async move { first.await.show() });
    let mut end = pipes.open().await;
    end.expect("mg first v\r\n").await;
    (client, end, first)
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_those_who_do_not_wait() {
    let mut pipes = Pipes::new(1 << 16);
    let (client, mut end, first) = busy(&mut pipes, Limits { in_flight_max: 1, ..limits() }).await;
    assert_eq!(client.get("k").wait_when_full(false).await.show(), "QueueFull NotSent");
    let patient = tokio::spawn(client.get("k").into_future());
    tokio::time::sleep(MINUTE / 2).await;
    assert_eq!(client.get("k").wait_when_full(false).await.show(), "QueueFull NotSent");
    end.say("EN\r\n").await;
    assert_eq!(first.await.unwrap(), "none");
    end.expect("mg k v\r\n").await;
    end.say("VA 1\r\nv\r\n").await;
    assert_eq!(patient.await.unwrap().show(), "\"v\"");
    assert_eq!(client.stats().servers[0].counters.queue_full, 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_wait_can_be_told_to() {
    let mut pipes = Pipes::new(1 << 16);
    let settings = patient().wait_when_full(false).limits(Limits { in_flight_max: 1, ..limits() });
    let client = pipes.client(settings);
    let first = tokio::spawn(client.get("first").into_future());
    let mut end = pipes.open().await;
    end.expect("mg first v\r\n").await;
    assert_eq!(client.get("k").await.show(), "QueueFull NotSent");
    let told = tokio::spawn(client.get("k").wait_when_full(true).into_future());
    tokio::task::yield_now().await;
    end.say("EN\r\n").await;
    end.expect("mg k v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!((first.await.unwrap().show(), told.await.unwrap().show()), ("none".into(), "none".into()));
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_served_in_their_order_and_are_not_too_many() {
    let mut pipes = Pipes::new(1 << 16);
    let limits = Limits { in_flight_max: 1, waiting_max: 20, ..limits() };
    let (client, mut end, first) = busy(&mut pipes, limits).await;
    let mut waiting = Vec::new();
    for n in 0..20 {
        waiting.push(tokio::spawn(client.get(format!("k{n}")).into_future()));
        tokio::task::yield_now().await;
    }
    assert_eq!(client.get("one too many").await.show(), "QueueFull NotSent");
    end.say("EN\r\n").await;
    assert_eq!(first.await.unwrap(), "none");
    for (n, waiting) in waiting.into_iter().enumerate() {
        end.expect(&format!("mg k{n} v\r\n")).await;
        end.say(&format!("VA 3\r\n{n:03}\r\n")).await;
        assert_eq!(waiting.await.unwrap().show(), format!("\"{n:03}\""));
    }
    assert_eq!(client.stats().servers[0].counters.waited, 21);
}

/// Many keys go as one line with a fence behind it: where there is room for one command and nobody waits for more, they go all the same.
#[tokio::test]
async fn many_keys_are_got_where_one_command_has_room() {
    let memcached = Memcached::start();
    let settings = patient().wait_when_full(false).limits(Limits { in_flight_max: 1, ..limits() });
    let client = memcached.client_with(settings).await;
    client.set("a", "1").await.unwrap();
    for _ in 0..100 {
        let got = client.get_many(["a", "b"]).await.all().unwrap();
        assert_eq!(got.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    }
}

/// Bytes are bounded as well, and a large command is not overtaken by small ones for which there would be room.
#[tokio::test(start_paused = true)]
async fn a_large_command_waits_for_room_and_is_not_overtaken() {
    let mut pipes = Pipes::new(16);
    let (client, mut end, first) = busy(&mut pipes, Limits { queued_bytes_max: 2_000, ..limits() }).await;
    let mut sets = Vec::new();
    // The first is taken by the driver and fills the stream, the second is queued, the third finds no room.
    for (key, len) in [("a", 1_000), ("b", 1_000), ("large", 1_500), ("small", 10)] {
        sets.push(tokio::spawn(client.set(key, vec![b'x'; len]).into_future()));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(client.stats().servers[0].counters.waiting, 2);
    assert_eq!(client.set("k", vec![b'x'; 10]).timeout(MINUTE / 60).await.show(), "Deadline NotSent");
    end.say("EN\r\n").await;
    assert_eq!(first.await.unwrap(), "none");
    for (key, len) in [("a", 1_000), ("b", 1_000), ("large", 1_500), ("small", 10)] {
        end.expect(&format!("ms {key} {len}\r\n{}\r\n", "x".repeat(len))).await;
        end.say("HD\r\n").await;
    }
    for set in sets {
        assert_eq!(set.await.unwrap().show(), "done");
    }
}

/// Answers one command after the other, and reads no further while an answer is not taken: as memcached does.
async fn serve(mut end: End) {
    let mut input = String::new();
    loop {
        while !input.contains("\r\n") {
            let Some(more) = end.some_or_end().await else { return };
            input.push_str(&more);
        }
        let line = input.drain(..input.find("\r\n").unwrap() + 2).collect::<String>();
        let words: Vec<_> = line.trim_end().split(' ').collect();
        match words[0] {
            "mg" => end.say(&format!("VA 2000\r\n{:<2000}\r\n", words[1])).await,
            "ms" => {
                let len = words[2].parse::<usize>().unwrap() + 2;
                while input.len() < len {
                    input.push_str(&end.some_or_end().await.expect("a value"));
                }
                input.drain(..len);
                end.say("HD\r\n").await;
            }
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn full_buffers_both_ways_are_no_deadlock() {
    for buffer_len in [16, 100, 4_096] {
        let mut pipes = Pipes::new(buffer_len);
        let client = pipes.client(patient().timeout(None).limits(limits()));
        let requests = async {
            let gets = (0..300).map(|n| client.get(format!("key-{n}")).into_future());
            let sets = (0..300).map(|n| client.set(format!("key-{n}"), vec![b'x'; 2_000]).into_future());
            tokio::join!(join_all(gets), join_all(sets))
        };
        let server = async {
            let end = pipes.open().await;
            serve(end).await;
        };
        let (gets, sets) = tokio::select! {
            answers = requests => answers,
            () = server => panic!("the connection was lost"),
        };
        for (n, got) in gets.into_iter().enumerate() {
            assert_eq!(got.unwrap().unwrap().to_str().unwrap().trim_end(), format!("key-{n}"));
        }
        assert!(sets.into_iter().all(|set| set.is_ok()));
        assert_eq!(client.stats().servers[0].counters.opened, 1);
    }
}

/// The same against the real thing, with far more than its sockets hold in either direction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_values_in_both_directions_do_not_stop_small_ones() {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    let value = bytes::Bytes::from(vec![b'x'; 1_000_000]);
    client.set("large", value.clone()).await.unwrap();
    client.set("small", "v").await.unwrap();
    let large = tokio::spawn({
        let client = client.clone();
        async move {
            let gets = join_all((0..60).map(|_| client.get("large").into_future()));
            let sets = join_all((0..30).map(|n| client.set(format!("large-{}", n % 5), value.clone()).into_future()));
            let (gets, sets) = tokio::join!(gets, sets);
            assert!(gets.into_iter().all(|got| got.unwrap().unwrap().len() == 1_000_000));
            assert!(sets.into_iter().all(|set| set.is_ok()));
        }
    });
    let mut small = 0;
    while !large.is_finished() || small == 0 {
        assert_eq!(client.get("small").await.show(), "\"v\"");
        small += 1;
    }
    large.await.unwrap();
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}

/// Futures that were polled once and then forgotten: their replies are held up to a bound, and nobody else waits.
#[tokio::test]
async fn replies_that_nobody_fetches_are_bounded() {
    let memcached = Memcached::start();
    let client = memcached.client_with(patient().limits(Limits { unclaimed_bytes_max: 2_500_000, ..limits() })).await;
    client.set("large", vec![b'x'; 1_000_000]).await.unwrap();
    let mut forgotten: Vec<_> = (0..5).map(|_| Box::pin(client.get("large").into_future())).collect();
    for request in &mut forgotten {
        assert!(request.now_or_never().is_none());
    }
    until("all are answered", || client.stats().servers[0].counters.in_flight == 0).await;
    assert_eq!(client.get("nothing").await.show(), "none");
    let mut shown = Vec::new();
    for request in forgotten {
        shown.push(request.await.map(|got| got.unwrap().len() as u64).show());
    }
    let dropped = "Unclaimed Answered";
    assert_eq!(shown, ["1000000", "1000000", dropped, dropped, dropped]);
    assert_eq!(client.get("large").await.unwrap().unwrap().len(), 1_000_000, "there is room again");
    let counters = client.stats().servers[0].counters;
    assert_eq!((counters.unclaimed_dropped, counters.opened), (3, 1));
}

/// A server that answers nobody in time is left, even if it is not silent.
#[tokio::test(start_paused = true)]
async fn too_many_abandoned_commands_close_a_connection() {
    let mut pipes = Pipes::new(1 << 16);
    let (client, mut end, first) = busy(&mut pipes, Limits { abandoned_max: 5, ..limits() }).await;
    for n in 0..6 {
        assert_eq!(client.stats().servers[0].counters.closed, 0);
        let late = client.get(format!("late-{n}")).timeout(Duration::from_millis(10)).await;
        assert!(late.is_err(), "{late:?}");
    }
    assert_eq!(first.await.unwrap(), "ConnectionLost Unknown");
    for n in 0..6 {
        end.expect(&format!("mg late-{n} v\r\n")).await;
    }
    end.expect_end().await;
}
