//! P16: clients that are opened and closed in every state, and nothing of them stays.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use memlink::generic::{ConnectFuture, Connector};
use memlink::{Address, Client, ErrorKind, Outcome};
use memlink_processes::Memcached;
use memlink_testserver::{Fault, TestServer};

use crate::process::{descriptors, tasks, threads};
use crate::setting::{builder_of, builder_of_real, patient, say, until};
use crate::spread::Spread;
use crate::{Checked, Failure, Report, Size};

/// Cycles at the same time.
const WORKERS: u64 = 8;

const GRACE: Duration = Duration::from_millis(50);

/// Beyond the grace.
const BOUND: Duration = Duration::from_millis(100);

/// In which state a client is closed.
const KINDS: [&str; 9] = [
    "at rest",
    "twice at once",
    "by drop",
    "in mid-bulk",
    "by drop in mid-bulk",
    "while dialling",
    "by drop while dialling",
    "while opening",
    "while the server is silent",
];

/// A dial that never ends.
struct Never;

impl Connector for Never {
    fn connect(&self, _: &Address) -> ConnectFuture {
        Box::pin(std::future::pending())
    }
}

/// The servers of all cycles.
struct World {
    memcached: Memcached,
    /// Says nothing to keys that begin with `held`.
    held: TestServer,
    /// Accepts, and says nothing at all.
    mute: TestServer,
    left: AtomicU64,
}

pub(crate) async fn run(size: Size) -> Checked {
    let cycles = size.of(10_000);
    let world = Arc::new(World {
        memcached: Memcached::start(&["-t", "1"])?,
        held: TestServer::builder().fault(Fault::lose().key_prefix("held")).start().await?,
        mute: TestServer::builder().fault(Fault::silent_on_connect()).start().await?,
        left: AtomicU64::new(cycles),
    });
    let before = (descriptors()?, tasks(), threads()?);
    let workers: Vec<_> = (0..WORKERS).map(|_| tokio::spawn(work(Arc::clone(&world), cycles))).collect();
    let mut closes = Spread::default();
    let mut by_kind = [0; KINDS.len()];
    let mut interrupted = 0;
    for worker in workers {
        let did = worker.await??;
        closes.extend(did.closes);
        by_kind.iter_mut().zip(did.by_kind).for_each(|(sum, n)| *sum += n);
        interrupted += did.interrupted;
    }
    world.mute.faults().thaw();
    let now = || Ok::<_, Failure>((descriptors()?, tasks(), threads()?));
    // What does not come back is told below.
    let _ = until("all is as it was", || now().is_ok_and(|now| now == before)).await;
    let after = now()?;

    let mut report = Report::default();
    for (kind, count) in KINDS.into_iter().zip(by_kind) {
        report.injected(kind, count, cycles / KINDS.len() as u64);
    }
    report.injected("requests that were ended by it", interrupted, cycles / 20);
    report.injected("connections to the silent servers", served(&world), cycles / 20);
    report.reached = format!(
        "{cycles} cycles: descriptors, tasks, threads {before:?} before and {after:?} after; close with a grace of {GRACE:?}: {closes}"
    );
    report.must(before == after, || format!("{before:?} before, {after:?} after"));
    report.bound(closes.worst() <= GRACE + BOUND, || format!("a close took {:?}", closes.worst()));
    Ok(report)
}

fn served(world: &World) -> u64 {
    world.held.stats().connections_accepted + world.mute.faults().injected()
}

/// What one worker did.
#[derive(Default)]
struct Did {
    closes: Spread,
    by_kind: [u64; KINDS.len()],
    interrupted: u64,
}

async fn work(world: Arc<World>, cycles: u64) -> Result<Did, Failure> {
    let mut did = Did::default();
    let left = |left: u64| left.checked_sub(1);
    while let Ok(left) = world.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left) {
        let kind = left as usize % KINDS.len();
        cycle(&world, KINDS[kind], &mut did).await?;
        did.by_kind[kind] += 1;
        if left % 1_000 == 0 {
            say("cycles", &format!("{} of {cycles}", cycles - left));
        }
    }
    Ok(did)
}

async fn cycle(world: &World, kind: &str, did: &mut Did) -> Result<(), Failure> {
    let to_memcached = || builder_of_real(&world.memcached, patient());
    match kind {
        "at rest" | "twice at once" | "by drop" => {
            let client = to_memcached()?.connect().await?;
            client.set("k", "v").await?;
            match kind {
                "by drop" => drop(client),
                "at rest" => close(&client, did).await,
                _ => {
                    let other = client.clone();
                    futures_util::future::join(close(&client, did), other.close(GRACE)).await;
                }
            }
        }
        "in mid-bulk" | "by drop in mid-bulk" => {
            let client = to_memcached()?.connect().await?;
            let asked = client.clone();
            let mut bulk = Box::pin(async move {
                let keys: Vec<_> = (0..300).map(|n| format!("key-{n}")).collect();
                let set = asked.set_many(keys.iter().map(|key| (key, vec![b'x'; 1_000]))).await.all();
                set.and(asked.get_many(keys.iter()).await.all().map(drop))
            });
            did.interrupted += u64::from((&mut bulk).now_or_never().is_none());
            if kind == "in mid-bulk" {
                close(&client, did).await;
                judge(bulk.await)?;
            }
        }
        "while dialling" | "by drop while dialling" => {
            let client = builder_of(&[&world.held], patient().connector(Never))?.build()?;
            interrupt(client, "k", kind == "while dialling", did).await?;
        }
        "while opening" => {
            let client = builder_of(&[&world.mute], patient())?.build()?;
            interrupt(client, "k", true, did).await?;
            world.mute.faults().thaw();
        }
        _ => {
            let client = builder_of(&[&world.held], patient())?.connect().await?;
            interrupt(client, "held", true, did).await?;
        }
    }
    Ok(())
}

/// Closes or drops a client that has a request to wait for.
async fn interrupt(client: Client, key: &str, is_closed: bool, did: &mut Did) -> Result<(), Failure> {
    let mut get = pin!(client.get(key).into_future());
    did.interrupted += u64::from(get.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    if is_closed {
        close(&client, did).await;
        judge(get.await.map(drop))?;
    }
    Ok(())
}

async fn close(client: &Client, did: &mut Did) {
    let begun = Instant::now();
    client.close(GRACE).await;
    did.closes.note(begun.elapsed());
}

/// A request that was under way has its result, or is told that it has none because of the close.
fn judge(told: Result<(), memlink::Error>) -> Result<(), Failure> {
    match told {
        Err(error) if error.outcome() == Outcome::Answered => Err(error.into()),
        Err(error) if ![ErrorKind::Closed, ErrorKind::ConnectionLost].contains(&error.kind()) => Err(error.into()),
        _ => Ok(()),
    }
}
