//! The ends of things: closed clients, dropped clients, dead runtimes, idle connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use memlink::{Client, ErrorKind, Limits, LinkState, Outcome, Server, Settings};
use memlink_testserver::TestServer;
use tokio::time::sleep;

use crate::memcached::{Memcached, patient};
use crate::pipe::{Dialled, Pipes};
use crate::show::Show as _;
use crate::wait::{until, until_async};

const GRACE: Duration = Duration::from_secs(10);

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn close_lets_what_is_in_flight_finish() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient());
    let first = tokio::spawn(client.get("first").into_future());
    let mut end = pipes.open().await;
    end.expect("mg first v\r\n").await;
    let mut closing = Box::pin(client.close(GRACE));
    assert!(futures_util::FutureExt::now_or_never(&mut closing).is_none());
    assert_eq!(client.get("more").await.show(), "Closed NotSent");
    assert!(futures_util::FutureExt::now_or_never(&mut closing).is_none());
    end.say("VA 1\r\n1\r\n").await;
    assert_eq!(first.await.unwrap().show(), "\"1\"");
    closing.await;
    end.expect_end().await;
    assert_eq!(client.stats().servers[0].state, LinkState::Closed);
}

#[tokio::test]
async fn a_closed_client_refuses_everything_and_may_be_closed_again() {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    let clone = client.clone();
    client.set("k", "v").await.unwrap();
    futures_util::future::join(client.close(GRACE), clone.close(GRACE)).await;
    client.close(GRACE).await;
    for client in [&client, &clone] {
        assert_eq!(client.get("k").await.show(), "Closed NotSent");
        assert_eq!(client.set("k", "v").await.show(), "Closed NotSent");
        assert_eq!(client.get_many(["a", "b"]).await[1].show(), "Closed NotSent");
        assert_eq!(client.noop().await.remove(0).reply.show(), "Closed NotSent");
    }
    memcached.until_deserted().await;
    until("its tasks end", || tasks() == 0).await;
}

#[tokio::test]
async fn a_client_that_was_never_used_closes_at_once() {
    let client = Client::builder().server(Server::tcp("10.255.255.1").unwrap()).build().unwrap();
    client.close(GRACE).await;
    assert_eq!(client.get("k").await.show(), "Closed NotSent");
    assert_eq!(tasks(), 0);
}

#[tokio::test]
async fn close_ends_a_dial_and_those_who_wait_for_it() {
    let pipes = Pipes::new(64);
    pipes.set(Dialled::Swallowed);
    let client = pipes.client(patient().dial_timeout(GRACE * 10));
    let waiting = tokio::spawn(client.get("k").into_future());
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.cluster().open().await }
    });
    until("it dials", || pipes.dials() == 1).await;
    let begun = Instant::now();
    client.close(GRACE * 10).await;
    assert!(begun.elapsed() < GRACE);
    assert_eq!(waiting.await.unwrap().show(), "Closed NotSent");
    assert_eq!(connecting.await.unwrap().remove(0).show(), "Closed NotSent");
}

#[tokio::test]
async fn close_while_the_connection_opens_does_not_wait_for_ever() {
    let mut pipes = Pipes::new(64);
    let client = pipes.client(patient());
    let waiting = tokio::spawn(client.get("k").into_future());
    let _end = pipes.accept().await;
    let begun = Instant::now();
    client.close(Duration::from_millis(100)).await;
    assert!(begun.elapsed() < GRACE);
    assert_eq!(waiting.await.unwrap().show(), "Closed NotSent");
}

#[tokio::test]
async fn close_of_a_frozen_server_is_bounded_by_the_grace() {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    client.set("k", "v").await.unwrap();
    memcached.freeze();
    let asked = tokio::spawn(client.get("k").into_future());
    until("it is in flight", || client.stats().servers[0].counters.in_flight == 1).await;
    let begun = Instant::now();
    client.close(Duration::from_millis(200)).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(5), "{took:?}");
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    until("its tasks end", || tasks() == 0).await;
}

/// What the process holds open, as far as it goes to this server: other tests open and close files meanwhile.
fn sockets_to(server: &Memcached) -> usize {
    let port = server.address().rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
    let remote = format!("0100007F:{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let inodes: Vec<_> = table
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(2);
            (words.next() == Some(&remote)).then(|| words.nth(6).map(|inode| format!("socket:[{inode}]")))?
        })
        .collect();
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    links.filter(|link| inodes.iter().any(|inode| link.as_os_str() == inode.as_str())).count()
}

