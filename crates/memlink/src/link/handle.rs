use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memlink_core::{Broken, Cause, Failure, Outcome, Phase, Stats, Tick};
use tokio::time::timeout;

use super::shared::{LinkOptions, Shared, wake_driver};
use super::{DialGate, LinkProtocol, LinkState, driver};
use crate::sync::atomic::Ordering;
use crate::transport::Address;

/// What callers hold of one connection to one server.
///
/// Nothing is dialled before the first command. The link dials again for ever after a loss, and ends with its last handle.
pub(crate) struct Link<P: LinkProtocol> {
    pub(super) shared: Arc<Shared<P>>,
}

/// Why a link could not be opened.
#[derive(Debug, Clone)]
pub(crate) enum NotOpen {
    /// The server could not be reached, or refused us.
    Failed(Failure),
    /// There is no tokio runtime to run the link's driver.
    NoRuntime,
}

impl<P: LinkProtocol> Link<P> {
    pub(crate) fn new(
        name: Arc<str>,
        number: usize,
        address: Address,
        protocol: Arc<P>,
        options: LinkOptions,
        gate: DialGate,
    ) -> Link<P> {
        Link { shared: Arc::new(Shared::new(name, number, address, protocol, options, gate)) }
    }

    /// The server's configured name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// How the way to the server stands.
    pub(crate) fn state(&self) -> LinkState {
        *self.shared.state.borrow()
    }

    /// About how many bytes are in flight; 0 where it is the only link to its server.
    pub(crate) fn load(&self) -> usize {
        self.shared.load.as_ref().map_or(0, |load| load.load(Ordering::Relaxed))
    }

    /// Whether a command that was not sent may be submitted again by itself: takes it from the link's budget.
    #[cold]
    pub(crate) fn may_retry(&self) -> bool {
        let now = self.shared.now();
        let mut guarded = self.shared.lock();
        let started = guarded.connection.stats().started;
        guarded.retries.take(now, started)
    }

    /// What has happened so far.
    pub(crate) fn stats(&self) -> Stats {
        self.shared.lock().connection.stats()
    }

    /// Reads what the opening exchange has learned about the server; `None` while the link is not open.
    pub(crate) fn with_peer<R>(&self, read: impl FnOnce(&P::Peer) -> R) -> Option<R> {
        self.shared.lock().connection.peer().map(read)
    }

    /// Sees that a driver serves the link; `false` when there is no runtime to run one.
    pub(super) fn ensure_driver(&self) -> bool {
        self.shared.is_served() || driver::start(&self.shared)
    }

    /// Dials if there is no connection, and waits until the server has answered or is known to be down.
    ///
    /// # Errors
    ///
    /// Why there is no connection.
    pub(crate) async fn open(&self) -> Result<(), NotOpen> {
        if !self.ensure_driver() {
            return Err(NotOpen::NoRuntime);
        }
        let mut state = self.shared.state.subscribe();
        let opened_before = self.stats().opened;
        let driver = {
            let mut guarded = self.shared.lock();
            guarded.dial_wanted = *guarded.connection.phase() == Phase::Idle;
            guarded.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        // The sender lives in `shared`, which lives as long as `self`.
        let is_decided = |state: &LinkState| match state {
            LinkState::Idle => !self.shared.is_served() || self.was_open_or_is_wanted(opened_before),
            LinkState::Dialling => !self.shared.is_served(),
            _ => true,
        };
        let _ = state.wait_for(is_decided).await;
        if !self.shared.is_served() && self.state() != LinkState::Closed {
            let cause = Cause::Closed(Broken::DriverGone);
            return Err(NotOpen::Failed(Failure { outcome: Outcome::NotSent, cause }));
        }
        let cause = match self.shared.lock().connection.phase() {
            Phase::Down(cause) | Phase::Reopening(cause) | Phase::Suspended(cause) => cause.clone(),
            Phase::Draining | Phase::Shutdown => Cause::Shutdown,
            Phase::Idle | Phase::Dialling | Phase::Opening | Phase::Open => return Ok(()),
        };
        Err(NotOpen::Failed(Failure { outcome: Outcome::NotSent, cause }))
    }

    /// Whether it was open since it had been opened so often, and is let go of again. Where it was let go of just when somebody came to open
    /// it, it is wanted once more.
    fn was_open_or_is_wanted(&self, opened_before: u64) -> bool {
        let mut guarded = self.shared.lock();
        if guarded.connection.opened_so_far() > opened_before {
            return true;
        }
        if *guarded.connection.phase() == Phase::Idle && !guarded.dial_wanted {
            guarded.dial_wanted = true;
            wake_driver(guarded);
        }
        false
    }

    /// Replaces the connection, should there be one, by a new one.
    pub(crate) fn renew(&self) {
        let driver = self.shared.lock().driver.take();
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// Takes no new commands from now on, and lets what is in flight finish for up to `grace`.
    pub(crate) fn begin_close(&self, grace: Duration) {
        self.shared.stop(self.shared.now().after(grace));
    }

    /// Returns when nothing is left of a link that is being closed with this grace, or soon after the grace is over: the driver may
    /// live on a runtime that nobody runs.
    pub(crate) async fn closed(&self, grace: Duration) {
        let mut state = self.shared.state.subscribe();
        // The sender lives in `shared`, which lives as long as `self`.
        let closed = state.wait_for(|state| *state == LinkState::Closed);
        if self.state() != LinkState::Closed {
            let _ = timeout(grace.saturating_add(CLOSE_MARGIN), closed).await;
        }
    }
}

/// What a driver that runs may need beyond the grace.
const CLOSE_MARGIN: Duration = Duration::from_millis(500);

impl<P: LinkProtocol> Drop for Link<P> {
    /// Ends the driver. No call is left: each holds the handle.
    fn drop(&mut self) {
        self.shared.stop(Tick::ZERO);
    }
}

impl<P: LinkProtocol> fmt::Debug for Link<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("server", &self.shared.name).field("state", &self.state()).finish_non_exhaustive()
    }
}
