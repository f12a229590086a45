//! Servers that say nothing, and time that is over.

use std::time::Duration;

use memlink::{BatchCommand, Client, Error, ErrorKind, Outcome, Server};
use tokio::time::Instant;

use super::{all, answer, keys, kinds, read_all, serve};
use crate::memcached::{Memcached, patient};
use crate::pipe::{End, Pipes};

const SECOND: Duration = Duration::from_secs(1);
const LATE: Option<(ErrorKind, Outcome)> = Some((ErrorKind::Deadline, Outcome::Unknown));
const NOT_SENT: Option<(ErrorKind, Outcome)> = Some((ErrorKind::Deadline, Outcome::NotSent));
const BEHIND: Option<(ErrorKind, Outcome)> = Some((ErrorKind::QueueFull, Outcome::NotSent));

/// Three servers; the connection to the first is in the test's hands, those to the others are served.
async fn three(pipes: &mut Pipes, timeout: Duration) -> (Client, End) {
    let servers = ["a", "b", "c"].map(|name| Server::tcp(&format!("{name}:1")).unwrap().named(name));
    let settings = pipes.settings(patient().timeout(timeout));
    let client = Client::builder().servers(servers).opaque(false).settings(settings).build().unwrap();
    let cluster = client.cluster().clone();
    let opening = tokio::spawn(async move { cluster.open().await.into_iter().all(|opened| opened.is_ok()) });
    let mut first = None;
    for _ in 0..3 {
        let end = pipes.open().await;
        if end.address() == "a:1" {
            first = Some(end);
        } else {
            tokio::spawn(serve(end));
        }
    }
    assert!(opening.await.unwrap());
    (client, first.expect("it was dialled"))
}

fn is_first(client: &Client, key: &String) -> bool {
    client.server_of(key).unwrap() == "a"
}

/// How many keys of a frozen server ended how.
fn count<T>(outcomes: &[Result<T, Error>], kind: Option<(ErrorKind, Outcome)>) -> usize {
    outcomes.iter().filter(|outcome| kinds(outcome) == kind).count()
}

