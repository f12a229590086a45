use memlink_core::{Admission, Cause, Command as _, Failure, Looked, Outcome, Refused, Tick, Token};

use super::Waiter;
use crate::command::{Answer, Sent};
use crate::mutant::Mutant;
use crate::plan::{Ask, Verb};
use crate::policy::{COMMAND_LEN, Next, Tries};
use crate::world::World;

/// One caller and its command, or its line of many keys with a fence behind it.
pub(crate) struct Operation {
    pub(crate) ask: Ask,
    pub(crate) link: usize,
    /// Over this link and no other.
    pub(crate) is_pinned: bool,
    /// Asks whether a server that is left alone is better.
    pub(crate) prober: Option<usize>,
    pub(crate) calls: Vec<Call>,
    pub(crate) began: u64,
    /// Fixed when it is first polled.
    pub(crate) deadline: Option<Tick>,
    task: u32,
    pub(crate) is_scheduled: bool,
    /// On the stack: no task runs twice at once.
    is_running: bool,
    /// Held up in the middle of a write.
    pub(crate) is_busy: bool,
    pub(crate) ending: Option<Ending>,
    pub(crate) ended: u64,
    /// The connection that it was last written to.
    pub(crate) wired: Option<usize>,
    pub(crate) entered: u64,
    /// What the server has done for it.
    pub(crate) executions: u32,
    /// How often the server has refused to do it, as what is behind it was away.
    pub(crate) refusals: u32,
    /// What the server has said to it, before anything went wrong.
    pub(crate) said: Option<bytes::Bytes>,
    /// What it saw before, for a swap.
    pub(crate) seen: Option<memlink_history::Item>,
}

/// How an operation ended.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Replied(Answer),
    Failed(Failure),
    Left,
}

/// `Call` in the client, with its attempts.
pub(crate) struct Call {
    pub(crate) sent: Sent,
    state: State,
    tries: Tries,
    pub(crate) result: Option<Result<Answer, CallError>>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    New,
    Again,
    Submitted(Token),
    Done,
}

#[derive(Debug, Clone)]
pub(crate) enum CallError {
    Failed(Failure),
    Malformed(&'static str),
}

impl Call {
    pub(crate) fn new(sent: Sent) -> Call {
        Call { sent, state: State::New, tries: Tries::default(), result: None }
    }

    /// It does not go again after a lost connection.
    pub(crate) fn once(&mut self) {
        self.tries = Tries::spent();
    }
}

impl Operation {
    pub(crate) fn new(ask: Ask, link: usize, calls: Vec<Call>, began: u64) -> Operation {
        Operation {
            ask,
            link,
            is_pinned: false,
            prober: None,
            calls,
            began,
            deadline: None,
            task: 0,
            is_scheduled: false,
            is_running: false,
            is_busy: false,
            ending: None,
            ended: 0,
            wired: None,
            entered: 0,
            executions: 0,
            refusals: 0,
            said: None,
            seen: None,
        }
    }

    /// How often a server has had it whole.
    pub(crate) fn arrivals(&self) -> u32 {
        self.executions + self.refusals
    }

    pub(crate) fn is_current(&self, waiter: Waiter) -> bool {
        self.task == waiter.task
    }
}

impl World {
    /// The operation's task runs.
    pub(crate) fn poll_operation(&mut self, n: usize) {
        let operation = &mut self.operations[n];
        if operation.ending.is_some() || operation.is_busy {
            return;
        }
        if operation.is_running {
            // Woken while it runs, by what runs on another thread: it runs again behind that.
            return self.wake_operation(n);
        }
        operation.is_running = true;
        self.poll_calls(n);
        self.operations[n].is_running = false;
    }

    fn poll_calls(&mut self, n: usize) {
        // Moved to another task since it was polled last.
        if self.dice.one_in(4) {
            self.operations[n].task += 1;
        }
        for call in 0..self.operations[n].calls.len() {
            if self.operations[n].calls[call].result.is_none() {
                self.poll_call(n, call);
            }
            if self.operations[n].is_busy {
                return;
            }
        }
        if self.operations[n].calls.iter().all(|call| call.result.is_some()) {
            self.finish(n);
        }
    }

