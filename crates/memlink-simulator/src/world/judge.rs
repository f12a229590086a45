use bytes::Bytes;
use memlink_core::{Broken, Cause, Failure, Outcome, Tick};

use super::World;
use super::serve::ITEM_BYTES_MAX;
use crate::command::Answer;
use crate::keys::Keys;
use crate::link::{CallError, Ending, Link};
use crate::plan::Verb;
use crate::policy::LinkState;
use crate::value;
use memlink_history::Item;

/// How late an operation may end: what its timer, its task and a write that is held up take together.
const LATE_MAX: u64 = 5_000_000;

/// What must hold, looked at whenever something ends.
impl World {
    /// All commands of an operation have ended.
    pub(crate) fn finish(&mut self, n: usize) {
        let results: Vec<_> = self.operations[n].calls.iter().filter_map(|call| call.result.clone()).collect();
        let mut answer = None;
        for result in results {
            match result {
                // Behind a line of many keys stands a fence: what it says is believed only if the fence has held.
                Ok(next @ (Answer::Fault(_) | Answer::Values(_))) if answer.is_none() => answer = Some(next),
                Ok(Answer::Fenced) => {}
                Ok(next) => answer = Some(next),
                Err(CallError::Failed(failure)) => return self.fail(n, failure),
                Err(CallError::Malformed(what)) => {
                    let is_altered = self.operations[n].wired.is_some_and(|wired| self.wired[wired].suffered.altered);
                    if !is_altered {
                        self.violate("P1", format!("a reply that nobody altered makes no sense: {what}"));
                    }
                    let cause = Cause::Closed(Broken::Malformed(what));
                    return self.fail(n, Failure { outcome: Outcome::Unknown, cause });
                }
            }
        }
        let answer = answer.unwrap_or(Answer::Fenced);
        self.judge_answer(n, &answer);
        self.end_operation(n, Ending::Replied(answer));
    }

    pub(crate) fn end_operation(&mut self, n: usize, ending: Ending) {
        match &ending {
            Ending::Replied(_) => self.report.replied += 1,
            Ending::Failed(Failure { outcome: Outcome::NotSent, .. }) => self.report.not_sent += 1,
            Ending::Failed(_) => self.report.unknown += 1,
            Ending::Left => self.report.left += 1,
        }
        if let Some(prober) = self.operations[n].prober {
            self.probed(prober, &ending);
        }
        let (now, suspended) = (self.now, self.suspended_until);
        let operation = &mut self.operations[n];
        if operation.ending.is_some() {
            let number = operation.ask.number;
            return self.violate("P2", format!("operation {number} ends twice"));
        }
        let deadline = operation.deadline.unwrap_or(Tick::NEVER).as_nanos();
        let is_left = matches!(ending, Ending::Left);
        (operation.ending, operation.ended) = (Some(ending), now);
        self.open -= 1;
        let is_late = now > deadline.saturating_add(LATE_MAX) && now > suspended.saturating_add(LATE_MAX);
        let operation = &self.operations[n];
        if is_late && !is_left && operation.ask.sleeps == 0 {
            let (number, late) = (operation.ask.number, now - deadline);
            self.violate("P6", format!("operation {number} ends {late} ns late"));
        }
    }

    fn fail(&mut self, n: usize, failure: Failure) {
        let operation = &self.operations[n];
        let (number, arrivals) = (operation.ask.number, operation.arrivals());
        if failure.outcome == Outcome::NotSent && arrivals > 0 {
            self.violate("P3", format!("operation {number} has arrived and is said not to be sent: {failure}"));
        }
        let is_early = self.operations[n].deadline.is_some_and(|deadline| deadline > self.tick());
        let is_stopped = self.links[self.operations[n].link].stop.is_some();
        match &failure.cause {
            // Whoever stands in line and cannot be answered in time any more is told so before its time is over.
            Cause::Deadline if is_early && failure.outcome == Outcome::Unknown => {
                self.violate("P6", format!("operation {number} expires early"))
            }
            Cause::Shutdown if !is_stopped => self.violate("P5", format!("operation {number} fails: nobody closed")),
            Cause::Down(_) | Cause::Refused(_) | Cause::Shutdown | Cause::QueueFull
                if failure.outcome != Outcome::NotSent =>
            {
                self.violate("P3", format!("operation {number} cannot have been sent: {failure}"));
            }
            _ => {}
        }
        self.end_operation(n, Ending::Failed(failure));
    }

