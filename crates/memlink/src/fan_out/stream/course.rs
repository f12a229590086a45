use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::task::coop;
use tokio::time::Instant;

use super::Source;
use super::form::{Form, InFlight, Outcomes, Takes};
use super::lane::{Go, Landed, Waiting};
use super::lanes::{Departure, Lanes, Unsent};
use super::patience::Patience;
use super::window::Window;
use crate::Client;
use crate::error::{Error, ErrorKind};
use crate::link::Timing;

/// What can be set before a stream is polled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) window: Window,
    /// For all of it.
    pub(super) timeout: Option<Duration>,
}

/// A stream that was polled: the conductor of [`Lanes`], of what is in flight, and of what has ended.
pub(super) struct Course<J, T> {
    lanes: Lanes<J>,
    in_flight: FuturesUnordered<InFlight<T>>,
    ended: VecDeque<Ended<T>>,
    /// Of those that have ended: how many used no window.
    unsent: usize,
    /// Outcomes that the caller has taken.
    given: usize,
    /// Those since the places they left were filled.
    freed: usize,
    patience: Patience,
    /// Of all of it.
    deadline: Option<Instant>,
    is_over: bool,
    /// For each command, where there is no such deadline.
    timing: Timing,
}

struct Ended<T> {
    /// Whose window it uses until the caller takes it.
    seat: Option<usize>,
    index: usize,
    outcome: Result<T, Error>,
    /// Bytes of the value.
    held: usize,
}

/// Keys that are taken, and outcomes that are read, in one poll: about as long as a turn of a connection, then others get theirs.
const STEPS_MAX: usize = 512;

/// Outcomes that the caller takes before the places they leave are filled again: looking costs more than one outcome, and a place that
/// stays empty for so short a time nothing.
const FREED_MAX: usize = 64;

impl<J, T> Course<J, T> {
    pub(super) fn begin<F: Form<Job = J, Output = T>>(client: &Client, plan: &Plan, form: &F) -> Course<J, T> {
        let (cluster, timing) = (client.cluster(), client.cluster().timing());
        let window = Window { line_max: form.line_max(client), ..plan.window };
        let window = window.within(&cluster.settings().limits);
        let deadline = plan.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        Course {
            lanes: Lanes::new(cluster.topology(), window, F::FETCHES),
            in_flight: FuturesUnordered::new(),
            ended: VecDeque::new(),
            unsent: 0,
            given: 0,
            freed: 0,
            patience: Patience::new(plan.timeout.or(timing.timeout)),
            deadline,
            is_over: false,
            // A time that is over after the end of all clocks is one for each command, too.
            timing: Timing {
                timeout: if deadline.is_none() { plan.timeout } else { None }.or(timing.timeout),
                ..timing
            },
        }
    }

    /// How many outcomes the caller has taken.
    pub(super) fn given(&self) -> usize {
        self.given
    }

    pub(super) fn poll_next<I: Iterator, F: Takes<I::Item, Job = J, Output = T>>(
        &mut self,
        source: &mut Source<I, F>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, Result<T, Error>)>> {
        self.patience.look();
        loop {
            let mut has_more = false;
            if self.ended.is_empty() || self.freed >= FREED_MAX {
                self.freed = 0;
                has_more = self.drive(source, cx);
            }
            if let Some(ended) = self.ended.pop_front() {
                return Poll::Ready(Some(self.give(ended)));
            }
            if source.keys.is_none() && self.given == source.taken {
                return Poll::Ready(None);
            }
            // What is in flight wakes this task. Where nothing is, there is something to be done at once.
            if has_more || self.in_flight.is_empty() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let is_held_up = source.keys.is_some() && self.lanes.is_held_up();
            if self.patience.wait(is_held_up, cx).is_pending() {
                return Poll::Pending;
            }
            self.patience.look();
        }
    }

    fn give(&mut self, ended: Ended<T>) -> (usize, Result<T, Error>) {
        self.given += 1;
        self.freed += 1;
        match ended.seat {
            Some(seat) => self.lanes.release(seat, ended.held),
            None => self.unsent -= 1,
        }
        (ended.index, ended.outcome)
    }

    /// Does all that can be done now. Whether there is more, which others' turn comes before.
    fn drive<I: Iterator, F: Takes<I::Item, Job = J, Output = T>>(
        &mut self,
        source: &mut Source<I, F>,
        cx: &mut Context<'_>,
    ) -> bool {
        let mut steps = STEPS_MAX;
        loop {
            self.land::<F>(cx);
            let now = Instant::now();
            self.judge(now);
            let moved = self.lanes.follow(source.client.cluster(), F::key);
            self.end_unsent(moved);
            self.take(source, &mut steps);
            // Those that leave are polled before anything else is done: so they are sent in the order of the keys.
            if !self.launch(source, now) {
                return steps == 0 && self.wants_more(source);
            }
        }
    }

