use memlink_core::{Cause, Tick};

use super::shared::wake_all;
use super::{Link, LinkProtocol, LinkState};
use crate::event::Event;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Commands in a row to which a server has answered that it cannot do what it is there for.
#[derive(Debug, Default)]
pub(super) struct Faults {
    in_a_row: AtomicU32,
    /// When the first of them came.
    since: AtomicU64,
}

impl Faults {
    /// Another connection begins with a clean record.
    pub(super) fn forget(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }
}

/// So many such answers and not one that is good: a proxy that has lost one of several servers behind it gives good answers in between.
const FAULTS_MAX: u32 = 20;

/// A server that answers, and answers everything with a fault of its own: what is behind it is away. Who reads the answers says so; the
/// link itself does not read them.
impl<P: LinkProtocol> Link<P> {
    /// The server has given a good answer.
    #[inline]
    pub(crate) fn note_answer(&self) {
        let faults = &self.shared.faults.in_a_row;
        if faults.load(Ordering::Relaxed) != 0 {
            faults.store(0, Ordering::Relaxed);
        }
    }

    /// The server has answered that it cannot do what was asked. `true` when that was once too often: the link is suspended now, and
    /// whoever gets this answer has to see when it can be [resumed](Link::resume).
    #[cold]
    pub(crate) fn note_fault(&self, why: &str) -> bool {
        let (faults, now) = (&self.shared.faults, self.shared.now());
        if faults.in_a_row.fetch_add(1, Ordering::Relaxed) == 0 {
            faults.since.store(now.as_nanos(), Ordering::Relaxed);
        }
        let lasted = now.since(Tick::from_nanos(faults.since.load(Ordering::Relaxed)));
        let is_enough = faults.in_a_row.load(Ordering::Relaxed) >= FAULTS_MAX;
        is_enough && lasted >= self.shared.options.suspension.silence && self.suspend(why)
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
    pub(crate) fn backoff(&self) -> super::Backoff {
        super::Backoff::new(self.shared.options.backoff_base, self.shared.options.backoff_cap)
    }
}
