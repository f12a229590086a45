//! Very many operations of many tasks, some dropped and some late: no reply ever reaches anybody else.
//!
//! A run without optimisation makes a tenth of it. The whole:
//!
//! ```text
//! cargo test --release -p memlink --test it -- million --nocapture
//! MEMLINK_OPERATIONS=10000000 MEMLINK_SEED=1 cargo test --release -p memlink --test it -- million --nocapture
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use memlink::{BatchOutcome, Client, Error, ErrorKind, Outcome, Value};

use crate::memcached::{Memcached, patient};
use crate::wait::until;

const TASKS: u64 = 256;

/// Few enough that tasks meet on them all the time.
const KEYS: usize = 2_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What is known beforehand of every value: its key, and a version that has been given out.
struct World {
    client: Client,
    versions: AtomicU64,
    /// By key: the sum of what was added for certain, and of what may have been added.
    added: Vec<AtomicU64>,
    maybe_added: Vec<AtomicU64>,
    counts: Counts,
}

#[derive(Default, Debug)]
struct Counts {
    answered: AtomicU64,
    late: AtomicU64,
    dropped: AtomicU64,
    hits: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl World {
    fn new(client: Client) -> World {
        let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        let counts = Counts::default();
        World { client, versions: AtomicU64::new(0), added: zeros(), maybe_added: zeros(), counts }
    }

    /// Now and then of many sizes, so that replies end anywhere in a read.
    fn value(&self, dice: &mut Rng, key: &str) -> String {
        let version = self.versions.fetch_add(1, Ordering::SeqCst);
        let len = match dice.u32(..100) {
            0 => dice.usize(..40_000),
            1..10 => dice.usize(..2_000),
            _ => dice.usize(..100),
        };
        format!("{key}|{version}|{}", "x".repeat(len))
    }

    /// A value of this key, whole, that somebody has really sent.
    fn check(&self, key: &str, value: &Value) {
        count(&self.counts.hits);
        let text = value.to_str().unwrap_or_else(|_| panic!("a wrong reply to a get of {key}: no text"));
        let mut parts = text.splitn(3, '|');
        let (of, version) = (parts.next().unwrap(), parts.next().and_then(|version| version.parse::<u64>().ok()));
        assert_eq!((of, value.key()), (key, key.as_bytes()), "a wrong reply");
        assert!(version.is_some_and(|version| version < self.versions.load(Ordering::SeqCst)), "a wrong reply: {text}");
        assert!(parts.next().is_some_and(|rest| rest.bytes().all(|byte| byte == b'x')), "a torn reply");
    }

    fn check_outcome<T>(&self, what: &str, outcome: Result<T, Error>) -> Option<T> {
        match outcome {
            Ok(result) => {
                count(&self.counts.answered);
                Some(result)
            }
            Err(error) if error.kind() == ErrorKind::Deadline => {
                count(&self.counts.late);
                None
            }
            Err(error) => panic!("{what}: {error}"),
        }
    }

    async fn operate(&self, dice: &mut Rng) {
        let number = dice.usize(..KEYS);
        let key = format!("key-{number}");
        let timeout = Duration::from_millis(if dice.u32(..20) == 0 { 1 } else { 20_000 });
        let client = &self.client;
        match dice.u32(..100) {
            0..45 => {
                let Some(got) = self.maybe_dropped(dice, client.get(&key).timeout(timeout).into_future()).await else {
                    return;
                };
                if let Some(Some(value)) = self.check_outcome("get", got) {
                    self.check(&key, &value);
                }
            }
            45..70 => {
                let value = self.value(dice, &key);
                let set = client.set(&key, value).timeout(timeout).into_future();
                let Some(stored) = self.maybe_dropped(dice, set).await else { return };
                self.check_outcome("set", stored);
            }
            70..80 => self.increment(dice, number, timeout).await,
            80..85 => {
                let delete = client.delete(&key).timeout(timeout).into_future();
                let Some(deleted) = self.maybe_dropped(dice, delete).await else { return };
                self.check_outcome("delete", deleted);
            }
            85..90 => {
                let value = self.value(dice, &key);
                let add = client.add(&key, value).timeout(timeout).into_future();
                let Some(added) = self.maybe_dropped(dice, add).await else { return };
                self.check_outcome("add", added);
            }
            90..95 => self.get_many(dice, timeout).await,
            _ => self.batch(dice, &key, timeout).await,
        }
    }

    async fn increment(&self, dice: &mut Rng, number: usize, timeout: Duration) {
        let delta = dice.u64(1..10);
        let key = format!("count-{number}");
        let increment = self.client.increment(&key).by(delta).initial(0).timeout(timeout).into_future();
        let maybe = || self.maybe_added[number].fetch_add(delta, Ordering::SeqCst);
        match self.maybe_dropped(dice, increment).await {
            None => {
                maybe();
            }
            Some(Err(error)) if error.outcome() == Outcome::NotSent => {
                self.check_outcome("increment", Err::<(), _>(error));
            }
            Some(Err(error)) => {
                maybe();
                self.check_outcome("increment", Err::<(), _>(error));
            }
            Some(Ok(after)) => {
                count(&self.counts.answered);
                // The one that creates the number adds nothing.
                if after != Some(0) {
                    self.added[number].fetch_add(delta, Ordering::SeqCst);
                }
            }
        }
    }

    async fn get_many(&self, dice: &mut Rng, timeout: Duration) {
        let keys: Vec<_> = (0..dice.usize(1..12)).map(|_| format!("key-{}", dice.usize(..KEYS))).collect();
        let mut get = self.client.get_many(&keys).timeout(timeout);
        if dice.bool() {
            get = get.with_cas();
        }
        let Some(many) = self.maybe_dropped(dice, get.into_future()).await else { return };
        for (key, outcome) in keys.iter().zip(many) {
            if let Some(Some(value)) = self.check_outcome("get_many", outcome) {
                self.check(key, &value);
            }
        }
    }

    async fn batch(&self, dice: &mut Rng, key: &str, timeout: Duration) {
        let value = self.value(dice, key);
        let other = format!("key-{}", dice.usize(..KEYS));
        let batch = self.client.batch().get(key).set(key, value).get(&other).delete("nothing").timeout(timeout);
        let Some(many) = self.maybe_dropped(dice, batch.into_future()).await else { return };
        for (of, outcome) in [key, key, &other, ""].into_iter().zip(many) {
            if let Some(BatchOutcome::Got(Some(value))) = self.check_outcome("batch", outcome) {
                self.check(of, &value);
            }
        }
    }

    /// Every sixteenth request is dropped after a few turns of the others; `None` then.
    async fn maybe_dropped<F: Future>(&self, dice: &mut Rng, request: F) -> Option<F::Output> {
        if dice.u32(..16) > 0 {
            return Some(request.await);
        }
        let turns = dice.u32(..20);
        tokio::select! {
            biased;
            output = request => Some(output),
            () = async { for _ in 0..turns { tokio::task::yield_now().await } } => {
                count(&self.counts.dropped);
                None
            }
        }
    }

    /// What was counted lies between what was certainly added and what may have been.
    async fn check_sums(&self) {
        for number in 0..KEYS {
            let key = format!("count-{number}");
            let sum = self.client.get(&key).await.unwrap().map_or(0, |value| value.to_counter().unwrap());
            let [added, maybe] = [&self.added, &self.maybe_added].map(|sums| sums[number].load(Ordering::SeqCst));
            assert!((added..=added + maybe).contains(&sum), "{key}: {added} <= {sum} <= {added} + {maybe}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_operations_have_no_wrong_reply() {
    let seed = from_environment("MEMLINK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let usual = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let operations = from_environment("MEMLINK_OPERATIONS").unwrap_or(usual);
    println!("MEMLINK_SEED={seed} MEMLINK_OPERATIONS={operations}");
    let memcached = Memcached::start_with(&["-m", "256"]);
    let world = Arc::new(World::new(memcached.client_with(patient()).await));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let world = world.clone();
            let share = operations / TASKS + u64::from(task < operations % TASKS);
            let mut dice = Rng::with_seed(seed.wrapping_add(task));
            tokio::spawn(async move {
                for _ in 0..share {
                    world.operate(&mut dice).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no wrong reply");
    }
    let elapsed = begun.elapsed();
    world.check_sums().await;
    until("nothing is in flight", || world.client.stats().servers[0].counters.in_flight == 0).await;
    let counters = world.client.stats().servers[0].counters;
    let rate = operations as f64 / elapsed.as_secs_f64();
    println!("{operations} operations in {elapsed:?}, {rate:.0}/s, wrong replies 0, {:?}", world.counts);
    println!("{counters:?}");
    assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled);
    assert_eq!((counters.opened, counters.in_flight, counters.waiting, counters.abandoned_now), (1, 0, 0, 0));
    assert!(counters.cancelled > 0, "nothing was dropped");
}
