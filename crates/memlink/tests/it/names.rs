//! Names lead elsewhere while connections are open. The servers listen on addresses of the loopback network that only Linux has
//! without being asked.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use memlink::{Client, Event, Resolve, ResolveFuture, Server, Settings};
use memlink_testserver::TestServer;

use crate::book::Book;
use crate::memcached::patient;
use crate::wait::until;

const NAME: &str = "cache.test";

/// How often names are looked up here.
const INTERVAL: Duration = Duration::from_millis(10);

/// Two servers with the same port, at 127.0.0.1 and 127.0.0.2.
async fn twins() -> [TestServer; 2] {
    for _ in 0..100 {
        let one = TestServer::start().await.unwrap();
        let address: IpAddr = [127, 0, 0, 2].into();
        // Another program may have the port there.
        if let Ok(other) = TestServer::builder().bind(vec![address]).port(one.addr().port()).start().await {
            return [one, other];
        }
    }
    panic!("no port is free on both addresses");
}

struct World {
    servers: [TestServer; 2],
    book: Book,
    client: Client,
    events: Arc<Mutex<Vec<String>>>,
}

impl World {
    async fn new(settings: Settings) -> World {
        let (servers, book) = (twins().await, Book::default());
        book.write(NAME, &["127.0.0.1"]);
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = events.clone();
        let settings = settings.resolver(book.clone()).resolve_interval(INTERVAL).on_event(move |event| {
            if matches!(event, Event::LookUpFailed { .. } | Event::RenewalFailed { .. } | Event::Closed { .. }) {
                seen.lock().unwrap().push(event.to_string());
            }
        });
        let server = Server::tcp(&format!("Cache.TEST:{}", servers[0].addr().port())).unwrap();
        let client = Client::builder().server(server).settings(settings).connect().await.unwrap();
        World { servers, book, client, events }
    }

    fn connections(&self) -> [u64; 2] {
        [0, 1].map(|n| self.servers[n].stats().connections_open)
    }

    async fn until_told(&self, what: &str) {
        until(what, || self.events.lock().unwrap().iter().any(|event| event.contains(what))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_changes_of_address_fail_no_request() {
    let world = World::new(patient()).await;
    let (served, failed): (Arc<AtomicU64>, Arc<Mutex<Vec<String>>>) = Default::default();
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (client, served, failed) = (world.client.clone(), served.clone(), failed.clone());
            tokio::spawn(async move {
                loop {
                    match client.get("key").await {
                        Ok(_) => _ = served.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failed.lock().unwrap().push(error.to_string()),
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for change in 1..=100 {
        let (here, address) = if change % 2 == 1 { ([0, 1], "127.0.0.2") } else { ([1, 0], "127.0.0.1") };
        world.book.write(NAME, &[address]);
        until("the connection goes there", || world.connections() == here).await;
        let so_far = served.load(Ordering::Relaxed);
        until("requests are served", || served.load(Ordering::Relaxed) > so_far + 10).await;
    }
    callers.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(*failed.lock().unwrap(), [""; 0]);
    assert_eq!(*world.events.lock().unwrap(), [""; 0]);
    assert_eq!(world.client.stats().servers[0].counters.failed, 0);
}

#[tokio::test]
async fn a_look_up_that_fails_or_lies_costs_nothing_and_is_told() {
    let world = World::new(patient()).await;
    world.client.set("key", "value").await.unwrap();
    world.book.fail(NAME, "the name service is on fire");
    world.until_told("could not be looked up again (the name service is on fire)").await;
    world.book.write(NAME, &[]);
    world.until_told("could not be looked up again (the name has no address)").await;
    // Nobody listens there.
    world.book.write(NAME, &["127.0.0.3"]);
    world.until_told("no new connection").await;
    assert_eq!(world.client.get("key").await.unwrap().unwrap(), "value");
    // Still there among ten thousand.
    let (asked, many): (_, Vec<_>) =
        (world.book.asked(), (0..10_000_u32).map(|n| format!("10.0.{}.{}", n / 256, n % 256)).collect());
    let mut many: Vec<_> = many.iter().map(String::as_str).collect();
    many.push("127.0.0.1");
    world.book.write(NAME, &many);
    until("it is looked up", || world.book.asked() > asked + 3).await;
    assert_eq!(world.client.get("key").await.unwrap().unwrap(), "value");
    let counters = world.client.stats().servers[0].counters;
    assert_eq!((counters.opened, counters.closed, counters.failed), (1, 0, 0));
    assert_eq!(world.connections(), [1, 0]);
}

#[tokio::test]
async fn all_links_of_a_server_share_a_look_up() {
    const LINKS: usize = 16;
    let interval = Duration::from_millis(40);
    let (server, book) = (TestServer::start().await.unwrap(), Book::default());
    book.write(NAME, &["127.0.0.1"]);
    let settings = patient().resolver(book.clone()).resolve_interval(interval).connections_per_server(LINKS);
    let address = Server::tcp(&format!("{NAME}:{}", server.addr().port())).unwrap();
    let client = Client::builder().server(address).settings(settings).build().unwrap();
    until("all links are open", || {
        drop(tokio::spawn(client.get("key").into_future()));
        server.stats().connections_open == LINKS as u64
    })
    .await;
    let (begun, before) = (Instant::now(), book.asked());
    until("it is looked up a few times", || book.asked() >= before + 5).await;
    // An answer serves all for half an interval.
    let most = 2 + begun.elapsed().as_millis() / (interval.as_millis() / 2);
    let asked = book.asked() - before;
    assert!(asked as u128 <= most, "{asked} look-ups in {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_server_without_a_name_and_an_interval_of_zero_look_up_nothing() {
    let server = TestServer::start().await.unwrap();
    let named = format!("{NAME}:{}", server.addr().port());
    let mut asked = Vec::new();
    let mut clients = Vec::new();
    for (address, interval) in [(server.address(), INTERVAL), (named.clone(), Duration::ZERO), (named, INTERVAL)] {
        let book = Book::default();
        book.write(NAME, &["127.0.0.1"]);
        let settings = patient().resolver(book.clone()).resolve_interval(interval);
        let client = Client::builder().server(Server::tcp(&address).unwrap()).settings(settings).build().unwrap();
        client.set("key", "value").await.unwrap();
        asked.push(book);
        clients.push(client);
    }
    until("the last one has looked a few times", || asked[2].asked() >= 5).await;
    assert_eq!((asked[0].asked(), asked[1].asked()), (0, 1), "an address is nobody's question, and a dial asks once");
}

/// Code of the user's runs in the task that serves the connection.
#[tokio::test]
async fn a_resolver_that_panics_changes_nothing() {
    struct Panics(Book);

    impl Resolve for Panics {
        fn resolve(&self, host: &str) -> ResolveFuture {
            let found = self.0.resolve(host);
            assert_eq!(self.0.asked(), 1, "a resolver that panics");
            found
        }
    }

    let (server, book) = (TestServer::start().await.unwrap(), Book::default());
    book.write(NAME, &["127.0.0.1"]);
    let settings = patient().resolver(Panics(book.clone())).resolve_interval(INTERVAL);
    let address = Server::tcp(&format!("{NAME}:{}", server.addr().port())).unwrap();
    let client = Client::builder().server(address).settings(settings).connect().await.unwrap();
    server.freeze();
    let asked = tokio::spawn(client.get("k").into_future());
    until("it has panicked twice", || book.asked() >= 3).await;
    server.thaw();
    assert!(asked.await.unwrap().unwrap().is_none());
    assert_eq!(client.stats().servers[0].counters.opened, 1);
}
