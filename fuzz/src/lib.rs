//! Runs a target under libFuzzer, and says what it has cost so far.

use std::cell::Cell;

use memlink_fuzz::cost::Cost;

thread_local! {
    static COST: Cell<Cost> = Cell::default();
}

/// Runs a target, and prints its cost when it is more than ever before.
///
/// It is given the function and not its name, so that a binary holds one target and libFuzzer looks at no other's counters.
pub fn run(target: fn(&[u8]), input: &[u8]) {
    let mut cost = COST.get();
    if cost.run(target, input) {
        eprintln!("cost: {cost}");
        COST.set(cost);
    }
}
