//! The promises of memlink on real clocks and real servers: what a simulator cannot show. Each check counts what was injected; one
//! whose faults did not come about has shown nothing and counts as broken.
//!
//! ```text
//! cargo run --release -p memlink-promises -- [NAME...] [--quick] [--json]
//! ```
#![forbid(unsafe_code)]

mod account;
mod cycles;
mod deadlines;
mod drops;
mod faults;
mod idle;
mod increments;
mod late;
mod orders;
mod overload;
mod panics;
mod process;
mod report;
mod setting;
mod silent;
mod spread;

use std::pin::Pin;
use std::time::Instant;

pub use report::{Injected, Report};
pub use setting::Size;

/// One check: a promise, the figure asked for, and the way to it.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The promises of `docs/testing.md` that it is about.
    pub promise: &'static str,
    /// The figure asked for.
    pub asked: &'static str,
    run: fn(Size) -> Running,
}

/// A check that ends by itself, or could not be made at all.
type Checked = Result<Report, Failure>;

type Running = Pin<Box<dyn Future<Output = Checked> + Send>>;

/// Why a check could not be made: a server that does not start, a condition that never came.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// All of them, in the order in which they run.
pub const CHECKS: [Check; 11] = [
    Check {
        name: "faults",
        promise: "P1 P3",
        asked: "5,000,000 operations, 50,000 faults: wrong replies 0, false not sent 0, false misses 0",
        run: |size| Box::pin(faults::run(size)),
    },
    Check {
        name: "orders",
        promise: "P1 P3 P4",
        asked: "500,000 operations on a real memcached under faults: each key's answers have an order that explains them",
        run: |size| Box::pin(orders::run(size)),
    },
    Check {
        name: "panics",
        promise: "P2",
        asked: "1,000 drivers gone: every waiter awake within 10 ms, started = replied + failed + cancelled",
        run: |size| Box::pin(panics::run(size)),
    },
    Check {
        name: "increments",
        promise: "P4",
        asked: "100,000 increments, 1,000 lost replies, 1,000 lost requests: replied <= counter <= replied + unknown, none twice",
        run: |size| Box::pin(increments::run(size)),
    },
    Check {
        name: "drops",
        promise: "P5",
        asked: "1,000,000 requests dropped at random polls: neighbours harmed 0",
        run: |size| Box::pin(drops::run(size)),
    },
    Check {
        name: "deadlines",
        promise: "P6",
        asked: "50,000 calls: worst overrun at most 50 ms beyond that of a bare timer",
        run: |size| Box::pin(deadlines::run(size)),
    },
    Check {
        name: "late",
        promise: "P7",
        asked: "100,000 expired requests: lines written later than deadline + 10 ms: 0",
        run: |size| Box::pin(late::run(size)),
    },
    Check {
        name: "silent",
        promise: "P8",
        asked: "at 1, 10, 1,000 requests a second and one pending: replaced within stall_timeout + 250 ms",
        run: |size| Box::pin(silent::run(size)),
    },
    Check {
        name: "overload",
        promise: "P10",
        asked: "10 times 20,000/s for 60 s: memory +- 5 MiB, goodput 90 %, permits leaked 0, p99 back in 1 s",
        run: |size| Box::pin(overload::run(size)),
    },
    Check {
        name: "cycles",
        promise: "P16",
        asked: "10,000 cycles: descriptors, tasks, threads as at the start, longest close grace + 100 ms",
        run: |size| Box::pin(cycles::run(size)),
    },
    Check {
        name: "idle",
        promise: "P20",
        asked: "first request after 1,000 idle closes: failures 0; 1,000 stray lines: taken as replies 0",
        run: |size| Box::pin(idle::run(size)),
    },
];

impl Check {
    /// Runs it on a runtime of its own.
    pub fn run(&self, size: Size) -> Report {
        let begun = Instant::now();
        let mut report = self.attempt(size).unwrap_or_else(|failure| {
            let mut report = Report::default();
            report.must(false, || format!("it could not be made: {failure}"));
            report
        });
        report.took = begun.elapsed();
        report
    }

    fn attempt(&self, size: Size) -> Checked {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        // On a worker, as a program's tasks are.
        let checked = runtime.block_on(runtime.spawn((self.run)(size)));
        checked.map_err(|error| format!("it panicked: {error}"))?
    }
}
