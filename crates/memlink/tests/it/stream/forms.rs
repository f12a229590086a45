//! What comes back for which key.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use memlink::{BatchCommand, BatchOutcome, Client, ErrorKind, Outcome, Server, SetMode};
use memlink_testserver::TestServer;

use super::{all, keys, kinds};
use crate::memcached::{Memcached, patient};
use crate::pipe::Pipes;
use crate::show::Show as _;

/// Two servers, one of either kind.
async fn two() -> (Memcached, TestServer, Client) {
    let (old, new) = (Memcached::start(), TestServer::start().await.unwrap());
    let servers = [old.server(), Server::tcp(&new.address()).unwrap()];
    let client = Client::builder().servers(servers).settings(patient()).connect().await.unwrap();
    (old, new, client)
}

#[tokio::test]
async fn every_key_has_its_own_outcome() {
    let (_old, _new, client) = two().await;
    let keys = keys(5_000);
    let items = keys.iter().step_by(2).map(|key| (key, key.clone()));
    let stored = all(client.set_stream(items).ttl(Duration::from_secs(100)).client_flags(9)).await;
    assert_eq!(stored.len(), 2_500);
    assert!(stored.iter().all(Result::is_ok));
    for (index, got) in all(client.get_stream(&keys)).await.into_iter().enumerate() {
        match got.unwrap() {
            Some(value) => assert_eq!((index % 2, value.key(), &value[..]), (0, value.key(), keys[index].as_bytes())),
            None => assert_eq!(index % 2, 1),
        }
    }
    let whole = all(client.get_stream(&keys[..4]).with_client_flags().with_ttl().with_size().with_cas()).await;
    let shown: Vec<_> = whole.iter().map(|got| got.show()).collect();
    assert_eq!(shown, ["\"key-0\" flags=9 cas ttl=100 size=5", "none", "\"key-2\" flags=9 cas ttl=100 size=5", "none"]);
    let deleted = all(client.delete_stream(&keys)).await;
    assert!(deleted.into_iter().enumerate().all(|(index, deleted)| deleted.unwrap() == (index % 2 == 0)));
    assert!(all(client.get_stream(&keys)).await.into_iter().all(|got| got.unwrap().is_none()));
}

#[tokio::test]
async fn commands_of_different_kinds_keep_their_order() {
    let (_old, _new, client) = two().await;
    let commands = (0..2_000).flat_map(|n| {
        let key = format!("n-{}", n % 7);
        [BatchCommand::store(SetMode::Set, &key, format!("{n}"), None), BatchCommand::get(key)]
    });
    for (index, outcome) in all(client.batch_stream(commands)).await.into_iter().enumerate() {
        match outcome.unwrap() {
            BatchOutcome::Got(Some(value)) => assert_eq!(value, *(index / 2).to_string()),
            BatchOutcome::Stored(_) => assert_eq!(index % 2, 0),
            other => panic!("{index}: {other:?}"),
        }
    }
    let batch = client.batch().set("k", "5").increment("k", 2).decrement("k", 1).get("k").delete("k").get("");
    let outcomes = all(batch.timeout(Duration::from_secs(20)).stream()).await;
    assert!(matches!(&outcomes[3], Ok(BatchOutcome::Got(Some(value))) if value == "6"), "{outcomes:?}");
    assert_eq!(kinds(&outcomes[5]), Some((ErrorKind::Invalid, Outcome::NotSent)));
    let too_long = all(client.batch_stream([BatchCommand::set("k", vec![0; 9 << 20])])).await;
    assert_eq!(kinds(&too_long[0]), Some((ErrorKind::Invalid, Outcome::NotSent)));
}

/// Of a key that is given twice the later value stays, however many others come with it.
#[tokio::test]
async fn a_key_given_twice_has_the_later_value() {
    let (_old, _new, client) = two().await;
    assert!(all(client.set_stream((0..5_000).map(|n| ("n", n.to_string())))).await.iter().all(Result::is_ok));
    assert_eq!(client.get("n").await.unwrap().unwrap(), "4999");
}

#[tokio::test]
async fn keys_of_any_bytes_go_beside_plain_ones() {
    let (_old, _new, client) = two().await;
    let key = |n: usize| if n.is_multiple_of(3) { format!("key {n}\r\n") } else { format!("key-{n}") };
    let items = || (0..1_000).map(|n| (key(n), key(n)));
    assert!(all(client.set_stream(items())).await.iter().all(Result::is_ok));
    for (n, got) in all(client.get_stream((0..1_000).map(key))).await.into_iter().enumerate() {
        assert_eq!(got.unwrap().expect("a hit"), *key(n));
    }
}

