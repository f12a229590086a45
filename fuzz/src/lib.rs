//! Runs a target under libFuzzer, and says what it has cost so far.

use std::cell::Cell;
use std::time::{Duration, Instant};

use memlink_fuzz::memory;

/// An input that takes less is not worth a line: it is the machine's own noise.
const SLOW_MIN: Duration = Duration::from_micros(50);

thread_local! {
    static SLOWEST: Cell<Duration> = const { Cell::new(SLOW_MIN) };
    static MEMORY: Cell<f64> = const { Cell::new(0.0) };
}

/// Runs a target, and prints what is more than ever before: time for an input, and the share of the memory that is allowed.
///
/// It is given the function and not its name, so that a binary holds one target and libFuzzer looks at no other's counters.
pub fn run(target: fn(&[u8]), input: &[u8]) {
    let timed = || {
        let began = Instant::now();
        target(input);
        began.elapsed()
    };
    let first = timed();
    if first > SLOWEST.get() {
        // Whatever else runs on the machine makes anything slow at times; an input that is slow is so every time.
        let least = (0..4).map(|_| timed()).min().unwrap_or(first).min(first);
        if least > SLOWEST.get() {
            SLOWEST.set(least);
            eprintln!("slowest: {} us for {} bytes", least.as_micros(), input.len());
        }
    }
    let share = memory::worst_share();
    if share > MEMORY.get() + 0.001 {
        MEMORY.set(share);
        eprintln!("memory: {share:.3} of what is allowed");
    }
}
