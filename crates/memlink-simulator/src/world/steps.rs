use memlink_meta::{Arithmetic, Delete, Get, MultiGet, Noop, Set, SetMode};

use super::serve::ITEM_BYTES_MAX;
use super::{Next, World};
use crate::command::{Form, Sent};
use crate::fault::Fault;
use crate::keys::Keys;
use crate::link::{Call, Operation};
use crate::plan::{Ask, LINKS, MS, Verb, What};
use crate::value::value;
use crate::wire::End;

/// Numbers of operations that are no part of the plan.
const UNPLANNED: u64 = 1_000_000;

/// How long a server that is left alone has to show that it is better.
const PROBE_TIMEOUT: u64 = 60 * MS;

/// The plan comes true.
impl World {
    pub(super) fn step(&mut self, n: usize) {
        // Callers are the client's; everything else happens to it.
        if self.now < self.suspended_until && !matches!(self.steps[n].what, What::Fault(..)) {
            return self.at(self.suspended_until, Next::Step(n));
        }
        match self.steps[n].what.clone() {
            What::Ask(ask) => self.ask(ask),
            What::Close(slot, grace) => self.close(slot, grace),
            What::Renew(server) => self.renew(server),
            What::Fault(slot, fault) => {
                if self.is_healed {
                    return;
                }
                if !self.inject(slot, fault) {
                    // There is nothing that it could happen to yet.
                    let later = self.now + 300_000 + self.dice.below(3_000_000);
                    self.at(later, Next::Step(n));
                }
                return;
            }
        }
        self.to_come -= 1;
    }

    /// A caller comes.
    pub(super) fn ask(&mut self, ask: Ask) {
        let link = self.pick(Keys::shared().get(ask.key).server);
        let operation = self.operation(ask, link);
        self.begin(operation);
    }

    fn operation(&self, ask: Ask, link: usize) -> Operation {
        let seen = self.seen.get(&ask.key).cloned();
        let forms = forms(&ask, seen.as_ref().map(|(_, cas)| *cas), self.rules.opaque);
        let calls = forms.into_iter().map(|form| Call::new(Sent::new(form))).collect();
        let mut operation = Operation::new(ask, link, calls, self.now);
        operation.seen = seen.map(|(item, _)| item);
        operation
    }

    fn begin(&mut self, operation: Operation) {
        let (n, leaves) = (self.operations.len(), operation.ask.leaves);
        self.numbers.insert(operation.ask.number, n);
        self.operations.push(operation);
        self.open += 1;
        self.wake_operation(n);
        if let Some(leaves) = leaves {
            self.at(self.now + leaves, Next::Leave(n));
        }
    }

    /// A caller that asks for a number over this link and no other.
    pub(super) fn ask_over(&mut self, link: usize, timeout: u64, waits: bool) -> usize {
        let n = self.operations.len();
        let operation = self.pinned(link, timeout, waits);
        self.begin(operation);
        n
    }

    /// Asks whether a server that is left alone is better.
    pub(crate) fn ask_to_probe(&mut self, link: usize, prober: usize) {
        let mut operation = self.pinned(link, PROBE_TIMEOUT, false);
        operation.prober = Some(prober);
        operation.calls.iter_mut().for_each(Call::once);
        self.begin(operation);
    }

    fn pinned(&self, link: usize, timeout: u64, waits: bool) -> Operation {
        // A counter: its value is short.
        let key = Keys::shared().of_server(self.links[link].server).last().unwrap_or(0);
        let number = UNPLANNED + self.operations.len() as u64;
        let ask = Ask { number, verb: Verb::Get, key, timeout: Some(timeout), waits, leaves: None, sleeps: 0 };
        let mut operation = self.operation(ask, link);
        operation.is_pinned = true;
        operation
    }

    fn close(&mut self, slot: usize, grace: u64) {
        let (link, until) = (self.slots[slot], self.now + grace);
        self.stop(link, memlink_core::Tick::from_nanos(until));
        self.new_link(slot);
        self.at(until + 10_000_000, Next::MustBeClosed(link));
    }

