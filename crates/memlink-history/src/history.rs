//! What was asked of each key and what was answered, with the times of both, from a simulation or from real servers.

use std::collections::BTreeMap;

use crate::linear::{Search, Verdict};

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// The numbers of the values that were stored and appended, in order: every value of a history has its own number.
    Parts(Vec<u64>),
    /// A counter.
    Count(u64),
}

/// What an operation asks of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Reads it.
    Get,
    /// Stores the value with this number.
    Set(u64),
    /// Stores a value that the server refuses as too large; the old item is gone with it.
    SetTooLarge,
    /// Stores the value only if there is no item.
    Add(u64),
    /// Appends the value to an item that is there.
    Append(u64),
    /// Stores the value only if the item still is the one that was seen.
    Swap {
        /// What was seen.
        seen: Item,
        /// The number of the new value.
        to: u64,
    },
    /// Deletes it.
    Delete,
    /// Adds to a counter; a missing one begins with this number.
    Increment(u64),
    /// Adds to a counter that is there.
    IncrementThere(u64),
    /// The server has lost everything: an operation of nobody.
    Clear,
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// What the key holds; `None` for a miss.
    Item(Option<Item>),
    /// Done as asked.
    Done,
    /// Not done, because of what the key holds or does not hold.
    Refused,
    /// The counter afterwards.
    Count(u64),
    /// An error of the server.
    Fault,
}

/// Names an operation that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    key: Vec<u8>,
    index: usize,
}

/// One operation, from the moment it was begun to the last at which it can have happened.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) began: u64,
    /// When its answer was there; for one without an answer, when it cannot happen any more.
    pub(crate) ended: u64,
    pub(crate) asked: Asked,
    /// `None`: nobody knows whether it has happened.
    pub(crate) answered: Option<Answered>,
}

/// Operations on any number of keys, each key judged by itself.
///
/// ```text
///   A   set 1   |-------|                      answered: takes effect once, at one moment of this time
///   B   set 2        |------?..........|       unknown: at one moment of this time, or never
///   C   get                     |---|          answered 1 or 2; 1 again after 2 would be a violation
/// ```
///
/// Times are of one clock. An operation that is begun and never ended is one of unknown outcome that may happen at any later time.
#[derive(Debug, Default)]
pub struct History {
    keys: BTreeMap<Vec<u8>, Vec<Entry>>,
}

/// A key whose answers no order of its operations explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLinearizable {
    /// The key.
    pub key: Vec<u8>,
    /// Its operations, one a line, for people.
    pub text: String,
}

/// What was found in order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checked {
    /// Keys whose answers are explained by an order.
    pub keys: usize,
    /// Operations on them.
    pub operations: usize,
    /// Keys given up because the search would have taken too long.
    pub undecided: usize,
}

impl History {
    /// An empty history.
    #[must_use]
    pub fn new() -> History {
        History::default()
    }

    /// An operation begins.
    pub fn begin(&mut self, key: &[u8], at: u64, asked: Asked) -> Operation {
        let entries = self.keys.entry(key.to_vec()).or_default();
        entries.push(Entry { began: at, ended: u64::MAX, asked, answered: None });
        Operation { key: key.to_vec(), index: entries.len() - 1 }
    }

    /// Its answer is there.
    pub fn answer(&mut self, operation: &Operation, at: u64, answered: Answered) {
        self.edit(operation, |entry| (entry.ended, entry.answered) = (at, Some(answered)));
    }

    /// There is no answer and nobody knows whether it has happened; after `at` it cannot any more, because its connection is dead
    /// at the server, too.
    pub fn unknown_until(&mut self, operation: &Operation, at: u64) {
        self.edit(operation, |entry| entry.ended = at);
    }

    /// It was not sent and never will be.
    pub fn not_sent(&mut self, operation: &Operation) {
        // What can happen at no time does not happen.
        self.edit(operation, |entry| (entry.ended, entry.asked) = (0, Asked::Get));
    }

    fn edit(&mut self, operation: &Operation, edit: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.keys.get_mut(&operation.key).and_then(|entries| entries.get_mut(operation.index)) {
            edit(entry);
        }
    }

    /// Looks for an order of each key's operations that explains every answer.
    ///
    /// # Errors
    ///
    /// [`NotLinearizable`] for the first key that has none.
    pub fn check(&self) -> Result<Checked, NotLinearizable> {
        let mut checked = Checked::default();
        for (key, entries) in &self.keys {
            match Search::new(entries).run() {
                Verdict::Explained => {
                    checked.keys += 1;
                    checked.operations += entries.len();
                }
                Verdict::Undecided => checked.undecided += 1,
                Verdict::Impossible => {
                    return Err(NotLinearizable { key: key.clone(), text: show(entries) });
                }
            }
        }
        Ok(checked)
    }
}

fn show(entries: &[Entry]) -> String {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.began);
    let line = |entry: &&Entry| {
        let Entry { began, ended, asked, answered } = entry;
        match (answered, *ended) {
            (Some(answered), ended) => format!("  {began:>12} - {ended:<12} {asked:?} -> {answered:?}\n"),
            (None, u64::MAX) => format!("  {began:>12} - ever         {asked:?} -> unknown\n"),
            (None, ended) => format!("  {began:>12} - {ended:<12} {asked:?} -> unknown\n"),
        }
    };
    sorted.iter().map(line).collect()
}

impl std::fmt::Display for NotLinearizable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no order explains the answers for {}:\n{}", self.key.escape_ascii(), self.text)
    }
}

impl std::error::Error for NotLinearizable {}