/// What was removed with hours to spare does not outlive the client.
#[tokio::test]
async fn close_ends_connections_to_servers_that_were_removed_before() {
    let (frozen, other) = (Memcached::start(), Memcached::start());
    let servers = [frozen.server(), other.server()];
    let client = Client::builder().servers(servers).settings(patient().timeout(None)).connect().await.unwrap();
    let is_there = |key: &String| client.server_of(key).is_ok_and(|server| server == frozen.address());
    let key = (0..100).map(|n| format!("key-{n}")).find(is_there).expect("it has half of the keys");
    client.get(&key).await.unwrap();
    frozen.freeze();
    let asked = tokio::spawn(client.get(key).into_future());
    until("it is in flight", || client.stats().servers.iter().any(|server| server.counters.in_flight == 1)).await;
    client.cluster().remove(&frozen.address(), Duration::from_secs(3_600)).unwrap();
    let begun = Instant::now();
    client.close(Duration::from_millis(50)).await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(sockets_to(&frozen), 0);
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown), "{error}");
    until("its tasks end", || tasks() == 0).await;
}

#[tokio::test]
async fn the_last_drop_ends_tasks_and_sockets() {
    let memcached = Memcached::start();
    for round in 0..20 {
        let client = memcached.client_with(patient().connections_per_server(3)).await;
        let clone = client.clone();
        for _ in 0..3 {
            client.set("k", "v").await.unwrap();
        }
        assert_eq!((tasks(), sockets_to(&memcached)), (3, 3), "round {round}");
        drop(client);
        assert_eq!(clone.get("k").await.show(), "\"v\"");
        let last = clone.get("k").into_future();
        drop(clone);
        assert_eq!(last.await.show(), "\"v\"", "a request outlives its client");
        until("tasks and sockets end", || (tasks(), sockets_to(&memcached)) == (0, 0)).await;
    }
    memcached.until_deserted().await;
}

#[test]
fn a_runtime_that_ends_ends_its_connections() {
    let memcached = Memcached::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let client = runtime.block_on(memcached.client());
    runtime.block_on(async { client.set("k", "v").await }).unwrap();
    assert_eq!(sockets_to(&memcached), 1);
    drop(runtime);
    assert_eq!(sockets_to(&memcached), 0);
    let outside = futures_util::FutureExt::now_or_never(client.get("k").into_future()).expect("no wait");
    assert_eq!(outside.show(), "NoRuntime NotSent");
}

/// A client that outlives the runtimes of several tests, as a static one does. Its server is a thread: a process would be left behind,
/// because nothing static is ever dropped.
fn shared() -> &'static (TestServer, Client) {
    static SHARED: OnceLock<(TestServer, Client)> = OnceLock::new();
    SHARED.get_or_init(|| {
        // It has to be started where there is no runtime.
        let server = std::thread::spawn(|| TestServer::builder().start_blocking().unwrap()).join().unwrap();
        let configured = Server::tcp(&server.address()).unwrap();
        (server, Client::builder().server(configured).settings(patient()).build().unwrap())
    })
}

async fn use_shared(key: &str) {
    let client = &shared().1;
    for n in 0..100_u32 {
        // The runtime that served the connection may end at any time, with the test it belongs to: that is a lost connection.
        until_async("the client works on this runtime", async || client.set(key, n.to_string()).await.is_ok()).await;
        until_async("and reads", async || client.get(key).await.is_ok_and(|got| got.unwrap() == *n.to_string())).await;
    }
}

#[tokio::test]
async fn a_static_client_survives_its_runtimes_1() {
    use_shared("one").await;
}

#[tokio::test]
async fn a_static_client_survives_its_runtimes_2() {
    use_shared("two").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_client_survives_its_runtimes_3() {
    use_shared("three").await;
}

/// Runtimes that die under their neighbours' requests: nobody waits for ever, though nothing else would end a wait.
#[test]
fn no_request_is_forgotten_by_a_dying_runtime() {
    let memcached = Memcached::start();
    let settings = patient().timeout(None);
    let client = Client::builder().server(memcached.server()).settings(settings).build().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let _ = runtime.block_on(client.get("k").into_future());
            }
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                let got = tokio::time::timeout(GRACE * 3, client.get("k").into_future()).await;
                let got = got.expect("a request was forgotten");
                assert!(got.is_ok() || got.is_err_and(|error| error.kind() == ErrorKind::ConnectionLost));
            }
        });
    });
    let counters = client.stats().servers[0].counters;
    assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled, "{counters:?}");
}

#[test]
fn without_a_runtime_requests_say_so() {
    let memcached = Memcached::start();
    let client = Client::builder().server(memcached.server()).build().unwrap();
    let get = futures_util::FutureExt::now_or_never(client.get("k").into_future()).expect("no wait");
    assert_eq!(get.show(), "NoRuntime NotSent");
    let many = futures_util::FutureExt::now_or_never(client.get_many(["a", "b"]).into_future()).expect("no wait");
    assert_eq!(many[0].show(), "NoRuntime NotSent");
    let closed = futures_util::FutureExt::now_or_never(client.close(GRACE));
    assert!(closed.is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let other = Client::builder().server(memcached.server()).build().unwrap();
    assert_eq!(runtime.block_on(other.get("k").into_future()).show(), "none");
}

/// As often as is promised.
#[tokio::test]
async fn a_connection_closed_while_idle_costs_no_request() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient().backoff(Duration::from_millis(1), Duration::from_millis(1)));
    for round in 1..=1_000 {
        let asked = tokio::spawn(client.get("k").into_future());
        let mut end = pipes.open().await;
        end.expect("mg k v\r\n").await;
        end.say("VA 1\r\nv\r\n").await;
        assert_eq!(asked.await.unwrap().show(), "\"v\"", "round {round}");
        drop(end);
        until("the loss is seen", || client.stats().servers[0].counters.closed == round).await;
    }
}

