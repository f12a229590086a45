use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use memlink_core::{Connection, Limits, Tick};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{DialGate, Dialer, LinkProtocol};
use crate::event::{Event, Observer};
use crate::policy::{LinkState, Record, RetryBudget};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, MutexGuard};
use crate::transport::{Address, InlineWrite};

/// How a link behaves, beyond its [`Limits`].
#[derive(Clone)]
pub(crate) struct LinkOptions {
    pub(crate) limits: Arc<Limits>,
    pub(crate) dialer: Dialer,
    pub(crate) dial_timeout: Duration,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    /// How often the name of a server is looked up again while a connection is open.
    pub(crate) resolve_interval: Option<Duration>,
    pub(crate) suspension: Suspension,
    pub(crate) observer: Option<Observer>,
    /// Whether its events become log lines.
    #[cfg(feature = "tracing")]
    pub(crate) is_logged: bool,
}

/// When a server is not asked any more although its connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspension {
    /// So many commands in a row got no reply before they were given up.
    pub(crate) commands: u32,
    /// And not one byte has come for so long.
    pub(crate) silence: Duration,
}

impl LinkOptions {
    /// Tells of something that is about no single connection.
    pub(crate) fn observe(&self, event: &Event) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
        #[cfg(feature = "tracing")]
        crate::log::change(event);
    }
}

impl LinkState {
    /// The greater the better for a command.
    pub(super) fn rank(self) -> u8 {
        match self {
            LinkState::Open => 4,
            LinkState::Dialling => 3,
            LinkState::Idle => 2,
            LinkState::Down => 1,
            LinkState::Closed => 0,
        }
    }
}

/// What callers and driver share.
pub(super) struct Shared<P: LinkProtocol> {
    guarded: Mutex<Guarded<P>>,
    /// Whether a driver serves the link; only changed under the lock.
    running: AtomicBool,
    start: Instant,
    pub(super) name: Arc<str>,
    /// Which of the links to its server this is.
    pub(super) number: usize,
    pub(super) address: Address,
    pub(super) protocol: Arc<P>,
    pub(super) options: LinkOptions,
    pub(super) gate: DialGate,
    pub(super) record: Record,
    /// About how many bytes are in flight, for whoever chooses among the links to a server; kept only where there are several.
    pub(super) load: Option<AtomicUsize>,
    pub(super) state: watch::Sender<LinkState>,
    #[cfg(feature = "tracing")]
    log: crate::log::Limiter,
}

/// What is shared, held.
pub(super) type Lock<'a, P> = MutexGuard<'a, Guarded<P>>;

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
    /// Where the last driver was started.
    pub(super) runtime: Option<Handle>,
    /// What may be submitted again by itself.
    pub(super) retries: RetryBudget,
    /// A caller found a reply it could not trust, on the connection with this number.
    pub(super) distrusted: Option<(u64, &'static str)>,
}

impl<P: LinkProtocol> Shared<P> {
    pub(super) fn new(
        name: Arc<str>,
        number: usize,
        address: Address,
        protocol: Arc<P>,
        options: LinkOptions,
        gate: DialGate,
    ) -> Shared<P> {
        let load = gate.has_several().then(AtomicUsize::default);
        let connection = Connection::new(protocol.clone(), options.limits.clone());
        let guarded = Guarded {
            connection,
            driver: None,
            inline: None,
            stop: None,
            dial_wanted: false,
            runtime: None,
            retries: RetryBudget::default(),
            distrusted: None,
        };
        Shared {
            guarded: Mutex::new(guarded),
            running: AtomicBool::new(false),
            start: Instant::now(),
            name,
            number,
            address,
            protocol,
            options,
            gate,
            record: Record::default(),
            load,
            state: watch::Sender::new(LinkState::Idle),
            #[cfg(feature = "tracing")]
            log: crate::log::Limiter::default(),
        }
    }

