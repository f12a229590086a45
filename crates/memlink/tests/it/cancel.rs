//! Every request dropped after every one of its polls: nobody else on the connection notices.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use memlink::{Client, Limits, Settings};

use crate::memcached::{Memcached, patient};
use crate::wait::until;

type Pending<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A request that has not been polled yet.
type Start = for<'a> fn(&'a Client) -> Pending<'a>;

macro_rules! requests {
    ($($name:literal: |$client:ident| $request:expr;)*) => {
        &[$(($name, |$client| Box::pin(async move { drop($request.await) }))),*]
    };
}

const MINUTE: Duration = Duration::from_secs(60);

const REQUESTS: &[(&str, Start)] = requests![
    "get": |c| c.get("k");
    "get of a miss": |c| c.get("nothing");
    "get of a large value": |c| c.get("large");
    "get with everything": |c| c.get("k").with_client_flags().with_cas().with_ttl().with_size().with_hit_before();
    "get unless": |c| c.get("k").unless_cas(7);
    "get of a stale item": |c| c.get("stale");
    "vivify": |c| c.get("placeholder").vivify(MINUTE);
    "peek": |c| c.peek("k").with_ttl();
    "touch": |c| c.touch("k", MINUTE);
    "get_and_touch": |c| c.get_and_touch("k", MINUTE);
    "set": |c| c.set("k", "value").ttl(MINUTE);
    "set of a large value": |c| c.set("large", vec![b'x'; 1_000_000]);
    "set of a value that is too large": |c| c.set("k", vec![b'x'; 1_100_000]);
    "set with a CAS id": |c| c.set("k", "value").compare_cas(7).with_cas();
    "add": |c| c.add("k", "value");
    "replace": |c| c.replace("k", "value");
    "append": |c| c.append("k", "+");
    "prepend": |c| c.prepend("k", "+");
    "delete": |c| c.delete("k");
    "mark stale": |c| c.delete("stale").mark_stale();
    "increment": |c| c.increment("n").initial(1);
    "decrement": |c| c.decrement("n").with_cas();
    "increment of text": |c| c.increment("k");
    "debug": |c| c.debug("k");
    "bad key": |c| c.get("");
    "noop": |c| c.noop();
    "version": |c| c.version();
    "verbosity": |c| c.verbosity(0);
    "flush_all": |c| c.flush_all(Some(Duration::from_secs(100_000)));
    "server_stats": |c| c.server_stats();
    "get_many": |c| c.get_many(["k", "n", "large", "nothing", "stale", "k"]);
    "get_many with": |c| c.get_many(["k", "n", "large", "nothing", "", "stale"]).with_cas();
    "set_many": |c| c.set_many((0..20).map(|n| (format!("many-{n}"), "v")));
    "delete_many": |c| c.delete_many((0..20).map(|n| format!("many-{n}")));
    "batch": |c| c.batch().set("b", "1").get("b").increment("b", 1).delete("b").get("k").set("large", vec![0; 900_000]);
];

/// When the request is polled again, and when it is dropped after its last poll.
#[derive(Debug, Clone, Copy)]
enum Pace {
    /// Polled when it was woken, dropped right after a poll.
    Woken,
    /// Polled when it was woken, dropped when it was woken once more: the reply may be there.
    WokenAndLeft,
    /// Polled again and again without being woken.
    Unasked,
}

const PACES: [Pace; 3] = [Pace::Woken, Pace::WokenAndLeft, Pace::Unasked];

/// Polls without a reason are stopped after so many: how many it takes to the end is a matter of time.
const UNASKED_MAX: usize = 6;

/// Wakes the test's task and counts how often.
#[derive(Default)]
struct Counting {
    woken: AtomicUsize,
    task: Mutex<Option<Waker>>,
}

