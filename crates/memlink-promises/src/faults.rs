//! P1, P3: every kind of fault, many callers of every verb, and an account of every command.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use memlink::{Client, Limits, Settings};
use memlink_testserver::{Fault, TestServer};

use crate::account::Account;
use crate::setting::{client_of, imbalance, say, until};
use crate::{Checked, Failure, Report, Size};

mod caller;

use caller::{Caller, KEPT, kept_key, kept_value};

const SERVERS: u64 = 4;

const CALLERS: u64 = 128;

/// To each server: with few commands on each, a fault costs few others their replies.
const LINKS: usize = 8;

/// Which part of the commands is struck: a little more than is asked for.
const RATE: f64 = 0.012;

/// What all callers share.
struct World {
    client: Client,
    account: Arc<Account>,
    /// Operations that are still to be begun.
    left: AtomicU64,
    failed: AtomicU64,
    unknown: AtomicU64,
}

pub(crate) async fn run(size: Size) -> Checked {
    let operations = size.of(5_000_000);
    let account = Arc::new(Account::new());
    let mut servers = Vec::new();
    for seed in 0..SERVERS {
        let noted = Arc::clone(&account);
        let builder = TestServer::builder().seed(seed).memory_mb(1024);
        servers.push(builder.on_command(move |executed| noted.note(executed)).start().await?);
    }
    let client = client_of(&servers.iter().collect::<Vec<_>>(), settings()).await?;
    for key in (0..KEPT).map(kept_key) {
        let value = kept_value(&key);
        client.set(&key, value).await?;
        account.settle(&key, crate::account::End::Replied);
    }
    for server in &servers {
        server.faults().set(Fault::mix(RATE));
    }
    let world = Arc::new(World {
        client: client.clone(),
        account: Arc::clone(&account),
        left: AtomicU64::new(operations),
        failed: AtomicU64::new(0),
        unknown: AtomicU64::new(0),
    });
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| tokio::spawn(Caller::new(Arc::clone(&world), number, Rng::with_seed(number)).run()))
        .collect();
    let watching = tokio::spawn(watch(Arc::clone(&world), operations));
    for caller in callers {
        caller.await?;
    }
    watching.abort();
    end(&world, &servers, operations, size).await
}

/// Faults are to hit commands: a server that fails so often would be dialled ever more seldom, and suspended.
fn settings() -> Settings {
    let limits = Limits {
        stall_timeout: Duration::from_millis(150),
        opening_timeout: Duration::from_millis(150),
        ..Limits::default()
    };
    let settings = Settings::default().connections_per_server(LINKS).limits(limits).timeout(Duration::from_millis(500));
    let settings = settings.backoff(Duration::from_millis(1), Duration::from_millis(10));
    settings.suspend_after(u32::MAX, Duration::from_secs(60)).dial_timeout(Duration::from_millis(500))
}

async fn watch(world: Arc<World>, operations: u64) {
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let done = operations - world.left.load(Ordering::Relaxed);
        say("faults", &format!("{done} of {operations} operations"));
    }
}

/// Without faults everything is well again, and every command is accounted for.
async fn end(world: &World, servers: &[TestServer], operations: u64, size: Size) -> Checked {
    let injected = servers.iter().map(|server| server.faults().injected()).sum();
    let kinds = servers.iter().flat_map(|server| server.faults().handles());
    let kinds = kinds.filter(|handle| handle.injected() > 0).map(|handle| handle.fault().to_string());
    let kinds = kinds.collect::<std::collections::HashSet<_>>().len() as u64;
    servers.iter().for_each(|server| server.faults().clear());
    let client = &world.client;
    well_again(client).await?;
    client.close(Duration::from_secs(5)).await;
    let open = || servers.iter().map(|server| server.stats().connections_open).sum::<u64>();
    until("the servers have read everything", || open() == 0).await?;
    world.account.close();

    let all = world.account.complaints();
    let mut report = Report::default();
    report.injected("faults", injected, operations / 100);
    report.injected("kinds of faults", kinds, size.pick(22, 15));
    report.injected("failed operations", world.failed.load(Ordering::Relaxed), 1);
    report.injected("of them unknown", world.unknown.load(Ordering::Relaxed), 1);
    let opened = client.stats().servers.iter().map(|server| server.counters.opened).sum();
    report.injected("connections", opened, size.of(5_000));
    report.reached = format!(
        "{operations} operations: wrong replies {}, false not sent {}, false misses {}, ran twice {}, answered and not run {}",
        all.wrong_replies, all.false_not_sent, all.false_misses, all.ran_twice, all.lost_writes,
    );
    all.words.iter().for_each(|words| report.must(false, || words.clone()));
    let left = imbalance(client);
    report.must(left == 0, || format!("{left} commands are not accounted for"));
    Ok(report)
}

async fn well_again(client: &Client) -> Result<(), Failure> {
    for key in (0..KEPT).map(kept_key) {
        let mut attempts = 0;
        // One connection may be lost that nobody has noticed yet, for each link.
        while client.get(&key).await.is_err() {
            attempts += 1;
            if attempts > 1_000 {
                return Err("without faults requests go on to fail".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}
