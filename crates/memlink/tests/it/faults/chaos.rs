//! Everything at once, by chance: every kind of fault, many callers, and afterwards an account of every command.
//!
//! A failure names its seed; `FAULTS_SEED=7 cargo test -p memlink faults::chaos` begins with it, and `FAULTS_OPERATIONS` says how
//! many there are for each seed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::{Client, Counted, Error, Outcome, Settings};
use memlink_testserver::{Executed, Fault, TestServer};

use super::{WIDE, attended, told, value_of};

/// Callers at the same time.
const CALLERS: usize = 24;

/// Keys that are there all the time, and are only read.
const KEPT: usize = 50;

/// Which part of the commands is struck.
const RATE: f64 = 0.03;

/// How often each key that is written to was seen at the server, as long as its caller has not settled it.
#[derive(Default)]
struct Account {
    runs: Mutex<HashMap<Vec<u8>, u32>>,
    /// Keys whose callers were told that nothing is known.
    unknown: Mutex<HashSet<Vec<u8>>>,
}

impl Account {
    fn note(&self, executed: &Executed) {
        if let (Some(b"ms" | b"ma"), Some(key)) = (executed.verb(), executed.key()) {
            *self.runs.lock().unwrap().entry(key.to_vec()).or_default() += 1;
        }
    }

    /// Compares what a caller was told with what the server has done.
    fn settle(&self, key: &str, outcome: Option<Outcome>, seed: u64) {
        let runs = self.runs.lock().unwrap().remove(key.as_bytes()).unwrap_or_default();
        match outcome {
            None => assert_eq!(runs, 1, "seed {seed}: {key} was answered"),
            Some(Outcome::NotSent) => assert_eq!(runs, 0, "seed {seed}: {key} was not sent, and ran"),
            Some(Outcome::Unknown) => {
                assert!(runs <= 1, "seed {seed}: {key} ran {runs} times");
                if runs == 0 {
                    self.unknown.lock().unwrap().insert(key.as_bytes().to_vec());
                }
            }
            // The server has refused it, or did it and an error took the place of its reply.
            Some(Outcome::Answered) => assert!(runs <= 1, "seed {seed}: {key} ran {runs} times"),
        }
    }

    /// What ran after its caller was settled had better be told as unknown.
    fn close(&self, seed: u64) {
        let unknown = self.unknown.lock().unwrap();
        for (key, runs) in self.runs.lock().unwrap().iter() {
            let key_text = String::from_utf8_lossy(key);
            assert!(unknown.contains(key) && *runs == 1, "seed {seed}: {key_text} ran {runs} times, unexpected");
        }
    }
}

fn outcome_of<T>(result: &Result<T, Error>) -> Option<Outcome> {
    result.as_ref().err().map(Error::outcome)
}

async fn call(client: Client, account: Arc<Account>, caller: usize, operations: usize, seed: u64) {
    for n in 0..operations {
        let kept = format!("kept-{}", (n * 7 + caller) % KEPT);
        match told(client.get(&kept).await, &kept).as_str() {
            "miss" => panic!("seed {seed}: a false miss of {kept}"),
            told => assert!(!told.starts_with("Deadline NotSent "), "{told}"),
        }
        let key = format!("set-{caller}-{n}");
        let set = client.set(&key, value_of(&key)).await;
        account.settle(&key, outcome_of(&set), seed);
        if outcome_of(&set) == Some(Outcome::NotSent) {
            // A caller that goes on at once would spend its operations on a server that is known to be down.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let key = format!("count-{caller}-{n}");
        let counted: Result<Counted, Error> = client.increment(&key).initial(1).with_cas().await;
        account.settle(&key, outcome_of(&counted), seed);
        if let Ok(counted) = counted {
            assert_eq!(counted.value, Some(1), "seed {seed}: {key} was counted twice, or another's");
        }
        let keys: Vec<String> = (0..5).map(|index| format!("kept-{}", (n + index * 11) % KEPT)).collect();
        for (got, key) in client.get_many(keys.iter()).await.into_iter().zip(&keys) {
            assert_ne!(told(got, key), "miss", "seed {seed}: a false miss of {key}");
        }
    }
}

/// One run. Returns how many faults were injected.
async fn run(seed: u64, operations: usize) -> u64 {
    let account = Arc::new(Account::default());
    let noted = account.clone();
    let builder = TestServer::builder().seed(seed).on_command(move |executed| noted.note(executed));
    let server = Arc::new(builder.start().await.expect("starts"));
    // Faults are to hit commands: a server that fails so often would be dialled ever more seldom, and suspended.
    let settings = Settings::default().connections_per_server(2);
    let settings = settings.backoff(Duration::from_millis(5), Duration::from_millis(50));
    let settings = settings.suspend_after(u32::MAX, Duration::from_secs(60));
    let client = attended(std::slice::from_ref(&server), WIDE, settings).await;
    for key in (0..KEPT).map(|n| format!("kept-{n}")) {
        client.set(&key, value_of(&key)).await.expect("a set");
    }
    account.runs.lock().unwrap().clear();

    server.faults().set(Fault::mix(RATE));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let operations = operations / CALLERS / 4;
            tokio::spawn(call(client.clone(), account.clone(), caller, operations, seed))
        })
        .collect();
    for caller in callers {
        caller.await.expect("all is as it should be");
    }
    let injected = server.faults().injected();
    let kinds = server.faults().handles().iter().filter(|handle| handle.injected() > 0).count();
    server.faults().clear();

    crate::wait::until_async("all is well again", async || client.get("kept-0").await.is_ok()).await;
    account.close(seed);
    client.close(Duration::from_secs(1)).await;
    let counters = client.stats().servers[0].counters;
    assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled, "seed {seed}: {counters:?}");
    assert_eq!(counters.in_flight, 0, "seed {seed}: {counters:?}");
    println!(
        "seed {seed}: {operations} operations, {injected} faults of {kinds} kinds, {} connections, {} commands failed",
        counters.opened, counters.failed
    );
    injected
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_every_command_is_accounted_for() {
    let operations = number("FAULTS_OPERATIONS", 6_000) as usize;
    let first = number("FAULTS_SEED", 1);
    let mut injected = 0;
    for seed in first..first + number("FAULTS_SEEDS", 3) {
        injected += run(seed, operations).await;
    }
    assert!(injected > operations as u64 / 50, "only {injected} faults were injected");
}
