use std::future::Future;

use memlink_core::{Cause, Phase};

use super::shared::wake_all;
use super::{Link, LinkProtocol};
use crate::event::Event;
use crate::policy::{Backoff, Patience};
use crate::sync;

/// So many faults in a row, and a server is left alone.
const FAULTS_MAX: u8 = 20;

/// A connection that is left alone, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftAlone(u64);

/// A server that answers, and answers everything with a fault of its own: what is behind it is away. Who reads the answers says so; the
/// link itself does not read them.
impl<P: LinkProtocol> Link<P> {
    /// The server has given a good answer.
    #[inline]
    pub(crate) fn note_answer(&self) {
        self.shared.record.note_answer();
    }

    /// The server has answered that it cannot do what was asked. When that was once too often the link is suspended now, and `then` has to
    /// see when it can be [resumed](Link::resume).
    #[cold]
    pub(crate) fn note_fault(&self, why: &str, then: impl FnOnce(LeftAlone)) {
        let patience = Patience { faults: FAULTS_MAX, lasting: self.shared.options.suspension.silence };
        if self.shared.record.note_fault(self.shared.now(), patience) {
            self.suspend(why, then);
        }
    }

    fn suspend(&self, why: &str, then: impl FnOnce(LeftAlone)) {
        let mut woken = Vec::new();
        let left_alone = {
            let mut guarded = self.shared.lock();
            let is_suspended = guarded.connection.suspend(Cause::Down(why.to_owned()), &mut woken);
            is_suspended.then(|| LeftAlone(guarded.connection.opened_so_far()))
        };
        // First of all: whether it is asked again must not depend on what foreign code does below.
        if let Some(left_alone) = left_alone {
            then(left_alone);
        }
        wake_all(&mut woken);
        if left_alone.is_some() {
            self.shared.show();
            self.shared.observe(|| Event::Suspended { server: self.shared.name.clone(), why: why.into() });
        }
    }

    /// Whether this connection stands and is not asked.
    pub(crate) fn is_left_alone(&self, left_alone: LeftAlone) -> bool {
        let connection = &self.shared.lock().connection;
        connection.opened_so_far() == left_alone.0 && matches!(connection.phase(), Phase::Suspended(_))
    }

    /// The server does again what it is there for, over this connection. Another one has to show what it is worth by itself.
    pub(crate) fn resume(&self, left_alone: LeftAlone) {
        let is_resumed = {
            let connection = &mut self.shared.lock().connection;
            connection.opened_so_far() == left_alone.0 && connection.resume()
        };
        if is_resumed {
            self.note_answer();
            self.shared.show();
            self.shared.observe(|| Event::Resumed { server: self.shared.name.clone() });
        }
    }

    /// Runs a task where the link's driver runs, which goes on whatever becomes of the runtime of whoever asks.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let runtime = self.shared.lock().runtime.clone();
        if let Some(runtime) = runtime {
            sync::spawn(&runtime, task);
        }
    }

    /// Pauses between attempts to see whether it does.
    pub(crate) fn backoff(&self) -> Backoff {
        Backoff::new(self.shared.options.backoff_base, self.shared.options.backoff_cap)
    }
}