    /// An answer must be what the server has said to this operation and to no other.
    fn judge_answer(&mut self, n: usize, answer: &Answer) {
        let operation = &self.operations[n];
        let (number, key) = (operation.ask.number, operation.ask.key);
        let is_altered = operation.wired.is_some_and(|wired| self.wired[wired].suffered.altered);
        if matches!(answer, Answer::Fault(_)) && is_altered {
            self.report.errors_believed += 1;
            return;
        }
        if operation.ask.verb != Verb::GetMany {
            let is_right = operation.said.as_ref().is_some_and(|said| agrees(said, answer));
            if !is_right {
                let said = operation.said.as_ref().map_or("nothing".to_owned(), show);
                return self
                    .violate("P1", format!("operation {number} was told {said} and got {}", show_answer(answer)));
            }
        }
        let keys = Keys::shared();
        match answer {
            Answer::Hit { value, cas } => match (value::read(keys.get(key).key.as_bytes(), value), cas) {
                (None, _) => self.violate("P1", format!("operation {number} got a value of nobody: {}", show(value))),
                (Some(item), Some(cas)) => self.note_seen(key, item, *cas),
                (Some(_), None) => {}
            },
            Answer::Stored { cas: Some(cas) } if operation.ask.verb != Verb::Append(0) => {
                if let Some(item) = stored(operation.ask.verb, number) {
                    self.note_seen(key, item, *cas);
                }
            }
            Answer::Values(values) => {
                let asked = keys.of_server(keys.get(key).server).filter(|index| !keys.get(*index).is_counter);
                for (index, value) in asked.zip(values) {
                    let read = |value: &Bytes| value::read(keys.get(index).key.as_bytes(), value).is_some();
                    if value.as_ref().is_some_and(|value| !read(value)) {
                        return self.violate("P1", format!("operation {number} got a value of nobody among several"));
                    }
                }
            }
            _ => {}
        }
    }

    fn note_seen(&mut self, key: usize, item: Item, cas: u64) {
        self.seen.insert(key, (item, cas));
    }

    /// A connection is lost only for what has happened to it.
    pub(crate) fn judge_loss(&mut self, link: usize, wired: usize, why: &Broken) {
        let suffered = self.wired[wired].suffered;
        let was_suspended = self.suspended_until > self.wired[wired].born;
        let is_explained = match why {
            Broken::EndOfStream | Broken::Io(_) => suffered.end,
            // A program that was stopped while a caller had a command in hands: nobody else can write what that caller has not.
            Broken::Stalled if was_suspended && (self.wired[wired].writers > 0 || suffered.late_write) => true,
            Broken::Stalled | Broken::WriteStalled => suffered.silence || suffered.altered,
            // A program that was stopped in the middle of the exchange has not done its part of it in time.
            Broken::OpeningTimeout => suffered.silence || suffered.slowness || suffered.altered || was_suspended,
            Broken::Abandoned => self.is_abandoned(wired),
            Broken::Shutdown => self.links[link].stop.is_some(),
            Broken::DriverGone => false,
            // The content of replies.
            _ => suffered.altered,
        };
        if !is_explained {
            self.violate(
                "P5",
                format!("link {link} loses connection {wired}, to which nothing like it has happened: {why}"),
            );
        }
    }

    /// A link shows how its connection stands, whenever nobody is about to say so: who chooses among links goes by it.
    pub(super) fn judge_states(&mut self) {
        for link in self.slots {
            let Link { state, ref connection, .. } = self.links[link];
            let stands = LinkState::of(connection.phase());
            if stands.is_some_and(|stands| stands != state) {
                let what = format!("link {link} shows {state:?} and is {:?}", connection.phase());
                return self.violate("P11", what);
            }
        }
    }

    /// What a link holds is bounded by its limits, whatever comes.
    pub(super) fn judge_bounds(&mut self, link: usize) {
        let (limits, connection) = (&self.rules.limits, &self.links[link].connection);
        let (stats, queued) = (connection.stats(), connection.queued_bytes());
        // A single command may be larger, and is then alone.
        let is_bounded = queued <= limits.queued_bytes_max.max(2 * ITEM_BYTES_MAX)
            && stats.in_flight <= limits.in_flight_max
            // Those who were promised room on a connection that was lost are in line again.
            && stats.waiting <= limits.waiting_max + limits.in_flight_max;
        if !is_bounded {
            self.violate("P9", format!("link {link} holds {queued} bytes: {stats:?}"));
        }
    }

