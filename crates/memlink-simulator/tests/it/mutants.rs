//! The tests of the tests: bugs that others have had, each found by the same histories that find none here.

use std::panic;

use memlink_simulator::{Mutant, Plan, run, run_mutant};

/// Histories in which each must be found.
const HISTORIES_MAX: u64 = 10_000;

#[test]
fn twelve_historical_bugs_are_found() {
    // A bug may well be found by an assertion of the engine: that need not be told at length.
    panic::set_hook(Box::new(|_| {}));
    let mut found = 0;
    for mutant in Mutant::ALL {
        let hit = (0..HISTORIES_MAX).find_map(|seed| Some((seed, run_mutant(&Plan::new(seed), mutant).err()?)));
        let Some((seed, violation)) = hit else {
            println!("{mutant:<40} not found");
            continue;
        };
        let what: String = violation.what.chars().take(90).collect();
        println!(
            "{mutant:<40} {:>5} histories   {:<10} {}",
            seed + 1,
            violation.promise,
            what.lines().next().unwrap_or("")
        );
        assert!(run(&Plan::new(seed)).is_ok(), "without the bug nothing is found");
        found += 1;
    }
    let _ = panic::take_hook();
    println!("{found} of {} mutants found", Mutant::ALL.len());
    assert_eq!(found, Mutant::ALL.len());
}
