//! Servers that die under load and come back: what they take with them, and what not.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::{Client, ErrorKind, Event, Outcome, Server, Settings};

use crate::memcached::{Memcached, patient};
use crate::show::Show as _;
use crate::wait::{until, until_async};

const TASKS: usize = 40;

/// What the load has seen, by server.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    failed: AtomicU64,
}

type SeenByServer = HashMap<String, Seen>;

/// Sets and gets keys of its own until told to stop. A get gives what was set, or nothing after a restart.
async fn load(client: Client, task: usize, seen: Arc<SeenByServer>, stop: Arc<AtomicBool>) {
    let mut round = 0_u64;
    while !stop.load(Ordering::SeqCst) {
        round += 1;
        let key = format!("task-{task}-key-{}", round % 10);
        let server = client.server_of(&key).unwrap().to_owned();
        let value = format!("{key}={round}");
        let seen = &seen[&server];
        let set = client.set(&key, value.clone()).await;
        let get = client.get(&key).await;
        for error in [set.as_ref().err(), get.as_ref().err()].into_iter().flatten() {
            assert_eq!(error.server(), Some(server.as_str()));
            assert!(matches!(error.kind(), ErrorKind::ConnectionLost | ErrorKind::ServerDown), "{error:?}");
            seen.failed.fetch_add(1, Ordering::SeqCst);
        }
        if let Ok(got) = get {
            match got {
                // Its set may have been lost with the server, and older rounds as well; never is it another's.
                Some(got) => assert!(got.to_str().unwrap().starts_with(&format!("{key}=")), "a wrong reply"),
                None => assert!(set.is_err() || seen.failed.load(Ordering::SeqCst) > 0, "{key} was lost"),
            }
            seen.answered.fetch_add(1, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_its_own_keys_and_comes_back() {
    let mut servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let configured: Vec<_> = servers.iter().map(Memcached::server).collect();
    let client = Client::builder().servers(configured).settings(patient()).connect().await.unwrap();
    let seen = servers.iter().map(|server| (server.address(), Seen::default())).collect::<SeenByServer>();
    let (seen, stop) = (Arc::new(seen), Arc::new(AtomicBool::new(false)));
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(load(client.clone(), task, seen.clone(), stop.clone()))).collect();
    let answered = |server: &str| seen[server].answered.load(Ordering::SeqCst);
    let failed = |server: &str| seen[server].failed.load(Ordering::SeqCst);

    let addresses: Vec<_> = servers.iter().map(Memcached::address).collect();
    for victim in 0..2 {
        let dead = &addresses[victim];
        let (before, before_failed) = (answered(dead), failed(dead));
        until("it is under load", || answered(dead) > before + 100).await;
        servers[victim].kill();
        until("its keys fail", || failed(dead) > before_failed + 100).await;
        let others: Vec<_> = addresses.iter().filter(|address| *address != dead).collect();
        let counts: Vec<_> = others.iter().map(|address| answered(address)).collect();
        until("the others go on", || others.iter().zip(&counts).all(|(one, n)| answered(one) > n + 100)).await;
        servers[victim].revive();
        let at_revival = answered(dead);
        until("it is used again by itself", || answered(dead) > at_revival + 100).await;
    }
    stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.expect("no wrong reply");
    }
    assert_eq!(failed(&addresses[2]), 0, "errors of a server that never died");
    for server in client.stats().servers {
        let counters = server.counters;
        assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled, "{counters:?}");
        assert_eq!(counters.in_flight, 0, "{counters:?}");
        assert_eq!(counters.opened, counters.closed + 1);
    }
}

#[tokio::test]
async fn a_client_can_be_built_before_its_servers() {
    let mut servers: Vec<_> = (0..2).map(|_| Memcached::start()).collect();
    servers.iter_mut().for_each(Memcached::kill);
    let configured: Vec<_> = servers.iter().map(Memcached::server).collect();
    let client = Client::builder().servers(configured.clone()).settings(patient()).build().unwrap();
    let error = client.get("k").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome(), error.is_retryable()), (ErrorKind::ServerDown, Outcome::NotSent, true));
    let refused = Client::builder().servers(configured.clone()).connect().await.map(|_| ()).unwrap_err();
    assert_eq!((refused.kind(), refused.server()), (ErrorKind::ServerDown, Some(servers[0].address().as_str())));

    servers[1].revive();
    let half = Client::builder().servers(configured.clone()).settings(patient()).connect().await.unwrap();
    servers[0].revive();
    for client in [&client, &half] {
        for n in 0..20 {
            let key = format!("key-{n}");
            until_async("every server is used", async || client.set(&key, "v").await.is_ok()).await;
            assert_eq!(client.get(&key).await.show(), "\"v\"");
        }
    }
}