    /// Whether more callers have left commands on this connection than may be, or one of them so long ago.
    fn is_abandoned(&self, wired: usize) -> bool {
        let limits = &self.rules.limits;
        let age_max = limits.abandoned_age_max.as_nanos() as u64;
        let mut left = 0;
        for operation in self.operations.iter().filter(|operation| operation.wired == Some(wired)) {
            let deadline = operation.deadline.unwrap_or(Tick::NEVER).as_nanos();
            let at = match operation.ending {
                Some(Ending::Left) => operation.ended.min(deadline),
                _ => deadline,
            };
            left += if at <= self.now { operation.calls.len() } else { 0 };
            if at.saturating_add(age_max) <= self.now {
                return true;
            }
        }
        left > limits.abandoned_max
    }

    /// Nothing is left of a link behind its grace.
    pub(super) fn judge_closed(&mut self, link: usize) {
        if self.now <= self.suspended_until.saturating_add(LATE_MAX) {
            let later = self.suspended_until + 2 * LATE_MAX;
            return self.at(later, super::Next::MustBeClosed(link));
        }
        let open = self.wired.iter().any(|wired| wired.link == link && wired.is_open);
        let (state, is_served) = (self.links[link].state, self.links[link].is_served);
        if state != LinkState::Closed || is_served || open {
            self.violate("P16", format!("link {link} was closed and is {state:?}, with a socket: {open}"));
        }
    }

    /// A server that says nothing is found out, whatever the traffic.
    pub(super) fn judge_replaced(&mut self, n: usize, since: u64) {
        let (now, stall) = (self.now, self.rules.limits.stall_timeout.as_nanos() as u64);
        let link = self.wired[n].link;
        if self.is_healed || self.links[link].wired != Some(n) || self.suspended_until > since {
            return;
        }
        let bound = stall + 2 * LATE_MAX;
        let quiet_since = since.max(self.wired[n].read_at).max(self.wired[n].unblocked_at);
        let waits = |operation: &&crate::link::Operation| {
            let is_owed = operation.wired == Some(n) && operation.ending.is_none() && operation.executions == 0;
            // One that sleeps may have ended long ago and not have looked.
            is_owed
                && operation.ask.sleeps == 0
                && operation.ask.verb != Verb::GetMany
                && operation.entered.max(quiet_since) + bound < now
        };
        if let Some(operation) = self.operations.iter().find(waits) {
            let number = operation.ask.number;
            self.violate("P8", format!("operation {number} waits on connection {n}, frozen for {} ns", now - since));
        }
    }
}

fn stored(verb: Verb, number: u64) -> Option<Item> {
    match verb {
        Verb::Set(_) | Verb::Add(_) | Verb::Swap(_) => Some(Item::Parts(vec![number])),
        _ => None,
    }
}

/// Whether the reply that the server gave says what the caller was told. Read here by other means than memlink-meta's.
fn agrees(said: &[u8], answer: &Answer) -> bool {
    let line_len = said.windows(2).position(|pair| pair == b"\r\n").unwrap_or(said.len());
    let (line, behind) = said.split_at(line_len);
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let cas = words.iter().skip(1).find_map(|word| word.strip_prefix(b"c")).and_then(value::read_number);
    let is_cas = |told: &Option<u64>| *told == cas.map(|(cas, _)| cas);
    let value = behind.strip_prefix(b"\r\n").and_then(|behind| behind.strip_suffix(b"\r\n"));
    match answer {
        Answer::Hit { value: told, cas } => words[0] == b"VA" && value == Some(&told[..]) && is_cas(cas),
        Answer::Miss => words[0] == b"EN",
        Answer::Stored { cas } => words[0] == b"HD" && is_cas(cas),
        Answer::NotStored => words[0] == b"NS",
        Answer::Exists => words[0] == b"EX",
        Answer::NotFound => words[0] == b"NF",
        Answer::Deleted => words[0] == b"HD",
        Answer::Counted(told) => words[0] == b"VA" && value == Some(told.to_string().as_bytes()),
        Answer::Fault(_) => words[0] == b"CLIENT_ERROR" || words[0] == b"SERVER_ERROR",
        Answer::Values(_) | Answer::Fenced => false,
    }
}

fn show(bytes: &Bytes) -> String {
    let shown = bytes.get(..60).unwrap_or(bytes);
    format!("\"{}\" ({} bytes)", shown.escape_ascii(), bytes.len())
}

fn show_answer(answer: &Answer) -> String {
    match answer {
        Answer::Hit { value, cas } => format!("{} with CAS id {cas:?}", show(value)),
        other => format!("{other:?}"),
    }
}