impl Wake for Counting {
    fn wake(self: Arc<Counting>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        let task = self.task.lock().unwrap().take();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Counting {
    async fn until_woken(&self, seen: usize) {
        poll_fn(|cx| {
            *self.task.lock().unwrap() = Some(cx.waker().clone());
            if self.woken.load(Ordering::SeqCst) > seen { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Polls `request` so many times and drops it; whether it had ended by then.
async fn poll_and_drop(mut request: Pending<'_>, polls: usize, pace: Pace) -> bool {
    let counting = Arc::new(Counting::default());
    let waker = Waker::from(counting.clone());
    for poll in 1..=polls {
        let seen = counting.woken.load(Ordering::SeqCst);
        let polled = poll_fn(|_| Poll::Ready(request.as_mut().poll(&mut Context::from_waker(&waker)))).await;
        match (polled, pace) {
            (Poll::Ready(()), _) => return true,
            (Poll::Pending, Pace::Woken) if poll == polls => {}
            (Poll::Pending, Pace::Woken | Pace::WokenAndLeft) => counting.until_woken(seen).await,
            (Poll::Pending, Pace::Unasked) => tokio::task::yield_now().await,
        }
    }
    false
}

const MARKERS: usize = 6;

pub(crate) async fn prepare(client: &Client) {
    for n in 0..MARKERS {
        client.set(format!("marker-{n}"), format!("marker-{n}")).await.unwrap();
    }
    client.set("stale", "old").await.unwrap();
    client.delete("stale").mark_stale().await.unwrap();
    client.set("large", vec![b'x'; 1_000_000]).await.unwrap();
}

/// Commands of others behind the dropped one: each gets its own reply.
async fn others_are_well(client: &Client, what: &str) {
    let gets = (0..MARKERS).map(|n| client.get(format!("marker-{n}")).into_future());
    for (n, got) in futures_util::future::join_all(gets).await.into_iter().enumerate() {
        let value = got.unwrap_or_else(|error| panic!("{what}: {error}")).unwrap_or_else(|| panic!("{what}: a miss"));
        assert_eq!(value, *format!("marker-{n}"), "{what}: a wrong reply");
    }
}

/// Drops each request after its 0th, 1st, ... last poll; gives how many times it was dropped before its end.
pub(crate) async fn drop_everywhere(client: &Client) -> usize {
    let mut dropped = 0;
    for (name, start) in REQUESTS {
        for pace in PACES {
            for polls in 0.. {
                let what = format!("{name}, {polls} polls, {pace:?}");
                let has_ended = poll_and_drop(start(client), polls, pace).await;
                others_are_well(client, &what).await;
                if has_ended || (matches!(pace, Pace::Unasked) && polls == UNASKED_MAX) {
                    break;
                }
                dropped += 1;
            }
        }
    }
    dropped
}

pub(crate) async fn nothing_is_left(client: &Client) {
    until("nothing is in flight", || client.stats().servers[0].counters.in_flight == 0).await;
    let counters = client.stats().servers[0].counters;
    assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled, "{counters:?}");
    assert_eq!((counters.opened, counters.closed), (1, 0), "{counters:?}");
    assert!(counters.cancelled > 0, "no fault was injected");
}

async fn check_open(flavour: &str) {
    let memcached = Memcached::start();
    let client = memcached.client().await;
    prepare(&client).await;
    let dropped = drop_everywhere(&client).await;
    nothing_is_left(&client).await;
    println!("{flavour}: {dropped} drop points, wrong replies 0, new connections 0");
}

/// There is hardly any room: requests are in line and admitted before they are sent.
pub(crate) fn crowded() -> Settings {
    patient().limits(Limits { in_flight_max: 2, stall_timeout: MINUTE, ..Limits::default() })
}

/// The same with others who want the room; the client is [`crowded`].
pub(crate) async fn drop_in_a_crowd(client: &Client) -> usize {
    prepare(client).await;
    let crowd: Vec<_> = (0..3)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                loop {
                    assert!(client.get("marker-0").await.unwrap().unwrap() == "marker-0");
                }
            })
        })
        .collect();
    let dropped = drop_everywhere(client).await;
    for member in crowd {
        assert!(!member.is_finished(), "a wrong reply or an error in the crowd");
        member.abort();
        assert!(member.await.unwrap_err().is_cancelled());
    }
    nothing_is_left(client).await;
    assert!(client.stats().servers[0].counters.waited > 0);
    dropped
}

/// The same while there is no connection yet: the dial goes on for others. Each client is a new one.
pub(crate) async fn drop_while_dialling(client: impl Fn() -> Client) -> usize {
    prepare(&client()).await;
    let mut dropped = 0;
    for (name, start) in REQUESTS {
        for polls in 1.. {
            let client = client();
            let has_ended = poll_and_drop(start(&client), polls, Pace::Woken).await;
            others_are_well(&client, &format!("{name}, {polls} polls before the connection")).await;
            assert_eq!(client.stats().servers[0].counters.opened, 1, "{name}");
            if has_ended {
                break;
            }
            dropped += 1;
        }
    }
    dropped
}

async fn check_crowded(flavour: &str) {
    let memcached = Memcached::start();
    let dropped = drop_in_a_crowd(&memcached.client_with(crowded()).await).await;
    println!("{flavour}: {dropped} drop points in a crowd, wrong replies 0, new connections 0");
}

async fn check_cold(flavour: &str) {
    let memcached = Memcached::start();
    let client = || Client::builder().server(memcached.server()).settings(patient()).build().unwrap();
    let dropped = drop_while_dialling(client).await;
    println!("{flavour}: {dropped} drop points from the dial on, wrong replies 0, connections one each");
}

#[tokio::test]
async fn a_dropped_request_harms_nobody_on_one_thread() {
    check_open("current_thread").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_harms_nobody_on_two_threads() {
    tokio::spawn(check_open("multi_thread")).await.unwrap();
}

#[tokio::test]
async fn a_dropped_request_harms_nobody_in_a_crowd_on_one_thread() {
    check_crowded("current_thread").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_harms_nobody_in_a_crowd_on_two_threads() {
    tokio::spawn(check_crowded("multi_thread")).await.unwrap();
}

#[tokio::test]
async fn a_request_dropped_while_dialling_harms_nobody_on_one_thread() {
    check_cold("current_thread").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_dropped_while_dialling_harms_nobody_on_two_threads() {
    tokio::spawn(check_cold("multi_thread")).await.unwrap();
}