/// The real thing closes idle connections after a second or more.
#[tokio::test]
async fn an_idle_timeout_of_the_server_costs_no_request() {
    let memcached = Memcached::start_with(&["-o", "idle_timeout=1"]);
    let client = memcached.client().await;
    client.set("k", "v").await.unwrap();
    until("the server has closed it", || client.stats().servers[0].counters.closed > 0).await;
    assert_eq!(client.get("k").await.show(), "\"v\"");
}

/// Again and again, while nobody asks for anything: each connection is replaced, and none of them by a pause that refuses requests.
#[tokio::test(start_paused = true)]
async fn a_server_that_closes_what_is_idle_is_there() {
    for connections in [1, 3] {
        let mut pipes = Pipes::new(1 << 16);
        let downs = Arc::new(AtomicUsize::new(0));
        let client = pipes.client(patient().connections_per_server(connections));
        let mut states = client.cluster().topology().watch_state(0);
        let counted = downs.clone();
        tokio::spawn(async move {
            while states.changed().await.is_ok() {
                counted.fetch_add(usize::from(*states.borrow_and_update() == LinkState::Down), Ordering::SeqCst);
            }
        });
        let first = tokio::spawn(client.get("k").into_future());
        let mut end = pipes.open().await;
        end.expect("mg k v\r\n").await;
        end.say("EN\r\n").await;
        assert_eq!(first.await.unwrap().show(), "none");
        for seconds in [2, 5, 9, 5, 2, 1, 1, 1, 30, 2] {
            sleep(Duration::from_secs(seconds)).await;
            drop(end);
            end = pipes.open().await;
        }
        let asked = tokio::spawn(client.get("k").into_future());
        // Of several it is another one's turn, which was never needed so far.
        let mut next = if connections > 1 { pipes.open().await } else { end };
        next.expect("mg k v\r\n").await;
        next.say("EN\r\n").await;
        assert_eq!(asked.await.unwrap().show(), "none");
        assert_eq!(downs.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_close_a_connection() {
    let mut pipes = Pipes::new(1 << 16);
    let settings = patient().backoff(Duration::from_millis(1), Duration::from_millis(1));
    let client = pipes.client(settings);
    for stray in ["VA 5\r\nwrong\r\n", "EN\r\n", "HD\r\n", "x", "\r\n", "SERVER_ERROR out of memory\r\n"] {
        let asked = tokio::spawn(client.get("k").into_future());
        let mut end = pipes.open().await;
        end.expect("mg k v\r\n").await;
        end.say("VA 5\r\nright\r\n").await;
        assert_eq!(asked.await.unwrap().show(), "\"right\"", "before {stray:?}");
        end.say(stray).await;
        end.expect_end().await;
    }
    until("all have been closed", || client.stats().servers[0].counters.closed == 6).await;
}

/// Right behind a reply, in the same read: the reply is good, and then the connection ends.
#[tokio::test]
async fn a_reply_said_twice_is_taken_once() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(patient().limits(Limits::default()));
    let asked = tokio::spawn(client.get("k").into_future());
    let mut end = pipes.open().await;
    end.expect("mg k v\r\n").await;
    end.say("VA 5\r\nright\r\nVA 5\r\nwrong\r\n").await;
    assert_eq!(asked.await.unwrap().show(), "\"right\"");
    end.expect_end().await;
    let next = tokio::spawn(client.get("other").into_future());
    let mut end = pipes.open().await;
    end.expect("mg other v\r\n").await;
    end.say("EN\r\n").await;
    assert_eq!(next.await.unwrap().show(), "none");
}

/// With opaques a slip by one is found by the first reply of another's.
#[tokio::test]
async fn a_reply_of_another_command_is_nobodys() {
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.builder(Settings::default()).opaque(true).build().unwrap();
    let (one, two) = (tokio::spawn(client.get("1").into_future()), tokio::spawn(client.get("2").into_future()));
    let mut end = pipes.open().await;
    let mut lines = String::new();
    while lines.matches("\r\n").count() < 2 {
        lines.push_str(&end.some().await);
    }
    let second = lines.lines().nth(1).unwrap().split(' ').find(|word| word.starts_with('O')).unwrap();
    end.say(&format!("VA 5 {second}\r\nwrong\r\n")).await;
    for asked in [one, two] {
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown));
    }
    end.expect_end().await;
}
