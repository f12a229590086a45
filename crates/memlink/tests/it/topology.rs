//! Servers come and go while requests are made.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::{Client, ConfigError, Error, ErrorKind, Event, Limits, Outcome, Ring, Router, Routing, Server};
use memlink_testserver::TestServer;

use crate::memcached::{Memcached, patient};
use crate::pipe::{Dialled, Pipes};
use crate::show::Show as _;
use crate::wait::{until, until_async};

const GRACE: Duration = Duration::from_secs(10);

fn named(names: &[&str]) -> Vec<Server> {
    names.iter().map(|name| Server::tcp(&format!("{name}.example")).unwrap().named(*name)).collect()
}

fn of_names(names: &[&str]) -> Client {
    Client::builder().servers(named(names)).build().unwrap()
}

/// One round of a caller: every kind of request, none of which may fail.
async fn round(client: &Client, task: usize, round: u64) -> Result<(), Error> {
    let keys: Vec<String> = (0..20).map(|n| format!("task-{task}-key-{n}")).collect();
    let value = |key: &String| format!("{key}={round}");
    client.set(&keys[0], value(&keys[0])).await?;
    client.set_many(keys.iter().skip(1).map(|key| (key, value(key)))).await.all()?;
    for (key, got) in keys.iter().zip(client.get_many(&keys).await.all()?) {
        // A server that came anew has nothing yet, one that is back what it had; never is it another's.
        assert!(got.is_none_or(|got| got.to_str().is_ok_and(|text| text.starts_with(&format!("{key}=")))));
    }
    let batch = keys.iter().fold(client.batch(), |batch, key| batch.get(key).delete(key));
    batch.await.all()?;
    client.get(&keys[1]).with_cas().await?;
    client.delete_many(&keys).await.all()?;
    Ok(())
}

/// What a bulk has not handed over when the list changes goes by the new one.
#[tokio::test]
async fn a_bulk_goes_on_by_the_new_list() {
    let (old, new) = (Memcached::start(), Memcached::start());
    let client = old.client().await;
    let keys: Vec<String> = (0..3_000).map(|n| format!("key-{n}")).collect();
    old.freeze();
    let bulk = tokio::spawn({
        let (client, keys) = (client.clone(), keys.clone());
        async move { client.set_many(keys.iter().map(|key| (key, "v"))).await.all() }
    });
    until("as much is under way as may be", || client.stats().servers[0].counters.in_flight == 512).await;
    client.cluster().add(new.server()).unwrap();
    old.thaw();
    bulk.await.unwrap().unwrap();
    let moved = |key: &&String| client.server_of(key).is_ok_and(|server| server == new.address());
    assert_eq!(new.statistic("curr_items"), keys.iter().skip(512).filter(moved).count() as u64);
    let got = client.get_many(&keys).await.all().unwrap();
    assert_eq!(got.iter().flatten().count(), 3_000 - keys.iter().take(512).filter(moved).count());
}

/// What waits when its server is removed reaches the next one in the order in which it was given, over whichever connections.
#[tokio::test(start_paused = true)]
async fn what_has_an_order_keeps_it_on_its_way_to_another_server() {
    for connections in [1, 2] {
        for is_stream in [false, true] {
            let mut pipes = Pipes::new(1 << 16);
            let settings = pipes.settings(patient().timeout(None).connections_per_server(connections));
            let client = Client::builder().servers(named(&["old"])).opaque(false).settings(settings).build().unwrap();
            // Places of a line are used again, the last one first.
            let caller = client.clone();
            let first =
                tokio::spawn(async move { caller.batch().get("a").get("b").get("c").await.all().unwrap().len() });
            let mut end = pipes.open().await;
            end.expect("mg a v\r\nmg b v\r\nmg c v\r\n").await;
            end.say("EN\r\nEN\r\nEN\r\n").await;
            assert_eq!(first.await.unwrap(), 3);
            pipes.set(Dialled::Swallowed);
            drop(end);
            let values = || (0..10).map(|n| ("k", n.to_string()));
            let (counters, caller) = (client.clone(), client.clone());
            let sets = tokio::spawn(async move {
                if is_stream {
                    let mut sets = caller.set_stream(values());
                    while let Some((_, set)) = sets.next().await {
                        set.unwrap();
                    }
                } else {
                    caller.set_many(values()).await.all().unwrap();
                }
            });
            until("they wait", || counters.stats().servers[0].counters.waiting == 10).await;
            pipes.set(Dialled::Accepted);
            client.cluster().add(named(&["new"]).remove(0)).unwrap();
            client.cluster().remove("old", GRACE).unwrap();
            // Over whichever connections: each is answered, and what all of them say is written down.
            let heard = Arc::new(Mutex::new(String::new()));
            let listener = tokio::spawn({
                let heard = heard.clone();
                async move {
                    loop {
                        let (mut end, heard) = (pipes.open().await, heard.clone());
                        tokio::spawn(async move {
                            while let Some(lines) = end.some_or_end().await {
                                heard.lock().unwrap().push_str(&lines);
                                end.say(&"HD\r\n".repeat(lines.matches("ms k").count())).await;
                            }
                        });
                    }
                }
            });
            sets.await.unwrap();
            assert_eq!(*heard.lock().unwrap(), (0..10).map(|n| format!("ms k 1\r\n{n}\r\n")).collect::<String>());
            listener.abort();
        }
    }
}

