//! Says when requests are due.

use std::time::{Duration, Instant};

/// Requests that are due: their numbers, counted from the first ever.
#[derive(Clone, Copy)]
pub struct Due {
    pub from: u64,
    pub to: u64,
}

/// A steady rate from a moment on.
#[derive(Clone, Copy)]
pub struct Pace {
    began: Instant,
    nanos_each: f64,
}

/// How often the pacer looks at the clock: what it adds to latency is at most this, for everybody alike.
const TICK: Duration = Duration::from_micros(200);

impl Pace {
    pub fn new(rate: f64) -> Pace {
        Pace { began: Instant::now(), nanos_each: 1e9 / rate }
    }

    /// When this request is due.
    pub fn due_at(&self, number: u64) -> Instant {
        self.began + Duration::from_nanos((number as f64 * self.nanos_each) as u64)
    }

    /// Runs for a while in the calling thread and hands over what is due, tick by tick.
    pub fn run(&self, window: Duration, mut hand_over: impl FnMut(Due)) {
        let mut from = 0;
        let mut next = Instant::now();
        while self.began.elapsed() < window {
            let to = (self.began.elapsed().as_nanos() as f64 / self.nanos_each) as u64;
            if to > from {
                hand_over(Due { from, to });
                from = to;
            }
            next += TICK;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}
