//! What callers were told, joined with what the servers have done.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use memlink::{Error, Outcome};
use memlink_testserver::Executed;

/// How often each key was written to at its server, against what its only caller knows.
///
/// A key has one caller, which asks one thing after the other. It is given up when the outcome of a write is unknown: such a write may
/// run at any time later, so that nothing is known of the key any more but this.
#[derive(Debug)]
pub(crate) struct Account {
    shards: Vec<Mutex<HashMap<Vec<u8>, Runs>>>,
    complaints: Mutex<Complaints>,
}

/// Of one key.
#[derive(Debug, Default, Clone, Copy)]
struct Runs {
    /// At the server.
    ran: u32,
    /// As often must it have run.
    known: u32,
    /// So much more may it have run.
    unknown: u32,
}

/// What must never be.
#[derive(Debug, Default, Clone)]
pub(crate) struct Complaints {
    pub(crate) wrong_replies: u64,
    pub(crate) false_misses: u64,
    pub(crate) false_not_sent: u64,
    pub(crate) ran_twice: u64,
    pub(crate) lost_writes: u64,
    /// The first few, in words.
    pub(crate) words: Vec<String>,
}

/// How a write has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Replied,
    NotSent,
    /// No reply, or an error in the place of one: it may have run.
    Open,
}

impl End {
    pub(crate) fn of<T>(result: &Result<T, Error>) -> End {
        match result.as_ref().map_err(Error::outcome) {
            Ok(_) => End::Replied,
            Err(Outcome::NotSent) => End::NotSent,
            Err(Outcome::Unknown | Outcome::Answered) => End::Open,
        }
    }
}

impl Account {
    pub(crate) fn new() -> Account {
        Account { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), complaints: Mutex::default() }
    }

    /// A server has executed this.
    pub(crate) fn note(&self, executed: &Executed) {
        if let (Some(b"ms" | b"ma" | b"md"), Some(key)) = (executed.verb(), executed.key()) {
            let mut shard = self.shard(key);
            match shard.get_mut(key) {
                Some(runs) => runs.ran += 1,
                None => drop(shard.insert(key.to_vec(), Runs { ran: 1, ..Runs::default() })),
            }
        }
    }

    /// A caller was told how a write to `key` has ended.
    pub(crate) fn settle(&self, key: &str, end: End) {
        let runs = {
            let mut shard = self.shard(key.as_bytes());
            let runs = shard.entry(key.as_bytes().to_vec()).or_default();
            match end {
                End::Replied => runs.known += 1,
                End::NotSent => {}
                End::Open => runs.unknown += 1,
            }
            *runs
        };
        if end != End::Open {
            self.judge(key, runs, end);
        }
    }

    /// When all servers have been asked for the last time.
    pub(crate) fn close(&self) {
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, runs) in shard.iter() {
                // Whoever is above what was known and what is unknown has run although it was not sent, or twice.
                self.judge(&String::from_utf8_lossy(key), *runs, End::NotSent);
            }
        }
    }

    fn judge(&self, key: &str, runs: Runs, end: End) {
        let Runs { ran, known, unknown } = runs;
        if ran < known {
            self.complain(
                |all| &mut all.lost_writes,
                || format!("{key} was answered {known} times and ran {ran} times"),
            );
        }
        if ran > known + unknown {
            let words = || format!("{key} ran {ran} times: {known} were answered, {unknown} are unknown");
            match end {
                End::NotSent => self.complain(|all| &mut all.false_not_sent, words),
                End::Replied | End::Open => self.complain(|all| &mut all.ran_twice, words),
            }
        }
    }

    pub(crate) fn complain(&self, of: impl FnOnce(&mut Complaints) -> &mut u64, words: impl FnOnce() -> String) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        *of(&mut complaints) += 1;
        if complaints.words.len() < WORDS_MAX {
            complaints.words.push(words());
        }
    }

    pub(crate) fn complaints(&self) -> Complaints {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn shard(&self, key: &[u8]) -> MutexGuard<'_, HashMap<Vec<u8>, Runs>> {
        let hash = key.iter().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        self.shards[hash % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So that callers and servers seldom meet.
const SHARDS: usize = 61;

/// More would say nothing new.
const WORDS_MAX: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(account: &Account) -> [u64; 3] {
        let all = account.complaints();
        [all.false_not_sent, all.ran_twice, all.lost_writes]
    }

    #[test]
    fn what_ran_is_held_against_what_was_told() {
        let run = |account: &Account, key: &str| account.shard(key.as_bytes()).entry(key.into()).or_default().ran += 1;
        let account = Account::new();
        run(&account, "a");
        account.settle("a", End::Replied);
        account.settle("a", End::NotSent);
        account.settle("a", End::Open);
        run(&account, "a");
        account.close();
        assert_eq!(counts(&account), [0, 0, 0]);
        account.settle("never ran", End::Replied);
        run(&account, "twice");
        run(&account, "twice");
        account.settle("twice", End::Replied);
        account.settle("later", End::NotSent);
        assert_eq!(counts(&account), [0, 1, 1]);
        run(&account, "later");
        account.close();
        assert_eq!(counts(&account), [2, 1, 2], "each is found again at the end");
    }
}
