use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use memlink_core::{Broken, Cause, Phase, Tick, Transmit};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep_until};

use super::LinkProtocol;
use super::connect::{Dial, broken};
use super::names::Names;
use super::renewal::Renewal;
use super::shared::{Shared, wake_all};
use super::wire::{Driven, Wire};
use crate::event::Event;
use crate::policy::{Backoff, LinkState, STEADY_AFTER};
use crate::sync;
use crate::transport::Transport;

/// The one task that serves a link. It outlives its connections: while there is none it times those who wait and dials.
///
/// ```text
///            wanted                 open                       lost
///   Idle -----------> Dialling -----------> Connected ------------------.
///                        ^  '--failed--> Resting <---------------------'
///                        '----- backoff over ---'
/// ```
pub(super) struct Driver<P: LinkProtocol> {
    pub(super) shared: Arc<Shared<P>>,
    pub(super) way: Way<P>,
    pub(super) renewal: Renewal<P>,
    pub(super) names: Names,
    backoff: Backoff,
    /// Made when it is first needed.
    timer: Option<Pin<Box<Sleep>>>,
    armed: Tick,
    pub(super) dial_began: Tick,
    /// The next dial is none of those that are counted, or was counted when its connection was lost.
    is_free: bool,
    /// Nobody else dials while the connection opens.
    turn: Option<OwnedSemaphorePermit>,
    pub(super) woken: Vec<Waker>,
    ended: bool,
}

/// Starts a driver, unless one serves the link already; `false` when there is no runtime to run it.
pub(super) fn start<P: LinkProtocol>(shared: &Arc<Shared<P>>) -> bool {
    let Ok(runtime) = Handle::try_current() else { return false };
    if shared.driver_begins(&runtime) {
        // Its drop, should the runtime refuse or drop it, tells everyone.
        sync::spawn(&runtime, Driver::new(shared.clone()));
    }
    true
}

pub(super) enum Way<P: LinkProtocol> {
    Idle,
    Dialling { dial: Dial },
    Resting { until: Tick },
    Connected(Box<Wire<P>>),
}

/// What a turn ends with.
pub(super) enum Turn {
    /// Something changed: look again.
    Again,
    /// Nothing to do before a wake-up or this time.
    Until(Tick),
    /// The link has ended.
    End,
}

impl<P: LinkProtocol> Future for Driver<P> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let now = this.shared.now();
            let turn = match &this.way {
                Way::Idle | Way::Resting { .. } => this.drive_rest(cx, now),
                Way::Dialling { .. } => this.drive_dial(cx, now),
                Way::Connected(_) => this.drive_wire(cx, now),
            };
            wake_all(&mut this.woken);
            match turn {
                Turn::Again => {}
                Turn::Until(wanted) if !this.arm(cx, now, wanted) => return Poll::Pending,
                Turn::Until(_) => {}
                Turn::End => return Poll::Ready(()),
            }
        }
    }
}

impl<P: LinkProtocol> Driver<P> {
    fn new(shared: Arc<Shared<P>>) -> Driver<P> {
        let backoff = Backoff::new(shared.options.backoff_base, shared.options.backoff_cap);
        Driver {
            shared,
            way: Way::Idle,
            renewal: Renewal::None(0),
            names: Names::none(),
            backoff,
            timer: None,
            armed: Tick::NEVER,
            dial_began: Tick::ZERO,
            is_free: true,
            turn: None,
            woken: Vec::new(),
            ended: false,
        }
    }

    /// No connection: waits for somebody to want one, or for the time of the next dial.
    fn drive_rest(&mut self, cx: &mut Context<'_>, now: Tick) -> Turn {
        let look = match self.look(cx, now) {
            Ok(look) => look,
            Err(turn) => return turn,
        };
        match self.way {
            Way::Idle if !look.wanted => return Turn::Until(look.timeout),
            Way::Resting { until } if now < until => return Turn::Until(look.timeout.min(until)),
            _ => {}
        }
        if !std::mem::take(&mut self.is_free)
            && let Some(at) = self.shared.gate.redial()
        {
            self.way = Way::Resting { until: self.shared.tick(at) };
            return Turn::Again;
        }
        self.begin_dial(now);
        Turn::Again
    }

