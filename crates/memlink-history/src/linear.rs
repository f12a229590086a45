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
    /// Operations that have happened, for they were answered.
    known: Line<'a>,
    /// Those that may have happened, and would change something.
    unknown: Line<'a>,
    /// How many of the known are open.
    left: usize,
    state: Option<Item>,
    /// The latest beginning of all that is done.
    latest: u64,
    trail: Vec<Taken>,
    seen: HashSet<Tried>,
}

/// Operations sorted by their beginning, and which of them are done.
struct Line<'a> {
    entries: Vec<&'a Entry>,
    done: Vec<u64>,
    /// Those before it are done, or cannot happen any more.
    first: usize,
}

/// A step of the search, with what is needed to take it back.
struct Taken {
    place: usize,
    state: Option<Item>,
    latest: u64,
    firsts: (usize, usize),
}

/// What was tried: which are done, as far as that is not plain, and what the key held.
type Tried = ((usize, Vec<u64>), (usize, Vec<u64>), Option<Item>);

/// Steps after which a search is given up: some seconds.
const STEPS_MAX: usize = 2_000_000;

impl<'a> Line<'a> {
    fn new(mut entries: Vec<&'a Entry>) -> Line<'a> {
        entries.sort_by_key(|entry| (entry.began, entry.ended));
        Line { done: vec![0; entries.len().div_ceil(64)], entries, first: 0 }
    }

    fn is_done(&self, index: usize) -> bool {
        self.done[index / 64] >> (index % 64) & 1 == 1
    }

    fn flip(&mut self, index: usize) {
        self.done[index / 64] ^= 1 << (index % 64);
    }

    fn open(&self) -> impl Iterator<Item = (usize, &'a Entry)> + '_ {
        let open = (self.first..self.entries.len()).filter(|index| !self.is_done(*index));
        open.map(|index| (index, self.entries[index]))
    }

    fn skip_done(&mut self, latest: u64) {
        while let Some(entry) = self.entries.get(self.first)
            && (self.is_done(self.first) || entry.ended < latest)
        {
            self.first += 1;
        }
    }

    /// What lies before the first open one is plain, and what lies far behind it all open: neither need be remembered.
    fn tried(&self) -> (usize, Vec<u64>) {
        let from = self.first / 64;
        let to = self.done.iter().rposition(|bits| *bits != 0).map_or(from, |last| (last + 1).max(from));
        let mut bits = self.done[from..to].to_vec();
        if let Some(bits) = bits.first_mut() {
            *bits &= !0 << (self.first % 64);
        }
        (self.first, bits)
    }
}

impl<'a> Search<'a> {
    pub(crate) fn new(entries: &'a [Entry]) -> Search<'a> {
        let (known, unknown): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| entry.answered.is_some());
        let matters = |entry: &&Entry| entry.asked != Asked::Get;
        Search {
            left: known.len(),
            known: Line::new(known),
            unknown: Line::new(unknown.into_iter().filter(matters).collect()),
            state: None,
            latest: 0,
            trail: Vec::new(),
            seen: HashSet::new(),
        }
    }

    pub(crate) fn run(mut self) -> Verdict {
        let mut from = 0;
        for _ in 0..STEPS_MAX {
            if self.left == 0 {
                return Verdict::Explained;
            }
            from = match self.next_candidate(from) {
                Some(place) if self.take(place) => 0,
                Some(_) => self.take_back() + 1,
                None if self.trail.is_empty() => return Verdict::Impossible,
                None => self.take_back() + 1,
            };
        }
        Verdict::Undecided
    }

    /// The first operation from `from` on that may come next and whose answer fits. Tried are first all that are known, then those
    /// that are not: they are needed rarely.
    fn next_candidate(&self, from: usize) -> Option<usize> {
        let known = self.known.entries.len();
        // Whatever began later comes later.
        let mut ends = u64::MAX;
        for (_, entry) in self.known.open() {
            if entry.began > ends {
                break;
            }
            ends = ends.min(entry.ended);
        }
        let may_come = |entry: &Entry| entry.ended >= self.latest && fits(self.state.as_ref(), entry);
        let next = |line: &Line<'a>, from: usize| {
            let began = line.open().take_while(|(_, entry)| entry.began <= ends);
            began.filter(|(index, _)| *index >= from).find(|(_, entry)| may_come(entry)).map(|(index, _)| index)
        };
        let first = if from < known { next(&self.known, from) } else { None };
        first.or_else(|| next(&self.unknown, from.saturating_sub(known)).map(|index| known + index))
    }

    /// Lets one happen; `false` when all that follows was tried before.
    fn take(&mut self, place: usize) -> bool {
        let firsts = (self.known.first, self.unknown.first);
        let entry = match place.checked_sub(self.known.entries.len()) {
            None => {
                self.known.flip(place);
                self.left -= 1;
                self.known.entries[place]
            }
            Some(index) => {
                self.unknown.flip(index);
                self.unknown.entries[index]
            }
        };
        let after = apply(self.state.as_ref(), &entry.asked).1;
        let state = std::mem::replace(&mut self.state, after);
        self.trail.push(Taken { place, state, latest: self.latest, firsts });
        self.latest = self.latest.max(entry.began);
        self.known.skip_done(0);
        self.unknown.skip_done(self.latest);
        self.seen.insert((self.known.tried(), self.unknown.tried(), self.state.clone()))
    }

    /// Takes the last step back and says which it was.
    fn take_back(&mut self) -> usize {
        let Some(taken) = self.trail.pop() else { return usize::MAX - 1 };
        match taken.place.checked_sub(self.known.entries.len()) {
            None => {
                self.known.flip(taken.place);
                self.left += 1;
            }
            Some(index) => self.unknown.flip(index),
        }
        (self.known.first, self.unknown.first) = taken.firsts;
        (self.state, self.latest) = (taken.state, taken.latest);
        taken.place
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
        (Asked::Increment(delta) | Asked::IncrementThere(delta), Some(Item::Count(count))) => {
            let count = count.wrapping_add(*delta);
            (Answered::Count(count), Some(Item::Count(count)))
        }
        (Asked::Increment(_) | Asked::IncrementThere(_), Some(Item::Parts(_))) => (Answered::Fault, held()),
        (Asked::IncrementThere(_), None) => (Answered::Refused, None),
        (Asked::Clear, _) => (Answered::Done, None),
    }
}
