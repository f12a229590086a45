//! A steady load, and how long each request took.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memlink::Client;
use tokio::task::JoinHandle;

/// What one server's keys have seen since it was last asked.
pub struct Seen {
    pub good: Histogram<u64>,
    pub bad: Histogram<u64>,
    /// Errors other than that the server is known to be down.
    pub other_errors: u64,
}

impl Default for Seen {
    fn default() -> Seen {
        let histogram = || Histogram::new(3).expect("a histogram of microseconds");
        Seen { good: histogram(), bad: histogram(), other_errors: 0 }
    }
}

pub struct Load {
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    stop: Arc<AtomicBool>,
    pub started: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

/// Between two wake-ups of one caller.
const TICK: Duration = Duration::from_millis(2);

impl Load {
    /// So many requests a second by this many tasks: nine gets to a set.
    pub fn start(client: &Client, a_second: u64, callers: u64) -> Load {
        let (seen, stop, started) = (Arc::default(), Arc::new(AtomicBool::new(false)), Arc::default());
        let each = a_second * TICK.as_millis() as u64 / 1_000 / callers;
        let tasks = (0..callers).map(|caller| {
            let (client, seen) = (client.clone(), Arc::clone(&seen));
            tokio::spawn(call(client, caller, each.max(1), seen, Arc::clone(&stop), Arc::clone(&started)))
        });
        Load { tasks: tasks.collect(), seen, stop, started }
    }

    /// What has been seen since the last time.
    pub fn take(&self) -> HashMap<String, Seen> {
        std::mem::take(&mut *self.seen.lock().expect("no caller panics"))
    }

    pub async fn end(self) -> HashMap<String, Seen> {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("no caller panics");
        }
        std::mem::take(&mut *self.seen.lock().expect("no caller panics"))
    }
}

async fn call(
    client: Client,
    caller: u64,
    each: u64,
    seen: Arc<Mutex<HashMap<String, Seen>>>,
    stop: Arc<AtomicBool>,
    started: Arc<AtomicU64>,
) {
    let mut ticks = tokio::time::interval(TICK);
    let mut number = caller * 1_000_003;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        for _ in 0..each {
            number += 1;
            started.fetch_add(1, Ordering::Relaxed);
            let key = format!("key-{}", number % 10_000);
            let server = client.server_of(&key).expect("a key");
            let begun = Instant::now();
            let error = match number % 10 {
                0 => client.set(&key, key.clone()).await.err(),
                _ => match client.get(&key).await {
                    Ok(got) => {
                        assert!(got.is_none_or(|got| got == *key), "a wrong reply");
                        None
                    }
                    Err(error) => Some(error),
                },
            };
            let took = begun.elapsed().as_micros() as u64;
            let mut seen = seen.lock().expect("no caller panics");
            let seen = seen.entry(server).or_default();
            match error {
                None => seen.good.saturating_record(took),
                Some(error) => {
                    seen.other_errors += u64::from(error.kind() != memlink::ErrorKind::ServerDown);
                    seen.bad.saturating_record(took);
                }
            }
        }
    }
}
