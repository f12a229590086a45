//! Thousands of histories, each with its own seed.
//!
//! `SIMULATOR_SEEDS` sets how many are lived through, `SIMULATOR_FIRST` which is the first, `SIMULATOR_SEED` replays one.

use memlink_simulator::{Plan, Report, run, shrink};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_histories() {
    let first = number("SIMULATOR_SEED").or(number("SIMULATOR_FIRST")).unwrap_or(0);
    let count = if number("SIMULATOR_SEED").is_some() { 1 } else { number("SIMULATOR_SEEDS").unwrap_or(1_000) };
    let mut sum = Report::default();
    let began = std::time::Instant::now();
    for seed in first..first + count {
        let plan = Plan::new(seed);
        match run(&plan) {
            Ok(report) => sum.add(&report),
            Err(violation) => {
                let small = shrink(&plan, violation.promise, 3_000);
                for step in &small.steps {
                    eprintln!("{:>12} {:?}", step.at, step.what);
                }
                panic!("{violation}\nafter {} histories; shrunk: {:?}\nreplay with SIMULATOR_SEED={seed}", seed - first, run(&small));
            }
        }
    }
    println!("{sum}\n{:?} {} events", began.elapsed(), sum.events);
}
