use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use memlink_core::{Cause, Command, Connection, Failure, Limits, Outcome, Phase, Stats, Tick};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::driver::Driver;
use super::{Call, CallError, DialGate, Dialer, LinkProtocol, Timing};
use crate::event::{Event, Observer};
use crate::transport::{Address, InlineWrite};

/// What callers hold of one connection to one server.
///
/// Nothing is dialled before the first command. The link dials again for ever after a loss, and ends with its last handle.
pub(crate) struct Link<P: LinkProtocol> {
    pub(super) shared: Arc<Shared<P>>,
}

/// How a link behaves, beyond its [`Limits`].
#[derive(Clone)]
pub(crate) struct LinkOptions {
    pub(crate) limits: Arc<Limits>,
    pub(crate) dialer: Dialer,
    pub(crate) dial_timeout: Duration,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) observer: Option<Observer>,
}

/// How the way to a server stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkState {
    /// Not needed so far, so never dialled.
    Idle,
    /// Being dialled; commands wait.
    Dialling,
    /// Commands are sent.
    Open,
    /// Known to be unreachable; commands are refused at once, and it is dialled again and again.
    Down,
    /// Closed for good.
    Closed,
}

/// What callers and driver share.
pub(super) struct Shared<P: LinkProtocol> {
    guarded: Mutex<Guarded<P>>,
    /// Whether a driver serves the link; only changed under the lock.
    running: AtomicBool,
    start: Instant,
    pub(super) name: Arc<str>,
    pub(super) address: Address,
    pub(super) protocol: Arc<P>,
    pub(super) options: LinkOptions,
    pub(super) gate: DialGate,
    pub(super) state: watch::Sender<LinkState>,
    #[cfg(feature = "tracing")]
    log: crate::log::Limiter,
}

pub(super) struct Guarded<P: LinkProtocol> {
    pub(super) connection: Connection<P, Waker>,
    /// Wakes the driver. Taken by whoever wakes it; it comes back when the driver has looked.
    pub(super) driver: Option<Waker>,
    /// The way for callers to write by themselves, while there is one.
    pub(super) inline: Option<Arc<dyn InlineWrite>>,
    /// The link is being closed: what is in flight may finish until then.
    pub(super) stop: Option<Tick>,
    /// Somebody wants a connection without having a command for it.
    pub(super) dial_wanted: bool,
    /// A caller found a reply it could not trust, on the connection with this number.
    pub(super) distrusted: Option<(u64, &'static str)>,
}

impl<P: LinkProtocol> Link<P> {
    pub(crate) fn new(
        name: Arc<str>,
        address: Address,
        protocol: Arc<P>,
        options: LinkOptions,
        gate: DialGate,
    ) -> Link<P> {
        let connection = Connection::new(protocol.clone(), options.limits.clone());
        let guarded =
            Guarded { connection, driver: None, inline: None, stop: None, dial_wanted: false, distrusted: None };
        Link {
            shared: Arc::new(Shared {
                guarded: Mutex::new(guarded),
                running: AtomicBool::new(false),
                start: Instant::now(),
                name,
                address,
                protocol,
                options,
                gate,
                state: watch::Sender::new(LinkState::Idle),
                #[cfg(feature = "tracing")]
                log: crate::log::Limiter::default(),
            }),
        }
    }

    /// The server's configured name.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// How the way to the server stands.
    pub(crate) fn state(&self) -> LinkState {
        *self.shared.state.borrow()
    }

    /// What has happened so far.
    pub(crate) fn stats(&self) -> Stats {
        self.shared.lock().connection.stats()
    }

    /// Reads what the opening exchange has learned about the server; `None` while the link is not open.
    pub(crate) fn with_peer<R>(&self, read: impl FnOnce(&P::Peer) -> R) -> Option<R> {
        self.shared.lock().connection.peer().map(read)
    }

    /// A command to be sent when the call is first polled. A clone of the handle is kept until it has ended.
    pub(crate) fn call<C: Command<P>>(self: &Arc<Link<P>>, command: C, timing: Timing) -> Call<P, C> {
        Call::new(self.clone(), command, timing)
    }