#[tokio::test]
async fn a_server_known_to_be_dead_refuses_at_once() {
    let mut memcached = Memcached::start();
    memcached.kill();
    let dials = Arc::new(AtomicU64::new(0));
    let counted = dials.clone();
    let settings = patient().on_event(move |event| {
        counted.fetch_add(u64::from(matches!(event, Event::Dialling { .. })), Ordering::SeqCst);
    });
    let client = Client::builder().server(memcached.server()).settings(settings).build().unwrap();
    client.get("k").await.unwrap_err();
    let begun = std::time::Instant::now();
    for _ in 0..10_000 {
        assert_eq!(client.get("k").await.unwrap_err().kind(), ErrorKind::ServerDown);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(dials.load(Ordering::SeqCst) < 40, "no dial for a request");
}

#[tokio::test]
async fn events_tell_the_story_of_a_connection() {
    let mut memcached = Memcached::start();
    let story = Arc::new(Mutex::new(Vec::new()));
    let told = story.clone();
    let settings = patient().backoff(Duration::from_millis(5), Duration::from_millis(20)).on_event(move |event| {
        assert!(event.to_string().starts_with(event.server()));
        let word = match event {
            Event::Dialling { .. } => "dialling",
            Event::Opened { .. } => "opened",
            Event::DialFailed { failures, .. } => {
                assert!(*failures > 0);
                "failed"
            }
            Event::Closed { reason: memlink::Broken::Shutdown, .. } => "closed",
            Event::Closed { .. } => "lost",
            _ => "other",
        };
        told.lock().unwrap().push(word);
    });
    let configured = memcached.server().named("the cache");
    let client = Client::builder().server(configured).settings(settings).build().unwrap();
    client.get("k").await.unwrap();
    memcached.kill();
    until("the loss is seen", || client.stats().servers[0].counters.closed == 1).await;
    // It served for less than a second: the next one is dialled when it is wanted.
    client.get("k").await.unwrap_err();
    assert!(story.lock().unwrap().contains(&"failed"));
    memcached.revive();
    until_async("it is back", async || client.get("k").await.is_ok()).await;
    client.close(Duration::from_secs(5)).await;
    let mut story = story.lock().unwrap().clone();
    // How often it failed is a matter of time.
    while let Some(at) = story.windows(2).position(|pair| pair == ["dialling", "failed"]) {
        story.drain(at..at + 2);
    }
    assert_eq!(story, ["dialling", "opened", "lost", "dialling", "opened", "closed"]);
}

#[tokio::test]
async fn weights_of_a_url_divide_the_keys() {
    let url = "memcache://10.0.0.1,10.0.0.2,10.0.0.3?weight=10.0.0.1*3&weight=10.0.0.3*0";
    let client = Client::builder().url(url).unwrap().build().unwrap();
    let mut keys = HashMap::<String, u32>::new();
    for n in 0..8_000 {
        *keys.entry(client.server_of(format!("key-{n}")).unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!((5_700..6_300).contains(&keys["10.0.0.1:11211"]), "{keys:?}");
}

/// The order of the list, and where the servers are, say nothing of where the keys are.
#[tokio::test]
async fn keys_stay_with_the_names_of_their_servers() {
    let of = |names: [&str; 3]| {
        let servers = names.map(|name| Server::tcp(&format!("{name}.example")).unwrap().named(name));
        Client::builder().servers(servers).settings(Settings::default()).build().unwrap()
    };
    let (one, other) = (of(["a", "b", "c"]), of(["c", "a", "b"]));
    for n in 0..1_000 {
        let key = format!("key-{n}");
        assert_eq!(one.server_of(&key).unwrap(), other.server_of(&key).unwrap());
    }
}