    /// `Attempts::poll` in the client.
    fn poll_call(&mut self, n: usize, call: usize) {
        loop {
            let polled = match self.operations[n].calls[call].state {
                State::New | State::Again => self.submit(n, call),
                State::Submitted(token) => self.look_after(n, call, token),
                State::Done => return,
            };
            let Some(result) = polled else { return };
            self.operations[n].calls[call].state = State::Done;
            if let Err(CallError::Failed(failure)) = &result
                && self.goes_again(n, call, failure)
            {
                self.operations[n].calls[call].state = State::Again;
                continue;
            }
            // Whoever probes reads the answer itself.
            if call == 0 && self.operations[n].prober.is_none() {
                self.note(self.operations[n].link, &result);
            }
            self.operations[n].calls[call].result = Some(result);
            return;
        }
    }

    /// `Attempts::failed` in the client: whether there is to be another attempt, and over which link.
    fn goes_again(&mut self, n: usize, call: usize, failure: &Failure) -> bool {
        let operation = &mut self.operations[n];
        if operation.calls.len() > 1 {
            return false;
        }
        let (link, is_pinned, verb) = (operation.link, operation.is_pinned, operation.ask.verb);
        let next = operation.calls[call].tries.after(&seen_as(failure, verb, self.mutant));
        let server = self.links[link].server;
        let goes_to = match next {
            // Nobody has chosen stand-ins.
            Next::Nowhere | Next::StandIn => return false,
            Next::Again if !self.may_retry(link) => return false,
            _ if is_pinned => link,
            Next::Again | Next::Successor => self.pick(server),
        };
        self.operations[n].link = goes_to;
        self.report.moved += u64::from(goes_to != link);
        next == Next::Again || goes_to != link
    }

    fn may_retry(&mut self, link: usize) -> bool {
        let (now, shared) = (self.tick(), &mut self.links[link]);
        let started = shared.connection.stats().started;
        shared.retries.take(now, started)
    }

    fn submit(&mut self, n: usize, call: usize) -> Option<Result<Answer, CallError>> {
        let (now, link) = (self.tick(), self.operations[n].link);
        let timeout = self.operations[n].ask.timeout;
        let fixed = timeout.map_or(Tick::NEVER, |timeout| Tick::from_nanos(now.as_nanos() + timeout));
        let deadline = *self.operations[n].deadline.get_or_insert(fixed);
        if deadline <= now {
            return Some(Err(CallError::Failed(Failure { outcome: Outcome::NotSent, cause: Cause::Deadline })));
        }
        self.ensure_driver(link);
        let operation = &self.operations[n];
        let (sent, waits) = (&operation.calls[call].sent, operation.ask.waits);
        let mut waiter = Some(Waiter { operation: n, task: operation.task });
        let (len, is_probe) = (sent.size_hint(), operation.prober.is_some());
        let shared = &mut self.links[link];
        shared.submitted += 1;
        let submitted = match is_probe {
            true => shared.connection.submit_probe(sent, deadline, &mut waiter),
            false => shared.connection.submit(sent, deadline, waits, &mut waiter),
        };
        match submitted {
            Err(refused) => Some(Err(refusal(refused))),
            Ok(admission) => {
                // Until the driver has counted anew.
                shared.load += len + COMMAND_LEN;
                self.operations[n].calls[call].state = State::Submitted(admission.token);
                self.note_entered(n, call);
                self.follow(n, link, &admission);
                None
            }
        }
    }

    fn follow(&mut self, n: usize, link: usize, admission: &Admission) {
        if admission.may_write {
            self.write_inline(link, n, admission.wake_driver);
        } else if admission.wake_driver && self.links[link].take_waker() {
            self.schedule_driver(link);
        }
    }

    fn look_after(&mut self, n: usize, call: usize, token: Token) -> Option<Result<Answer, CallError>> {
        let (link, task) = (self.operations[n].link, self.operations[n].task);
        let shared = &mut self.links[link];
        match shared.connection.poll(token) {
            Looked::Ended(Ok(reply)) => {
                let opened = shared.connection.opened_so_far();
                Some(self.decode(n, call, reply, opened))
            }
            Looked::Ended(Err(failure)) => Some(Err(CallError::Failed(failure))),
            Looked::Pending if shared.connection.waiter_mut(token).is_none_or(|waiter| waiter.task == task) => None,
            Looked::Pending | Looked::Admitted => self.look_again(n, call, token),
        }
    }