    /// Dials if there is no connection, and waits until the server has answered or is known to be down.
    ///
    /// # Errors
    ///
    /// Why there is no connection.
    pub(crate) async fn open(&self) -> Result<(), CallError> {
        if !self.shared.ensure_driver() {
            return Err(CallError::NoRuntime);
        }
        let mut state = self.shared.state.subscribe();
        let driver = {
            let mut guarded = self.shared.lock();
            guarded.dial_wanted = *guarded.connection.phase() == Phase::Idle;
            guarded.driver.take()
        };
        if let Some(driver) = driver {
            driver.wake();
        }
        // The sender lives in `shared`, which lives as long as `self`.
        let _ = state.wait_for(|state| !matches!(state, LinkState::Idle | LinkState::Dialling)).await;
        let cause = match self.shared.lock().connection.phase() {
            Phase::Down(cause) | Phase::Reopening(cause) => cause.clone(),
            Phase::Draining | Phase::Shutdown => Cause::Shutdown,
            Phase::Idle | Phase::Dialling | Phase::Opening | Phase::Open => return Ok(()),
        };
        Err(CallError::Failed(Failure { outcome: Outcome::NotSent, cause }))
    }

    /// Takes no new commands from now on, and lets what is in flight finish for up to `grace`.
    pub(crate) fn begin_close(&self, grace: Duration) {
        self.shared.stop(self.shared.now().after(grace));
    }

    /// Returns when nothing is left of a link that is being closed.
    pub(crate) async fn closed(&self) {
        let mut state = self.shared.state.subscribe();
        // The sender lives in `shared`, which lives as long as `self`.
        let _ = state.wait_for(|state| *state == LinkState::Closed).await;
    }
}

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

impl<P: LinkProtocol> Shared<P> {
    /// The lock is held for the length of one command or one batch of replies, and nothing foreign runs under it; so it
    /// cannot be poisoned in the middle of a change, and a poisoned one is as good as any.
    pub(super) fn lock(&self) -> MutexGuard<'_, Guarded<P>> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Tick {
        Tick::from_start(self.start.elapsed())
    }

    pub(super) fn tick(&self, at: Instant) -> Tick {
        Tick::from_start(at.saturating_duration_since(self.start))
    }

    pub(super) fn instant(&self, at: Tick) -> Instant {
        self.start + at.since(Tick::ZERO)
    }

    /// Sees that a driver serves the link; `false` when there is no runtime to run one.
    pub(super) fn ensure_driver(self: &Arc<Shared<P>>) -> bool {
        if self.is_served() {
            return true;
        }
        let Ok(runtime) = Handle::try_current() else { return false };
        let guarded = self.lock();
        if guarded.stop.is_none() && !self.running.swap(true, Ordering::AcqRel) {
            drop(guarded);
            // Its drop, should the runtime refuse or drop it, clears `running` and tells everyone.
            runtime.spawn(Driver::new(self.clone()));
        }
        true
    }

    /// Whether a driver serves the link; certain under the lock.
    pub(super) fn is_served(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// The driver serves the link no longer. Under the lock, so that no command slips in between.
    pub(super) fn driver_ended(&self, _guarded: &Guarded<P>) {
        self.running.store(false, Ordering::Release);
    }

    /// Asks the driver to end, at `until` at the latest; without a driver the link ends at once.
    fn stop(&self, until: Tick) {
        let mut woken = Vec::new();
        let mut guarded = self.lock();
        guarded.stop = Some(guarded.stop.map_or(until, |earlier| earlier.min(until)));
        guarded.connection.drain(&mut woken);
        let driver = guarded.driver.take();
        if !self.is_served() {
            drop(guarded);
            self.state.send_replace(LinkState::Closed);
        } else {
            drop(guarded);
        }
        wake_all(&mut woken);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    /// A reply of the connection with this number was well framed and made no sense: the driver closes it.
    pub(super) fn distrust(&self, opened: u64, what: &'static str) {
        let mut guarded = self.lock();
        guarded.distrusted = Some((opened, what));
        let driver = guarded.driver.take();
        drop(guarded);
        if let Some(driver) = driver {
            driver.wake();
        }
    }

    pub(super) fn observe(&self, event: impl FnOnce() -> Event) {
        #[cfg(not(feature = "tracing"))]
        if let Some(observer) = &self.options.observer {
            observer(&event());
        }
        #[cfg(feature = "tracing")]
        {
            let event = event();
            if let Some(observer) = &self.options.observer {
                observer(&event);
            }
            self.log.event(&event);
        }
    }
}

/// Wakes everyone, where no lock is held.
pub(super) fn wake_all(woken: &mut Vec<Waker>) {
    for waker in woken.drain(..) {
        waker.wake();
    }
}
