use memlink_core::{Cause, Phase};
use memlink_meta::FaultKind;

use super::{CallError, Ending, LinkState};
use crate::command::Answer;
use crate::policy::Backoff;
use crate::world::{Next, World};

/// The task that asks a server that is left alone whether it is better: `probe` in the client.
pub(crate) struct Prober {
    link: usize,
    backoff: Backoff,
}

/// A server that answers everything with a fault of its own is left alone: `Link::note_fault` and what follows in the client.
impl World {
    /// Judges the server of an operation by its answer.
    pub(super) fn note(&mut self, link: usize, result: &Result<Answer, CallError>) {
        match result {
            Ok(Answer::Fault(FaultKind::Backend)) => self.note_fault(link),
            Ok(Answer::Fault(_)) | Err(_) => {}
            Ok(_) => self.links[link].record.note_answer(),
        }
    }

    fn note_fault(&mut self, link: usize) {
        let (now, patience) = (self.tick(), self.rules.patience);
        if !self.links[link].record.note_fault(now, patience) || !self.leave_alone(link) {
            return;
        }
        self.report.left_alone += 1;
        let backoff = Backoff::new(self.rules.backoff.0, self.rules.backoff.1);
        self.probers.push(Prober { link, backoff });
        self.wait_to_probe(self.probers.len() - 1);
    }

    /// Says whether it was not.
    fn leave_alone(&mut self, link: usize) -> bool {
        let mut woken = Vec::new();
        let is_suspended =
            self.links[link].connection.suspend(Cause::Down("its backend is away".to_owned()), &mut woken);
        if is_suspended {
            self.preempt(link);
            self.links[link].state = LinkState::Down;
            if !self.is_left_alone(link) {
                self.links[link].state = LinkState::Open;
            }
        }
        self.wake_all(&mut woken);
        is_suspended
    }

    fn is_left_alone(&self, link: usize) -> bool {
        matches!(self.links[link].connection.phase(), Phase::Suspended(_))
    }

    fn wait_to_probe(&mut self, prober: usize) {
        let dice = self.dice.throw();
        let wait = self.probers[prober].backoff.next_wait(dice);
        self.at(self.now + wait.as_nanos() as u64, Next::Probe(prober));
    }

    /// The pause is over.
    pub(crate) fn probe_again(&mut self, prober: usize) {
        let link = self.probers[prober].link;
        if self.is_left_alone(link) {
            self.ask_to_probe(link, prober);
        }
    }

    /// A probe has ended.
    pub(crate) fn probed(&mut self, prober: usize, ending: &Ending) {
        match ending {
            Ending::Replied(Answer::Fault(_)) | Ending::Failed(_) | Ending::Left => self.wait_to_probe(prober),
            Ending::Replied(_) => {
                self.report.resumed += 1;
                self.resume(self.probers[prober].link);
            }
        }
    }

    fn resume(&mut self, link: usize) {
        self.links[link].record.note_answer();
        if self.links[link].connection.resume() {
            self.links[link].state = LinkState::Open;
        }
    }
}
