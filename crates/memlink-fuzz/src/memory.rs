//! How much memory something holds at once: an allocator that counts, for each thread by itself.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(BASE) };
    static PEAK: Cell<usize> = const { Cell::new(BASE) };
}

/// Memory that was taken before a measurement may be freed in it, so the count starts well above nothing.
const BASE: usize = 1 << 40;

fn note(freed: usize, taken: usize) {
    // While a thread ends its counters are gone before its last memory is.
    let _ = NOW.try_with(|now| {
        now.set(now.get().wrapping_sub(freed).wrapping_add(taken));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

// SAFETY: everything is passed on to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        note(layout.size(), len);
        unsafe { System.realloc(at, layout, len) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// A measurement that has begun.
#[derive(Debug)]
pub struct Measure(());

impl Measure {
    /// From now on. One at a time in a thread.
    #[must_use]
    pub fn begin() -> Measure {
        NOW.set(BASE);
        PEAK.set(BASE);
        Measure(())
    }

    /// The most bytes that were held at once since then, on top of those that were held before.
    #[must_use]
    pub fn peak(&self) -> usize {
        PEAK.get() - BASE
    }
}

thread_local! {
    static WORST: Cell<f64> = const { Cell::new(0.0) };
}

/// Asserts that no more than twice what was received and 64 KiB were held, and notes the share.
pub fn assert_bounded(measure: &Measure, received: usize, what: &str) {
    let (peak, allowed) = (measure.peak(), 2 * received + 64 * 1024);
    assert!(peak <= allowed, "{what}: {peak} bytes of memory for {received} received");
    WORST.set(WORST.get().max(peak as f64 / allowed as f64));
}

/// The largest share of what is allowed that [`assert_bounded`] has seen in this thread, 1 for all of it.
#[must_use]
pub fn worst_share() -> f64 {
    WORST.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_at_once_counts_and_what_was_freed_does_not() {
        let vec = |len: usize| std::hint::black_box(vec![1_u8; len]);
        let measure = Measure::begin();
        drop(vec(1_000));
        let kept = vec(700);
        drop(vec(600));
        assert!((1_300..2_000).contains(&measure.peak()), "{}", measure.peak());
        drop(kept);
    }

    #[test]
    #[should_panic(expected = "bytes of memory")]
    fn more_than_is_allowed_is_found() {
        let measure = Measure::begin();
        drop(std::hint::black_box(vec![1_u8; 66_000]));
        assert_bounded(&measure, 10, "a test");
    }
}
