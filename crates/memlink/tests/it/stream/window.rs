//! How much is on its way at one time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use memlink::streaming::Takes;
use memlink::{BatchCommand, Client, Limits, ManyStream, Settings};

use super::{all, answer, keys, read_all, serve_counting};
use crate::memcached::patient;
use crate::pipe::{End, Pipes};

/// Lets a stream run, and says how many outcomes it had, and the most keys and bytes of commands that were on their way at one time.
async fn run<I, F>(end: &mut End, stream: ManyStream<I, F>, value_len: usize) -> (usize, usize, usize)
where
    I: Iterator + Send + 'static,
    F: Takes<I::Item> + Send + 'static,
{
    let stream = tokio::spawn(all(stream));
    let (mut keys_max, mut bytes_max) = (0, 0);
    let mut stream = stream;
    let outcomes = loop {
        let owed = tokio::select! {
            owed = read_all(end) => owed,
            outcomes = &mut stream => break outcomes.unwrap(),
        };
        (keys_max, bytes_max) = (keys_max.max(owed.keys), bytes_max.max(owed.bytes));
        answer(end, &owed, value_len).await;
    };
    assert!(outcomes.iter().all(Result::is_ok));
    (outcomes.len(), keys_max, bytes_max)
}

/// The server's end of an open connection.
async fn open(pipes: &mut Pipes) -> (Client, End) {
    let client = pipes.client(patient());
    let first = tokio::spawn(client.get("first").into_future());
    let mut end = pipes.open().await;
    end.expect("mg first v\r\n").await;
    end.say("EN\r\n").await;
    first.await.unwrap().unwrap();
    (client, end)
}

#[tokio::test(start_paused = true)]
async fn no_server_has_more_keys_than_the_window() {
    let mut pipes = Pipes::new(1 << 20);
    let (client, mut end) = open(&mut pipes).await;
    for (window, n) in [(1, 200), (7, 300), (100, 1_000), (512, 2_000)] {
        let keys = || keys(n).into_iter();
        let end = &mut end;
        // Lines are not cut short to fill the last places.
        let (outcomes, keys_max, _) = run(end, client.get_stream(keys()).window_keys(window), 10).await;
        assert!(outcomes == n && keys_max <= window && keys_max * 4 > window * 3, "{keys_max} of {window}");
        let whole = |(outcomes, keys_max, _)| assert_eq!((outcomes, keys_max), (n, window));
        whole(run(end, client.get_stream(keys()).window_keys(window).with_cas(), 10).await);
        whole(run(end, client.set_stream(keys().map(|key| (key, "value"))).window_keys(window), 10).await);
        whole(run(end, client.delete_stream(keys()).window_keys(window), 10).await);
        let commands = keys().map(BatchCommand::get);
        whole(run(end, client.batch_stream(commands).window_keys(window), 10).await);
    }
}

#[tokio::test(start_paused = true)]
async fn no_server_has_more_bytes_than_the_window() {
    let mut pipes = Pipes::new(1 << 20);
    let (client, mut end) = open(&mut pipes).await;
    let items = |n: usize, len: usize| keys(n).into_iter().map(move |key| (key, vec![b'x'; len]));
    let (outcomes, keys_max, bytes_max) =
        run(&mut end, client.set_stream(items(100, 10_000)).window_bytes(64 << 10), 0).await;
    assert!(outcomes == 100 && keys_max == 6 && bytes_max <= 64 << 10, "{keys_max} keys, {bytes_max} bytes");
    // What is larger than the window goes alone.
    let (outcomes, keys_max, _) = run(&mut end, client.set_stream(items(20, 100_000)).window_bytes(64 << 10), 0).await;
    assert_eq!((outcomes, keys_max), (20, 1));
}

/// Nobody knows how long values will be. Few are asked for at first, and then as many as the window bears by what came.
#[tokio::test(start_paused = true)]
async fn long_values_are_asked_for_by_fewer_keys() {
    for (value_len, least, most) in [(0, 500, 512), (100, 500, 512), (10_000, 80, 110), (300_000, 12, 16)] {
        let mut pipes = Pipes::new(1 << 20);
        let (client, mut end) = open(&mut pipes).await;
        let (outcomes, keys_max, _) = run(&mut end, client.get_stream(keys(2_000).into_iter()), value_len).await;
        assert_eq!(outcomes, 2_000);
        assert!((least..=most).contains(&keys_max), "{keys_max} keys with values of {value_len} bytes");
    }
}

/// Who stops polling holds no more than the window, and gets the rest later.
#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_polling_holds_a_window() {
    let mut pipes = Pipes::new(1 << 20);
    let (client, end) = open(&mut pipes).await;
    let (asked, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = tokio::spawn(serve_counting(end, asked.clone()));
    let counts = taken.clone();
    let keys = (0..100_000).map(move |n| {
        counts.fetch_add(1, Ordering::SeqCst);
        format!("key-{n}")
    });
    let mut stream = client.get_stream(keys).window_keys(200);
    for got in 1..=5_000 {
        stream.next().await.expect("there are more").1.unwrap().expect("a hit");
        if got % 150 == 0 {
            // A minute in which nobody polls it.
            tokio::time::sleep(Duration::from_secs(60)).await;
            let [asked, taken] = [&asked, &taken].map(|count| count.load(Ordering::SeqCst) - got);
            assert!(asked <= 200 && taken <= 2 * 200, "{asked} asked for and {taken} taken ahead");
        }
    }
    server.abort();
}

/// The largest of all windows is a window, and the longest of all times a time.
#[tokio::test(start_paused = true)]
async fn a_stream_may_be_without_bounds() {
    let mut pipes = Pipes::new(1 << 20);
    let (client, mut end) = open(&mut pipes).await;
    let stream = client.get_stream(keys(1_000)).window_bytes(usize::MAX).window_keys(usize::MAX);
    let (seen, ..) = run(&mut end, stream, 10).await;
    assert_eq!(seen, 1_000);
    let limits = Limits { stall_timeout: Duration::from_secs(60), ..Limits::default() };
    let client = pipes.client(Settings::default().timeout(Duration::from_secs(1)).limits(limits));
    let first = tokio::spawn(client.get("first").into_future());
    let mut end = pipes.open().await;
    end.expect("mg first v\r\n").await;
    end.say("EN\r\n").await;
    first.await.unwrap().unwrap();
    for timeout in [Duration::MAX, Duration::from_secs(600)] {
        let one = tokio::spawn(all(client.delete_stream(["k"]).timeout(timeout)));
        end.expect("md k\r\n").await;
        // Far longer than the client's own time.
        tokio::time::sleep(Duration::from_secs(30)).await;
        end.say("HD\r\n").await;
        assert!(one.await.unwrap().into_iter().all(|outcome| outcome.unwrap()));
    }
}
