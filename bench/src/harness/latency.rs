//! How long each operation took.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Microseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Percentiles {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// A few for all threads: one for each of a runtime's workers, while hundreds of blocking threads share them and cost little memory.
static HISTOGRAMS: LazyLock<Vec<Arc<Mutex<Histogram<u32>>>>> =
    LazyLock::new(|| (0..8).map(|_| Arc::new(Mutex::new(empty()))).collect());

static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: Arc<Mutex<Histogram<u32>>> = {
        let thread = THREADS.fetch_add(1, Ordering::Relaxed);
        HISTOGRAMS[thread % HISTOGRAMS.len()].clone()
    };
}

/// One percent of resolution, from nanoseconds to a minute.
fn empty() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000_000, 2).expect("the bounds are sound")
}

#[inline]
pub fn record(took: Duration) {
    let nanos = took.as_nanos() as u64;
    OWN.with(|own| own.lock().expect("recording does not panic").saturating_record(nanos));
}

/// Forgets what the warm-up took.
pub fn clear() {
    for histogram in HISTOGRAMS.iter() {
        histogram.lock().expect("recording does not panic").clear();
    }
}

/// Of everything that was recorded; `None` when nothing was.
pub fn percentiles() -> Option<Percentiles> {
    let mut all = empty();
    for histogram in HISTOGRAMS.iter() {
        all.add(&*histogram.lock().expect("recording does not panic")).expect("the bounds are the same");
    }
    let at = |quantile| all.value_at_quantile(quantile) as f64 / 1e3;
    (!all.is_empty()).then(|| Percentiles { p50: at(0.5), p99: at(0.99), p999: at(0.999) })
}
