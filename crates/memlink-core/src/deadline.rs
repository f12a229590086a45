use alloc::vec::Vec;

use crate::Tick;

/// When each wait ends, and a bound below all of them.
///
/// A command costs one store and one comparison here. The price is paid when the bound is reached: then all waits are looked
/// at once. As waits usually end by their reply, that happens once per timeout and not once per command.
///
/// ```text
///   ends     | 7 | never | 9 | 12 |      one per place of `Waiters`
///   bound    5                            never above the least of them
/// ```
#[derive(Debug)]
pub(crate) struct Deadlines {
    ends: Vec<Tick>,
    /// Invariant: no element of `ends` is smaller.
    bound: Tick,
    /// Where the sweep for `swept` goes on.
    cursor: usize,
    swept: Tick,
}

impl Deadlines {
    pub(crate) fn new() -> Deadlines {
        Deadlines { ends: Vec::new(), bound: Tick::NEVER, cursor: 0, swept: Tick::ZERO }
    }

    pub(crate) fn grow_to(&mut self, len: usize) {
        self.ends.resize(len, Tick::NEVER);
    }

    #[inline]
    pub(crate) fn set(&mut self, index: u32, end: Tick) {
        self.ends[index as usize] = end;
        if end < self.bound {
            self.bound = end;
        }
    }

    /// When the wait at this place ends.
    pub(crate) fn of(&self, index: u32) -> Tick {
        self.ends.get(index as usize).copied().unwrap_or(Tick::NEVER)
    }

    #[inline]
    pub(crate) fn bound(&self) -> Tick {
        self.bound
    }

    /// One wait that has ended at `now`, if there is any; it ends no more. Call until it returns `None`.
    pub(crate) fn pop_expired(&mut self, now: Tick) -> Option<u32> {
        if now < self.bound {
            return None;
        }
        if self.swept != now {
            (self.swept, self.cursor) = (now, 0);
        }
        let rest = self.ends.get(self.cursor..).unwrap_or_default();
        if let Some(found) = rest.iter().position(|end| *end <= now) {
            let index = self.cursor + found;
            self.cursor = index + 1;
            self.ends[index] = Tick::NEVER;
            return Some(index as u32);
        }
        self.bound = self.ends.iter().copied().min().unwrap_or(Tick::NEVER);
        self.cursor = 0;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(n: u64) -> Tick {
        Tick::from_nanos(n)
    }

    fn expired(deadlines: &mut Deadlines, now: u64) -> Vec<u32> {
        core::iter::from_fn(|| deadlines.pop_expired(tick(now))).collect()
    }

    #[test]
    fn every_wait_ends_once_and_at_its_time() {
        let mut deadlines = Deadlines::new();
        deadlines.grow_to(4);
        for (index, end) in [(0, 7), (1, 9), (2, 5), (3, 7)] {
            deadlines.set(index, tick(end));
        }
        assert_eq!(deadlines.bound(), tick(5));
        assert_eq!(expired(&mut deadlines, 4), [] as [u32; 0]);
        assert_eq!(expired(&mut deadlines, 7), [0, 2, 3]);
        assert_eq!(deadlines.bound(), tick(9));
        assert_eq!(expired(&mut deadlines, 7), [] as [u32; 0]);
        assert_eq!(expired(&mut deadlines, 9), [1]);
        assert_eq!(deadlines.bound(), Tick::NEVER);
    }

    #[test]
    fn a_wait_that_was_called_off_does_not_end() {
        let mut deadlines = Deadlines::new();
        deadlines.grow_to(2);
        deadlines.set(0, tick(3));
        deadlines.set(1, tick(4));
        deadlines.set(0, Tick::NEVER);
        assert_eq!(deadlines.bound(), tick(3), "the bound may be early");
        assert_eq!(expired(&mut deadlines, 3), [] as [u32; 0]);
        assert_eq!(deadlines.bound(), tick(4), "and is put right when it is reached");
    }

    #[test]
    fn a_wait_set_while_expired_ones_are_taken_out_is_not_lost() {
        let mut deadlines = Deadlines::new();
        deadlines.grow_to(3);
        for index in 0..3 {
            deadlines.set(index, tick(1));
        }
        assert_eq!(deadlines.pop_expired(tick(1)), Some(0));
        deadlines.set(0, tick(1));
        let mut rest = expired(&mut deadlines, 1);
        rest.extend(expired(&mut deadlines, 1));
        assert_eq!(rest, [1, 2, 0]);
    }

    #[test]
    fn time_that_goes_on_while_expired_ones_are_taken_out_hides_none() {
        let mut deadlines = Deadlines::new();
        deadlines.grow_to(3);
        for (index, end) in [(0, 7), (1, 5), (2, 5)] {
            deadlines.set(index, tick(end));
        }
        assert_eq!(deadlines.pop_expired(tick(5)), Some(1));
        assert_eq!(expired(&mut deadlines, 7), [0, 2]);
        assert_eq!(deadlines.bound(), Tick::NEVER);
    }
}
