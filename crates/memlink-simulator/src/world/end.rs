use bytes::BytesMut;
use memlink_core::{Failure, Outcome};
use memlink_testserver::Session;

use super::World;
use crate::command::Answer;
use crate::keys::Keys;
use crate::link::Ending;
use crate::plan::{LINKS, MS, Verb};
use crate::value;
use memlink_history::{Answered, Asked, History, Item};

/// How long after the last step every operation must have ended: longer than any of them may take.
const END_MAX: u64 = 4_000 * MS;

/// A history from its beginning to its end.
impl World {
    /// Lets all of it happen: the plan, with its faults; then no more faults, and everything must succeed; then the end of everything.
    pub(crate) fn live(&mut self) {
        let last = self.steps.iter().map(|step| step.at).max().unwrap_or(0);
        if !self.run(last + END_MAX, |world| world.to_come == 0 && world.open == 0) {
            return self.judge_forgotten();
        }
        self.heal();
        self.revive_links();
        self.come_to_rest();
        self.judge_spoilt();
        self.fill_links();
        self.close_links();
        self.report.simulated = self.now;
        self.report.connections = self.links.iter().map(|link| link.connection.stats().opened).sum();
        if self.violation.is_none() {
            self.judge_history();
        }
    }

    /// Every operation must have ended.
    fn judge_forgotten(&mut self) {
        let open = self.operations.iter().find(|operation| operation.ending.is_none());
        let Some(operation) = open else { return };
        let stats = self.links[operation.link].connection.stats();
        let (number, link, deadline) = (operation.ask.number, operation.link, operation.deadline);
        self.violate("P2", format!("operation {number} on link {link} never ends ({deadline:?}); {stats:?}"));
    }

    /// The faults stop.
    fn heal(&mut self) {
        self.is_healed = true;
        self.armed = Default::default();
        for server in &mut self.servers {
            (server.is_up, server.frozen_until, server.away_until) = (true, 0, 0);
        }
        for n in 0..self.wired.len() {
            let wired = &mut self.wired[n];
            (wired.up.cut, wired.down.cut) = (None, None);
            (wired.up.late_until, wired.down.late_until, wired.trickles_until) = (0, 0, 0);
            // What was accepted and never served stays so; its opening exchange ends it.
            if wired.frozen_until != u64::MAX {
                wired.frozen_until = 0;
            }
            self.widen(n);
        }
    }

    /// How long it may take until everything succeeds again, and until all that was abandoned is gone.
    fn bound(&self) -> u64 {
        let limits = &self.rules.limits;
        let parts = [limits.stall_timeout, limits.opening_timeout, limits.abandoned_age_max, self.rules.dial_timeout];
        let sum: u128 = parts.iter().map(std::time::Duration::as_nanos).sum();
        // Several dials to one server wait for each other.
        sum as u64 + 2 * self.rules.backoff.1.as_nanos() as u64 + 500 * MS
    }

    /// Within a bound an operation succeeds on every link.
    fn revive_links(&mut self) {
        let until = self.now.max(self.suspended_until) + self.bound();
        let mut probes: [Option<usize>; LINKS.len()] = [None; LINKS.len()];
        while self.violation.is_none() {
            let is_alive = |probe: &Option<usize>| probe.is_some_and(|n| self.has_succeeded(n));
            if probes.iter().all(is_alive) {
                return;
            }
            if self.now > until {
                let dead = probes.iter().position(|probe| !is_alive(probe)).unwrap_or(0);
                let phase = self.links[self.slots[dead]].connection.phase();
                return self.violate("liveness", format!("nothing succeeds at place {dead}, which is {phase:?}"));
            }
            for (slot, probe) in probes.iter_mut().enumerate() {
                if probe.is_none_or(|n| self.operations[n].ending.is_some() && !self.has_succeeded(n)) {
                    *probe = Some(self.probe(slot, true));
                }
            }
            self.run(self.now + 3 * MS, |_| false);
        }
    }

    fn has_succeeded(&self, n: usize) -> bool {
        matches!(self.operations[n].ending, Some(Ending::Replied(_)))
    }

    fn probe(&mut self, slot: usize, waits: bool) -> usize {
        self.ask_over(self.slots[slot], 60 * MS, waits)
    }

