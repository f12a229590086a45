//! Very many commands of many tasks, some dropped and some late: no reply ever reaches anybody else.
//!
//! A run without optimisation makes a tenth of it. The whole:
//!
//! ```text
//! cargo test --release -p memlink-resp --test it -- million --nocapture
//! MEMLINK_OPERATIONS=10000000 MEMLINK_SEED=1 cargo test --release -p memlink-resp --test it -- million --nocapture
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use memlink::{ErrorKind, Outcome};
use memlink_resp::{Cmd, Error, Redis, Value};

use crate::redis::RedisServer;
use crate::wait::until;

const TASKS: u64 = 256;

/// Few enough that tasks meet on them all the time.
const KEYS: usize = 2_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// What is known beforehand of every value: its key, and a version that has been given out.
struct World {
    redis: Redis,
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
    fn new(redis: Redis) -> World {
        let zeros = || (0..KEYS).map(|_| AtomicU64::new(0)).collect();
        World { redis, versions: AtomicU64::new(0), added: zeros(), maybe_added: zeros(), counts: Counts::default() }
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
    fn check(&self, key: &str, value: &[u8]) {
        count(&self.counts.hits);
        let text = std::str::from_utf8(value).unwrap_or_else(|_| panic!("a wrong reply to a get of {key}: no text"));
        let mut parts = text.splitn(3, '|');
        let (of, version) = (parts.next().unwrap(), parts.next().and_then(|version| version.parse::<u64>().ok()));
        assert_eq!(of, key, "a wrong reply");
        assert!(version.is_some_and(|version| version < self.versions.load(Ordering::SeqCst)), "a wrong reply: {text}");
        assert!(parts.next().is_some_and(|rest| rest.bytes().all(|byte| byte == b'x')), "a torn reply");
    }

    fn check_outcome<T>(&self, what: &str, outcome: Result<T, Error>) -> Option<T> {
        match outcome {
            Ok(result) => {
                count(&self.counts.answered);
                Some(result)
            }
            Err(Error::Link(error)) if error.kind() == ErrorKind::Deadline => {
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
        let redis = &self.redis;
        match dice.u32(..100) {
            0..45 => {
                let Some(got) = self.maybe_dropped(dice, redis.get(&key).timeout(timeout)).await else { return };
                if let Some(Some(value)) = self.check_outcome("get", got) {
                    self.check(&key, &value);
                }
            }
            45..65 => {
                let set = redis.set(&key, self.value(dice, &key)).timeout(timeout).into_future();
                let Some(stored) = self.maybe_dropped(dice, set).await else { return };
                self.check_outcome("set", stored);
            }
            65..75 => self.increment(dice, number, timeout).await,
            75..80 => {
                let Some(gone) = self.maybe_dropped(dice, redis.del(&key).timeout(timeout)).await else { return };
                self.check_outcome("del", gone);
            }
            80..85 => {
                let hash = format!("hash-{number}");
                let (field, value) = (dice.usize(..20).to_string(), self.value(dice, &hash));
                let Some(set) = self.maybe_dropped(dice, redis.hset(&hash, &field, value)).await else { return };
                self.check_outcome("hset", set);
            }
            85..88 => {
                let hash = format!("hash-{number}");
                let Some(all) = self.maybe_dropped(dice, redis.hgetall(&hash)).await else { return };
                for value in self.check_outcome("hgetall", all).unwrap_or_default().values() {
                    self.check(&hash, value);
                }
            }
            88..90 => {
                // An error is a reply like any other, and belongs to whoever caused it.
                let wrong = redis.query::<Value>(Cmd::new("LPUSH").key("text").arg(&key)).timeout(timeout);
                let Some(wrong) = self.maybe_dropped(dice, wrong).await else { return };
                match wrong {
                    Err(Error::Server { error, .. }) => assert_eq!(error.code(), "WRONGTYPE", "a wrong reply"),
                    other => drop(self.check_outcome("lpush", other).map(|value| panic!("a wrong reply: {value:?}"))),
                }
            }
            90..93 => self.get_many(dice).await,
            93..97 => self.pipeline(dice, &key).await,
            _ => self.transaction(dice, &key).await,
        }
    }

    async fn increment(&self, dice: &mut Rng, number: usize, timeout: Duration) {
        let delta = dice.u64(1..10);
        let sum = self.redis.incr_by(format!("count-{number}"), delta as i64).timeout(timeout);
        let maybe = || self.maybe_added[number].fetch_add(delta, Ordering::SeqCst);
        match self.maybe_dropped(dice, sum).await {
            None => drop(maybe()),
            Some(Err(error)) => {
                if error.outcome() == Outcome::Unknown {
                    maybe();
                }
                self.check_outcome("incr", Err::<(), _>(error));
            }
            Some(Ok(_)) => {
                count(&self.counts.answered);
                self.added[number].fetch_add(delta, Ordering::SeqCst);
            }
        }
    }

    async fn get_many(&self, dice: &mut Rng) {
        let keys: Vec<_> = (0..dice.usize(1..12)).map(|_| format!("key-{}", dice.usize(..KEYS))).collect();
        let Some(many) = self.maybe_dropped(dice, self.redis.mget(&keys)).await else { return };
        for (key, outcome) in keys.iter().zip(many) {
            if let Some(Some(value)) = self.check_outcome("mget", outcome) {
                self.check(key, &value);
            }
        }
    }

    async fn pipeline(&self, dice: &mut Rng, key: &str) {
        let other = format!("key-{}", dice.usize(..KEYS));
        let set = Cmd::new("SET").key(key).arg(self.value(dice, key));
        let cmds = [set, Cmd::new("GET").key(key), Cmd::new("INCR").key("text"), Cmd::new("GET").key(&other)];
        let Some(many) = self.maybe_dropped(dice, self.redis.pipeline(cmds).into_future()).await else { return };
        assert!(many[2].is_err(), "a wrong reply");
        for (place, of) in [(1, key), (3, &other)] {
            let value = self.check_outcome("pipeline", many[place].clone());
            if let Some(value) = value.as_ref().and_then(Value::as_bytes) {
                self.check(of, value);
            }
        }
    }

    /// What is set in a transaction is what is got in it.
    async fn transaction(&self, dice: &mut Rng, key: &str) {
        let value = self.value(dice, key);
        let cmds = [Cmd::new("SET").key(key).arg(&value), Cmd::new("GET").key(key)];
        let Some(both) = self.maybe_dropped(dice, self.redis.transaction(cmds).into_future()).await else { return };
        let Some(both) = self.check_outcome("transaction", both) else { return };
        assert_eq!(both[1].as_ref().unwrap().as_bytes(), Some(value.as_bytes()), "a wrong reply");
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
            let sum: u64 = self.redis.get_as::<Option<u64>>(&key).await.unwrap().unwrap_or_default();
            let [added, maybe] = [&self.added, &self.maybe_added].map(|sums| sums[number].load(Ordering::SeqCst));
            assert!((added..=added + maybe).contains(&sum), "{key}: {added} <= {sum} <= {added} + {maybe}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_commands_have_no_wrong_reply() {
    let seed = from_environment("MEMLINK_SEED").unwrap_or_else(|| fastrand::u64(..));
    let usual = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let operations = from_environment("MEMLINK_OPERATIONS").unwrap_or(usual);
    println!("MEMLINK_SEED={seed} MEMLINK_OPERATIONS={operations}");
    let server = RedisServer::start();
    let world = Arc::new(World::new(server.client().await));
    world.redis.set("text", "a text").await.unwrap();
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
    until("nothing is in flight", || world.redis.stats(0).in_flight == 0).await;
    let stats = world.redis.stats(0);
    let rate = operations as f64 / elapsed.as_secs_f64();
    println!("{operations} commands in {elapsed:?}, {rate:.0}/s, wrong replies 0, {:?}", world.counts);
    println!("{stats:?}");
    assert_eq!(stats.started, stats.replied + stats.failed + stats.cancelled);
    assert_eq!((stats.opened, stats.in_flight, stats.waiting, stats.abandoned_now), (1, 0, 0, 0));
    assert!(stats.cancelled > 0, "nothing was dropped");
}