    fn begin_dial(&mut self, now: Tick) {
        self.renewal = Renewal::None(self.shared.gate.renewals());
        let dial =
            self.shared.options.dialer.dial(&self.shared.address, &self.shared.gate, self.shared.options.dial_timeout);
        self.dial_began = now;
        self.way = Way::Dialling { dial };
        {
            let mut guarded = self.shared.lock();
            // While the server is known to be down commands go on being refused; a dial alone promises nothing.
            if *guarded.connection.phase() == Phase::Idle {
                guarded.connection.dialling();
            }
        }
        self.shared.show();
        let server = &self.shared.name;
        self.shared.observe(|| Event::Dialling { server: server.clone() });
    }

    fn drive_dial(&mut self, cx: &mut Context<'_>, now: Tick) -> Turn {
        let look = match self.look(cx, now) {
            Ok(look) => look,
            Err(turn) => return turn,
        };
        let Way::Dialling { dial } = &mut self.way else { return Turn::Again };
        match dial.as_mut().poll(cx) {
            Poll::Ready(Ok((transport, turn))) => self.begin_connection(transport, turn, now),
            Poll::Ready(Err(error)) => self.dial_failed(&broken(error), now),
            Poll::Pending => return Turn::Until(look.timeout),
        }
        self.observe_complaint();
        Turn::Again
    }

    pub(super) fn observe_complaint(&self) {
        if let Some(error) = self.shared.options.dialer.take_complaint() {
            let server = &self.shared.name;
            self.shared.observe(|| Event::TlsFilesRefused { server: server.clone(), error });
        }
    }

    fn begin_connection(&mut self, transport: Transport, turn: OwnedSemaphorePermit, now: Tick) {
        // A server that accepts may be as dead as one that refuses. Another open link shows that it is not.
        self.turn = (self.shared.gate.state() != LinkState::Open).then_some(turn);
        let inline = transport.inline();
        let mut wire = Box::new(Wire::new(&self.shared, transport, now));
        let opened = {
            let mut guarded = self.shared.lock();
            let opened = guarded.connection.opened(now, inline.is_some(), &mut wire.incoming, &mut self.woken);
            guarded.inline = inline;
            opened
        };
        self.way = Way::Connected(wire);
        self.names = Names::none();
        if let Err(why) = opened {
            self.lose(&why, now);
        }
    }

    fn dial_failed(&mut self, why: &Broken, now: Tick) {
        let wait = self.backoff.next_wait(fastrand::u64(..));
        self.way = Way::Resting { until: now.after(wait) };
        self.shared.gate.rest(self.shared.instant(now.after(wait)), why);
        self.shared.lock().connection.down(down_cause(why), &mut self.woken);
        self.shared.show();
        let failures = self.backoff.failures();
        let server = &self.shared.name;
        self.shared.observe(|| Event::DialFailed {
            server: server.clone(),
            error: why.to_string().into(),
            failures,
            retry_in: wait,
        });
    }

    fn drive_wire(&mut self, cx: &mut Context<'_>, now: Tick) -> Turn {
        let Way::Connected(wire) = &mut self.way else { return Turn::Again };
        let (was_open, was_silent) = (wire.is_open, wire.is_silent);
        let driven = wire.drive(cx, &self.shared, now, now >= self.armed, &mut self.woken);
        let (is_open, is_silent) = (wire.is_open, wire.is_silent);
        if is_open && !was_open {
            self.serves(now.since(self.dial_began), now);
        }
        if is_silent != was_silent {
            self.observe_silence(is_silent);
        }
        match driven {
            Err(why) => {
                self.lose(&why, now);
                Turn::Again
            }
            Ok(Driven { stop: Some(until), is_drained, .. }) if is_drained || now >= until => self.end(),
            Ok(Driven { stop: None, timeout, .. }) if is_open => {
                let names_due = self.drive_names(cx, now);
                self.drive_renewal(cx, now, timeout.min(names_due))
            }
            Ok(Driven { stop, timeout, .. }) => Turn::Until(timeout.min(stop.unwrap_or(Tick::NEVER))),
        }
    }

    /// A connection has opened, `took` after its dial began.
    pub(super) fn serves(&mut self, took: Duration, now: Tick) {
        self.turn = None;
        self.shared.gate.end_rest();
        self.shared.record.forget();
        self.shared.show();
        let server = &self.shared.name;
        self.shared.observe(|| Event::Opened { server: server.clone(), took });
        self.begin_names(now);
    }