    /// What was abandoned is answered or gone; nothing is in flight, nobody waits.
    fn come_to_rest(&mut self) {
        let until = self.now + self.bound();
        let is_at_rest = |world: &World| {
            let at_rest = |link: &crate::link::Link| {
                let stats = link.connection.stats();
                (stats.in_flight, stats.waiting, stats.abandoned_now) == (0, 0, 0)
            };
            world.open == 0 && world.links.iter().all(at_rest)
        };
        if !self.run(until, is_at_rest) {
            let busy = self.links.iter().map(|link| link.connection.stats()).find(|stats| stats.in_flight > 0);
            self.violate("P10", format!("something stays on the wire for ever: {busy:?}"));
        }
    }

    /// No connection goes on whose replies were altered.
    fn judge_spoilt(&mut self) {
        let goes_on =
            |link: &crate::link::Link| link.wired.filter(|wired| self.wired[*wired].suffered.alterations == 1);
        if let Some(wired) = self.links.iter().find_map(goes_on) {
            self.violate("P20", format!("connection {wired} goes on although its replies were altered"));
        }
    }

    /// As many commands as there is room for are taken at once: none of the room was lost. And each of them succeeds.
    fn fill_links(&mut self) {
        let limits = &self.rules.limits;
        let room = limits.in_flight_max.min(limits.queued_bytes_max / 160).max(1);
        let first = self.operations.len();
        for slot in 0..LINKS.len() {
            for _ in 0..room {
                let n = self.probe(slot, false);
                self.operations[n].is_scheduled = false;
                self.links[self.slots[slot]].ready.clear();
                self.poll_operation(n);
            }
        }
        self.run(self.now + 200 * MS, |world| world.open == 0);
        for n in first..self.operations.len() {
            if !self.has_succeeded(n) {
                let (link, ending) = (self.operations[n].link, &self.operations[n].ending);
                let what = format!("link {link} is idle and has no room for {room}, or does not serve it: {ending:?}");
                return self.violate("P10", what);
            }
        }
    }

    /// Everything ends, and what was counted agrees.
    fn close_links(&mut self) {
        for slot in 0..LINKS.len() {
            self.stop(self.slots[slot], memlink_core::Tick::from_nanos(self.now + 5 * MS));
        }
        self.run(self.now + 100 * MS, |_| false);
        for link in 0..self.links.len() {
            self.judge_closed(link);
            let (stats, submitted) = (self.links[link].connection.stats(), self.links[link].submitted);
            let ended = stats.replied + stats.failed + stats.cancelled;
            if stats.started != ended || stats.started != submitted {
                self.violate("P2", format!("link {link}, {submitted} submitted: {stats:?}"));
            }
            if (stats.in_flight, stats.waiting, stats.abandoned_now) != (0, 0, 0) || stats.opened != stats.closed {
                self.violate("P10", format!("link {link}: {stats:?}"));
            }
        }
    }

    /// No command was executed that is said not to be sent, and some order of all commands explains all answers, with what the
    /// servers hold at the end.
    fn judge_history(&mut self) {
        let mut history = History::new();
        for n in 0..self.operations.len() {
            self.note_operation(n, &mut history);
        }
        let keys = Keys::shared();
        for (server, at) in self.cleared.clone() {
            for index in keys.of_server(server) {
                let cleared = history.begin(keys.get(index).key.as_bytes(), at, Asked::Clear);
                history.answer(&cleared, at, Answered::Done);
            }
        }
        for index in 0..keys.len() {
            let last = self.read_last(index);
            if keys.get(index).is_counter {
                self.judge_counter(index, last.as_ref());
            }
            let get = history.begin(keys.get(index).key.as_bytes(), u64::MAX - 1, Asked::Get);
            history.answer(&get, u64::MAX, Answered::Item(last));
        }
        match history.check() {
            Ok(checked) => {
                self.report.keys += checked.keys as u64;
                self.report.undecided += checked.undecided as u64;
            }
            Err(why) => self.violate("P3", why.to_string()),
        }
    }

