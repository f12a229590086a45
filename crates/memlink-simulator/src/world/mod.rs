//! Everything there is in one history, and the clock: what happens next is what is due next.

mod end;
mod judge;
mod serve;
mod socket;
mod steps;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use memlink_core::{Limits, Tick};

pub(crate) use serve::Server;
pub(crate) use socket::Wired;

use crate::dice::Dice;
use crate::keys::SERVERS;
use crate::link::{Armed, Dial, Gate, Link, Operation, Prober, Waiter, Writing};
use crate::mutant::Mutant;
use crate::plan::{LINKS, Plan, Rules, Step, What};
use crate::policy::{self, LinkState, Readiness};
use crate::protocol::Spoken;
use crate::report::{Report, Violation};

/// One history while it happens.
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) mutant: Option<Mutant>,
    steps: Vec<Step>,
    pub(crate) now: u64,
    queue: BinaryHeap<Reverse<(u64, u64, Next)>>,
    /// Of things at the same time the first comes first.
    number: u64,
    pub(crate) dice: Dice,
    seed: u64,
    protocol: Arc<Spoken>,
    limits: Arc<Limits>,
    pub(crate) links: Vec<Link>,
    /// The link that stands at each place.
    slots: [usize; LINKS.len()],
    /// Whose turn it is among the links of each server.
    turns: [usize; SERVERS],
    pub(crate) servers: Vec<Server>,
    pub(crate) gates: [Gate; SERVERS],
    pub(crate) dials: Vec<Dial>,
    pub(crate) wired: Vec<Wired>,
    pub(crate) operations: Vec<Operation>,
    /// Which operation has which number.
    numbers: HashMap<u64, usize>,
    /// Operations that have not ended.
    open: usize,
    pub(crate) writings: Vec<Option<Writing>>,
    pub(crate) probers: Vec<Prober>,
    pub(crate) armed: [Armed; LINKS.len()],
    /// What was seen last of each key, with its CAS id.
    seen: HashMap<usize, (memlink_history::Item, u64)>,
    /// When each server lost everything.
    cleared: Vec<(usize, u64)>,
    /// The client's program does not run before.
    pub(crate) suspended_until: u64,
    /// No fault happens any more.
    is_healed: bool,
    /// Steps that have not happened, other than faults.
    to_come: usize,
    pub(crate) report: Report,
    pub(crate) violation: Option<Violation>,
}

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Next {
    /// A step of the plan.
    Step(usize),
    /// An operation's task runs.
    Poll(usize),
    /// A caller leaves.
    Leave(usize),
    /// A caller that was held up in a write goes on.
    Written(usize),
    /// A server that is left alone is asked again.
    Probe(usize),
    /// A link's driver runs.
    Driver(usize),
    /// A link's timer fires, if it was not set anew since.
    Timer(usize, u64),
    /// Commands arrive at the server's end.
    Up(usize),
    /// Replies arrive at the client's end.
    Down(usize),
    /// The server's end looks: it has thawed, or there is room.
    Serve(usize),
    /// A dial has its answer.
    Dialled(usize),
    /// A server is there again.
    Revive(usize),
    /// A connection's buffers have their size again.
    Widen(usize),
    /// A link must be closed by now.
    MustBeClosed(usize),
    /// A connection that was frozen at this time must have been replaced by now.
    MustBeReplaced(usize, u64),
}

impl Next {
    /// Whether it is the client's program that runs.
    fn is_of_client(self) -> bool {
        matches!(
            self,
            Next::Poll(_) | Next::Leave(_) | Next::Written(_) | Next::Probe(_) | Next::Driver(_) | Next::Timer(..)
        )
    }
}

