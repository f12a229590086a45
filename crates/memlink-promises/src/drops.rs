//! P5: requests of every verb dropped after any of their polls, against a real memcached, and neighbours that go on asking.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use fastrand::Rng;
use futures_util::StreamExt as _;
use memlink::{Client, Limits};
use memlink_processes::Memcached;

use crate::setting::{builder_of_real, imbalance, patient, say, until};
use crate::{Checked, Failure, Report, Size};

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
    "get of a stale item": |c| c.get("stale");
    "vivify": |c| c.get("placeholder").vivify(MINUTE);
    "peek": |c| c.peek("k").with_ttl();
    "touch": |c| c.touch("k", MINUTE);
    "get_and_touch": |c| c.get_and_touch("k", MINUTE);
    "set": |c| c.set("k", "value").ttl(MINUTE);
    "set of a large value": |c| c.set("large", vec![b'x'; LARGE]);
    "set with a CAS id": |c| c.set("k", "value").compare_cas(7).with_cas();
    "add": |c| c.add("k", "value");
    "replace": |c| c.replace("k", "value");
    "append": |c| c.append("appended", "+");
    "prepend": |c| c.prepend("appended", "+");
    "delete": |c| c.delete("k");
    "mark stale": |c| c.delete("stale").mark_stale();
    "increment": |c| c.increment("n").initial(1);
    "decrement": |c| c.decrement("n").with_cas();
    "increment of text": |c| c.increment("k");
    "debug": |c| c.debug("k");
    "noop": |c| c.noop();
    "version": |c| c.version();
    "verbosity": |c| c.verbosity(0);
    "server_stats": |c| c.server_stats();
    "get_many": |c| c.get_many(["k", "n", "large", "nothing", "stale", "k"]);
    "get_many with": |c| c.get_many(["k", "n", "large", "nothing", "", "stale"]).with_cas();
    "set_many": |c| c.set_many((0..20).map(|n| (format!("many-{n}"), "v")));
    "delete_many": |c| c.delete_many((0..20).map(|n| format!("many-{n}")));
    "flush_all": |c| c.flush_all(Some(Duration::from_secs(100_000)));
    "get_stream": |c| c.get_stream(["k", "n", "large", "nothing", "stale"]).collect::<Vec<_>>();
    "set_stream": |c| c.set_stream((0..20).map(|n| (format!("many-{n}"), "v"))).collect::<Vec<_>>();
    "delete_stream": |c| c.delete_stream((0..20).map(|n| format!("many-{n}"))).collect::<Vec<_>>();
    "batch": |c| c.batch().set("b", "1").get("b").increment("b", 1).delete("b").get("k").set("large", vec![0; LARGE]);
];

/// Larger than what leaves in one write while others write, and small enough to be sent tens of thousands of times.
const LARGE: usize = 100_000;

const DROPPERS: u64 = 32;

const NEIGHBOURS: u64 = 8;

/// What everybody shares who asks one client.
struct World {
    client: Client,
    /// Drops that are still to come.
    left: AtomicU64,
    ended: AtomicU64,
    by_verb: Vec<AtomicU64>,
    asked: AtomicU64,
    harmed: AtomicU64,
    is_over: AtomicBool,
}

pub(crate) async fn run(size: Size) -> Checked {
    let drops = size.of(1_000_000);
    let memcached = Memcached::start(&["-t", "1"])?;
    let mut report = Report::default();
    let (mut totals, mut opened, mut cancelled) = ([0; 3], 0, 0);
    let mut by_verb = vec![0; REQUESTS.len()];
    // With room for all, and with so little that most stand in line.
    for (name, in_flight_max) in [("room for all", 8_192), ("a crowd", 4)] {
        let settings = patient().limits(Limits { in_flight_max, stall_timeout: MINUTE, ..Limits::default() });
        let client = builder_of_real(&memcached, settings)?.connect().await?;
        let world = Arc::new(World::new(client.clone(), drops / 2));
        drop_all(&world).await?;
        for (sum, counter) in totals.iter_mut().zip([&world.asked, &world.harmed, &world.ended]) {
            *sum += counter.load(Ordering::Relaxed);
        }
        by_verb.iter_mut().zip(&world.by_verb).for_each(|(sum, one)| *sum += one.load(Ordering::Relaxed));
        until("nothing is in flight", || imbalance(&client) == 0).await?;
        let counters = client.stats().servers[0].counters;
        opened += counters.opened;
        report.must(counters.closed == 0, || format!("{name}: {counters:?}"));
        cancelled += counters.cancelled;
        say("drops", &format!("{name} is done"));
    }
    let [asked, harmed, ended] = totals;
    report.injected("drops", by_verb.iter().sum(), drops / 2 * 2);
    report.injected("of the seldomest verb", by_verb.into_iter().min().unwrap_or_default(), drops / 10_000);
    report.injected("commands cancelled", cancelled, drops / 2);
    report.injected("requests of neighbours", asked, drops / 100);
    report.reached =
        format!("neighbours harmed {harmed} of {asked}; {ended} requests ended before; connections {opened} of 2");
    report.must(harmed == 0, || format!("{harmed} neighbours were harmed"));
    report.must(opened == 2, || "a connection was lost".to_owned());
    Ok(report)
}