/// All keys on the server that came last.
struct Last;

impl Routing for Last {
    fn router(&self, servers: &[Server]) -> Result<Box<dyn Router>, ConfigError> {
        struct Always(usize);
        impl Router for Always {
            fn route(&self, _key: &[u8]) -> usize {
                self.0
            }
        }
        Ok(Box::new(Always(servers.len() - 1)))
    }
}

/// A later value of a key that has a new server is not written there while an earlier one is on its way to the old one.
#[tokio::test(start_paused = true)]
async fn one_key_has_an_order_while_its_server_changes() {
    let mut pipes = Pipes::new(1 << 16);
    // A stream has at most half of what may be in flight.
    let limits = Limits { in_flight_max: 4, stall_timeout: GRACE * 60, ..Limits::default() };
    let settings = pipes.settings(patient().timeout(None).limits(limits));
    let client =
        Client::builder().servers(named(&["old"])).routing(Last).opaque(false).settings(settings).build().unwrap();
    let caller = client.clone();
    let sets = tokio::spawn(async move {
        let mut sets = caller.set_stream((0..4).map(|n| ("k", n.to_string()))).window_keys(2);
        while let Some((_, set)) = sets.next().await {
            set.unwrap();
        }
    });
    let mut old = pipes.open().await;
    old.expect("ms k 1\r\n0\r\nms k 1\r\n1\r\n").await;
    client.cluster().add(named(&["new"]).remove(0)).unwrap();
    old.say("HD\r\n").await;
    // There is room for the next one, and it has a server: which is not even dialled.
    tokio::time::sleep(GRACE).await;
    assert_eq!(pipes.dials(), 1);
    old.say("HD\r\n").await;
    let mut new = pipes.open().await;
    for n in [2, 3] {
        new.expect(&format!("ms k 1\r\n{n}\r\n")).await;
        new.say("HD\r\n").await;
    }
    sets.await.unwrap();
}

