/// Decides whether a driver lets the run queue have one turn before it writes.
///
/// On tokio's multi-thread runtime a woken driver runs right after the caller that woke it and before all the others that are
/// ready, so that every write would carry one command. One turn later they have all added theirs. Callers who have just been given
/// their replies often ask again: they are waited for in the same way, before anything is queued. It costs nothing where
/// nobody else is ready, except that turn; so it is tried less and less often while it gathers nothing.
///
/// ```text
///   replies handed over, or something queued --> wait one turn --> write
///                                 gathered more: wait next time too
///                                 gathered nothing: write at once 1, 3, 7 ... 63 times, then try again
/// ```
#[derive(Debug, Default)]
pub(crate) struct Linger {
    /// Bytes that were queued when the wait began.
    since: Option<usize>,
    /// How many writes go without a wait after one that gathered nothing.
    penalty: u32,
    skip: u32,
}

/// With so many bytes queued a write is worth its system call.
const ENOUGH: usize = 16 * 1024;

/// Most writes in a row without trying a wait.
const PENALTY_MAX: u32 = 63;

/// With so many callers woken at once some are likely to ask again; one alone writes by itself.
const SEVERAL: usize = 2;

impl Linger {
    /// Whether to wait one turn before writing the `queued` bytes, now that `handed_over` callers were woken.
    pub(crate) fn waits(&mut self, queued: usize, handed_over: usize) -> bool {
        match self.since {
            Some(_) => {
                self.end(queued);
                false
            }
            None if queued >= ENOUGH || (queued == 0 && handed_over < SEVERAL) => false,
            None if self.skip > 0 => {
                self.skip -= 1;
                false
            }
            None => {
                self.since = Some(queued);
                true
            }
        }
    }

    /// The turn is over: a wait, if there was one, has gathered `queued` bytes in all.
    pub(crate) fn end(&mut self, queued: usize) {
        match self.since.take() {
            None => {}
            Some(before) if queued > before => self.penalty = 0,
            Some(_) => {
                self.penalty = (2 * self.penalty + 1).min(PENALTY_MAX);
                self.skip = self.penalty;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_once_and_again_as_long_as_that_gathers_something() {
        let mut linger = Linger::default();
        for _ in 0..3 {
            assert!(linger.waits(20, 0));
            assert!(!linger.waits(200, 0));
        }
    }

    #[test]
    fn it_waits_for_callers_who_were_given_their_replies() {
        let mut linger = Linger::default();
        assert!(!linger.waits(0, 1), "one alone writes by itself");
        for _ in 0..3 {
            assert!(linger.waits(0, 20));
            assert!(!linger.waits(400, 0));
        }
    }

    #[test]
    fn it_waits_ever_more_rarely_while_that_gathers_nothing() {
        for (queued, handed_over) in [(20, 0), (0, 20)] {
            let mut linger = Linger::default();
            let mut waits = 0;
            for _ in 0..1_000 {
                if linger.waits(queued, handed_over) {
                    waits += 1;
                    assert!(!linger.waits(queued, 0));
                }
            }
            assert!((15..40).contains(&waits), "{waits}");
        }
    }

    #[test]
    fn it_does_not_wait_with_nothing_or_enough_to_write() {
        let mut linger = Linger::default();
        assert!(!linger.waits(0, 0));
        assert!(!linger.waits(ENOUGH, 20));
    }
}
