//! What becomes of requests while servers die, freeze, move, come and go: the figures of `docs/fleet.md`.
//!
//! ```text
//! cargo run --release --manifest-path bench/Cargo.toml --bin fleet [-- outage dials stale moves] [--quick]
//! ```

mod addresses;
mod dials;
mod load;
mod outage;
mod server;
mod stale;

use std::process::ExitCode;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

const SCENES: [&str; 4] = ["outage", "dials", "stale", "moves"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_quick = words.iter().any(|word| word == "--quick");
    let named: Vec<&String> = words.iter().filter(|word| *word != "--quick").collect();
    if let Some(unknown) = named.iter().find(|word| !SCENES.contains(&word.as_str())) {
        eprintln!("{unknown:?} is unknown; there are {}, and --quick", SCENES.join(", "));
        return ExitCode::FAILURE;
    }
    keep_to_core(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    println!("memcached on core 0, memlink on core 1, multi-thread runtime with one worker");
    for scene in SCENES {
        if !named.is_empty() && !named.iter().any(|word| *word == scene) {
            continue;
        }
        // Callers run on the worker, as a program's tasks do.
        let task = match scene {
            "outage" => runtime.spawn(outage::run(is_quick)),
            "dials" => runtime.spawn(dials::run()),
            "stale" => runtime.spawn(stale::run(is_quick)),
            _ => runtime.spawn(addresses::run(is_quick)),
        };
        runtime.block_on(task).expect("the scene ends");
    }
    ExitCode::SUCCESS
}

/// Where there are several.
fn keep_to_core(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() && sched_setaffinity(Pid::from_raw(0), &cores).is_err() {
        eprintln!("there is no core {core}: servers and client share what there is");
    }
}

/// The middle one.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
