//! Every request dropped after every one of its polls: nobody else on the connection notices.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use memlink_resp::{Cmd, Redis, Value};

use crate::redis::RedisServer;
use crate::wait::until;

type Pending<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A request that has not been polled yet.
type Start = for<'a> fn(&'a Redis) -> Pending<'a>;

macro_rules! requests {
    ($($name:literal: |$redis:ident| $request:expr;)*) => {
        &[$(($name, |$redis| Box::pin(async move { drop($request.await) }))),*]
    };
}

const REQUESTS: &[(&str, Start)] = requests![
    "get": |r| r.get("k");
    "get of a miss": |r| r.get("nothing");
    "get of a large value": |r| r.get("large");
    "set": |r| r.set("k", "value").ttl(Duration::from_secs(60));
    "set of a large value": |r| r.set("large", vec![b'x'; 1_000_000]);
    "an error": |r| r.incr("k");
    "incr": |r| r.incr("n");
    "a list": |r| r.lrange("list", 0, -1);
    "a hash": |r| r.hgetall("hash");
    "message": |r| r.query::<Value>(Cmd::new("DEBUG PROTOCOL").arg("push"));
    "refused": |r| r.query::<Value>(Cmd::new("SUBSCRIBE").arg("a"));
    "mget": |r| r.mget(["k", "large", "nothing", "n", "large"]);
    "del_many": |r| r.del_many(["a", "b", "c"]);
    "pipeline": |r| r.pipeline([Cmd::new("GET").key("large"), Cmd::new("INCR").key("n"), Cmd::new("LRANGE").key("list").args([0, -1])]);
    "transaction": |r| r.transaction([Cmd::new("INCR").key("n"), Cmd::new("GET").key("large"), Cmd::new("INCR").key("k")]);
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

/// Commands of others behind the dropped one: each gets its own reply.
async fn others_are_well(redis: &Redis, what: &str) {
    let gets = (0..MARKERS).map(|n| redis.get(format!("marker-{n}")));
    for (n, got) in futures_util::future::join_all(gets).await.into_iter().enumerate() {
        let value = got.unwrap_or_else(|error| panic!("{what}: {error}")).unwrap_or_else(|| panic!("{what}: a miss"));
        assert_eq!(value, format!("marker-{n}"), "{what}: a wrong reply");
    }
}

/// On one new connection; how many requests were dropped before their end.
pub(crate) async fn check(redis: &Redis) -> usize {
    for n in 0..MARKERS {
        redis.set(format!("marker-{n}"), format!("marker-{n}")).await.unwrap();
    }
    redis.set("large", vec![b'x'; 1_000_000]).await.unwrap();
    for n in 0..500 {
        redis.rpush("list", n).await.unwrap();
        redis.hset("hash", n, "some value or other").await.unwrap();
    }
    let mut dropped = 0;
    for (name, start) in REQUESTS {
        for pace in [Pace::Woken, Pace::WokenAndLeft, Pace::Unasked] {
            for polls in 0.. {
                let what = format!("{name}, {polls} polls, {pace:?}");
                let has_ended = poll_and_drop(start(redis), polls, pace).await;
                others_are_well(redis, &what).await;
                if has_ended || (matches!(pace, Pace::Unasked) && polls == UNASKED_MAX) {
                    break;
                }
                dropped += 1;
            }
        }
    }
    until("nothing is in flight", || redis.stats(0).in_flight == 0).await;
    let stats = redis.stats(0);
    assert_eq!(stats.started, stats.replied + stats.failed + stats.cancelled, "{stats:?}");
    assert_eq!((stats.opened, stats.closed), (1, 0), "{stats:?}");
    assert!(stats.cancelled > 0, "no fault was injected");
    dropped
}

async fn check_on(flavour: &str) {
    let server = RedisServer::start();
    let dropped = check(&server.client().await).await;
    println!("{flavour}: {dropped} drop points, wrong replies 0, new connections 0");
}

#[tokio::test]
async fn a_dropped_request_harms_nobody_on_one_thread() {
    check_on("current_thread").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_harms_nobody_on_two_threads() {
    tokio::spawn(check_on("multi_thread")).await.unwrap();
}