/// Figure: servers removed and added under load, failed commands 0.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_servers_come_and_go() {
    let servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let client = Client::builder().servers(servers[..3].iter().map(Memcached::server)).settings(patient()).build();
    let client = client.unwrap();
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers = (0..16).map(|task| {
        let (client, stop, rounds) = (client.clone(), stop.clone(), rounds.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let number = rounds.fetch_add(1, Ordering::SeqCst);
                round(&client, task, number).await.expect("no request fails");
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let cluster = client.cluster();
    for change in 0..50 {
        let (come, go) = (&servers[(change + 3) % 4], &servers[change % 4]);
        let before = rounds.load(Ordering::SeqCst);
        match change % 3 {
            0 => {
                cluster.add(come.server()).unwrap();
                cluster.remove(&go.address(), GRACE).unwrap().drained().await;
            }
            1 => {
                let now = cluster.topology();
                let left = now.servers().filter(|server| server.name() != go.address()).cloned();
                let changes = cluster.replace(left.chain([come.server()]), GRACE).unwrap();
                assert_eq!((changes.added.len(), changes.removed.len()), (1, 1));
                changes.drained().await;
            }
            _ => {
                cluster.remove(&go.address(), GRACE).unwrap();
                cluster.add(come.server()).unwrap();
            }
        }
        until("requests were made in between", || rounds.load(Ordering::SeqCst) > before + 20).await;
    }
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.expect("no request failed");
    }
    assert_eq!(cluster.topology().number(), 83);
    println!("50 changes of servers, {} rounds of 102 commands, 0 failed", rounds.load(Ordering::SeqCst));
}

/// The share of the keys that moves is the one that the scheme owes.
#[test]
fn keys_move_as_the_scheme_says() {
    let client = of_names(&["a", "b", "c"]);
    let keys: Vec<String> = (0..20_000).map(|n| format!("key-{n}")).collect();
    let owners = || keys.iter().map(|key| client.server_of(key).unwrap()).collect::<Vec<_>>();
    let is_scheme = |servers: &[(&str, u32)]| {
        let ring = Ring::new(servers.iter().copied()).unwrap();
        keys.iter().all(|key| client.server_of(key).unwrap() == servers[ring.route(key.as_bytes())].0)
    };
    let three = owners();
    client.cluster().add(named(&["d"]).remove(0)).unwrap();
    let four = owners();
    assert!(three.iter().zip(&four).all(|(old, new)| old == new || new == "d"), "foreign moves");
    assert!(is_scheme(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)]));

    client.cluster().reweight("d", 3).unwrap();
    let heavier = owners();
    assert!(four.iter().zip(&heavier).all(|(old, new)| old == new || new == "d"), "foreign moves");
    assert!(is_scheme(&[("d", 3), ("c", 1), ("b", 1), ("a", 1)]));

    client.cluster().remove("d", GRACE).unwrap();
    assert_eq!(owners(), three, "what was before is again");
    let moved = |old: &[String], new: &[String]| old.iter().zip(new).filter(|(old, new)| old != new).count();
    println!(
        "of {} keys: a fourth server took {}, with three times the weight {} more",
        keys.len(),
        moved(&three, &four),
        moved(&four, &heavier)
    );
}

#[tokio::test]
async fn what_is_in_flight_at_a_removed_server_finishes() {
    let mut pipes = Pipes::new(1 << 16);
    let settings = patient().limits(memlink::Limits { in_flight_max: 1, ..Default::default() });
    let client = pipes.client(settings);
    let first = tokio::spawn(client.get("first").into_future());
    let mut old = pipes.open().await;
    old.expect("mg first v\r\n").await;
    // This one finds no room and waits: nothing of it was sent.
    let second = tokio::spawn(client.get("second").into_future());
    until("it waits", || client.stats().servers[0].counters.waiting == 1).await;

    let other = Server::tcp("other").unwrap();
    let changes = client.cluster().replace([other], GRACE).unwrap();
    assert_eq!((&*changes.added[0], &*changes.removed[0]), ("other:11211", "in-memory:11211"));
    let mut new = pipes.open().await;
    new.expect("mg second v\r\n").await;
    new.say("EN\r\n").await;
    assert_eq!(second.await.unwrap().show(), "none");

    old.say("VA 1\r\n1\r\n").await;
    assert_eq!(first.await.unwrap().show(), "\"1\"");
    changes.drained().await;
    old.expect_end().await;
}

/// A server that answers nothing does not hold up its own removal for longer than the grace.
#[tokio::test(start_paused = true)]
async fn the_grace_of_a_removal_is_kept() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient());
    let asked = tokio::spawn(client.get("k").into_future());
    let mut old = pipes.open().await;
    old.expect("mg k v\r\n").await;
    let begun = tokio::time::Instant::now();
    let changes = client.cluster().replace([Server::tcp("other").unwrap()], Duration::from_secs(1)).unwrap();
    assert_eq!(asked.await.unwrap().show(), "ConnectionLost Unknown");
    changes.drained().await;
    assert_eq!(begun.elapsed().as_millis(), 1_000);
    old.expect_end().await;
}

