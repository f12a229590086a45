use core::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use memlink_core::Tick;

/// Commands in a row to which a server has answered that it cannot do what it is there for: how many, and when the first of them came. In
/// one word, so that nobody sees the number of one row with the beginning of another.
#[derive(Debug, Default)]
pub(crate) struct Record(AtomicU64);

/// What a server may do before it is left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// So many such answers and not one that is good: a proxy that has lost one of several servers behind it gives good answers in
    /// between.
    pub(crate) faults: u8,
    /// For so long at least.
    pub(crate) lasting: Duration,
}

/// Bits of the number, below those of the beginning in microseconds.
const COUNT_BITS: u32 = 8;

impl Record {
    /// The server has given a good answer.
    #[inline]
    pub(crate) fn note_answer(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.forget();
        }
    }

    /// The server has given another of those answers; says whether that was once too often.
    pub(crate) fn note_fault(&self, now: Tick, patience: Patience) -> bool {
        let micros = now.as_nanos() / 1_000;
        let one_more = |row: u64| match row {
            0 => micros << COUNT_BITS | 1,
            full if full as u8 == u8::MAX => full,
            row => row + 1,
        };
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |row| Some(one_more(row)));
        let row = one_more(before.unwrap_or_default());
        let lasted = Duration::from_micros(micros.saturating_sub(row >> COUNT_BITS));
        row as u8 >= patience.faults && lasted >= patience.lasting
    }

    /// Another connection begins with a clean record.
    pub(crate) fn forget(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_many_in_a_row_and_some_time() {
        let (record, patience) = (Record::default(), Patience { faults: 3, lasting: Duration::from_micros(10) });
        let after = |micros: u64| record.note_fault(Tick::from_nanos(1_000 * micros), patience);
        assert_eq!([100, 101, 102, 109, 110].map(after), [false, false, false, false, true]);
        record.note_answer();
        assert_eq!([200, 220, 240].map(after), [false, false, true]);
        record.forget();
        assert_eq!([300, 301].map(after), [false, false]);
        assert!((0..1_000).all(|n| after(320 + n)), "however many");
    }
}
