//! P6: calls against servers that are stopped, trickle their replies or read nothing, and bare timers beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use memlink::{Client, ErrorKind, Limits, Settings, TcpOptions};
use memlink_processes::Memcached;
use memlink_testserver::{Fault, TestServer};

use crate::setting::{builder_of, builder_of_real, imbalance, patient, until};
use crate::spread::Spread;
use crate::{Checked, Failure, Report, Size};

/// Callers of each kind of server.
const CALLERS: u64 = 64;

const NOTHING_READ: &str = "nothing read";

/// How much later than a bare timer's worst.
const BOUND: Duration = Duration::from_millis(50);

/// Connections are to stay however long nothing comes, and little goes: then calls wait for room, for the write and for the reply.
fn settings() -> Settings {
    let hour = Duration::from_secs(3600);
    let limits = Limits {
        stall_timeout: hour,
        abandoned_max: usize::MAX,
        abandoned_age_max: hour,
        in_flight_max: 4_000,
        ..Limits::default()
    };
    let tcp = TcpOptions { send_buffer: Some(4096), ..TcpOptions::default() };
    patient().limits(limits).tcp(tcp)
}

pub(crate) async fn run(size: Size) -> Checked {
    let calls = size.of(50_000);
    let memcached = Memcached::start(&["-t", "1"])?;
    let stopped = builder_of_real(&memcached, settings())?.connect().await?;
    let frozen = TestServer::builder().fault(Fault::freeze().key_prefix("k")).start().await?;
    let trickle = Fault::trickle(1, Duration::from_millis(5)).key_prefix("k");
    let trickling = TestServer::builder().fault(trickle).start().await?;
    let blocked =
        TestServer::builder().socket_buffers(4096).fault(Fault::stop_reading().key_prefix("k")).start().await?;
    let mut clients = vec![("a stopped memcached", stopped.clone())];
    for (name, server) in [("a frozen connection", &frozen), ("a trickle", &trickling), (NOTHING_READ, &blocked)] {
        clients.push((name, builder_of(&[server], settings())?.connect().await?));
    }
    memcached.freeze()?;

    let left = Arc::new(AtomicU64::new(calls));
    let mut callers = Vec::new();
    for (kind, (name, client)) in clients.iter().enumerate() {
        callers.extend((0..CALLERS).map(|number| {
            let seed = number + kind as u64 * CALLERS;
            let sets = if *name == NOTHING_READ { 5 } else { 0 };
            tokio::spawn(call(client.clone(), Arc::clone(&left), seed, sets))
        }));
    }
    let mut seen: Vec<_> = clients.iter().map(|_| Seen::default()).collect();
    for (caller, number) in callers.into_iter().zip(0..) {
        seen[(number / CALLERS) as usize].extend(caller.await?);
    }

    let mut report = Report::default();
    report.injected("frozen connections", frozen.faults().injected(), 1);
    report.injected("replies trickled", trickling.faults().injected(), 1);
    report.injected("connections not read", blocked.faults().injected(), 1);
    let mut all = Seen::default();
    let mut words = Vec::new();
    for ((name, client), seen) in clients.iter().zip(seen) {
        words.push(format!("{name}: p99.9 {:.2?}, worst {:.2?}", seen.overrun.part(0.999), seen.overrun.worst()));
        report.must(seen.late > 0, || format!("{name}: no call was late"));
        let counters = client.stats().servers[0].counters;
        report.must(counters.opened == 1, || format!("{name}: {counters:?}"));
        all.extend(seen);
    }
    for server in [&frozen, &trickling, &blocked] {
        server.faults().clear();
    }
    let left = close(clients).await?;
    report.must(left == 0, || format!("{left} commands are not accounted for"));
    report.injected("calls past their deadline", all.late, calls / 4);
    report.injected("of them not sent", all.not_sent, calls / 100);
    report.injected("of them unknown", all.late - all.not_sent, calls / 100);
    report.reached = format!(
        "{} calls, overrun {} ({}); bare timers: {}",
        all.overrun.len(),
        all.overrun,
        words.join("; "),
        all.bare
    );
    report.must(all.overrun.len() as u64 == calls, || "calls are missing".to_owned());
    let most = all.bare.worst() + BOUND;
    report.bound(all.overrun.worst() <= most, || format!("{:?} is more than {most:?}", all.overrun.worst()));
    Ok(report)
}

async fn close(clients: Vec<(&str, Client)>) -> Result<u64, Failure> {
    let mut left = 0;
    for (_, client) in clients {
        client.close(Duration::from_millis(100)).await;
        until("everything has ended", || imbalance(&client) == 0).await?;
        left += imbalance(&client);
    }
    Ok(left)
}

#[derive(Debug, Default)]
struct Seen {
    overrun: Spread,
    bare: Spread,
    late: u64,
    not_sent: u64,
}

impl Seen {
    fn extend(&mut self, other: Seen) {
        self.overrun.extend(other.overrun);
        self.bare.extend(other.bare);
        self.late += other.late;
        self.not_sent += other.not_sent;
    }
}

/// Calls, each of them beside a timer of the same time; of ten so many are sets of what fills all buffers.
async fn call(client: Client, left: Arc<AtomicU64>, seed: u64, sets: u32) -> Seen {
    let mut dice = Rng::with_seed(seed);
    let mut seen = Seen::default();
    let value = bytes::Bytes::from(vec![b'x'; 20_000]);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let time = Duration::from_micros(dice.u64(1_000..50_000));
        let key = format!("k-{}", dice.u32(..1_000));
        let begun = Instant::now();
        let timer = async {
            tokio::time::sleep(time).await;
            begun.elapsed()
        };
        let asked = async {
            let error = match dice.u32(..10) {
                n if n < sets => client.set(&key, value.clone()).timeout(time).await.err(),
                0..8 => client.get(&key).timeout(time).await.err(),
                _ => {
                    let keys = (0..10).map(|n| format!("{key}-{n}"));
                    client.get_many(keys).timeout(time).await.into_vec().into_iter().find_map(Result::err)
                }
            };
            (error, begun.elapsed())
        };
        let ((error, took), timer) = futures_util::future::join(asked, timer).await;
        seen.overrun.note(took.saturating_sub(time));
        seen.bare.note(timer.saturating_sub(time));
        if let Some(error) = error.filter(|error| error.kind() == ErrorKind::Deadline) {
            seen.late += 1;
            seen.not_sent += u64::from(error.outcome() == memlink::Outcome::NotSent);
        }
    }
    seen
}