    fn renew(&mut self, server: usize) {
        self.gates[server].renewals += 1;
        for (slot, of_server) in LINKS.into_iter().enumerate() {
            let link = self.slots[slot];
            if of_server == server && self.links[link].take_waker() {
                self.schedule_driver(link);
            }
        }
    }

    /// Something goes wrong; `false` when there is nothing that it could happen to.
    fn inject(&mut self, slot: usize, fault: Fault) -> bool {
        let (link, server) = (self.slots[slot], LINKS[slot]);
        match fault {
            _ if fault.is_of_reply() => self.armed[slot].replies.push_back(fault),
            Fault::RefuseDial | Fault::IgnoreDial => {
                // Soon, or it would wait for an accident.
                self.armed[slot].dials.push_back(fault);
                return self.inject_first(slot, Fault::Finish);
            }
            Fault::AcceptSilent | Fault::Banner => {
                self.armed[slot].accepts.push_back(fault);
                return self.inject_first(slot, Fault::Finish);
            }
            Fault::Suspend(time) => {
                self.suspended_until = self.suspended_until.max(self.now + time);
                self.report.injected.note(fault);
            }
            Fault::Restart(time) if self.servers[server].is_up => {
                self.kill(server, time);
                self.report.injected.note(fault);
            }
            Fault::Freeze(time) => {
                let until = self.now + time;
                self.servers[server].frozen_until = until;
                for n in 0..self.wired.len() {
                    if self.wired[n].server == server && self.wired[n].session.is_some() {
                        self.silence(n, time);
                    }
                }
                self.report.injected.note(fault);
            }
            Fault::NoBackend(time) => {
                self.servers[server].away_until = self.now + time;
                self.report.injected.note(fault);
            }
            Fault::DriverGone => {
                if self.links[link].driver.is_none() {
                    return false;
                }
                self.driver_gone(link);
                self.report.injected.note(fault);
            }
            _ => {
                let Some(n) = self.links[link].wired else { return false };
                if self.wired[n].session.is_none() || !self.wired[n].is_open {
                    return false;
                }
                self.inject_into(n, fault);
                self.report.injected.note(fault);
            }
        }
        true
    }

    /// Ends the present connection, if there is one, for the sake of what waits for the next.
    fn inject_first(&mut self, slot: usize, fault: Fault) -> bool {
        if let Some(n) = self.links[self.slots[slot]].wired
            && self.wired[n].session.is_some()
        {
            self.inject_into(n, fault);
        }
        true
    }

    fn inject_into(&mut self, n: usize, fault: Fault) {
        let now = self.now;
        let wired = &mut self.wired[n];
        match fault {
            Fault::Reset => {
                wired.up.reset(now);
                self.end_server(n, End::Reset);
            }
            Fault::Finish => {
                // Behind what it has answered so far, as far as there is room for it.
                self.flush(n);
                self.end_server(n, End::Finished);
            }
            Fault::CutCommands(len) => wired.up.cut = Some(wired.up.cut.map_or(len, |cut| cut.min(len))),
            Fault::CutReplies(len) => wired.down.cut = Some(wired.down.cut.map_or(len, |cut| cut.min(len))),
            Fault::Delay(time) => {
                (wired.up.late_until, wired.down.late_until) = (now + time, now + time);
                wired.quiet += time;
                wired.suffered.silence |= is_long(wired.quiet, &self.rules.limits);
            }
            Fault::Trickle(time) => (wired.trickles_until, wired.suffered.slowness) = (now + time, true),
            Fault::FreezeOne(time) => self.silence(n, time),
            Fault::SmallBuffers(time) => {
                wired.suffered.slowness = true;
                let window = 1 + self.dice.index(64);
                (self.wired[n].up.window, self.wired[n].down.window) = (window, window);
                self.at(now + time, Next::Widen(n));
            }
            Fault::Stray => {
                let line = ["HD O____\r\n", "VA 3 O____\r\nabc\r\n", "EN O____\r\n", "\r\n"][self.dice.index(4)];
                wired.output.extend_from_slice(line.as_bytes());
                wired.suffered.altered = true;
                wired.suffered.alterations += 1;
                self.flush(n);
            }
            // The others do not happen to a connection.
            _ => {}
        }
    }

