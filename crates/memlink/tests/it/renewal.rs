//! Connections are replaced by new ones, and no request notices; whatever is wrong with the new ones, the old ones stay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::{Client, Credentials, Error, ErrorKind, Event, Limits, LinkState, Outcome, Server, Settings};
use memlink_testserver::TestServer;
use tokio::task::JoinHandle;

use crate::doors::users;
use crate::memcached::patient;
use crate::pipe::{Dialled, End, Pipes};
use crate::wait::until;

/// Callers that pause for as long as they are told, and what became of their requests.
pub(crate) struct Load {
    served: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) fn start(client: &Client, callers: usize, pause: Duration) -> Load {
        let (served, failed): (Arc<AtomicU64>, Arc<Mutex<Vec<String>>>) = Default::default();
        let tasks = (0..callers).map(|_| {
            let (client, served, failed) = (client.clone(), served.clone(), failed.clone());
            tokio::spawn(async move {
                loop {
                    match client.delete("key").await {
                        Ok(_) => _ = served.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failed.lock().unwrap().push(error.to_string()),
                    }
                    tokio::time::sleep(pause).await;
                }
            })
        });
        Load { served: served.clone(), failed: failed.clone(), tasks: tasks.collect() }
    }

    pub(crate) fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    pub(crate) fn end(self) -> (u64, Vec<String>) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        (self.served(), self.failed.lock().unwrap().clone())
    }
}

/// What was told of connections.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    dials: AtomicU64,
    opened: AtomicU64,
    replaced: AtomicU64,
    lost: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl Seen {
    pub(crate) fn of(settings: Settings) -> (Settings, Arc<Seen>) {
        let seen: Arc<Seen> = Arc::default();
        let told = seen.clone();
        let settings = settings.on_event(move |event| match event {
            Event::RenewalFailed { error, .. } => told.failures.lock().unwrap().push(error.to_string()),
            Event::Dialling { .. } => _ = told.dials.fetch_add(1, Ordering::SeqCst),
            Event::Opened { .. } => _ = told.opened.fetch_add(1, Ordering::SeqCst),
            Event::Replaced { .. } => _ = told.replaced.fetch_add(1, Ordering::SeqCst),
            Event::Closed { .. } => _ = told.lost.fetch_add(1, Ordering::SeqCst),
            _ => {}
        });
        (settings, seen)
    }

    pub(crate) fn dials(&self) -> u64 {
        self.dials.load(Ordering::SeqCst)
    }

    /// Connections that have ended their opening exchange well.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::SeqCst)
    }

    pub(crate) fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::SeqCst)
    }

    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::SeqCst)
    }

    pub(crate) fn failures(&self) -> usize {
        self.failures.lock().unwrap().len()
    }

    pub(crate) fn last_failure(&self) -> String {
        self.failures.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn plain_connections_are_replaced_without_a_failed_request() {
    let server = TestServer::start().await.unwrap();
    let (settings, seen) = Seen::of(patient().connections_per_server(3));
    let client =
        Client::builder().server(Server::tcp(&server.address()).unwrap()).settings(settings).connect().await.unwrap();
    let load = Load::start(&client, 16, Duration::ZERO);
    until("all connections serve", || seen.opened() == 3).await;
    for round in 1..=20 {
        client.cluster().renew();
        until("all were replaced", || seen.replaced() == round * 3).await;
    }
    let (served, failed) = load.end();
    assert_eq!(failed, [""; 0], "of {served}");
    assert_eq!((seen.lost(), seen.dials()), (0, seen.opened()), "each dial has served");
}

/// A password that the server knows no longer: connections that have signed in are served on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_has_changed_costs_no_connection() {
    let server = TestServer::builder().user("ada", "first").start().await.unwrap();
    let (settings, seen) = Seen::of(patient().connections_per_server(2));
    let client = Client::builder()
        .server(Server::tcp(&server.address()).unwrap())
        .settings(settings)
        .credentials(Credentials::new("ada", "first").unwrap())
        .connect()
        .await
        .unwrap();
    let load = Load::start(&client, 8, Duration::ZERO);
    until("both connections serve", || seen.opened() == 2).await;
    for round in 1..=5 {
        server.set_users(users("second"));
        client.cluster().renew();
        until("both renewals have failed", || seen.failures() == round * 2).await;
        assert_eq!(seen.replaced(), (round as u64 - 1) * 2);
        let served = load.served();
        until("the old connections serve on", || load.served() > served + 100).await;
        server.set_users(users("first"));
        client.cluster().renew();
        until("both were replaced", || seen.replaced() == round as u64 * 2).await;
    }
    let (served, failed) = load.end();
    println!("{served} requests, {} failed, 10 renewals refused, 10 connections replaced", failed.len());
    assert_eq!(failed, [""; 0], "of {served}");
    assert!(!seen.last_failure().contains("first"), "{seen:?}");
}