#[tokio::test]
async fn nothing_given_is_nothing_done() {
    let pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient());
    assert!(all(client.get_stream([""; 0])).await.is_empty());
    assert!(all(client.set_stream([("", ""); 0])).await.is_empty());
    assert!(all(client.delete_stream([""; 0])).await.is_empty());
    assert!(all(client.batch().stream()).await.is_empty());
    drop(client.get_stream(["never polled"]));
    assert_eq!(pipes.dials(), 0);
}

/// Bad keys end by themselves, and nothing of them is on the wire.
#[tokio::test(start_paused = true)]
async fn bad_keys_are_never_sent() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient());
    let long = "x".repeat(251);
    let bad = client.clone();
    let (only_bad, long_too) = (vec![""; 3], long.clone());
    assert!(all(bad.get_stream(only_bad)).await.iter().all(Result::is_err));
    assert_eq!(pipes.dials(), 0);
    let gets = tokio::spawn(async move { all(client.get_stream(["a", "", &long_too, "b"])).await });
    let mut end = pipes.open().await;
    end.expect("get a b\r\nmn\r\n").await;
    end.say("VALUE b 0 1\r\nv\r\nEND\r\nMN\r\n").await;
    let shown: Vec<_> = gets.await.unwrap().iter().map(|got| got.show()).collect();
    assert_eq!(shown, ["none", "Invalid NotSent", "Invalid NotSent", "\"v\""]);
    let sets =
        tokio::spawn(async move { all(bad.set_stream([(String::new(), "1"), ("a".into(), "2"), (long, "3")])).await });
    end.expect("ms a 1\r\n2\r\n").await;
    end.say("HD\r\n").await;
    let shown: Vec<_> = sets.await.unwrap().iter().map(|set| set.show()).collect();
    assert_eq!(shown, ["Invalid NotSent", "done", "Invalid NotSent"]);
    end.expect_end().await;
}

#[tokio::test]
async fn a_stream_says_how_much_is_left() {
    let (_old, _new, client) = two().await;
    let mut stream = client.get_stream(keys(1_000));
    for left in (0..1_000).rev() {
        assert_eq!(futures_util::Stream::size_hint(&stream), (left + 1, Some(left + 1)));
        futures_util::StreamExt::next(&mut stream).await.expect("one more").1.unwrap();
    }
    assert_eq!(futures_util::Stream::size_hint(&stream), (0, Some(0)));
    // Filtered, nobody knows, and an end is an end all the same.
    let odd = all(client.get_stream((0..1_000).filter(|n| n % 2 == 1).map(|n| n.to_string()))).await;
    assert_eq!(odd.len(), 500);
}

/// A stream that always has something lets others run: outcomes that need no server, and a server that is down.
#[tokio::test]
async fn a_stream_that_is_always_ready_lets_others_run() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::builder().server(Server::tcp(&closed.to_string()).unwrap()).build().unwrap();
    assert!(client.get("k").await.is_err());
    for key in ["", "k"] {
        let turns = std::rc::Rc::new(std::cell::Cell::new(0));
        let local = tokio::task::LocalSet::new();
        let others = turns.clone();
        local.spawn_local(async move {
            loop {
                others.set(others.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let outcomes = local
            .run_until(async { tokio::task::spawn_local(all(client.get_stream(vec![key; 10_000]))).await.unwrap() })
            .await;
        assert!(outcomes.len() == 10_000 && outcomes.iter().all(Result::is_err));
        assert!(turns.get() >= 10_000 / 128, "{} turns", turns.get());
    }
}

/// Somebody else's executor: no timer of tokio's is at hand, and it works all the same.
#[test]
fn another_executor_may_poll_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (client, server) = runtime.block_on(async {
        let server = TestServer::start().await.unwrap();
        let client = Client::builder().server(Server::tcp(&server.address()).unwrap()).settings(patient());
        (client.connect().await.unwrap(), server)
    });
    struct Unparks(std::thread::Thread);
    impl std::task::Wake for Unparks {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unparks(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    let mut stream = client.get_stream(keys(3_000));
    let (mut n, begun) = (0, Instant::now());
    loop {
        match stream.poll_next_unpin(&mut cx) {
            std::task::Poll::Ready(Some((_, outcome))) => n += usize::from(outcome.unwrap().is_none()),
            std::task::Poll::Ready(None) => break,
            std::task::Poll::Pending => std::thread::park_timeout(Duration::from_secs(20)),
        }
    }
    assert_eq!(n, 3_000);
    assert!(begun.elapsed() < Duration::from_secs(20));
    drop(server);
}