impl World {
    fn new(client: Client, drops: u64) -> World {
        World {
            client,
            left: AtomicU64::new(drops),
            ended: AtomicU64::new(0),
            by_verb: REQUESTS.iter().map(|_| AtomicU64::new(0)).collect(),
            asked: AtomicU64::new(0),
            harmed: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// A neighbour asks for what only it has stored.
    async fn ask(&self, number: u64) {
        let marker = format!("marker-{number}");
        let got = self.client.get(&marker).await;
        self.asked.fetch_add(1, Ordering::Relaxed);
        if !got.is_ok_and(|got| got.is_some_and(|value| value == *marker)) {
            self.harmed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn drop_all(world: &Arc<World>) -> Result<(), Failure> {
    let client = &world.client;
    for number in 0..DROPPERS + NEIGHBOURS {
        client.set(format!("marker-{number}"), format!("marker-{number}")).await?;
    }
    client.set("stale", "old").await?;
    client.delete("stale").mark_stale().await?;
    client.set("large", vec![b'x'; LARGE]).await?;
    let droppers: Vec<_> = (0..DROPPERS).map(|number| tokio::spawn(drop_some(Arc::clone(world), number))).collect();
    let neighbours: Vec<_> = (DROPPERS..DROPPERS + NEIGHBOURS)
        .map(|number| {
            let world = Arc::clone(world);
            tokio::spawn(async move {
                while !world.is_over.load(Ordering::Relaxed) {
                    world.ask(number).await;
                }
            })
        })
        .collect();
    for dropper in droppers {
        dropper.await?;
    }
    world.is_over.store(true, Ordering::Relaxed);
    for neighbour in neighbours {
        neighbour.await?;
    }
    Ok(())
}

async fn drop_some(world: Arc<World>, number: u64) {
    let mut dice = Rng::with_seed(number);
    let left = |left: u64| left.checked_sub(1);
    let mut n = 0_u64;
    while world.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left).is_ok() {
        n += 1;
        let mut index = dice.usize(..REQUESTS.len());
        // Large values would take nearly all of the time.
        while REQUESTS[index].0.contains("large") && dice.u32(..20) > 0 {
            index = dice.usize(..REQUESTS.len());
        }
        let (_, start) = REQUESTS[index];
        if poll_and_drop(start(&world.client), &mut dice).await {
            world.ended.fetch_add(1, Ordering::Relaxed);
            world.left.fetch_add(1, Ordering::Relaxed);
        } else {
            world.by_verb[index].fetch_add(1, Ordering::Relaxed);
        }
        // So that no more is abandoned at a time than a connection may have.
        if n.is_multiple_of(8) {
            world.ask(number).await;
        }
    }
}

/// Wakes the task and counts how often.
#[derive(Default)]
struct Counting {
    woken: AtomicUsize,
    task: std::sync::Mutex<Option<Waker>>,
}

impl Wake for Counting {
    fn wake(self: Arc<Counting>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        let task = self.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        task.into_iter().for_each(Waker::wake);
    }
}

impl Counting {
    async fn until_woken(&self, seen: usize) {
        poll_fn(|cx| {
            *self.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(cx.waker().clone());
            if self.woken.load(Ordering::SeqCst) > seen { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Polls a request a few times, woken or not, and drops it, right after a poll or when it was woken once more; whether it had ended.
async fn poll_and_drop(mut request: Pending<'_>, dice: &mut Rng) -> bool {
    let counting = Arc::new(Counting::default());
    let waker = Waker::from(Arc::clone(&counting));
    let (polls, is_left_late, is_unasked) = (1 + dice.u32(..3), dice.bool(), dice.u32(..4) == 0);
    for poll in 1..=polls {
        let seen = counting.woken.load(Ordering::SeqCst);
        if poll_fn(|_| Poll::Ready(request.as_mut().poll(&mut Context::from_waker(&waker)))).await.is_ready() {
            return true;
        }
        match poll == polls && !is_left_late {
            true => {}
            false if is_unasked => tokio::task::yield_now().await,
            false => counting.until_woken(seen).await,
        }
    }
    false
}
