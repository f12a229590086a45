use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::deadline::Deadlines;
use crate::{Failure, Reply, Tick};

/// Names one submitted command for as long as its caller is interested in it.
///
/// A token is never valid twice: the place it names may be used again, its generation may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    index: u32,
    generation: u32,
}

impl Token {
    /// Stands for the opening exchange, in which nobody waits.
    pub(crate) const OPENING: Token = Token { index: u32::MAX, generation: 0 };
}

/// Who waits, and for what: a place for every command that a caller has submitted and whose result it has not fetched.
///
/// ```text
///            submit                      room                    entered
///   Vacant ----------> Waiting --------------------> Admitted ------------.
///     ^ |                 |  ^ connection lost / no room  |               v
///     | '-----------------+--'----------------------------+---------> InFlight
///     |      submit with room                             |               |
///     |                   v              deadline, reply, |connection lost|
///     '---- fetched --- Ended <---------------------------+---------------'
///     '---- caller gone: from every state, at once
/// ```
///
/// A place is given back the moment its caller leaves. What it had on the wire stays in the order of the connection as an
/// entry whose token names nobody any more: that is what *abandoned* means here.
#[derive(Debug)]
pub(crate) struct Waiters<W> {
    slots: Vec<Slot<W>>,
    vacant: Vec<u32>,
    /// Those in line, and some who have left it; sorted by ticket.
    line: VecDeque<(Ticket, Token)>,
    next_ticket: u64,
    waiting: usize,
    deadlines: Deadlines,
}

#[derive(Debug)]
struct Slot<W> {
    generation: u32,
    place: Place<W>,
}

#[derive(Debug)]
pub(crate) enum Place<W> {
    Vacant,
    /// In line for room or for a connection; nothing is encoded.
    Waiting {
        waiter: W,
        turn: Turn,
    },
    /// Room is reserved on the connection with this number and the caller was woken to use it.
    Admitted {
        life: u32,
        /// Tells old promises from new ones.
        round: u32,
        turn: Turn,
    },
    /// Encoded and entered.
    InFlight {
        waiter: W,
        span: Span,
    },
    /// The result lies here until it is fetched.
    Ended(Result<Reply, Failure>),
}

/// A place in the line: who came first is served first, also after a connection was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// What somebody in line has come for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    ticket: Ticket,
    /// About how many bytes the command has.
    pub(crate) len: usize,
}

/// Where a command lies in the stream of written bytes; both ends unreachable while no byte of it has been taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// The server may run what it has got of it.
    pub(crate) in_part: bool,
}

impl Span {
    pub(crate) fn queued(in_part: bool) -> Span {
        Span { start: u64::MAX, end: u64::MAX, in_part }
    }

    /// Whether the server may have run it, with so many bytes of the stream written.
    pub(crate) fn may_have_run(self, written: u64) -> bool {
        self.end <= written || (self.in_part && self.start < written)
    }

    /// Whether nobody has it in hands for writing: it is cut before that happens if its caller leaves.
    pub(crate) fn is_queued(self) -> bool {
        self.start == u64::MAX
    }
}

impl<W> Waiters<W> {
    pub(crate) fn new() -> Waiters<W> {
        Waiters {
            slots: Vec::new(),
            vacant: Vec::new(),
            line: VecDeque::new(),
            next_ticket: 0,
            waiting: 0,
            deadlines: Deadlines::new(),
        }
    }

    /// A place for a command that was entered at once.
    #[inline]
    pub(crate) fn insert_in_flight(&mut self, waiter: W, deadline: Tick, in_part: bool) -> Token {
        self.insert(Place::InFlight { waiter, span: Span::queued(in_part) }, deadline)
    }

    /// A place at the end of the line.
    pub(crate) fn insert_waiting(&mut self, waiter: W, len: usize, deadline: Tick) -> Token {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let token = self.insert(Place::Waiting { waiter, turn: Turn { ticket, len } }, deadline);
        self.line.push_back((ticket, token));
        self.waiting += 1;
        // Callers who left are still in the line; it is swept when they are the majority.
        if self.line.len() > 2 * self.waiting + 64 {
            let slots = &self.slots;
            self.line.retain(|(_, token)| is_waiting(slots, *token));
        }
        token
    }