    fn note_operation(&mut self, n: usize, history: &mut History) {
        let operation = &self.operations[n];
        let number = operation.ask.number;
        if let Some(Ending::Failed(Failure { outcome: Outcome::NotSent, .. })) = operation.ending {
            if operation.arrivals() > 0 {
                self.violate("P3", format!("operation {number} is said not to be sent, and has arrived later"));
            }
            return;
        }
        if operation.refusals > 0 && operation.executions == 0 {
            // What is behind the server has not seen it.
            return;
        }
        let keys = Keys::shared();
        let owned = keys.get(operation.ask.key);
        let (key, began, ended) = (owned.key.as_bytes(), operation.began, operation.ended);
        if operation.ask.verb == Verb::GetMany {
            let Some(Ending::Replied(Answer::Values(values))) = &operation.ending else { return };
            let asked = keys.of_server(owned.server).filter(|index| !keys.get(*index).is_counter);
            for (index, value) in asked.zip(values) {
                let key = keys.get(index).key.as_bytes();
                let get = history.begin(key, began, Asked::Get);
                let item = value.as_ref().and_then(|value| value::read(key, value));
                history.answer(&get, ended, Answered::Item(item));
            }
            return;
        }
        let Some(asked) = asked(operation) else { return };
        let answered = match &operation.ending {
            Some(Ending::Replied(answer)) => answered(key, operation.ask.verb, answer),
            _ => None,
        };
        let is_altered = operation.wired.is_some_and(|wired| self.wired[wired].suffered.altered);
        let noted = history.begin(key, began, asked);
        match answered {
            // An error line of nobody tells nothing.
            Some(Answered::Fault) if is_altered => {}
            Some(answered) => return history.answer(&noted, ended, answered),
            None => {}
        }
        match operation.wired {
            Some(wired) => history.unknown_until(&noted, self.wired[wired].died.min(self.now)),
            None => history.not_sent(&noted),
        }
    }

    /// What the server holds when all is over.
    fn read_last(&mut self, index: usize) -> Option<Item> {
        let owned = Keys::shared().get(index);
        let cache = &mut self.servers[owned.server].cache;
        let (mut session, mut said) = (Session::new(cache), BytesMut::new());
        let line = [b"mg ", owned.key.as_bytes(), b" v\r\n"].concat();
        let now = std::time::Duration::from_secs(1_800_000_000);
        let _ = session.handle(cache, now, &mut BytesMut::from(&line[..]), &mut said);
        let value = said.windows(2).position(|pair| pair == b"\r\n").and_then(|at| said.get(at + 2..said.len() - 2));
        value.filter(|_| said.starts_with(b"VA")).and_then(|value| value::read(owned.key.as_bytes(), value))
    }

    /// A counter that was never lost holds at least what was answered, and at most what may have been counted besides.
    fn judge_counter(&mut self, index: usize, last: Option<&Item>) {
        let (mut answered, mut unknown) = (0, 0);
        for operation in self.operations.iter().filter(|operation| operation.ask.key == index) {
            let Verb::Increment(delta) = operation.ask.verb else { continue };
            self.report.increments += 1;
            match &operation.ending {
                Some(Ending::Replied(Answer::Counted(_))) => answered += delta,
                Some(Ending::Failed(Failure { outcome: Outcome::NotSent, .. })) => self.report.increments -= 1,
                _ => {
                    self.report.increments_unknown += 1;
                    unknown += delta;
                }
            }
        }
        let server = Keys::shared().get(index).server;
        let held = match last {
            Some(Item::Count(count)) => *count,
            _ => 0,
        };
        let was_cleared = self.cleared.iter().any(|(cleared, _)| *cleared == server);
        if !was_cleared && !(answered..=answered + unknown).contains(&held) {
            self.violate("P4", format!("a counter holds {held}; {answered} were answered, {unknown} are unknown"));
        }
    }
}

fn asked(operation: &crate::link::Operation) -> Option<Asked> {
    let number = operation.ask.number;
    Some(match operation.ask.verb {
        Verb::Get => Asked::Get,
        Verb::GetMany => return None,
        Verb::Set(_) => Asked::Set(number),
        Verb::SetTooLarge => Asked::SetTooLarge,
        Verb::Add(_) => Asked::Add(number),
        Verb::Append(_) => Asked::Append(number),
        Verb::Swap(_) => match operation.seen.clone() {
            Some(seen) => Asked::Swap { seen, to: number },
            None => Asked::Set(number),
        },
        Verb::Delete => Asked::Delete,
        Verb::Increment(delta) if Keys::shared().get(operation.ask.key).is_counter => Asked::Increment(delta),
        Verb::Increment(delta) => Asked::IncrementThere(delta),
    })
}

/// What an answer says of the key.
fn answered(key: &[u8], verb: Verb, answer: &Answer) -> Option<Answered> {
    Some(match answer {
        Answer::Hit { value, .. } => Answered::Item(value::read(key, value)),
        Answer::Miss => Answered::Item(None),
        Answer::Stored { .. } | Answer::Deleted => Answered::Done,
        Answer::NotStored | Answer::Exists => Answered::Refused,
        Answer::NotFound if matches!(verb, Verb::Swap(_) | Verb::Delete | Verb::Increment(_)) => Answered::Refused,
        Answer::NotFound => return None,
        Answer::Counted(count) => Answered::Count(*count),
        Answer::Fault(_) => Answered::Fault,
        Answer::Values(_) | Answer::Fenced => return None,
    })
}
