//! Measures memlink against a memcached of its own: `cargo run --release --manifest-path bench/Cargo.toml`.
//!
//! The server runs on core 0 with one thread, the client on core 1 (where the system has `taskset`). Each figure is a median of
//! interleaved repetitions. CPU time comes from the kernel's accounts of this process, system calls from `perf` where it is
//! installed and allowed, allocations from a counting allocator in the repetition that is not timed.

mod allocations;
mod server;
mod usage;

use std::time::{Duration, Instant};

use memlink::{Client, Server, Settings};
use server::Memcached;
use tokio::runtime::{Builder, Runtime};
use usage::Usage;

const CALLERS: usize = 64;
const VALUE_LEN: usize = 100;
const KEYS: usize = 10_000;
const REPETITIONS: usize = 5;
const WINDOW: Duration = Duration::from_millis(1_500);

/// A way to run the callers.
#[derive(Clone, Copy)]
struct Flavour {
    name: &'static str,
    workers: usize,
}

const FLAVOURS: [Flavour; 3] = [
    Flavour { name: "current_thread", workers: 0 },
    Flavour { name: "multi_thread, 1 worker", workers: 1 },
    Flavour { name: "multi_thread, 2 workers", workers: 2 },
];

fn main() {
    // With two workers the second needs a core to run on: it shares the server's.
    if std::env::var_os("MEMLINK_BENCH_PINNED").is_none() && server::rerun_pinned() {
        return;
    }
    let memcached = Memcached::start();
    let mut rows: Vec<Vec<Row>> = FLAVOURS.iter().map(|_| Vec::new()).collect();
    for _ in 0..REPETITIONS {
        for (flavour, rows) in FLAVOURS.iter().zip(&mut rows) {
            rows.push(measure(*flavour, &memcached, Counting::Time));
        }
    }
    println!("gets of {VALUE_LEN} bytes, {CALLERS} callers, one connection, memcached -t 1 ({})", memcached.version());
    println!(
        "{:<24} {:>10} {:>8} {:>8} {:>8} {:>12} {:>10}",
        "runtime", "ops/s", "CPU us", "user", "system", "syscalls/op", "allocs/op"
    );
    for (flavour, rows) in FLAVOURS.iter().zip(&rows) {
        let calls = measure(*flavour, &memcached, Counting::SystemCalls);
        let allocations = measure(*flavour, &memcached, Counting::Allocations);
        println!(
            "{:<24} {:>10.0} {:>8.2} {:>8.2} {:>8.2} {:>12} {:>10.2}",
            flavour.name,
            median(rows, |row| row.rate),
            median(rows, |row| row.user + row.system),
            median(rows, |row| row.user),
            median(rows, |row| row.system),
            calls.calls.map_or("-".to_owned(), |calls| format!("{calls:.3}")),
            allocations.allocations,
        );
    }
}

/// What a repetition counts besides operations: each disturbs the others.
#[derive(Clone, Copy, PartialEq)]
enum Counting {
    Time,
    SystemCalls,
    Allocations,
}

struct Row {
    rate: f64,
    /// Microseconds of the client's CPU for each operation.
    user: f64,
    system: f64,
    calls: Option<f64>,
    allocations: f64,
}

fn median(rows: &[Row], read: impl Fn(&Row) -> f64) -> f64 {
    let mut values: Vec<f64> = rows.iter().map(read).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn runtime(flavour: Flavour) -> Runtime {
    match flavour.workers {
        0 => Builder::new_current_thread().enable_all().build(),
        workers => Builder::new_multi_thread().worker_threads(workers).enable_all().build(),
    }
    .expect("a runtime can be made")
}

fn measure(flavour: Flavour, memcached: &Memcached, counting: Counting) -> Row {
    server::pin_to(if flavour.workers > 1 { "0,1" } else { "1" });
    let runtime = runtime(flavour);
    runtime.block_on(async {
        let server = Server::tcp(&memcached.address()).expect("the address is right");
        let cache = Client::builder().server(server).settings(Settings::default()).build().expect("the client builds");
        for key in 0..KEYS {
            cache.set(key_of(key), vec![b'v'; VALUE_LEN]).await.expect("the value is stored");
        }
        run_for(&cache, Duration::from_millis(200)).await;
        let allocated = allocations::count();
        let tracer = (counting == Counting::SystemCalls).then(|| usage::trace_system_calls(WINDOW));
        let (before, began) = (Usage::now(), Instant::now());
        let operations = run_for(&cache, WINDOW).await as f64;
        let (elapsed, spent) = (began.elapsed(), Usage::now() - before);
        Row {
            rate: operations / elapsed.as_secs_f64(),
            user: spent.user.as_secs_f64() * 1e6 / operations,
            system: spent.system.as_secs_f64() * 1e6 / operations,
            calls: tracer.and_then(|tracer| tracer()).map(|calls| calls / operations),
            allocations: (allocations::count() - allocated) as f64 / operations,
        }
    })
}

fn key_of(number: usize) -> String {
    format!("key:{number:010}")
}

/// Keeps all callers busy for that long; every caller is a task of its own, as in a real program.
async fn run_for(cache: &Client, window: Duration) -> u64 {
    let ends = Instant::now() + window;
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let cache = cache.clone();
            tokio::spawn(async move {
                let (mut operations, mut key) = (0_u64, caller * 131);
                while operations % 64 != 0 || Instant::now() < ends {
                    key = (key * 31 + 7) % KEYS;
                    let mut text = *b"key:0000000000";
                    let mut rest = key;
                    for digit in text.iter_mut().rev().take(10) {
                        *digit = b'0' + (rest % 10) as u8;
                        rest /= 10;
                    }
                    let value = cache.get(text).await.expect("the server answers").expect("the key is there");
                    assert_eq!(value.len(), VALUE_LEN);
                    operations += 1;
                }
                operations
            })
        })
        .collect();
    let mut operations = 0;
    for caller in callers {
        operations += caller.await.expect("the caller does not panic");
    }
    operations
}