    /// The connection cannot be used any more: everyone in flight is told, and the one beside it serves if it is open, or a new one is
    /// dialled after a pause.
    pub(super) fn lose(&mut self, why: &Broken, now: Tick) {
        if self.take_over(Some(why), now) {
            return;
        }
        let Way::Connected(mut wire) = std::mem::replace(&mut self.way, Way::Idle) else { return };
        self.renewal = Renewal::None(self.shared.gate.renewals());
        self.names = Names::none();
        let turn = self.turn.take();
        let lived = now.since(wire.opened_at);
        let mut is_idle = wire.is_open && lived >= STEADY_AFTER && *why == Broken::EndOfStream && self.is_drained();
        let is_proved = wire.is_proved || is_idle || (wire.is_open && lived >= PROVED_AFTER);
        if is_idle {
            // A server that closes what nobody uses is there, however often it does so.
            self.backoff.reset();
        } else if is_proved {
            self.backoff.served(lived);
        }
        // One connection that is there at once is enough where nobody asks.
        let is_spare = is_idle && (self.shared.number > 0 || self.shared.options.backoff_base > WAIT_MAX);
        // A server that answers, and closes what is idle, fails nobody. It is dialled when somebody has something to ask; where there are
        // other links that one is asked.
        let is_young = wire.is_proved && self.backoff.failures() == 0 && lived < STEADY_AFTER;
        if is_spare || (is_young && !self.shared.gate.has_several()) {
            match self.let_go(wire, why) {
                Ok(()) => return,
                Err(back) => (wire, is_idle) = (back, false),
            }
        }
        let wait = self.backoff.next_wait(fastrand::u64(..));
        self.way = Way::Resting { until: now.after(wait) };
        let mut guarded = self.shared.lock();
        let was_suspended = matches!(guarded.connection.phase(), Phase::Suspended(_));
        // Those who come meanwhile wait for a server that was there a moment ago, and are refused by one that is not worth it.
        let is_near = is_proved && !was_suspended && wait <= WAIT_MAX;
        let is_waited_for = is_near && (is_idle || self.shared.gate.redial().is_none());
        self.is_free = is_waited_for;
        let in_flight = guarded.connection.stats().in_flight;
        let remains = guarded.connection.closed(why, &mut wire.transmit, &mut self.woken);
        let inline = guarded.inline.take();
        if is_waited_for {
            guarded.connection.dialling();
        } else {
            guarded.connection.down(down_cause(why), &mut self.woken);
        }
        drop(guarded);
        let was_open = wire.is_open;
        drop((remains, inline, wire));
        if !is_near {
            self.shared.gate.rest(self.shared.instant(now.after(wait)), why);
        }
        self.shared.show();
        let failures = self.backoff.failures();
        let server = self.shared.name.clone();
        self.shared.observe(|| match was_open {
            true => Event::Closed { server, reason: why.clone(), in_flight, retry_in: Some(wait) },
            false => Event::DialFailed { server, error: why.to_string().into(), failures, retry_in: wait },
        });
        // Others dial when they can know what has become of this.
        drop(turn);
    }

    fn is_drained(&self) -> bool {
        self.shared.lock().connection.is_drained()
    }

    /// Closes a connection on which nothing is owed, and dials the next one when it is wanted. Gives one back on which something is; and
    /// one that is suspended: nobody can want another one while everybody is refused.
    fn let_go(&mut self, mut wire: Box<Wire<P>>, why: &Broken) -> Result<(), Box<Wire<P>>> {
        let mut guarded = self.shared.lock();
        let is_suspended = matches!(guarded.connection.phase(), Phase::Suspended(_));
        if is_suspended || !guarded.connection.is_drained() {
            return Err(wire);
        }
        let remains = guarded.connection.closed(why, &mut wire.transmit, &mut self.woken);
        let inline = guarded.inline.take();
        drop(guarded);
        drop((remains, inline, wire));
        self.is_free = true;
        self.shared.show();
        let (server, reason) = (self.shared.name.clone(), why.clone());
        self.shared.observe(|| Event::Closed { server, reason, in_flight: 0, retry_in: None });
        Ok(())
    }

    /// Commands got no replies and not a byte has come, or one has come at last.
    fn observe_silence(&self, is_silent: bool) {
        self.shared.show();
        let server = self.shared.name.clone();
        self.shared.observe(|| match is_silent {
            true => Event::Suspended { server, why: SILENT.into() },
            false => Event::Resumed { server },
        });
    }