impl World {
    pub(crate) fn new(plan: &Plan, mutant: Option<Mutant>) -> World {
        let rules = plan.rules.clone();
        let (protocol, limits) = (Arc::new(Spoken::new(rules.opaque, mutant)), Arc::new(rules.limits.clone()));
        let mut world = World {
            mutant,
            steps: plan.steps.clone(),
            now: 0,
            queue: BinaryHeap::new(),
            number: 0,
            dice: Dice::new(plan.seed, 1),
            seed: plan.seed,
            protocol,
            limits,
            links: Vec::new(),
            slots: [0; LINKS.len()],
            turns: [0; SERVERS],
            servers: (0..SERVERS).map(|_| Server::new(rules.version)).collect(),
            gates: Default::default(),
            dials: Vec::new(),
            wired: Vec::new(),
            operations: Vec::new(),
            numbers: HashMap::new(),
            open: 0,
            writings: Vec::new(),
            probers: Vec::new(),
            armed: Default::default(),
            seen: HashMap::new(),
            cleared: Vec::new(),
            suspended_until: 0,
            is_healed: false,
            to_come: plan.steps.iter().filter(|step| !matches!(step.what, What::Fault(..))).count(),
            report: Report::default(),
            violation: None,
            rules,
        };
        for slot in 0..LINKS.len() {
            world.new_link(slot);
        }
        for (n, step) in plan.steps.iter().enumerate() {
            world.at(step.at, Next::Step(n));
        }
        world
    }

    /// A connection beside the one of `link`, with an engine of its own and no callers.
    pub(crate) fn new_candidate(&mut self, link: usize) -> usize {
        let (slot, server) = (self.links[link].slot, self.links[link].server);
        let mut candidate = Link::new(slot, server, &self.protocol, &self.limits);
        (candidate.beside, candidate.state) = (Some(link), LinkState::Closed);
        self.links.push(candidate);
        self.links.len() - 1
    }

    /// A link takes its place.
    fn new_link(&mut self, slot: usize) {
        let mut link = Link::new(slot, LINKS[slot], &self.protocol, &self.limits);
        if let Some(mutant) = self.mutant.and_then(Mutant::of_engine) {
            link.connection.mutate(mutant);
        }
        self.slots[slot] = self.links.len();
        self.links.push(link);
    }

    /// Which link the next command of a server takes: `Pool::pick` in the client.
    pub(crate) fn pick(&mut self, server: usize) -> usize {
        let slots: Vec<usize> = (0..LINKS.len()).filter(|slot| LINKS[*slot] == server).collect();
        let first = self.turns[server] % slots.len();
        self.turns[server] += 1;
        let in_turn = slots[first..].iter().chain(&slots[..first]).map(|slot| self.slots[*slot]);
        let ranked = in_turn.map(|link| (Readiness::of(self.links[link].state), self.links[link].load, link));
        policy::choose(ranked, || None).unwrap_or(0)
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick::from_nanos(self.now)
    }

    pub(crate) fn at(&mut self, at: u64, next: Next) {
        self.number += 1;
        self.queue.push(Reverse((at.max(self.now), self.number, next)));
    }

    pub(crate) fn latency(&mut self) -> u64 {
        let (low, high) = self.rules.latency;
        if self.dice.one_in(32) { self.dice.between(low, 8 * high) } else { self.dice.between(low, high) }
    }

    /// How long a task that was woken takes to run.
    fn lag(&mut self) -> u64 {
        match self.dice.below(16) {
            0..11 => self.dice.below(3_000),
            11..15 => self.dice.below(60_000),
            _ => self.dice.below(600_000),
        }
    }

    pub(crate) fn wake_all(&mut self, woken: &mut Vec<Waiter>) {
        for waiter in woken.drain(..) {
            // A task that the operation has left is woken in vain.
            if self.operations[waiter.operation].is_current(waiter) {
                self.wake_operation(waiter.operation);
            }
        }
    }

    pub(crate) fn wake_operation(&mut self, n: usize) {
        let operation = &mut self.operations[n];
        if operation.ending.is_some() || std::mem::replace(&mut operation.is_scheduled, true) {
            return;
        }
        let (link, sleeps) = (operation.link, operation.ask.sleeps);
        let lag = self.lag();
        if sleeps == 0 {
            self.links[link].ready.push(n);
        }
        self.at(self.now + lag + sleeps, Next::Poll(n));
    }

    pub(crate) fn schedule_driver(&mut self, link: usize) {
        let link = self.links[link].beside.unwrap_or(link);
        if !std::mem::replace(&mut self.links[link].is_scheduled, true) {
            let lag = self.lag();
            self.at(self.now + lag, Next::Driver(link));
        }
    }

