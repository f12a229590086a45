//! What the inputs of a target have cost so far.

use std::fmt;
use std::time::{Duration, Instant};

use crate::memory;

/// Time and memory of the most expensive inputs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Of the slowest input.
    pub slowest: Duration,
    /// Its length in bytes.
    pub slowest_len: usize,
    /// The largest share of the memory that is allowed.
    pub memory: f64,
}

/// An input that takes less is not looked at twice: that is the machine's own noise.
const SLOW_MIN: Duration = Duration::from_micros(20);

impl Cost {
    /// Runs a target, and says whether it has cost more than ever before.
    pub fn run(&mut self, target: fn(&[u8]), input: &[u8]) -> bool {
        let timed = || {
            let began = Instant::now();
            target(input);
            began.elapsed()
        };
        let first = timed();
        let mut is_more = false;
        if first > self.slowest.max(SLOW_MIN) {
            // Whatever else runs on the machine makes anything slow at times; an input that is slow is so every time.
            let least = (0..5).map(|_| timed()).min().unwrap_or(first).min(first);
            if least > self.slowest {
                (self.slowest, self.slowest_len, is_more) = (least, input.len(), true);
            }
        }
        if memory::worst_share() > self.memory + 0.001 {
            (self.memory, is_more) = (memory::worst_share(), true);
        }
        is_more
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { slowest, slowest_len, memory } = self;
        write!(
            f,
            "slowest {} us for {slowest_len} bytes, memory {:.0} % of what is allowed",
            slowest.as_micros(),
            memory * 100.0
        )
    }
}
