//! P10: ten times as much as a server can do, for a minute, and then half of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memlink::{Client, ErrorKind, Limits, Outcome, Settings};
use memlink_testserver::{Fault, TestServer};
use tokio::time::MissedTickBehavior;

use crate::process::{processor, resident_kib};
use crate::setting::{client_of, imbalance, say, until};
use crate::{Checked, Failure, Report, Size};

mod histogram;

use histogram::Histogram;

/// Each caller asks once in it: so many requests a second are a tenth of it callers.
const PERIOD: Duration = Duration::from_millis(100);

/// Half of what the server answers within the timeout.
const TIMEOUT: Duration = Duration::from_millis(100);

const MEMORY_KIB: usize = 5 << 10;

/// What the 99th percentile may be beyond twice what it was: timers are good to a millisecond.
const SLACK: Duration = Duration::from_millis(5);

/// What callers have seen in one phase.
#[derive(Debug, Default)]
struct Seen {
    started: AtomicU64,
    served: AtomicU64,
    expired: AtomicU64,
    /// Of these, those that were sent: what the server did for them was in vain.
    in_vain: AtomicU64,
    full: AtomicU64,
    other: AtomicU64,
    took: Histogram,
}

/// Callers, until it is stopped.
struct Load {
    seen: Arc<Seen>,
    is_over: Arc<AtomicBool>,
    callers: Vec<tokio::task::JoinHandle<()>>,
    begun: Instant,
}

impl Load {
    fn start(client: &Client, rate: u64) -> Load {
        let (seen, is_over) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default());
        let count = rate * PERIOD.as_millis() as u64 / 1_000;
        let begun = Instant::now();
        let callers = (0..count).map(|number| {
            let first = tokio::time::Instant::now() + PERIOD * number as u32 / count as u32;
            tokio::spawn(call(client.clone(), first, number, Arc::clone(&seen), Arc::clone(&is_over)))
        });
        Load { callers: callers.collect(), seen, is_over, begun }
    }

    fn a_second(&self, of: &AtomicU64) -> f64 {
        of.load(Ordering::Relaxed) as f64 / self.begun.elapsed().as_secs_f64()
    }

    async fn end(self) -> Result<Arc<Seen>, Failure> {
        self.is_over.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await?;
        }
        Ok(self.seen)
    }
}

