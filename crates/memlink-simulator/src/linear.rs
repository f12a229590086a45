//! Is there an order? The search of Wing and Gong, with Lowe's memory of what was tried.

use std::collections::HashSet;

use crate::history::{Answered, Asked, Entry, Item};

/// What a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order that explains every answer.
    Explained,
    /// There is none.
    Impossible,
    /// The search was given up.
    Undecided,
}

/// Looks for an order of one key's operations.
///
/// An operation may come next if no other that must have happened had ended before it began; one of unknown outcome only as long
/// as nothing that began after its end has happened. What was tried once (who has happened, and what the key holds then) is not tried
/// again: that is what keeps the search from taking all orders.
pub(crate) struct Search<'a> {
    /// Sorted by their beginning, without those that change nothing whether they happened or not.
    entries: Vec<&'a Entry>,
    done: Vec<u64>,
    /// Those before it are done.
    first: usize,
    required: usize,
    state: Option<Item>,
    /// The latest beginning of all that is done.
    latest: u64,
    trail: Vec<Taken>,
    seen: HashSet<(usize, Vec<u64>, Option<Item>)>,
}

/// A step of the search, with what is needed to take it back.
struct Taken {
    index: usize,
    state: Option<Item>,
    latest: u64,
    first: usize,
}

/// Steps after which a search is given up: some seconds.
const STEPS_MAX: usize = 2_000_000;

impl<'a> Search<'a> {
    pub(crate) fn new(entries: &'a [Entry]) -> Search<'a> {
        let matters = |entry: &&Entry| entry.answered.is_some() || entry.asked != Asked::Get;
        let mut entries: Vec<&Entry> = entries.iter().filter(matters).collect();
        entries.sort_by_key(|entry| (entry.began, entry.ended));
        Search {
            done: vec![0; entries.len().div_ceil(64)],
            first: 0,
            required: entries.iter().filter(|entry| entry.answered.is_some()).count(),
            entries,
            state: None,
            latest: 0,
            trail: Vec::new(),
            seen: HashSet::new(),
        }
    }

    pub(crate) fn run(mut self) -> Verdict {
        let mut from = 0;
        for _ in 0..STEPS_MAX {
            if self.required == 0 {
                return Verdict::Explained;
            }
            from = match self.next_candidate(from) {
                Some(index) => {
                    let is_new = self.take(index);
                    if is_new { 0 } else { self.take_back() + 1 }
                }
                None if self.trail.is_empty() => return Verdict::Impossible,
                None => self.take_back() + 1,
            };
        }
        Verdict::Undecided
    }

    fn is_done(&self, index: usize) -> bool {
        self.done[index / 64] >> (index % 64) & 1 == 1
    }

    /// The first operation from `from` on, in the order in which they are tried, that may come next and whose answer fits. Tried are
    /// first all that have an answer, then those without: they are needed rarely.
    fn next_candidate(&self, from: usize) -> Option<usize> {
        let (len, window) = (self.entries.len(), self.window());
        (from..2 * len).find(|place| {
            let index = place % len;
            let entry = self.entries[index];
            index >= self.first
                && index < window
                && (*place < len) == entry.answered.is_some()
                && !self.is_done(index)
                && entry.ended >= self.latest
                && fits(self.state.as_ref(), entry)
        })
    }

    /// Behind the last operation that had begun when the first that must have happened ended.
    fn window(&self) -> usize {
        let mut ends = u64::MAX;
        for (index, entry) in self.entries.iter().enumerate().skip(self.first) {
            if entry.began > ends {
                return index;
            }
            if entry.answered.is_some() && !self.is_done(index) {
                ends = ends.min(entry.ended);
            }
        }
        self.entries.len()
    }

    /// Lets one happen; `false` when all that follows was tried before.
    fn take(&mut self, place: usize) -> bool {
        let index = place % self.entries.len();
        let entry = self.entries[index];
        let after = apply(self.state.as_ref(), &entry.asked).1;
        let state = std::mem::replace(&mut self.state, after);
        self.trail.push(Taken { index: place, state, latest: self.latest, first: self.first });
        self.latest = self.latest.max(entry.began);
        self.done[index / 64] |= 1 << (index % 64);
        self.required -= usize::from(entry.answered.is_some());
        while self.first < self.entries.len() && self.is_done(self.first) {
            self.first += 1;
        }
        // What lies before the first open one is all done, and what lies far behind it all open: neither need be remembered.
        let from = self.first / 64;
        let to = self.done.iter().rposition(|bits| *bits != 0).map_or(from, |last| (last + 1).max(from));
        self.seen.insert((self.first, self.done[from..to].to_vec(), self.state.clone()))
    }

    /// Takes the last step back and says which it was.
    fn take_back(&mut self) -> usize {
        let Some(taken) = self.trail.pop() else { return usize::MAX - 1 };
        let index = taken.index % self.entries.len();
        self.done[index / 64] &= !(1 << (index % 64));
        self.required += usize::from(self.entries[index].answered.is_some());
        (self.state, self.latest, self.first) = (taken.state, taken.latest, taken.first);
        taken.index
    }
}

fn fits(state: Option<&Item>, entry: &Entry) -> bool {
    entry.answered.as_ref().is_none_or(|answered| *answered == apply(state, &entry.asked).0)
}

/// What memcached answers, and what the key holds afterwards.
fn apply(state: Option<&Item>, asked: &Asked) -> (Answered, Option<Item>) {
    let held = || state.cloned();
    match (asked, state) {
        (Asked::Get, _) => (Answered::Item(held()), held()),
        (Asked::Set(value), _) | (Asked::Add(value), None) => (Answered::Done, Some(Item::Parts(vec![*value]))),
        (Asked::SetTooLarge, _) => (Answered::Fault, None),
        (Asked::Add(_), Some(_)) | (Asked::Append(_) | Asked::Delete, None) => (Answered::Refused, held()),
        (Asked::Append(value), Some(Item::Parts(parts))) => {
            let mut parts = parts.clone();
            parts.push(*value);
            (Answered::Done, Some(Item::Parts(parts)))
        }
        // No history appends to a counter.
        (Asked::Append(_), Some(Item::Count(_))) => (Answered::Fault, held()),
        (Asked::Swap { seen, to }, Some(item)) if seen == item => (Answered::Done, Some(Item::Parts(vec![*to]))),
        (Asked::Swap { .. }, _) => (Answered::Refused, held()),
        (Asked::Delete, Some(_)) => (Answered::Done, None),
        (Asked::Increment(delta), None) => (Answered::Count(*delta), Some(Item::Count(*delta))),
        (Asked::Increment(delta), Some(Item::Count(count))) => {
            let count = count.wrapping_add(*delta);
            (Answered::Count(count), Some(Item::Count(count)))
        }
        (Asked::Increment(_), Some(Item::Parts(_))) => (Answered::Fault, held()),
        (Asked::Clear, _) => (Answered::Done, None),
    }
}
