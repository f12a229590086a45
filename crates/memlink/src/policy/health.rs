use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use memlink_core::Tick;

/// Commands in a row to which a server has answered that it cannot do what it is there for.
#[derive(Debug, Default)]
pub(crate) struct Record {
    in_a_row: AtomicU32,
    /// When the first of them came.
    since: AtomicU64,
}

/// What a server may do before it is left alone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// So many such answers and not one that is good: a proxy that has lost one of several servers behind it gives good answers in
    /// between.
    pub(crate) faults: u32,
    /// For so long at least.
    pub(crate) lasting: Duration,
}

impl Record {
    /// The server has given a good answer.
    #[inline]
    pub(crate) fn note_answer(&self) {
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.forget();
        }
    }

    /// The server has given another of those answers; says whether that was once too often.
    pub(crate) fn note_fault(&self, now: Tick, patience: Patience) -> bool {
        if self.in_a_row.fetch_add(1, Ordering::Relaxed) == 0 {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
        }
        let lasted = now.since(Tick::from_nanos(self.since.load(Ordering::Relaxed)));
        self.in_a_row.load(Ordering::Relaxed) >= patience.faults && lasted >= patience.lasting
    }

    /// Another connection begins with a clean record.
    pub(crate) fn forget(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_many_in_a_row_and_some_time() {
        let (record, patience) = (Record::default(), Patience { faults: 3, lasting: Duration::from_nanos(10) });
        let after = |nanos| record.note_fault(Tick::from_nanos(nanos), patience);
        assert_eq!([100, 101, 102, 109, 110].map(after), [false, false, false, false, true]);
        record.note_answer();
        assert_eq!([200, 220, 240].map(after), [false, false, true]);
        record.forget();
        assert_eq!([300, 301].map(after), [false, false]);
    }
}