    /// The lock is held for the length of one command or one batch of replies, and nothing foreign runs under it; so it
    /// cannot be poisoned in the middle of a change, and a poisoned one is as good as any.
    #[inline]
    pub(super) fn lock(&self) -> Lock<'_, P> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The engine, of whoever shares it with nobody.
    pub(super) fn connection_mut(&mut self) -> &mut Connection<P, Waker> {
        &mut self.guarded.get_mut().unwrap_or_else(PoisonError::into_inner).connection
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

    /// Whether a driver serves the link; certain under the lock.
    #[inline]
    pub(super) fn is_served(&self) -> bool {
        self.running.load(Ordering::Acquire)
    }

    /// A driver serves the link from now on, in this runtime; `false` when one did already, or when the link is being closed.
    pub(super) fn driver_begins(&self, runtime: &Handle) -> bool {
        let mut guarded = self.lock();
        let begins = guarded.stop.is_none() && !self.running.swap(true, Ordering::AcqRel);
        if begins {
            guarded.runtime = Some(runtime.clone());
        }
        begins
    }

    /// The driver serves the link no longer. Under the lock, so that no command slips in between.
    pub(super) fn driver_ended(&self, _guarded: &Guarded<P>) {
        self.running.store(false, Ordering::Release);
    }

    /// Tells whoever watches how the way to the server stands now. What is closed stays closed.
    pub(super) fn set_state(&self, state: LinkState) {
        let changes = |now: &mut LinkState| {
            let changes = *now != state && *now != LinkState::Closed;
            if changes {
                *now = state;
            }
            changes
        };
        if self.state.send_if_modified(changes) {
            self.gate.set_state(self.number, || *self.state.borrow());
        }
    }

    /// Tells whoever watches how the connection stands now. Callers suspend and resume it as well as the driver: whoever was overtaken
    /// between the look and the telling looks again.
    pub(super) fn show(&self) {
        let mut shown = None;
        loop {
            let state = self.state_now();
            match state {
                Some(state) if shown != Some(state) => self.set_state(state),
                _ => return,
            }
            shown = state;
        }
    }

    fn state_now(&self) -> Option<LinkState> {
        LinkState::of(self.lock().connection.phase())
    }

    /// Asks the driver to end, at `until` at the latest; without a driver the link ends at once.
    pub(super) fn stop(&self, until: Tick) {
        let mut woken = Vec::new();
        let mut guarded = self.lock();
        guarded.stop = Some(guarded.stop.map_or(until, |earlier| earlier.min(until)));
        guarded.connection.drain(&mut woken);
        let driver = guarded.driver.take();
        if !self.is_served() {
            drop(guarded);
            self.set_state(LinkState::Closed);
        } else {
            drop(guarded);
        }
        // First of all, since it is tokio's own: the others may panic.
        if let Some(driver) = driver {
            driver.wake();
        }
        wake_all(&mut woken);
    }

    /// A reply of the connection with this number was well framed and made no sense: the driver closes it.
    pub(super) fn distrust(&self, opened: u64, what: &'static str) {
        let mut guarded = self.lock();
        // What is said late of an earlier connection saves no later one.
        if guarded.distrusted.is_none_or(|(other, _)| other <= opened) {
            guarded.distrusted = Some((opened, what));
        }
        wake_driver(guarded);
    }

    /// The runtime has gone while a command was submitted: it ends here, with everything else on this link.
    #[cold]
    pub(super) fn end_unserved(&self, mut guarded: Lock<'_, P>) {
        let mut woken = Vec::new();
        let remains = guarded.connection.driver_gone(&mut woken);
        drop(guarded);
        drop(remains);
        wake_all(&mut woken);
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
            if self.options.is_logged || matches!(event, Event::TlsFilesRefused { .. }) {
                self.log.event(&event);
            }
        }
    }
}

impl<P: LinkProtocol> Guarded<P> {
    /// Leaves the driver's waker where callers find it. It is tokio's own: cloning it runs nobody's code.
    pub(super) fn register(&mut self, cx: &Context<'_>) {
        if self.driver.is_none() {
            self.driver = Some(cx.waker().clone());
        }
    }
}

/// Lets go of the lock, then wakes the driver, unless somebody else has done so since it looked last.
pub(super) fn wake_driver<P: LinkProtocol>(mut guarded: Lock<'_, P>) {
    let driver = guarded.driver.take();
    drop(guarded);
    if let Some(driver) = driver {
        driver.wake();
    }
}

/// Wakes everyone, where no lock is held: also when some of them panic.
pub(super) fn wake_all(woken: &mut Vec<Waker>) {
    let mut panicked = None;
    for waker in woken.drain(..) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
            panicked.get_or_insert(panic);
        }
    }
    // A second panic on the way out of a first would end the process.
    if let Some(panic) = panicked
        && !std::thread::panicking()
    {
        resume_unwind(panic);
    }
}