    #[inline]
    fn insert(&mut self, place: Place<W>, deadline: Tick) -> Token {
        let index = match self.vacant.pop() {
            Some(index) => {
                self.slots[index as usize].place = place;
                index
            }
            None => {
                // One slot is a hundred bytes: four billion of them do not fit in memory, so the index fits.
                let index = self.slots.len() as u32;
                self.slots.push(Slot { generation: 0, place });
                self.deadlines.grow_to(self.slots.len());
                index
            }
        };
        self.deadlines.set(index, deadline);
        Token { index, generation: self.slots[index as usize].generation }
    }

    /// The place that `token` names, unless its caller has left.
    #[inline]
    pub(crate) fn place_mut(&mut self, token: Token) -> Option<&mut Place<W>> {
        match self.slots.get_mut(token.index as usize) {
            Some(slot) if slot.generation == token.generation => Some(&mut slot.place),
            _ => None,
        }
    }

    /// Whether somebody waits for the reply to this entry.
    #[inline]
    pub(crate) fn is_in_flight(&self, token: Token) -> bool {
        matches!(
            self.slots.get(token.index as usize),
            Some(Slot { generation, place: Place::InFlight { .. } }) if *generation == token.generation
        )
    }

    /// Where the entry lies in the written stream, if somebody still waits for it.
    #[inline]
    pub(crate) fn span_mut(&mut self, token: Token) -> Option<&mut Span> {
        match self.place_mut(token) {
            Some(Place::InFlight { span, .. }) => Some(span),
            _ => None,
        }
    }

    /// Turns an admitted place into one in flight.
    pub(crate) fn enter(&mut self, token: Token, waiter: W, in_part: bool) {
        if let Some(place @ Place::Admitted { .. }) = self.place_mut(token) {
            *place = Place::InFlight { waiter, span: Span::queued(in_part) };
        }
    }

    /// Puts a caller whose admission did not hold back into the line, where it has been before.
    pub(crate) fn wait_again(&mut self, token: Token, waiter: W) {
        let Some(place) = self.place_mut(token) else { return };
        let Place::Admitted { turn, .. } = *place else { return };
        *place = Place::Waiting { waiter, turn };
        let at = self.line.partition_point(|(ticket, _)| *ticket < turn.ticket);
        self.line.insert(at, (turn.ticket, token));
        self.waiting += 1;
    }

    /// About how many bytes the first in line wants to send, and until when it waits.
    pub(crate) fn first_in_line(&mut self) -> Option<(usize, Tick)> {
        while let Some((_, token)) = self.line.front().copied() {
            if let Some(Place::Waiting { turn, .. }) = self.place_mut(token) {
                return Some((turn.len, self.deadlines.of(token.index)));
            }
            self.line.pop_front();
        }
        None
    }

    /// Ends the wait of the first in line and hands out whom to wake.
    pub(crate) fn end_first(&mut self, failure: &Failure, woken: &mut Vec<W>) {
        if self.first_in_line().is_some()
            && let Some((_, token)) = self.line.pop_front()
        {
            self.end_one(token.index, woken, &mut |_| Some(failure.clone()));
        }
    }

    /// Admits the first in line and hands out whom to wake.
    pub(crate) fn admit_next(&mut self, life: u32, round: u32) -> Option<W> {
        self.first_in_line()?;
        let (_, token) = self.line.pop_front()?;
        let place = self.place_mut(token)?;
        let Place::Waiting { turn, .. } = *place else { return None };
        match core::mem::replace(place, Place::Admitted { life, round, turn }) {
            Place::Waiting { waiter, .. } => {
                self.waiting -= 1;
                Some(waiter)
            }
            Place::Vacant | Place::Admitted { .. } | Place::InFlight { .. } | Place::Ended(_) => None,
        }
    }

    /// Completes a command in flight and hands out whom to wake; `None`, and nothing else, if nobody waits for it.
    #[inline]
    pub(crate) fn end(&mut self, token: Token, result: Result<Reply, Failure>) -> Option<W> {
        if !self.is_in_flight(token) {
            return None;
        }
        self.deadlines.set(token.index, Tick::NEVER);
        match core::mem::replace(&mut self.slots[token.index as usize].place, Place::Ended(result)) {
            Place::InFlight { waiter, .. } => Some(waiter),
            Place::Vacant | Place::Waiting { .. } | Place::Admitted { .. } | Place::Ended(_) => None,
        }
    }

