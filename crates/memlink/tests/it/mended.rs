//! Defects that a review or an attack found, each kept out by a test of its own.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use memlink::generic::{Ask, Cluster, Encoder, Frame, Protocol, Refusal, Step, Verdict};
use memlink::{Broken, Client, ErrorKind, Limits, LinkState, Server, Settings};
use memlink_testserver::TestServer;

use crate::memcached::patient;
use crate::pipe::Pipes;
use crate::show::Show;
use crate::wait::until_async;

/// A protocol that is open as soon as the socket is.
struct Mute;

impl Protocol for Mute {
    type Expect = ();
    type State = ();
    type Peer = ();

    fn open(&self, (): &mut (), _reply: Option<&Frame>, _out: &mut Encoder<'_>) -> Result<Step<(), ()>, Refusal> {
        Ok(Step::Ready(()))
    }

    fn frame(&self, (): &mut (), _ask: Option<Ask<'_, ()>>, _input: &[u8], _limits: &Limits) -> Verdict {
        Verdict::Broken(Broken::Unsolicited)
    }
}

#[tokio::test]
async fn a_protocol_without_an_opening_exchange_opens() {
    let server = TestServer::start().await.expect("it starts");
    let address = Server::tcp(&server.address()).expect("an address");
    let cluster = Cluster::new(Mute, [address], Settings::default()).expect("a cluster");
    let opened = tokio::time::timeout(Duration::from_secs(10), cluster.open()).await.expect("it does not hang");
    assert!(opened.iter().all(Result::is_ok), "{opened:?}");
    assert_eq!(cluster.state(0), LinkState::Open);
}

#[tokio::test]
async fn connect_ends_when_the_driver_panics() {
    let server = TestServer::start().await.expect("it starts");
    let settings = patient().on_event(|_| panic!("an observer that fails on purpose"));
    let builder = Client::builder().server(Server::tcp(&server.address()).expect("an address")).settings(settings);
    let ended = tokio::time::timeout(Duration::from_secs(10), builder.connect()).await.expect("it does not hang");
    assert_eq!(ended.expect_err("nobody serves it").kind(), ErrorKind::ConnectionLost);
}

/// Errors that are given at once must not keep others from running, on one thread least of all.
#[tokio::test]
async fn asking_a_dead_server_again_and_again_lets_others_run() {
    let server = TestServer::start().await.expect("it starts");
    let client = Client::builder()
        .server(Server::tcp(&server.address()).expect("an address"))
        .settings(patient().backoff(Duration::from_millis(1), Duration::from_millis(5)))
        .build()
        .expect("a client");
    server.kill().await.expect("it is killed");
    let ticking = tokio::spawn(async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    });
    let mut asked = 0_u64;
    while !ticking.is_finished() {
        assert!(client.get("k").await.is_err());
        asked += 1;
        assert!(asked < 10_000_000, "the other task never runs");
    }
    server.revive().await.expect("it is back");
    while client.get("k").await.is_err() {}
    assert_eq!(client.set("k", "v").await.show(), "done");
}

#[test]
fn bounds_with_which_nothing_could_be_sent_are_refused_by_name() {
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Settings::default().limits(limits)
    };
    for (settings, name) in [
        (limits(|limits| limits.in_flight_max = 0), "in_flight_max"),
        (limits(|limits| limits.waiting_max = 0), "waiting_max"),
        (limits(|limits| limits.stall_timeout = Duration::ZERO), "stall_timeout"),
        (Settings::default().dial_timeout(Duration::ZERO), "dial_timeout"),
        (Settings::default().backoff(Duration::ZERO, Duration::ZERO), "backoff"),
    ] {
        let builder = Client::builder().server(Server::tcp("127.0.0.1:1").expect("an address")).settings(settings);
        let error = builder.build().expect_err(name).to_string();
        assert!(error.contains(name), "{error}");
    }
}

/// Whoever waits with a waker that panics spoils it for nobody else, and does not end the process.
#[tokio::test]
async fn wakers_that_panic_keep_nobody_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that fails on purpose");
        }
    }
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient());
    let first = tokio::spawn(client.get("first").into_future());
    let mut end = pipes.open().await;
    end.expect("mg first v\r\n").await;
    let waker = Waker::from(Arc::new(Panics));
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(client.get("k").into_future())).collect();
    for request in &mut waiting {
        assert!(request.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    let last = tokio::spawn(client.get("last").into_future());
    end.expect("mg k v\r\nmg k v\r\nmg k v\r\nmg last v\r\n").await;
    drop(end);
    for request in [first, last] {
        assert_eq!(request.await.unwrap().show(), "ConnectionLost Unknown");
    }
    // A server whose connection was lost so soon may rest for a moment.
    let server = tokio::spawn(async move {
        let mut end = pipes.open().await;
        while let Some(lines) = end.some_or_end().await {
            end.say(&"EN\r\n".repeat(lines.matches("mg k").count())).await;
        }
    });
    until_async("it is served again", async || client.get("k").await.show() == "none").await;
    server.abort();
}

/// The fence of a line of keys that is answered by the next connection confirms nothing: the line is asked for again.
#[tokio::test(start_paused = true)]
async fn an_answer_is_confirmed_by_its_own_connection_alone() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient().limits(Limits { in_flight_max: 1, ..Limits::default() }));
    let got = tokio::spawn(async move { client.get_many(["a", "b"]).await.all() });
    let mut end = pipes.open().await;
    end.expect("get a b\r\n").await;
    // Another's end of values, say; then the connection is lost, before the fence has room.
    end.say("END\r\n").await;
    drop(end);
    let server = tokio::spawn(async move {
        let mut end = pipes.open().await;
        let mut asked = 0;
        while let Some(lines) = end.some_or_end().await {
            for line in lines.lines() {
                asked += usize::from(line == "get a b");
                let values = "VALUE a 0 1\r\n1\r\nVALUE b 0 1\r\n2\r\nEND\r\n";
                end.say(if line == "mn" { "MN\r\n" } else { values }).await;
            }
        }
        asked
    });
    let got = got.await.unwrap().unwrap();
    assert!(got.iter().all(Option::is_some), "{got:?}");
    assert_eq!(server.await.unwrap(), 1);
}
