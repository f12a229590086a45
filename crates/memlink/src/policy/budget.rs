use std::time::Duration;

use memlink_core::Tick;

/// How many commands of a link may be submitted again by themselves: a share of those that its callers submit. When connections are
/// lost one after the other, repeats must not become the load that keeps the server down.
///
/// ```text
///   commands   |----- last period -----|-- this one --|
///   repeats    at most RESERVE, and one for every SHARE of these commands
/// ```
#[derive(Debug, Default)]
pub(crate) struct RetryBudget {
    began: Tick,
    /// Commands submitted up to the begin of the last period, and of this one.
    before_last: u64,
    before: u64,
    /// Repeats in the last period, and in this one.
    used_last: u64,
    used: u64,
}

/// How long a period is.
const PERIOD: Duration = Duration::from_secs(10);

/// Repeats of a period that are free: a whole connection's worth of commands may be lost under a light load.
const RESERVE: u64 = 10_000;

/// For so many commands there may be one repeat more: a tenth.
const SHARE: u64 = 10;

impl RetryBudget {
    /// Takes one, if there is one; `started` is how many commands were ever submitted.
    pub(crate) fn take(&mut self, now: Tick, started: u64) -> bool {
        if now.since(self.began) >= PERIOD {
            let is_next = now.since(self.began) < PERIOD * 2;
            (self.before_last, self.used_last) = if is_next { (self.before, self.used) } else { (started, 0) };
            (self.began, self.before, self.used) = (now, started, 0);
        }
        let commands = started.saturating_sub(self.before_last);
        let has_one = self.used + self.used_last < RESERVE + commands / SHARE;
        self.used += u64::from(has_one);
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Tick {
        Tick::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn repeats_are_a_tenth_of_the_commands_beyond_a_reserve() {
        let mut budget = RetryBudget::default();
        let taken =
            |budget: &mut RetryBudget, now, started| (0..1 << 20).take_while(|_| budget.take(now, started)).count();
        assert_eq!(taken(&mut budget, at(1), 5_000), 10_500);
        assert_eq!(taken(&mut budget, at(2), 105_000), 10_000, "as commands come");
        assert_eq!(taken(&mut budget, at(11), 105_000), 0, "those of the last period count");
        assert_eq!(taken(&mut budget, at(22), 105_000), 10_000);
        assert_eq!(taken(&mut budget, at(1_000), 200_000), 10_000, "what was long ago gives no credit");
    }
}
