use std::collections::VecDeque;

use memlink_core::Broken;

use super::io;
use crate::fault::Fault;
use crate::plan::LINKS;
use crate::world::{Next, World};

/// Lets one dial at a time through to one server, and none while it rests after a failure: `DialGate` in the client.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    busy: Option<usize>,
    queue: VecDeque<usize>,
    pub(crate) renewals: u64,
    rest: Option<(u64, Broken)>,
    /// When all redials that were taken will have come back.
    redials_free_at: u64,
}

/// As in the client.
const REDIALS_MAX: u64 = 8;
const REDIAL_INTERVAL_MAX: u64 = 1_000_000_000;

/// A dial, which its link polls.
#[derive(Debug)]
pub(crate) struct Dial {
    link: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    New,
    Queued,
    Connecting(Option<Fault>),
    Done(Result<usize, Broken>),
    Over,
}

impl World {
    pub(crate) fn dial(&mut self, link: usize) -> usize {
        self.dials.push(Dial { link, stage: Stage::New });
        self.dials.len() - 1
    }

    pub(crate) fn poll_dial(&mut self, dial: usize) -> Option<Result<usize, Broken>> {
        let server = self.links[self.dials[dial].link].server;
        if let Stage::New = self.dials[dial].stage {
            if self.gates[server].busy.is_some() {
                self.dials[dial].stage = Stage::Queued;
                self.gates[server].queue.push_back(dial);
            } else {
                self.gates[server].busy = Some(dial);
                self.begin_dial(dial, server);
            }
        }
        match std::mem::replace(&mut self.dials[dial].stage, Stage::Over) {
            Stage::Done(result) => Some(result),
            other => {
                self.dials[dial].stage = other;
                None
            }
        }
    }

    fn begin_dial(&mut self, dial: usize, server: usize) {
        if let Some((until, why)) = &self.gates[server].rest
            && self.now < *until
        {
            let why = why.clone();
            return self.end_dial(dial, server, Err(why));
        }
        let slot = self.links[self.dials[dial].link].slot;
        let fault = self.armed[slot].dials.pop_front();
        if let Some(fault) = fault {
            self.report.injected.note(fault);
        }
        let takes = match fault {
            Some(Fault::IgnoreDial) => self.rules.dial_timeout.as_nanos() as u64,
            _ => 2 * self.latency(),
        };
        self.dials[dial].stage = Stage::Connecting(fault);
        self.at(self.now + takes, Next::Dialled(dial));
    }

    /// The server has answered, or nobody has.
    pub(crate) fn dialled(&mut self, dial: usize) {
        let Stage::Connecting(fault) = self.dials[dial].stage else { return };
        let link = self.dials[dial].link;
        let server = self.links[link].server;
        let result = match fault {
            Some(Fault::IgnoreDial) => Err(io("the dial timed out")),
            Some(_) => Err(io("connection refused")),
            None if !self.servers[server].is_up => Err(io("connection refused")),
            None => Ok(self.accept(link, server)),
        };
        self.end_dial(dial, server, result);
        self.schedule_driver(link);
    }

    fn end_dial(&mut self, dial: usize, server: usize, result: Result<usize, Broken>) {
        let is_kept = result.is_ok();
        self.dials[dial].stage = Stage::Done(result);
        if !is_kept {
            self.release_gate(dial, server);
        }
    }

    /// The connection of this dial keeps others from dialling no more.
    pub(crate) fn release_turn(&mut self, dial: usize) {
        self.release_gate(dial, self.links[self.dials[dial].link].server);
    }

    fn release_gate(&mut self, dial: usize, server: usize) {
        if self.gates[server].busy != Some(dial) {
            return;
        }
        self.gates[server].busy = None;
        if let Some(next) = self.gates[server].queue.pop_front() {
            self.gates[server].busy = Some(next);
            self.begin_dial(next, server);
            self.schedule_driver(self.dials[next].link);
        }
    }

    /// Nobody polls it any more.
    pub(crate) fn drop_dial(&mut self, dial: usize) {
        let server = self.links[self.dials[dial].link].server;
        if let Stage::Done(Ok(wired)) = std::mem::replace(&mut self.dials[dial].stage, Stage::Over) {
            self.close_client(wired);
        }
        self.gates[server].queue.retain(|queued| *queued != dial);
        self.release_gate(dial, server);
    }

    /// Whether there is more than one link to a server.
    pub(super) fn has_several(server: usize) -> bool {
        LINKS.iter().filter(|other| **other == server).count() > 1
    }

    /// When a link may be dialled that had a connection before; `None`: now, and it is counted. `DialGate::redial` in the client.
    pub(crate) fn redial(&mut self, server: usize) -> Option<u64> {
        if !Self::has_several(server) {
            return None;
        }
        let (now, interval) = (self.now, (self.rules.backoff.1.as_nanos() as u64 / 3).min(REDIAL_INTERVAL_MAX));
        let gate = &mut self.gates[server];
        if gate.rest.as_ref().is_some_and(|(until, _)| now < *until) {
            return None;
        }
        let free_at = gate.redials_free_at.max(now);
        let full_at = now + interval * (REDIALS_MAX - 1);
        if free_at > full_at {
            return Some(now + (free_at - full_at));
        }
        gate.redials_free_at = free_at + interval;
        None
    }

    pub(crate) fn rest_gate(&mut self, server: usize, until: u64, why: &Broken) {
        let now = self.now;
        let rest = &mut self.gates[server].rest;
        if rest.as_ref().is_none_or(|(until, _)| *until <= now) {
            *rest = Some((until, why.clone()));
        }
    }

    pub(crate) fn end_rest(&mut self, server: usize) {
        self.gates[server].rest = None;
    }
}