    /// The result that lies in a place, which is given back.
    #[inline]
    pub(crate) fn take_result(&mut self, token: Token) -> Option<Result<Reply, Failure>> {
        let slot = self.slots.get_mut(token.index as usize)?;
        if slot.generation != token.generation || !matches!(slot.place, Place::Ended(_)) {
            return None;
        }
        let Place::Ended(result) = core::mem::replace(&mut slot.place, Place::Vacant) else { return None };
        slot.generation = slot.generation.wrapping_add(1);
        // What has ended has no deadline any more.
        self.vacant.push(token.index);
        Some(result)
    }

    /// Takes the place back from its caller and says what was in it.
    #[inline]
    pub(crate) fn remove(&mut self, token: Token) -> Option<Place<W>> {
        let slot = self.slots.get_mut(token.index as usize)?;
        if slot.generation != token.generation {
            return None;
        }
        slot.generation = slot.generation.wrapping_add(1);
        let place = core::mem::replace(&mut slot.place, Place::Vacant);
        if matches!(place, Place::Waiting { .. }) {
            self.waiting -= 1;
        }
        self.vacant.push(token.index);
        self.deadlines.set(token.index, Tick::NEVER);
        Some(place)
    }

    /// Ends every place for which `fate` has an answer, and hands out whom to wake.
    pub(crate) fn end_where(&mut self, woken: &mut Vec<W>, mut fate: impl FnMut(&Place<W>) -> Option<Failure>) {
        for index in 0..self.slots.len() {
            self.end_one(index as u32, woken, &mut fate);
        }
    }

    /// Ends the wait of all in line, and of those who were let in and have not come: in the order of the line, so that they come in
    /// their order wherever they go next. Says how many there were.
    pub(crate) fn end_line(&mut self, failure: &Failure, woken: &mut Vec<W>) -> usize {
        let turn = |(index, slot): (usize, &Slot<W>)| match slot.place {
            Place::Waiting { turn, .. } | Place::Admitted { turn, .. } => Some((turn.ticket, index as u32)),
            Place::Vacant | Place::InFlight { .. } | Place::Ended(_) => None,
        };
        let mut turns: Vec<_> = self.slots.iter().enumerate().filter_map(turn).collect();
        turns.sort_unstable();
        for (_, index) in &turns {
            self.end_one(*index, woken, &mut |_| Some(failure.clone()));
        }
        turns.len()
    }

    /// As [`end_where`](Waiters::end_where), for those whose deadline has passed.
    pub(crate) fn end_expired(
        &mut self,
        now: Tick,
        woken: &mut Vec<W>,
        mut fate: impl FnMut(&Place<W>) -> Option<Failure>,
    ) {
        while let Some(index) = self.deadlines.pop_expired(now) {
            self.end_one(index, woken, &mut fate);
        }
    }

    fn end_one(&mut self, index: u32, woken: &mut Vec<W>, fate: &mut impl FnMut(&Place<W>) -> Option<Failure>) {
        let slot = &mut self.slots[index as usize];
        let Some(failure) = fate(&slot.place) else { return };
        self.deadlines.set(index, Tick::NEVER);
        match core::mem::replace(&mut slot.place, Place::Ended(Err(failure))) {
            Place::Waiting { waiter, .. } => {
                self.waiting -= 1;
                woken.push(waiter);
            }
            Place::InFlight { waiter, .. } => woken.push(waiter),
            Place::Admitted { .. } | Place::Ended(_) | Place::Vacant => {}
        }
    }

    /// Lends the number of the connection of every promise that was made in an earlier round, with the bytes it is for.
    pub(crate) fn for_each_promise_before(&mut self, round: u32, mut look: impl FnMut(&mut u32, usize)) {
        for slot in &mut self.slots {
            if let Place::Admitted { life, round: promised_in, turn } = &mut slot.place
                && *promised_in != round
            {
                look(life, turn.len);
            }
        }
    }

    /// How many are in line.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// When the next wait ends; never too late, at times too early.
    #[inline]
    pub(crate) fn next_deadline(&self) -> Tick {
        self.deadlines.bound()
    }
}