    /// The server's end does nothing for a time.
    fn silence(&mut self, n: usize, time: u64) {
        let (now, stall) = (self.now, self.rules.limits.stall_timeout.as_nanos() as u64);
        let wired = &mut self.wired[n];
        wired.frozen_until = wired.frozen_until.max(now + time);
        wired.quiet += time;
        wired.suffered.silence |= is_long(wired.quiet, &self.rules.limits);
        self.at(now + time, Next::Serve(n));
        if time >= 2 * stall {
            self.at(now + time - 1, Next::MustBeReplaced(n, now));
        }
    }

    fn kill(&mut self, server: usize, time: u64) {
        for n in 0..self.wired.len() {
            if self.wired[n].server == server && self.wired[n].session.is_some() {
                // A process that is killed ends its connections in order, or not.
                let end = if self.dice.one_in(2) { End::Finished } else { End::Reset };
                self.wired[n].input.clear();
                self.end_server(n, end);
            }
        }
        self.servers[server].is_up = false;
        self.servers[server].restart(self.now);
        self.cleared.push((server, self.now));
        self.seen.retain(|key, _| Keys::shared().get(*key).server != server);
        self.at(self.now + time, Next::Revive(server));
    }

    pub(super) fn revive(&mut self, server: usize) {
        self.servers[server].is_up = true;
    }

    pub(super) fn widen(&mut self, n: usize) {
        let window = self.rules.window;
        (self.wired[n].up.window, self.wired[n].down.window) = (window, window);
        self.wake_writer(n);
        self.serve(n);
    }
}

/// Whether a silence of this length can end a connection.
fn is_long(time: u64, limits: &memlink_core::Limits) -> bool {
    let shortest = limits.stall_timeout.min(limits.opening_timeout);
    time >= shortest.as_nanos() as u64 * 3 / 5
}

/// The commands of one operation. Most carry its number to the server, in a flag that servers ignore; a plain get is found there by its
/// place, so that what nearly everybody sends is sent here, too.
fn forms(ask: &Ask, cas: Option<u64>, opaque: bool) -> Vec<Form> {
    let keys = Keys::shared();
    let owned = keys.get(ask.key);
    let (key, hint) = (owned.key.clone(), ask.number.to_string());
    let set = |mode: SetMode, len: usize| {
        let stored = value(owned.key.as_bytes(), ask.number, len);
        Set::with_mode(mode, key.clone(), stored).proxy_location(&hint).with_cas()
    };
    let form = match ask.verb {
        Verb::Get if opaque && ask.number.is_multiple_of(2) => Form::Get(prepared(Get::new(key))),
        Verb::Get => Form::Get(prepared(Get::new(key).with_cas().proxy_location(&hint))),
        Verb::GetMany => {
            let many = keys.of_server(owned.server).filter(|index| !keys.get(*index).is_counter);
            let many = many.map(|index| keys.get(index).key.clone()).collect();
            return vec![Form::Many(prepared(MultiGet::new(many))), Form::Fence(Noop)];
        }
        Verb::Set(len) => Form::Set(prepared(set(SetMode::Set, len))),
        Verb::SetTooLarge => Form::Set(prepared(set(SetMode::Set, ITEM_BYTES_MAX + 100))),
        Verb::Add(len) => Form::Set(prepared(set(SetMode::Add, len))),
        Verb::Append(len) => Form::Set(prepared(set(SetMode::Append, len))),
        Verb::Swap(len) => {
            let set = set(SetMode::Set, len);
            Form::Set(prepared(cas.map_or(set.clone(), |cas| set.compare_cas(cas))))
        }
        Verb::Delete => Form::Delete(prepared(Delete::new(key).proxy_location(&hint))),
        Verb::Increment(delta) => {
            let count = Arithmetic::increment(key).delta(delta).with_value().proxy_location(&hint);
            Form::Count(prepared(if owned.is_counter { count.initial(delta) } else { count }))
        }
    };
    vec![form]
}

/// As the client does before it sends anything. No history asks for what would be refused.
fn prepared<V: memlink_meta::Verb>(mut command: V) -> V {
    let _ = command.prepare(|| 1_700_000_000);
    command
}
