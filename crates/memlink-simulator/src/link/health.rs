use memlink_core::{Cause, Phase};
use memlink_meta::FaultKind;

use super::{CallError, Ending};
use crate::command::Answer;
use crate::policy::Backoff;
use crate::world::{Next, World};

/// The task that asks a server that is left alone whether it is better: `probe` in the client.
pub(crate) struct Prober {
    link: usize,
    /// Of the connection that is left alone.
    number: u64,
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
        if !self.links[link].record.note_fault(now, patience) {
            return;
        }
        let Some(number) = self.leave_alone(link) else { return };
        self.report.left_alone += 1;
        let backoff = Backoff::new(self.rules.backoff.0, self.rules.backoff.1);
        self.probers.push(Prober { link, number, backoff });
        self.wait_to_probe(self.probers.len() - 1);
    }

    /// Says which connection is left alone now, if it was not.
    fn leave_alone(&mut self, link: usize) -> Option<u64> {
        let mut woken = Vec::new();
        let connection = &mut self.links[link].connection;
        let is_suspended = connection.suspend(Cause::Down("its backend is away".to_owned()), &mut woken);
        let number = connection.opened_so_far();
        self.wake_all(&mut woken);
        if is_suspended {
            self.overtake(link);
            self.show(link);
        }
        is_suspended.then_some(number)
    }

    fn is_left_alone(&self, prober: usize) -> bool {
        let Prober { link, number, .. } = self.probers[prober];
        let connection = &self.links[link].connection;
        connection.opened_so_far() == number && matches!(connection.phase(), Phase::Suspended(_))
    }

    fn wait_to_probe(&mut self, prober: usize) {
        let dice = self.dice.throw();
        let wait = self.probers[prober].backoff.next_wait(dice);
        self.at(self.now + wait.as_nanos() as u64, Next::Probe(prober));
    }

    /// The pause is over.
    pub(crate) fn probe_again(&mut self, prober: usize) {
        if self.is_left_alone(prober) {
            self.ask_to_probe(self.probers[prober].link, prober);
        }
    }

    /// A probe has ended.
    pub(crate) fn probed(&mut self, prober: usize, ending: &Ending) {
        match ending {
            Ending::Replied(Answer::Fault(_)) | Ending::Failed(_) | Ending::Left => self.wait_to_probe(prober),
            Ending::Replied(_) => self.resume(prober),
        }
    }

    fn resume(&mut self, prober: usize) {
        let Prober { link, number, .. } = self.probers[prober];
        let connection = &mut self.links[link].connection;
        if connection.opened_so_far() == number && connection.resume() {
            self.report.resumed += 1;
            self.links[link].record.note_answer();
            self.overtake(link);
            self.show(link);
        }
    }
}