async fn call(client: Client, first: tokio::time::Instant, number: u64, seen: Arc<Seen>, is_over: Arc<AtomicBool>) {
    let mut ticks = tokio::time::interval_at(first, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let key = format!("key-{number}");
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        seen.started.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let counter = match client.get(&key).timeout(TIMEOUT).await.map_err(|error| (error.kind(), error.outcome())) {
            Ok(_) => {
                seen.took.note(begun.elapsed());
                &seen.served
            }
            Err((ErrorKind::Deadline, outcome)) => {
                seen.in_vain.fetch_add(u64::from(outcome != Outcome::NotSent), Ordering::Relaxed);
                &seen.expired
            }
            Err((ErrorKind::QueueFull, _)) => &seen.full,
            Err(_) => &seen.other,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) async fn run(size: Size) -> Checked {
    let capacity = size.pick(20_000, 1_000);
    let second = size.pick(Duration::from_secs(1), Duration::from_millis(50));
    let server = TestServer::start().await?;
    let room = capacity as usize / 20;
    let limits = Limits { in_flight_max: room, ..Limits::default() };
    let client = client_of(&[&server], Settings::default().limits(limits)).await?;
    let throttle = server.faults().add(Fault::throttle(capacity).verb("mg").key_prefix("key"));
    let mut report = Report::default();

    let load = Load::start(&client, u64::from(capacity) / 2);
    tokio::time::sleep(second * 5).await;
    let baseline = load.end().await?.took.part(0.99);
    let load = Load::start(&client, u64::from(capacity) * 6 / 5);
    tokio::time::sleep(second * 5).await;
    let peak = load.a_second(&load.seen.served);
    load.end().await?;
    say("overload", &format!("p99 {baseline:.2?} at half, peak {peak:.0}/s"));

    let load = Load::start(&client, u64::from(capacity) * 10);
    tokio::time::sleep(second * 5).await;
    let (memory, mut apart) = (resident_kib()?, 0);
    let (used, idle) = processor()?;
    let mut served = load.seen.served.load(Ordering::Relaxed);
    for n in 1..=55 {
        tokio::time::sleep(second).await;
        apart = apart.max(resident_kib()?.abs_diff(memory));
        if n % 10 == 0 {
            let now = load.seen.served.load(Ordering::Relaxed);
            say(
                "overload",
                &format!("{n} of 55 s: {:.0}/s served", (now - served) as f64 / (second * 10).as_secs_f64()),
            );
            served = now;
        }
    }
    let (used, idle) = processor().map(|now| (now.0 - used, now.1 - idle))?;
    let (offered, goodput) = (load.a_second(&load.seen.started), load.a_second(&load.seen.served));
    let ending = tokio::spawn(load.end());
    let load = Load::start(&client, u64::from(capacity) / 2);
    tokio::time::sleep(second).await;
    load.seen.took.clear();
    tokio::time::sleep(second * 3).await;
    let recovered = load.end().await?.took.part(0.99);
    let over = ending.await??;
    let leaked = leaked(&client, &server, room).await?;

    report.injected("commands throttled", throttle.injected(), u64::from(capacity) / 10);
    report.injected("requests expired", over.expired.load(Ordering::Relaxed), u64::from(capacity) / 10);
    report.injected("of them sent", over.in_vain.load(Ordering::Relaxed), 0);
    report.injected("requests refused at once", over.full.load(Ordering::Relaxed), 0);
    let other = over.other.load(Ordering::Relaxed);
    report.bound(other == 0, || format!("{other} other errors"));
    report.must(leaked == 0, || format!("{leaked} permits leaked"));
    let times = offered / f64::from(capacity);
    report.bound(times >= 9.5, || format!("only {times:.1} times as much as the server can do was asked"));
    report.bound(goodput >= peak * 0.9, || format!("{goodput:.0}/s of {peak:.0}/s were served"));
    report.bound(apart <= MEMORY_KIB, || format!("memory moved by {apart} KiB"));
    let most = baseline * 2 + SLACK;
    report.bound(recovered <= most, || format!("p99 {recovered:.2?} a second later, {baseline:.2?} before"));
    report.reached = format!(
        "{times:.1} times for {:.0?}: goodput {goodput:.0}/s of {peak:.0}/s ({:.1} %), memory moved by {apart} KiB, permits leaked \
         {leaked}, p99 {baseline:.2?} before and {recovered:.2?} a second after; of the processors' time {used} ticks were used by this \
         process and {idle} by nobody",
        second * 60,
        100.0 * goodput / peak,
    );
    Ok(report)
}

/// As many commands as there is room for find room, and one more does not.
async fn leaked(client: &Client, server: &TestServer, room: usize) -> Result<u64, Failure> {
    until("nothing is in flight", || imbalance(client) == 0).await?;
    server.faults().set([Fault::lose().key_prefix("held")]);
    // Nobody gives up before all have been seen.
    let one = |key: String| client.get(key).wait_when_full(false).timeout(Duration::from_secs(60)).into_future();
    let held: Vec<_> = (0..room).map(|number| tokio::spawn(one(format!("held-{number}")))).collect();
    let ended = || held.iter().filter(|held| held.is_finished()).count();
    until("all have room or none", || client.stats().servers[0].counters.in_flight + ended() >= room).await?;
    let leaked = ended() as u64;
    let beyond = if leaked == 0 { one("held-beyond".to_owned()).await.err() } else { None };
    held.into_iter().for_each(|held| held.abort());
    if leaked == 0 && beyond.is_none_or(|error| error.kind() != ErrorKind::QueueFull) {
        return Err("there is more room than was configured".into());
    }
    Ok(leaked)
}