/// The keys of the others go on after a quarter of the time, those of the frozen one are told at once, and all ends in time.
#[tokio::test(start_paused = true)]
async fn a_frozen_server_holds_up_nobody() {
    let mut pipes = Pipes::new(1 << 20);
    let (client, _frozen) = three(&mut pipes, 20 * SECOND).await;
    let keys = keys(30_000);
    let begun = Instant::now();
    let mut stream = client.get_stream(&keys).window_keys(100).timeout(SECOND);
    let (mut last_hit, mut outcomes) = (Duration::ZERO, Vec::new());
    outcomes.resize_with(keys.len(), || None);
    while let Some((index, outcome)) = stream.next().await {
        if outcome.is_ok() {
            last_hit = begun.elapsed();
        }
        assert!(outcomes[index].replace(outcome).is_none());
    }
    assert!((SECOND..SECOND + Duration::from_millis(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    // Each round of the servers takes a millisecond here, and the windows hold a hundred keys.
    assert!(last_hit < Duration::from_millis(300 + 300), "{last_hit:?}");
    let outcomes: Vec<_> = outcomes.into_iter().flatten().collect();
    for (key, outcome) in keys.iter().zip(&outcomes) {
        assert_eq!(outcome.is_err(), is_first(&client, key), "{outcome:?}");
    }
    let (late, behind) = (count(&outcomes, LATE), count(&outcomes, BEHIND));
    assert!((1..=100).contains(&late), "{late}");
    assert_eq!(late + behind, keys.iter().filter(|key| is_first(&client, key)).count());
    let error = outcomes.iter().find(|outcome| kinds(outcome) == BEHIND).unwrap().as_ref().unwrap_err();
    assert!(error.is_retryable() && error.server() == Some("a") && error.to_string().contains("does not keep up"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_again_is_asked_again() {
    let mut pipes = Pipes::new(1 << 20);
    let (client, frozen) = three(&mut pipes, 20 * SECOND).await;
    let mut frozen = Some(frozen);
    let keys = keys(60_000);
    let mut stream = client.set_stream(keys.iter().map(|key| (key, "value"))).window_keys(100);
    let (mut behind, mut stored_later) = (0, 0);
    while let Some((index, outcome)) = stream.next().await {
        let is_first = is_first(&client, &keys[index]);
        assert!(is_first || outcome.is_ok());
        if kinds(&outcome) == BEHIND {
            behind += 1;
            if let Some(end) = frozen.take() {
                // It goes on with what it was sent.
                tokio::spawn(serve(end));
                tokio::time::sleep(SECOND).await;
            }
        } else {
            stored_later += usize::from(is_first && outcome.is_ok() && behind > 0);
        }
    }
    assert!(behind > 0 && stored_later > 10_000, "{behind} not sent, {stored_later} stored afterwards");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_what_arrived_is_there_and_the_rest_is_marked() {
    let mut pipes = Pipes::new(1 << 20);
    let client = pipes.client(patient());
    let begun = Instant::now();
    let commands = (0..10_000).map(|n| BatchCommand::set(format!("key-{n}"), "value"));
    let stream = tokio::spawn(all(client.batch_stream(commands).window_keys(100).timeout(SECOND)));
    let mut end = pipes.open().await;
    for _ in 0..3 {
        let owed = read_all(&mut end).await;
        answer(&mut end, &owed, 0).await;
    }
    let outcomes = stream.await.unwrap();
    assert!((SECOND..SECOND + Duration::from_millis(2)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((100..=500).contains(&stored), "{stored}");
    assert_eq!((count(&outcomes, LATE), count(&outcomes, NOT_SENT)), (100, 10_000 - 100 - stored));
    let server = outcomes[9_999].as_ref().unwrap_err().server();
    assert_eq!(server, Some("in-memory:11211"), "also of keys that were never looked at in time");
}

/// Without a time for all of it each command has its own, and a server that lets it pass is not given all the keys one by one.
#[tokio::test(start_paused = true)]
async fn a_stream_without_a_deadline_ends_all_the_same() {
    let mut pipes = Pipes::new(1 << 20);
    let client = pipes.client(patient().timeout(SECOND));
    let begun = Instant::now();
    let stream = tokio::spawn(all(client.delete_stream(keys(10_000)).window_keys(100)));
    let _frozen = pipes.open().await;
    let outcomes = stream.await.unwrap();
    assert!(begun.elapsed() < 2 * SECOND + Duration::from_millis(10), "{:?}", begun.elapsed());
    assert_eq!(count(&outcomes, LATE), 100);
    let unsent = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).filter(|error| error.is_retryable());
    assert_eq!(unsent.count(), 10_000 - 100);
}

/// The consumer has done something else for long: that is no server's fault.
#[tokio::test(start_paused = true)]
async fn a_slow_caller_blames_nobody() {
    let mut pipes = Pipes::new(1 << 20);
    let (client, first) = three(&mut pipes, 20 * SECOND).await;
    tokio::spawn(serve(first));
    let mut stream = client.get_stream(keys(3_000)).window_keys(50);
    while let Some((index, outcome)) = stream.next().await {
        outcome.unwrap();
        if index % 100 == 0 {
            tokio::time::sleep(10 * SECOND).await;
        }
    }
}

/// The bulks that are awaited tell the same truth, and end with their time.
#[tokio::test(start_paused = true)]
async fn a_bulk_with_a_frozen_server_ends_in_time() {
    for form in ["get_many", "get_many with", "set_many", "delete_many", "batch"] {
        let mut pipes = Pipes::new(1 << 20);
        let (client, _frozen) = three(&mut pipes, SECOND).await;
        let keys = keys(3_000);
        let items = keys.iter().map(|key| (key, "value"));
        let begun = Instant::now();
        let kinds: Vec<_> = match form {
            "get_many" => client.get_many(&keys).await.iter().map(kinds).collect(),
            "get_many with" => client.get_many(&keys).with_cas().await.iter().map(kinds).collect(),
            "set_many" => client.set_many(items).await.iter().map(kinds).collect(),
            "delete_many" => client.delete_many(&keys).await.iter().map(kinds).collect(),
            _ => items
                .fold(client.batch(), |batch, (key, value)| batch.set(key, value))
                .await
                .iter()
                .map(kinds)
                .collect(),
        };
        assert!(
            (SECOND..SECOND + Duration::from_millis(2)).contains(&begun.elapsed()),
            "{form}: {:?}",
            begun.elapsed()
        );
        for (key, kind) in keys.iter().zip(kinds) {
            assert_eq!(matches!(kind, LATE | NOT_SENT), is_first(&client, key), "{form}: {kind:?}");
            assert!(kind.is_none() || is_first(&client, key), "{form}: {kind:?}");
        }
    }
}

/// Figure: one of three servers frozen, the other two thirds arrive within the deadline and 5 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_frozen_server_of_three_spoils_its_third() {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let client = Client::builder().servers(servers.iter().map(Memcached::server)).settings(patient());
    let client = client.connect().await.unwrap();
    let keys = keys(10_000);
    let items = || keys.iter().map(|key| (key, key.clone()));
    assert!(all(client.set_stream(items())).await.iter().all(Result::is_ok));
    let frozen: Vec<_> = keys.iter().map(|key| client.server_of(key).unwrap() == servers[0].address()).collect();
    servers[0].freeze();
    let timeout = SECOND;
    let begun = Instant::now();
    let mut stream = client.get_stream(&keys).timeout(timeout);
    let (mut hits, mut lost, mut last_hit) = (0, 0, Duration::ZERO);
    while let Some((index, outcome)) = stream.next().await {
        assert_eq!(outcome.is_err(), frozen[index], "{outcome:?}");
        match outcome {
            Ok(value) => {
                assert_eq!(value.expect("a hit"), *keys[index]);
                (hits, last_hit) = (hits + 1, begun.elapsed());
            }
            Err(error) => {
                assert_eq!(error.server(), Some(&*servers[0].address()));
                lost += 1;
            }
        }
    }
    let ended = begun.elapsed();
    println!(
        "deadline {timeout:?}: {hits} hits by {last_hit:.1?}, {lost} keys of the frozen server, end at {ended:.1?}"
    );
    assert_eq!(hits + lost, keys.len());
    assert!(last_hit <= timeout + Duration::from_millis(5), "{last_hit:?}");
    assert!(ended < timeout + SLACK, "{ended:?}");
    servers[0].thaw();
}

/// What a busy machine may take longer; how exact it is shows where the clock is the test's.
const SLACK: Duration = Duration::from_secs(1);