    /// The driver does not hold the lock here: callers of its link may run on other threads.
    pub(crate) fn preempt(&mut self, link: usize) {
        if self.links[link].ready.is_empty() || !self.dice.one_in(4) || self.now < self.suspended_until {
            return;
        }
        let at = self.dice.index(self.links[link].ready.len());
        let n = self.links[link].ready.swap_remove(at);
        self.run_operation(n);
    }

    fn run_operation(&mut self, n: usize) {
        if std::mem::take(&mut self.operations[n].is_scheduled) {
            self.poll_operation(n);
        }
    }

    /// Lets things happen until `is_over` or `until`, or until nothing is left that could happen; says whether it is over.
    fn run(&mut self, until: u64, is_over: impl Fn(&World) -> bool) -> bool {
        while self.violation.is_none() && !is_over(self) {
            match self.queue.pop() {
                Some(Reverse((at, number, next))) if at <= until => {
                    self.now = at;
                    if next.is_of_client() && at < self.suspended_until {
                        // In the same order, when the program runs again.
                        self.queue.push(Reverse((self.suspended_until, number, next)));
                        continue;
                    }
                    self.report.events += 1;
                    self.happen(next);
                    self.judge_states();
                }
                Some(later) => {
                    self.queue.push(later);
                    self.now = until;
                    return is_over(self);
                }
                None => return is_over(self),
            }
            if self.report.events > EVENTS_MAX {
                self.violate("P17", format!("more than {EVENTS_MAX} events"));
            }
        }
        self.violation.is_none()
    }

    /// Dice for one event: how they fall depends on the moment and on whose event it is, not on how often they were thrown before.
    /// So a history from which steps were taken out stays like it was, as long as it can.
    fn dice_of(&self, next: Next) -> Dice {
        let (kind, whose) = match next {
            Next::Step(n) => match &self.steps[n].what {
                What::Ask(ask) => (0, ask.number),
                _ => (1, 0),
            },
            Next::Poll(n) => (2, self.operations[n].ask.number),
            Next::Leave(n) => (3, self.operations[n].ask.number),
            Next::Driver(link) | Next::Timer(link, _) => (4, self.links[link].slot as u64),
            Next::Up(n) => (5, self.links[self.wired[n].link].slot as u64),
            Next::Down(n) => (6, self.links[self.wired[n].link].slot as u64),
            Next::Serve(n) => (7, self.links[self.wired[n].link].slot as u64),
            _ => (8, 0),
        };
        Dice::new(self.seed, (self.now << 4 | kind) ^ whose << 40)
    }

    fn happen(&mut self, next: Next) {
        self.dice = self.dice_of(next);
        match next {
            Next::Step(n) => self.step(n),
            Next::Poll(n) => {
                let link = self.operations[n].link;
                if let Some(at) = self.links[link].ready.iter().position(|ready| *ready == n) {
                    self.links[link].ready.swap_remove(at);
                }
                self.run_operation(n);
            }
            Next::Leave(n) => self.leave(n),
            Next::Written(at) => self.go_on_writing(at),
            Next::Probe(prober) => self.probe_again(prober),
            Next::Driver(link) => {
                self.links[link].is_scheduled = false;
                self.poll_driver(link);
                self.judge_bounds(link);
            }
            Next::Timer(link, number) if self.links[link].timer == number => self.poll_driver(link),
            Next::Timer(..) => {}
            Next::Up(wired) => self.arrive_up(wired),
            Next::Down(wired) => self.arrive_down(wired),
            Next::Serve(wired) => self.serve(wired),
            Next::Dialled(dial) => self.dialled(dial),
            Next::Revive(server) => self.revive(server),
            Next::Widen(wired) => self.widen(wired),
            Next::MustBeClosed(link) => self.judge_closed(link),
            Next::MustBeReplaced(wired, since) => self.judge_replaced(wired, since),
        }
    }

    pub(crate) fn violate(&mut self, promise: &'static str, what: String) {
        let at = self.now;
        self.violation.get_or_insert(Violation { promise, what, at });
    }
}

/// Events of one history after which it is said to go on for ever: some fifty times what they take.
const EVENTS_MAX: u64 = 400_000;