    /// Reads what has come.
    fn land<F: Form<Job = J, Output = T>>(&mut self, cx: &mut Context<'_>) {
        // Commands that tokio put off until the next turn would come back in another order, so they do not count: this does.
        while self.ended.len() < STEPS_MAX {
            let next = coop::unconstrained(self.in_flight.next()).poll_unpin(cx);
            let Poll::Ready(Some((seat, departed, outcomes))) = next else { return };
            let landed = Self::sum_up::<F>(&outcomes);
            self.lanes.land(seat, departed, landed, Instant::now(), self.patience.waited());
            self.ended.extend(outcomes.into_iter().map(|(index, outcome)| {
                let held = outcome.as_ref().ok().and_then(F::value_len).unwrap_or(0);
                Ended { seat: Some(seat), index, outcome, held }
            }));
        }
    }

    fn sum_up<F: Form<Job = J, Output = T>>(outcomes: &Outcomes<T>) -> Landed {
        let mut landed = Landed { is_late: true, ..Landed::default() };
        for outcome in outcomes.iter() {
            match outcome {
                Ok(output) => {
                    let len = F::value_len(output);
                    landed.answered += 1;
                    landed.hits += usize::from(len.is_some());
                    landed.bytes += len.unwrap_or(0);
                    landed.is_late = false;
                }
                Err(error) => landed.is_late &= error.kind() == ErrorKind::Deadline,
            }
        }
        landed
    }

    /// Ends what is late, and what waits for a server that does not keep up while others could go on.
    fn judge(&mut self, now: Instant) {
        if !self.is_over && self.deadline.is_some_and(|deadline| deadline <= now) {
            self.is_over = true;
            let late = self.lanes.end_waiting();
            self.end_unsent(late);
        }
        if self.lanes.is_held_up() {
            let behind = self.lanes.judge(self.patience.waited(), self.patience.limit());
            self.end_unsent(behind);
        }
    }

    fn end_unsent(&mut self, unsent: Unsent) {
        self.unsent += unsent.len();
        let ended = unsent.into_iter().map(|(index, error)| Ended { seat: None, index, outcome: Err(error), held: 0 });
        self.ended.extend(ended);
    }

    fn wants_more<I, F>(&self, source: &Source<I, F>) -> bool {
        source.keys.is_some() && self.unsent < STEPS_MAX && (self.is_over || self.lanes.is_hungry())
    }

    /// Takes keys from the iterator, as long as a server has room for them.
    fn take<I: Iterator, F: Takes<I::Item, Job = J, Output = T>>(
        &mut self,
        source: &mut Source<I, F>,
        steps: &mut usize,
    ) {
        while *steps > 0 && self.wants_more(source) {
            let Some(given) = source.keys.as_mut().and_then(Iterator::next) else {
                source.keys = None;
                return;
            };
            *steps -= 1;
            let index = source.taken;
            source.taken += 1;
            let taken = source.form.accept(&source.client, given).map_err(|invalid| Error::invalid(&invalid));
            if let Err(error) = taken.and_then(|job| self.admit::<F>(index, job)) {
                self.end_unsent(vec![(index, error)]);
            }
        }
    }

    fn admit<F: Form<Job = J, Output = T>>(&mut self, index: usize, job: J) -> Result<(), Error> {
        let seat = self.lanes.route(F::key(&job));
        if self.is_over {
            return Err(self.lanes.lateness(seat));
        }
        let weight = F::weigh(&job);
        self.lanes.push(seat, Waiting { index, job, weight })
    }

    /// Sends what has room. Whether anything left.
    fn launch<I, F: Form<Job = J, Output = T>>(&mut self, source: &Source<I, F>, now: Instant) -> bool {
        let go = if source.keys.is_none() || self.lanes.is_full() { Go::Now } else { Go::Later };
        let departure = Departure { now, waited: self.patience.waited(), timing: self.timing_at(now) };
        let before = self.in_flight.len();
        for seat in 0..self.lanes.len() {
            loop {
                let len = source.form.fitting(self.lanes.next(seat, go));
                if len == 0 {
                    break;
                }
                let (departed, way, jobs) = self.lanes.depart(seat, len, departure);
                let flight = source.form.launch(&source.client, way, jobs);
                self.in_flight.push(InFlight { seat, departed, flight });
                self.lanes.count(seat);
            }
        }
        self.in_flight.len() > before
    }

    /// Of a command that leaves now.
    fn timing_at(&self, now: Instant) -> Timing {
        let own = self.timing.timeout.and_then(|timeout| now.checked_add(timeout));
        Timing { deadline: self.deadline.or(own), ..self.timing }
    }
}
