//! Thousands of histories, each with its own seed.
//!
//! `SIMULATOR_SEEDS` sets how many are lived through, `SIMULATOR_FIRST` which is the first, `SIMULATOR_SEED` replays one.

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use memlink_simulator::{FAULTS_MIN, Plan, Report, Violation, run, shrink};

/// In every run of the tests.
const HISTORIES: u64 = 20_000;

/// Runs that are spent on making a failing history smaller.
const SHRINKS_MAX: usize = 2_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Which code it was, for whoever reads the log of a machine.
fn commit() -> String {
    let git = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output();
    git.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn tell(seed: u64, violation: &Violation) -> String {
    let plan = Plan::new(seed);
    let small = shrink(&plan, violation.promise, SHRINKS_MAX);
    let steps: String = small.steps.iter().map(|step| format!("{:>12} {:?}\n", step.at, step.what)).collect();
    let how = "cargo test -p memlink-simulator --test it histories -- --nocapture";
    format!(
        "{violation}\n{} of {} steps are enough: {:?}\n{steps}at commit {}; replay with SIMULATOR_SEED={seed} {how}",
        small.steps.len(),
        plan.steps.len(),
        run(&small),
        commit(),
    )
}

/// Lives through `count` histories on as many threads as there are processors, and adds up what happened.
fn live(first: u64, count: u64) -> Report {
    let (next, end) = (AtomicU64::new(first), first + count);
    let work = || {
        let mut sum = Report::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return sum;
            }
            match run(&Plan::new(seed)) {
                Ok(report) => sum.add(&report),
                Err(violation) => panic!("{}", tell(seed, &violation)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let mut sum = Report::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            sum.add(&worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    sum
}

#[test]
fn no_history_breaks_a_promise() {
    let (first, count) = match number("SIMULATOR_SEED") {
        Some(seed) => (seed, 1),
        None => (number("SIMULATOR_FIRST").unwrap_or(0), number("SIMULATOR_SEEDS").unwrap_or(HISTORIES)),
    };
    let began = Instant::now();
    let sum = live(first, count);
    let took = began.elapsed().as_secs_f64();
    println!("{sum}\nwrong replies 0, false not-sents 0, false misses 0 · {:.0} histories/s", count as f64 / took);
    // One in a hundred thousand has too few faults to be called a history.
    assert!(sum.histories + count / 10_000 >= count, "{sum}");
    assert!(sum.injected.total() >= count * FAULTS_MIN);
    if count >= 1_000 {
        // Each kind of fault happens, and so does each kind of ending.
        assert!(sum.injected.least() > count / 10, "{}", sum.injected);
        assert!(sum.replied.min(sum.not_sent).min(sum.unknown).min(sum.left) > count, "{sum}");
        // And so does whatever the client's policies decide.
        assert!(sum.left_alone.min(sum.resumed).min(sum.let_go).min(sum.moved) > count / 20, "{sum}");
        assert!(sum.undecided * 1_000 < sum.keys, "{sum}");
    }
}

#[test]
fn a_seed_decides_everything() {
    for seed in [3, 1_000_003] {
        let reports: Vec<Report> = (0..2).map(|_| run(&Plan::new(seed)).expect("it passes")).collect();
        assert_eq!(reports[0], reports[1]);
    }
}
