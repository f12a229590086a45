use memlink_core::Cause;

use super::shared::wake_all;
use super::{Link, LinkProtocol, LinkState};
use crate::event::Event;
use crate::policy::{Backoff, Patience};

/// So many faults in a row, and a server is left alone.
const FAULTS_MAX: u32 = 20;

/// A server that answers, and answers everything with a fault of its own: what is behind it is away. Who reads the answers says so; the
/// link itself does not read them.
impl<P: LinkProtocol> Link<P> {
    /// The server has given a good answer.
    #[inline]
    pub(crate) fn note_answer(&self) {
        self.shared.record.note_answer();
    }

    /// The server has answered that it cannot do what was asked. `true` when that was once too often: the link is suspended now, and
    /// whoever gets this answer has to see when it can be [resumed](Link::resume).
    #[cold]
    pub(crate) fn note_fault(&self, why: &str) -> bool {
        let patience = Patience { faults: FAULTS_MAX, lasting: self.shared.options.suspension.silence };
        self.shared.record.note_fault(self.shared.now(), patience) && self.suspend(why)
    }

    fn suspend(&self, why: &str) -> bool {
        let mut woken = Vec::new();
        let is_suspended = self.shared.lock().connection.suspend(Cause::Down(why.to_owned()), &mut woken);
        if is_suspended {
            self.shared.set_state(LinkState::Down);
            if !self.is_suspended() {
                // Another connection has opened in between, and was told of before.
                self.shared.set_state(LinkState::Open);
            }
        }
        wake_all(&mut woken);
        if is_suspended {
            self.shared.observe(|| Event::Suspended { server: self.shared.name.clone(), why: why.into() });
        }
        is_suspended
    }

    /// Whether the connection stands and is not asked.
    pub(crate) fn is_suspended(&self) -> bool {
        matches!(self.shared.lock().connection.phase(), memlink_core::Phase::Suspended(_))
    }

    /// The server does again what it is there for.
    pub(crate) fn resume(&self) {
        self.note_answer();
        if self.shared.lock().connection.resume() {
            self.shared.set_state(LinkState::Open);
            self.shared.observe(|| Event::Resumed { server: self.shared.name.clone() });
        }
    }

    /// Pauses between attempts to see whether it does.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.shared.options.backoff_base, self.shared.options.backoff_cap)
    }
}