    /// Looks at what callers have left while there is no connection, and ends waits that are over.
    fn look(&mut self, cx: &mut Context<'_>, now: Tick) -> Result<Look, Turn> {
        // Without a connection there is nothing to take; this only says that the driver has looked. What callers have left of an earlier
        // one is handed out by it, to be dropped when the lock is not held any more.
        let mut none = Transmit::default();
        let mut guarded = self.shared.lock();
        guarded.connection.poll_transmit(&mut none, &mut self.woken);
        guarded.register(cx);
        if guarded.stop.is_some() {
            drop(guarded);
            return Err(self.end());
        }
        if now >= guarded.connection.poll_timeout() {
            // Without a connection the only waits are those of callers, and their end breaks nothing.
            let _ = guarded.connection.handle_timeout(now, &mut none, &mut self.woken);
        }
        let timeout = guarded.connection.poll_timeout();
        let wanted = std::mem::take(&mut guarded.dial_wanted) || guarded.connection.is_wanted();
        Ok(Look { wanted, timeout })
    }

    fn end(&mut self) -> Turn {
        self.ended = true;
        let renewal = std::mem::replace(&mut self.renewal, Renewal::None(0));
        let mut none = Transmit::default();
        let mut wire = match std::mem::replace(&mut self.way, Way::Idle) {
            Way::Connected(wire) => Some(wire),
            _ => None,
        };
        let transmit = wire.as_mut().map_or(&mut none, |wire| &mut wire.transmit);
        let mut guarded = self.shared.lock();
        let in_flight = guarded.connection.stats().in_flight;
        let remains = guarded.connection.shutdown(&Broken::Shutdown, transmit, &mut self.woken);
        let inline = guarded.inline.take();
        self.shared.driver_ended(&guarded);
        drop(guarded);
        let was_open = wire.is_some();
        // First of all: whoever waits for the end must not depend on what foreign code does below.
        self.shared.set_state(LinkState::Closed);
        drop((remains, inline, wire, renewal));
        wake_all(&mut self.woken);
        let server = self.shared.name.clone();
        if was_open {
            self.shared.observe(|| Event::Closed { server, reason: Broken::Shutdown, in_flight, retry_in: None });
        }
        Turn::End
    }

    /// Sees that the task wakes at `wanted` at the latest; `true` when that is now.
    fn arm(&mut self, cx: &mut Context<'_>, now: Tick, wanted: Tick) -> bool {
        if wanted <= now {
            // What is due is found by this mark.
            self.armed = wanted;
            return true;
        }
        if wanted >= self.armed && now < self.armed {
            return false;
        }
        let wanted = self.shared.lock().connection.arm(wanted);
        self.armed = wanted;
        if wanted == Tick::NEVER {
            return false;
        }
        let at = self.shared.instant(wanted);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        timer.as_mut().reset(at);
        timer.as_mut().poll(cx).is_ready()
    }
}

/// The task is gone: with its runtime, or by a panic. Nobody is left waiting, and a later command starts a new one.
impl<P: LinkProtocol> Drop for Driver<P> {
    fn drop(&mut self) {
        if self.ended {
            // None, unless foreign code has panicked at the end.
            wake_all(&mut self.woken);
            return;
        }
        let way = std::mem::replace(&mut self.way, Way::Idle);
        let mut guarded = self.shared.lock();
        let remains = guarded.connection.driver_gone(&mut self.woken);
        let (inline, driver) = (guarded.inline.take(), guarded.driver.take());
        let stopping = guarded.stop.is_some();
        self.shared.driver_ended(&guarded);
        drop(guarded);
        drop((remains, inline, driver, way));
        // Somebody else may have closed the link, or started another driver, in between.
        match stopping {
            true => self.shared.set_state(LinkState::Closed),
            false => self.shared.show(),
        }
        wake_all(&mut self.woken);
    }
}

/// The longest pause before a dial that those who come meanwhile wait for: a quarter of the default timeout. Where it is longer they
/// are refused at once.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// Why a connection is suspended that says nothing.
pub(super) const SILENT: &str = "commands got no replies within their deadlines, and nothing else has come";

/// A connection that has been open for so long has shown that the server is there, even if nobody asked it anything.
const PROVED_AFTER: Duration = Duration::from_secs(10);

struct Look {
    wanted: bool,
    timeout: Tick,
}

fn down_cause(why: &Broken) -> Cause {
    match why {
        Broken::Refused(refusal) => Cause::Refused(refusal.clone()),
        other => Cause::Down(other.to_string()),
    }
}