#[tokio::test]
async fn a_server_keeps_its_keys_at_a_new_address() {
    let (one, other) = (TestServer::start().await.unwrap(), TestServer::start().await.unwrap());
    let at = |server: &TestServer| Server::tcp(&server.address()).unwrap().named("the cache");
    let client = Client::builder().server(at(&one)).settings(patient()).build().unwrap();
    client.set("k", "one").await.unwrap();
    let changes = client.cluster().replace([at(&other)], GRACE).unwrap();
    assert_eq!(changes.added, changes.removed);
    assert_eq!(client.get("k").await.show(), "none");
    assert_eq!(client.server_of("k").unwrap(), "the cache");
    changes.drained().await;
    until("the server has seen it end", || one.stats().connections_open == 0).await;
}

#[test]
fn a_change_that_cannot_be_made_changes_nothing() {
    let client = of_names(&["a", "b"]);
    let cluster = client.cluster();
    let twice = || named(&["a", "a"]);
    let weightless = named(&["a", "b"]).into_iter().map(|server| server.weight(0));
    let same_address = [Server::tcp("x").unwrap().named("x"), Server::tcp("X:11211").unwrap().named("y")];
    for (result, words) in [
        (cluster.add(named(&["a"]).remove(0)), "configured twice"),
        (cluster.add(Server::tcp("a.EXAMPLE").unwrap()), "the same one"),
        (cluster.remove("c", GRACE), "no server \"c\""),
        (cluster.reweight("c", 1), "no server \"c\""),
        (cluster.replace([], GRACE), "no server is configured"),
        (cluster.replace(twice(), GRACE), "configured twice"),
        (cluster.replace(weightless, GRACE), "weight"),
        (cluster.replace(same_address, GRACE), "name it once"),
    ] {
        let error = result.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    assert_eq!((cluster.servers(), cluster.topology().number()), (vec!["a".to_owned(), "b".to_owned()], 0));
    assert!(cluster.remove("a", GRACE).is_ok());
    assert_eq!(cluster.remove("b", GRACE).unwrap_err(), ConfigError::NoServer);
    assert!(cluster.replace(named(&["b"]), GRACE).unwrap().is_empty(), "the same is no change");
}

#[test]
fn a_router_for_the_servers_of_the_start_allows_no_others() {
    struct First;
    impl memlink::Router for First {
        fn route(&self, _: &[u8]) -> usize {
            0
        }
    }
    let client = Client::builder().servers(named(&["a", "b"])).router(First).build().unwrap();
    assert_eq!(client.cluster().remove("b", GRACE).unwrap_err(), ConfigError::FixedRouter);
    assert_eq!(client.server_of("k").unwrap(), "a");
}

#[tokio::test]
async fn changes_are_watched_and_told() {
    let events = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = events.clone();
    let settings = patient().on_event(move |event: &Event| told.lock().unwrap().push(event.to_string()));
    let client = Client::builder().servers(named(&["a"])).settings(settings).build().unwrap();
    let mut watch = client.cluster().watch();
    client.cluster().add(named(&["b"]).remove(0)).unwrap();
    client.cluster().reweight("a", 2).unwrap();
    let seen = watch.changed().await.unwrap();
    assert_eq!(seen.servers().map(Server::weighs).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((seen.number(), seen.position("b")), (2, Some(1)));
    client.cluster().remove("a", GRACE).unwrap();
    assert_eq!(watch.changed().await.unwrap().len(), 1);
    let expected =
        ["b: added to the servers", "a: has another weight", "a: removed from the servers"].map(str::to_owned);
    assert_eq!(*events.lock().unwrap(), expected);
    drop(client);
    assert!(watch.changed().await.is_none() && watch.current().is_none(), "the watch does not keep the cluster");
}

#[tokio::test]
async fn a_closed_client_stays_closed() {
    let server = TestServer::start().await.unwrap();
    let client = Client::builder().server(Server::tcp(&server.address()).unwrap()).build().unwrap();
    client.set("k", "v").await.unwrap();
    client.close(GRACE).await;
    assert_eq!(client.cluster().add(named(&["b"]).remove(0)).unwrap_err(), ConfigError::Closed);
    let error = client.get("k").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Closed, Outcome::NotSent));
    until_async("its connection is closed", async || server.stats().connections_open == 0).await;
}
