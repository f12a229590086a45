use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::window::{Expected, Window};

/// What one server has of a stream, and what waits for it. Pure: it is told what happens, and answers what may be done.
///
/// ```text
///   waiting --depart--> in flight --land--> held until the caller takes it --release--> gone
///                       '------------- used: counts for the window -----------'
/// ```
pub(super) struct Lane<J> {
    window: Window,
    waiting: VecDeque<Waiting<J>>,
    waiting_bytes: usize,
    waiting_fetches: usize,
    used_keys: usize,
    used_bytes: usize,
    /// Commands, not keys.
    in_flight: usize,
    expected: Expected,
    /// When it last answered.
    heard: Option<Instant>,
    /// The same, or when it began to owe an answer, by the time that was spent waiting for it.
    quiet_since: Duration,
    is_behind: bool,
}

/// A key or command that is still to be sent.
pub(super) struct Waiting<J> {
    pub(super) index: usize,
    pub(super) job: J,
    pub(super) weight: Weight,
}

/// What a command costs of a window.
#[derive(Debug, Clone, Copy)]
pub struct Weight {
    /// Bytes that it brings along.
    pub(super) bytes: usize,
    /// Whether a value comes back.
    pub(super) fetches: bool,
}

/// What has left for the server as one command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Departed {
    pub(super) fetches: usize,
    /// As reckoned at departure.
    pub(super) bytes: usize,
    pub(super) at: Instant,
}

/// What has come back for one command.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Landed {
    /// Keys that the server has answered.
    pub(super) answered: usize,
    pub(super) hits: usize,
    /// Of values.
    pub(super) bytes: usize,
    /// Its time was over, and no answer had come.
    pub(super) is_late: bool,
}

impl<J> Lane<J> {
    pub(super) fn new(window: Window, fetches: bool) -> Lane<J> {
        Lane {
            window,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            waiting_fetches: 0,
            used_keys: 0,
            used_bytes: 0,
            in_flight: 0,
            expected: Expected::new(&window, fetches),
            heard: None,
            quiet_since: Duration::ZERO,
            is_behind: false,
        }
    }

    pub(super) fn push(&mut self, waiting: Waiting<J>) {
        self.waiting_bytes += waiting.weight.bytes;
        self.waiting_fetches += usize::from(waiting.weight.fetches);
        self.waiting.push_back(waiting);
    }

    /// All that waits, in its order.
    pub(super) fn take_waiting(&mut self) -> VecDeque<Waiting<J>> {
        (self.waiting_bytes, self.waiting_fetches) = (0, 0);
        std::mem::take(&mut self.waiting)
    }

    pub(super) fn waiting(&self) -> impl ExactSizeIterator<Item = &Waiting<J>> {
        self.waiting.iter()
    }

    /// Whether it could send more than what waits for it: a whole line, so that lines do not become ever shorter.
    pub(super) fn is_hungry(&self) -> bool {
        if self.is_behind {
            return false;
        }
        let waiting_bytes = self.waiting_bytes.saturating_add(self.waiting_fetches.saturating_mul(self.expected.len()));
        let (line, each) = self.line();
        self.fits(self.waiting.len() + 1, waiting_bytes.saturating_add(1))
            && self.fits(line, if self.window.line_max > 1 { line.saturating_mul(each) } else { 0 })
    }

    /// How many keys make a whole line, and what each of them costs, when they are like those that wait.
    fn line(&self) -> (usize, usize) {
        let brought = self.waiting_bytes.checked_div(self.waiting.len()).unwrap_or(0);
        let each = brought.saturating_add(self.expected.len());
        (self.window.line(each), each)
    }