    /// The lock was let go of in between.
    fn look_again(&mut self, n: usize, call: usize, token: Token) -> Option<Result<Answer, CallError>> {
        let link = self.operations[n].link;
        if self.dice.one_in(8) && self.links[link].is_scheduled {
            self.poll_driver(link);
        }
        let operation = &self.operations[n];
        let (deadline, now) = (operation.deadline.unwrap_or(Tick::NEVER), self.tick());
        let mut fresh = Some(Waiter { operation: n, task: operation.task });
        let shared = &mut self.links[link];
        match shared.connection.poll(token) {
            Looked::Ended(Ok(reply)) => {
                let opened = shared.connection.opened_so_far();
                Some(self.decode(n, call, reply, opened))
            }
            Looked::Ended(Err(failure)) => Some(Err(CallError::Failed(failure))),
            Looked::Pending => {
                if let (Some(waiter), Some(fresh)) = (shared.connection.waiter_mut(token), fresh) {
                    *waiter = fresh;
                }
                None
            }
            Looked::Admitted if deadline <= now => {
                self.abandon(n, token);
                Some(Err(CallError::Failed(Failure { outcome: Outcome::NotSent, cause: Cause::Deadline })))
            }
            Looked::Admitted => {
                let mut woken = Vec::new();
                let sent = &operation.calls[call].sent;
                let entered = shared.connection.enter(token, sent, deadline, &mut fresh, &mut woken);
                let refused = match entered {
                    Ok(admission) => {
                        self.note_entered(n, call);
                        self.follow(n, link, &admission);
                        None
                    }
                    Err(refused) => Some(Err(refusal(refused))),
                };
                self.wake_all(&mut woken);
                refused
            }
        }
    }

    fn decode(&mut self, n: usize, call: usize, reply: memlink_core::Reply, opened: u64) -> Result<Answer, CallError> {
        self.operations[n].calls[call].sent.decode(reply).map_err(|malformed| {
            let link = self.operations[n].link;
            self.links[link].distrusted = Some((opened, malformed.what));
            if self.links[link].take_waker() {
                self.schedule_driver(link);
            }
            CallError::Malformed(malformed.what)
        })
    }

    /// If the command was written to the connection, it is known from now on under its number there.
    fn note_entered(&mut self, n: usize, call: usize) {
        let (link, now) = (self.operations[n].link, self.now);
        let operation = &mut self.operations[n];
        let (Some(serial), Some(wired)) = (operation.calls[call].sent.take_written(), self.links[link].wired) else {
            return;
        };
        (operation.wired, operation.entered) = (Some(wired), now);
        if call == 0 {
            self.wired[wired].serials.push((serial, n));
        }
    }

    /// The caller is gone.
    pub(crate) fn leave(&mut self, n: usize) {
        if self.operations[n].ending.is_some() {
            return;
        }
        // Whoever is in the middle of a write cannot be dropped there.
        if self.operations[n].is_busy {
            self.at(self.now + 50_000, crate::world::Next::Leave(n));
            return;
        }
        for call in 0..self.operations[n].calls.len() {
            if let State::Submitted(token) = self.operations[n].calls[call].state {
                self.abandon(n, token);
            }
        }
        self.end_operation(n, Ending::Left);
    }

    fn abandon(&mut self, n: usize, token: Token) {
        let (now, link) = (self.tick(), self.operations[n].link);
        let shared = &mut self.links[link];
        let abandoned = shared.connection.abandon(now, token);
        let wakes = abandoned.wake_driver && shared.take_waker();
        if let Some(next) = abandoned.woken {
            self.wake_all(&mut vec![next]);
        }
        if wakes {
            self.schedule_driver(link);
        }
    }
}

/// How a failure is seen by the client, and by a mutant.
fn seen_as(failure: &Failure, verb: Verb, mutant: Option<Mutant>) -> Failure {
    let is_mistaken = mutant == Some(Mutant::LostIncrementRepeated)
        && matches!(verb, Verb::Increment(_))
        && matches!(failure.cause, Cause::Closed(_));
    let outcome = if is_mistaken { Outcome::NotSent } else { failure.outcome };
    Failure { outcome, cause: failure.cause.clone() }
}

fn refusal(refused: Refused) -> CallError {
    match refused {
        Refused::Failed(failure) => CallError::Failed(failure),
        // No history asks for what its servers lack.
        Refused::Unsupported(_) => CallError::Malformed("the server lacks something"),
    }
}
