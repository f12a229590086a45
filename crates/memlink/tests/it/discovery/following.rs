//! Lists that change, and answers that change nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::discovery::{Discover, DiscoverFuture, SERVERS_MAX};
use memlink::{Client, Event, Server, Settings};

use super::told::{Events, Told, list, servers};
use crate::book::Book;
use crate::show::Show as _;
use crate::wait::until;

fn names(client: &Client) -> Vec<String> {
    client.cluster().servers()
}

#[tokio::test]
async fn answers_that_cannot_be_used_change_nothing_and_are_told() {
    let [one, other] = servers().await;
    let (source, events) = (Told::of(list(&[&one, &other])), Events::default());
    let client = events.builder().discover(source.clone()).connect().await.unwrap();
    client.set("key", "value").await.unwrap();
    let before = names(&client);
    let number = client.cluster().topology().number();
    let twice = |name: &str| Server::tcp(name).unwrap().named("twice");
    let many = (0..=SERVERS_MAX).map(|n| Server::tcp(&format!("cache-{n}")).unwrap()).collect();
    let no_weight = list(&[&one, &other]).into_iter().map(|server| server.weight(0)).collect();
    for (answer, part) in [
        (Err("on fire"), "on fire"),
        (Ok(Vec::new()), "no server"),
        (Ok(many), "at most 4096"),
        (Ok(vec![twice("a"), twice("b")]), "\"twice\""),
        (Ok(no_weight), "cannot be routed to"),
        (Err("panic"), "panic"),
    ] {
        match answer {
            Ok(servers) => source.say(servers),
            Err(why) => source.fail(why),
        }
        until(part, || events.have(part)).await;
        assert!(events.have("told: no new list of servers: "));
        assert_eq!((names(&client), client.cluster().topology().number()), (before.clone(), number), "{part}");
        assert_eq!(client.get("key").await.show(), "\"value\"", "{part}");
        events.clear();
    }
    source.say(list(&[&other]));
    until("it is followed again", || names(&client) == [other.address()]).await;
    // A change is told once it is made.
    until("it is told", || events.have("removed from the servers")).await;
}

/// A server that all lists have keeps its connection, and nobody's request fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_that_flap_lose_no_connection_needlessly() {
    let [stays, one, other] = servers().await;
    let (source, events) = (Told::of(list(&[&stays, &one])), Events::default());
    let client = events.builder().discover(source.clone()).connect().await.unwrap();
    let (served, failed): (Arc<AtomicU64>, Arc<Mutex<Vec<String>>>) = Default::default();
    let callers: Vec<_> = (0..4)
        .map(|task| {
            let (client, served, failed) = (client.clone(), served.clone(), failed.clone());
            tokio::spawn(async move {
                for n in 0_u64.. {
                    match client.set(format!("{task}-{n}"), "value").await {
                        Ok(()) => _ = served.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failed.lock().unwrap().push(error.to_string()),
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for change in 0..50 {
        let now = if change % 2 == 0 { &other } else { &one };
        source.say(list(&[&stays, now]));
        until("the list is followed", || names(&client) == [stays.address(), now.address()]).await;
        let so_far = served.load(Ordering::Relaxed);
        until("requests are served", || served.load(Ordering::Relaxed) > so_far + 20).await;
    }
    callers.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(*failed.lock().unwrap(), [""; 0]);
    assert_eq!(stays.stats().connections_accepted, 1);
    client.close(Duration::from_secs(5)).await;
    until("all connections are closed", || {
        [&stays, &one, &other].iter().all(|server| server.stats().connections_open == 0)
    })
    .await;
}

/// Weights, names and the order of lists are followed without a connection that is lost.
#[tokio::test]
async fn a_server_that_is_only_described_anew_keeps_its_connection() {
    let [one, other] = servers().await;
    let (source, events) = (Told::of(list(&[&one, &other])), Events::default());
    let client = events.builder().discover(source.clone()).connect().await.unwrap();
    let mut weighted = list(&[&other, &one]);
    weighted[0] = weighted[0].clone().weight(9);
    source.say(weighted);
    until("the list is followed", || names(&client) == [other.address(), one.address()]).await;
    until("it is told", || events.have("has another weight")).await;
    assert_eq!(client.get("key").await.show(), "none");
    assert_eq!((one.stats().connections_accepted, other.stats().connections_accepted), (1, 1));
}

/// All addresses of a name, by a URL and a resolver of one's own.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn addresses_that_a_name_gains_and_loses_are_servers_that_come_and_go() {
    let [one] = servers().await;
    let port = one.addr().port();
    let (book, events) = (Book::default(), Events::default());
    let client = Client::builder()
        .url(&format!("memcache://dns+cache.svc:{port}?discovery_interval_ms=10"))
        .unwrap()
        .settings(events.settings().resolver(book.clone()))
        .build()
        .unwrap();
    assert_eq!(client.get("key").await.show(), "ServerDown NotSent");
    book.write("cache.svc", &["127.0.0.1"]);
    until("the name is found", || names(&client) == [one.address()]).await;
    assert_eq!(client.get("key").await.show(), "none");
    book.write("cache.svc", &["127.0.0.2", "127.0.0.1", "127.0.0.2"]);
    until("there is another", || names(&client) == [one.address(), format!("127.0.0.2:{port}")]).await;
    book.write("cache.svc", &[]);
    until("an empty answer is told", || events.have("the name has no address")).await;
    assert_eq!(names(&client).len(), 2);
    book.write("cache.svc", &["127.0.0.1"]);
    until("it is gone", || names(&client) == [one.address()]).await;
    assert_eq!(one.stats().connections_accepted, 1);
}

/// Its list comes as asked, and the question how often to ask it is no reason to end the search.
#[tokio::test]
async fn a_source_that_panics_when_asked_for_its_interval_is_asked_again() {
    struct Moody(Told, AtomicUsize);

    impl Discover for Moody {
        fn discover<'a>(&'a self, settings: &'a Settings) -> DiscoverFuture<'a> {
            self.0.discover(settings)
        }

        fn source(&self) -> String {
            self.0.source()
        }

        fn interval(&self) -> Duration {
            assert!(self.1.fetch_add(1, Ordering::SeqCst) != 1, "a source that panics");
            self.0.interval()
        }
    }

    let ([one, other], events) = (servers().await, Events::default());
    let told = Told::of(list(&[&one]));
    let client = events.builder().discover(Moody(told.clone(), AtomicUsize::new(0))).connect().await.unwrap();
    until("it panics", || events.have("told: no new list of servers")).await;
    told.say(list(&[&one, &other]));
    until("it is asked again", || names(&client).len() == 2).await;
}

#[tokio::test]
async fn an_observer_that_panics_ends_no_search() {
    let [one, other] = servers().await;
    let (told, panics) = (Told::of(list(&[&one])), Arc::new(AtomicUsize::new(0)));
    let counted = panics.clone();
    let settings = Events::default().settings().on_event(move |event| {
        if matches!(event, Event::DiscoveryFailed { .. }) {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("an observer that panics");
        }
    });
    let client = Client::builder().settings(settings).discover(told.clone()).connect().await.unwrap();
    told.fail("no");
    until("it is told again after it has panicked", || panics.load(Ordering::SeqCst) >= 2).await;
    told.say(list(&[&one, &other]));
    until("the list is followed", || names(&client).len() == 2).await;
}