    /// Of what waits, how many go as the next command; 0 when they have to wait on. `now_or_later`: less than a whole line waits for the
    /// rest of it. A server that does not keep up gets one key and has to answer it first.
    pub(super) fn next_len(&self, now_or_later: Go) -> usize {
        if self.is_behind {
            return usize::from(self.in_flight == 0 && !self.waiting.is_empty());
        }
        let line = self.line().0;
        let (mut len, mut bytes) = (0, 0);
        for waiting in self.waiting.iter().take(line) {
            bytes += self.cost(waiting.weight);
            if !self.fits(len + 1, bytes) {
                break;
            }
            len += 1;
        }
        // Nothing comes that it could wait for: neither room nor, for want of room, another key.
        let is_all = self.used_keys == 0 && !self.is_hungry();
        if len == line || is_all || now_or_later == Go::Now { len } else { 0 }
    }

    /// The first `len` of those that wait leave as one command; `waited` is the time that was spent waiting so far.
    pub(super) fn depart(
        &mut self,
        len: usize,
        now: Instant,
        waited: Duration,
    ) -> (Departed, impl Iterator<Item = (usize, J)>) {
        if self.in_flight == 0 {
            self.quiet_since = waited;
        }
        let weights = || self.waiting.iter().take(len).map(|waiting| waiting.weight);
        let bytes = weights().map(|weight| self.cost(weight)).sum();
        let fetches = weights().filter(|weight| weight.fetches).count();
        let brought: usize = weights().map(|weight| weight.bytes).sum();
        self.waiting_bytes -= brought;
        self.waiting_fetches -= fetches;
        self.used_keys += len;
        self.used_bytes += bytes;
        self.in_flight += 1;
        let jobs = self.waiting.drain(..len).map(|waiting| (waiting.index, waiting.job));
        (Departed { fetches, bytes, at: now }, jobs)
    }

    /// A command has ended. What came with it counts until it is [released](Lane::release).
    pub(super) fn land(&mut self, departed: Departed, landed: Landed, now: Instant, waited: Duration) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.used_bytes = self.used_bytes.saturating_sub(departed.bytes) + landed.bytes;
        if landed.is_late {
            // It had all of a command's time for an answer to anything.
            self.is_behind |= self.heard.is_none_or(|heard| heard < departed.at);
            return;
        }
        self.heard = Some(now);
        self.quiet_since = waited;
        self.is_behind = false;
        if departed.fetches > 0 && landed.answered > 0 {
            self.expected.learn(landed.answered, landed.hits, landed.bytes);
        }
    }

    /// The caller has taken one outcome with a value of so many bytes.
    pub(super) fn release(&mut self, bytes: usize) {
        self.used_keys = self.used_keys.saturating_sub(1);
        self.used_bytes = self.used_bytes.saturating_sub(bytes);
    }

    /// Whether keys wait for it although it has answered nothing for so long; then it does not keep up from now on, until it answers.
    pub(super) fn falls_behind(&mut self, waited: Duration, patience: Duration) -> bool {
        let is_stuck = self.in_flight > 0 && !self.waiting.is_empty() && self.next_len(Go::Now) == 0;
        let falls = !self.is_behind && is_stuck && waited.saturating_sub(self.quiet_since) >= patience;
        self.is_behind |= falls;
        falls
    }

    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Whether a further key ends at once, because this server does not keep up. One is always tried.
    pub(super) fn refuses(&self) -> bool {
        self.is_behind && (self.in_flight > 0 || !self.waiting.is_empty())
    }

    /// Whether nothing is on its way or held.
    pub(super) fn is_unused(&self) -> bool {
        self.used_keys == 0 && self.waiting.is_empty()
    }

    pub(super) fn has_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    fn cost(&self, weight: Weight) -> usize {
        weight.bytes + if weight.fetches { self.expected.len() } else { 0 }
    }

    /// Whether so much more is within the window. A single command that is larger than the window goes alone.
    fn fits(&self, keys: usize, bytes: usize) -> bool {
        let is_alone = self.used_keys == 0 && keys == 1;
        is_alone
            || (self.used_keys + keys <= self.window.keys && self.used_bytes.saturating_add(bytes) <= self.window.bytes)
    }
}

/// Whether less than a whole line is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Go {
    /// No more will come.
    Now,
    /// More will come.
    Later,
}

#[cfg(test)]
mod tests;