/// Commands go over the old connection for as long as the new one has not answered.
#[tokio::test]
async fn a_new_connection_that_is_no_good_never_delays_a_command() {
    let limits = Limits { opening_timeout: Duration::from_millis(100), ..Limits::default() };
    for (what, said, part) in [
        ("silent", Dialled::Accepted, "took too long"),
        ("no room", Dialled::Greeted("ERROR Too many open connections\r\n"), "no room"),
        ("a dial that is refused", Dialled::Refused, "refused"),
        ("another protocol", Dialled::Greeted("HTTP/1.1 400 Bad Request\r\n"), "nobody asked for"),
    ] {
        let mut pipes = Pipes::new(1 << 16);
        let (settings, seen) = Seen::of(patient().limits(limits.clone()));
        let client = pipes.client(settings);
        let first = tokio::spawn(client.delete("k").into_future());
        let mut old = pipes.open().await;
        old.expect("md k\r\n").await;
        old.say("HD\r\n").await;
        first.await.unwrap().expect(what);
        pipes.set(said);
        client.cluster().renew();
        until("it was dialled", || pipes.dials() == 2).await;
        let new = if said == Dialled::Refused { None } else { Some(pipes.accept().await) };
        while seen.failures() == 0 {
            let served = async {
                old.expect("md k\r\n").await;
                old.say("HD\r\n").await;
            };
            let (deleted, ()) = tokio::join!(client.delete("k").into_future(), served);
            deleted.expect(what);
        }
        assert!(seen.last_failure().contains(part), "{what}: {seen:?}");
        assert_eq!((seen.replaced(), client.cluster().state(0)), (0, LinkState::Open), "{what}");
        drop(new);
        // The next one is good.
        pipes.set(Dialled::Accepted);
        client.cluster().renew();
        let mut new = pipes.open().await;
        until("it was replaced", || seen.replaced() == 1).await;
        old.expect_end().await;
        let served = async {
            new.expect("md k\r\n").await;
            new.say("HD\r\n").await;
        };
        let (deleted, ()) = tokio::join!(client.delete("k").into_future(), served);
        deleted.expect(what);
        let counters = client.stats().servers[0].counters;
        assert_eq!((counters.opened, counters.closed, counters.failed), (2, 1, 0), "{what}: {counters:?}");
    }
}

/// Between two connections: the new one is ready, the old one still owes the reply to a request, and another request waits.
struct Between {
    old: End,
    new: End,
    slow: JoinHandle<Result<bool, Error>>,
    waits: JoinHandle<Result<bool, Error>>,
}

impl Between {
    async fn of(client: &Client, pipes: &mut Pipes) -> Between {
        let slow = tokio::spawn(client.delete("slow").into_future());
        let mut old = pipes.open().await;
        old.expect("md slow\r\n").await;
        client.cluster().renew();
        let new = pipes.open().await;
        until("the old one retires", || client.cluster().state(0) == LinkState::Dialling).await;
        let waits = tokio::spawn(client.delete("waits").into_future());
        until("it waits", || client.stats().servers[0].counters.waiting == 1).await;
        Between { old, new, slow, waits }
    }
}

/// The new connection is ready, the old one still owes a reply, and the new one is lost: the old one serves those who wait.
/// Code of users' runs in the task that serves the old connection.
#[tokio::test]
async fn what_panics_beside_a_connection_ends_nothing_on_it() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, seen) = Seen::of(patient());
    let dials = AtomicU64::new(0);
    let settings = settings.before_dial(move |_| {
        let is_first = dials.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            assert!(is_first, "a preparation that panics");
            Ok(())
        }
    });
    let client = pipes.client(settings);
    let asked = tokio::spawn(client.get("k").into_future());
    let mut end = pipes.open().await;
    end.expect("mg k v\r\n").await;
    client.cluster().renew();
    until("it has panicked", || seen.failures() == 1).await;
    assert!(seen.last_failure().contains("has panicked"), "{}", seen.last_failure());
    end.say("EN\r\n").await;
    assert!(asked.await.unwrap().unwrap().is_none());
}

#[tokio::test]
async fn a_new_connection_that_is_lost_before_it_serves_is_not_missed() {
    for strays in [false, true] {
        let mut pipes = Pipes::new(1 << 16);
        let (settings, seen) = Seen::of(patient());
        let client = pipes.client(settings);
        let Between { mut old, mut new, slow, waits } = Between::of(&client, &mut pipes).await;
        if strays {
            new.say("HD\r\n").await;
        } else {
            drop(new);
        }
        until("the renewal has failed", || seen.failures() == 1).await;
        old.expect("md waits\r\n").await;
        old.say("HD\r\nHD\r\n").await;
        slow.await.unwrap().expect("it was in flight");
        waits.await.unwrap().expect("it has waited");
        let counters = client.stats().servers[0].counters;
        assert_eq!((counters.opened, counters.closed, counters.failed), (1, 0, 0), "{counters:?}");
        assert_eq!((seen.replaced(), client.cluster().state(0)), (0, LinkState::Open));
    }
}

/// The new connection is ready, the old one still owes a reply and is lost: the new one serves those who wait, and nobody dials again.
#[tokio::test]
async fn a_new_connection_serves_when_the_old_one_is_lost() {
    let mut pipes = Pipes::new(1 << 16);
    let (settings, seen) = Seen::of(patient());
    let client = pipes.client(settings);
    let Between { old, mut new, slow, waits } = Between::of(&client, &mut pipes).await;
    drop(old);
    let lost = slow.await.unwrap().unwrap_err();
    assert_eq!((lost.kind(), lost.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown), "{lost}");
    new.expect("md waits\r\n").await;
    new.say("HD\r\n").await;
    waits.await.unwrap().expect("it has waited");
    assert_eq!((seen.dials(), seen.opened(), seen.lost(), seen.replaced()), (2, 2, 1, 0), "{seen:?}");
    assert_eq!(client.cluster().state(0), LinkState::Open);
}

/// Closing does not wait for a renewal, and leaves nothing of it.
#[tokio::test]
async fn a_client_that_is_closed_lets_go_of_a_connection_that_waits() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient());
    let slow = tokio::spawn(client.delete("slow").into_future());
    let mut old = pipes.open().await;
    old.expect("md slow\r\n").await;
    client.cluster().renew();
    let mut new = pipes.open().await;
    until("the old one retires", || client.cluster().state(0) == LinkState::Dialling).await;
    client.close(Duration::ZERO).await;
    assert!(slow.await.unwrap().is_err());
    old.expect_end().await;
    new.expect_end().await;
}