fn is_waiting<W>(slots: &[Slot<W>], token: Token) -> bool {
    matches!(
        slots.get(token.index as usize),
        Some(Slot { generation, place: Place::Waiting { .. } }) if *generation == token.generation
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of those in line, first come first.
    fn line(waiters: &mut Waiters<u32>) -> Vec<u32> {
        core::iter::from_fn(|| waiters.admit_next(0, 0)).collect()
    }

    /// Places are used again in any order; who comes first is told first.
    #[test]
    fn a_line_ends_in_its_order() {
        let mut waiters = Waiters::new();
        let early = [0, 1, 2].map(|n| waiters.insert_waiting(n, 0, Tick::NEVER));
        for token in early {
            assert!(waiters.remove(token).is_some());
        }
        for n in 10..15 {
            waiters.insert_waiting(n, 0, Tick::NEVER);
        }
        let admitted = waiters.admit_next(0, 0);
        let mut woken = Vec::new();
        let failure = Failure { outcome: crate::Outcome::NotSent, cause: crate::Cause::Shutdown };
        assert_eq!((admitted, waiters.end_line(&failure, &mut woken)), (Some(10), 5));
        assert_eq!((woken, waiters.waiting()), (vec![11, 12, 13, 14], 0));
        assert_eq!(waiters.end_line(&failure, &mut Vec::new()), 0);
    }

    #[test]
    fn a_line_that_most_have_left_is_swept_and_keeps_the_others_in_order() {
        let mut waiters = Waiters::new();
        for round in 0..100 {
            waiters.insert_waiting(round, 0, Tick::NEVER);
            for _ in 0..50 {
                let leaves = waiters.insert_waiting(u32::MAX, 0, Tick::NEVER);
                let bound = 2 * waiters.waiting() + 64;
                assert!(waiters.line.len() <= bound, "{} in a line of {}", waiters.waiting(), waiters.line.len());
                assert!(waiters.remove(leaves).is_some());
            }
        }
        assert_eq!(waiters.waiting(), 100);
        assert_eq!(line(&mut waiters), (0..100).collect::<Vec<_>>());
    }

    /// Sweeping costs as much as there are in line: it is not done for every caller who comes.
    #[test]
    fn a_line_is_swept_when_those_who_have_left_are_the_majority() {
        for (left, in_line) in [(65, 66), (66, 1)] {
            let mut waiters = Waiters::new();
            let tokens: Vec<Token> = (0..left).map(|n| waiters.insert_waiting(n, 0, Tick::NEVER)).collect();
            tokens.into_iter().for_each(|token| assert!(waiters.remove(token).is_some()));
            waiters.insert_waiting(left, 0, Tick::NEVER);
            assert_eq!(waiters.line.len(), in_line, "{left} have left");
            assert_eq!(line(&mut waiters), [left]);
        }
    }

    #[test]
    fn those_whose_admission_did_not_hold_come_back_to_their_places() {
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
            let mut waiters = Waiters::new();
            let tokens: Vec<Token> = (0..5).map(|n| waiters.insert_waiting(n, 0, Tick::NEVER)).collect();
            for n in 0..3 {
                assert_eq!(waiters.admit_next(0, 0), Some(n));
            }
            for n in order {
                waiters.wait_again(tokens[n], n as u32);
            }
            assert_eq!(waiters.waiting(), 5);
            assert_eq!(line(&mut waiters), [0, 1, 2, 3, 4]);
        }
    }

    #[test]
    fn promises_of_earlier_rounds_are_looked_at_and_others_are_not() {
        let mut waiters = Waiters::new();
        for n in 0..3 {
            waiters.insert_waiting(n, 10 * n as usize, Tick::NEVER);
        }
        for round in [7, 7, 8] {
            waiters.admit_next(5, round);
        }
        let mut seen = Vec::new();
        waiters.for_each_promise_before(8, |life, len| seen.push((*life, len)));
        assert_eq!(seen, [(5, 0), (5, 10)]);
    }

    #[test]
    fn a_command_may_have_run_when_it_is_written_or_begun_if_it_runs_in_part() {
        let span = |in_part| Span { start: 10, end: 20, in_part };
        assert_eq!(
            [0, 10, 11, 19, 20].map(|written| span(false).may_have_run(written)),
            [false, false, false, false, true]
        );
        assert_eq!(
            [0, 10, 11, 19, 20].map(|written| span(true).may_have_run(written)),
            [false, false, true, true, true]
        );
        assert!(!Span::queued(true).may_have_run(u64::MAX - 1));
    }
}
