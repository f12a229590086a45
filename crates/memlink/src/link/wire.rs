use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use memlink_core::{Broken, Cause, Framed, Incoming, Limits, Phase, Tick, Transmit};
use tokio::task::coop::unconstrained;

use super::LinkProtocol;
use super::connect::broken;
use super::driver::SILENT;
use super::shared::{Guarded, Shared, Suspension, wake_all};
use crate::policy::{COMMAND_LEN, Linger};
use crate::sync::atomic::Ordering;
use crate::transport::{InlineWrite, Transport};

/// One connection while it lives: the socket, what was read from it and what is being written to it.
///
/// A turn reads first, because replies free room and make callers write; then ends waits that are over; then writes what has
/// gathered. Reading and writing never wait for each other: a client that only writes deadlocks against a full server.
pub(super) struct Wire<P: LinkProtocol> {
    transport: Transport,
    pub(super) incoming: Incoming<P>,
    pub(super) transmit: Transmit<P::Expect>,
    limits: Arc<Limits>,
    linger: Linger,
    /// Callers who were woken since the last look: they may ask again at once.
    handed_over: usize,
    /// Since when the socket has taken nothing although there was something to write.
    blocked_since: Option<Tick>,
    needs_flush: bool,
    /// When the last byte came; idle memory is let go of some time after.
    active_at: Tick,
    is_shrunk: bool,
    /// Replies are left over from the budget of the last turn.
    has_unframed: bool,
    pub(super) opened_at: Tick,
    /// The opening exchange ended well.
    pub(super) is_open: bool,
    /// The server has answered a user's command.
    pub(super) is_proved: bool,
    /// Suspended until a reply comes.
    pub(super) is_silent: bool,
    silence: Silence,
}

/// Commands that got no reply while not a byte came.
#[derive(Debug, Default)]
struct Silence {
    since: Option<Tick>,
    /// How many had been abandoned on this connection when it began.
    abandoned_before: u64,
}

/// How a turn has left the connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driven {
    /// When the next turn is due without a wake-up.
    pub(super) timeout: Tick,
    /// The link is being closed: until then.
    pub(super) stop: Option<Tick>,
    /// Nothing is in flight.
    pub(super) is_drained: bool,
}

/// How often a turn that has waits to end goes back to the socket: what a socket holds is read by then, and a server that streams
/// without an end keeps nobody's time from being called.
const READS_MAX: usize = 64;

/// Which look of a turn it is.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Others have had their turn: a wait for them is over, and none is begun.
    Begins,
    /// Others get theirs now.
    Ends,
    /// The same, when all waits have ended that are over.
    EndsInTime,
}

impl Turn {
    /// Whether a wait was over before this turn, which has not looked at waits.
    fn comes_late(self, now: Tick, timeout: Tick) -> bool {
        !matches!(self, Turn::EndsInTime) && timeout <= now
    }
}

/// How long a connection is idle before it lets go of its buffers.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// Slices of one write: small commands lie in one, a large value adds two.
const SLICES_MAX: usize = 32;

impl<P: LinkProtocol> Wire<P> {
    pub(super) fn new(shared: &Shared<P>, transport: Transport, now: Tick) -> Wire<P> {
        Wire {
            transport,
            incoming: Incoming::new(shared.protocol.clone(), shared.options.limits.clone(), now),
            transmit: Transmit::default(),
            limits: shared.options.limits.clone(),
            linger: Linger::default(),
            handed_over: 0,
            blocked_since: None,
            needs_flush: false,
            active_at: now,
            is_shrunk: false,
            has_unframed: false,
            opened_at: now,
            is_open: false,
            is_proved: false,
            is_silent: false,
            silence: Silence::default(),
        }
    }

    /// The way for callers to write by themselves, where there is one.
    pub(super) fn inline(&self) -> Option<Arc<dyn InlineWrite>> {
        self.transport.inline()
    }

    /// Whether another connection should take its place before it comes to an end by itself.
    pub(super) fn is_worn(&self) -> bool {
        self.transport.is_worn()
    }

    /// There is no other one so far: it has to last for some time more.
    pub(super) fn bear_wear(&mut self) {
        self.transport.bear_wear();
    }

    /// Where the connection leads, as far as the system knows.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.transport.peer()
    }

    /// One turn.
    pub(super) fn drive(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<P>,
        now: Tick,
        is_due: bool,
        woken: &mut Vec<Waker>,
    ) -> Result<Driven, Broken> {
        if is_due {
            // All that has come counts before anybody's time is over: the program may have been suspended.
            self.drive_all_read(cx, shared, now, woken)?;
            self.drive_timeouts(cx, shared, now, woken)?;
        } else {
            if self.has_unframed {
                // What the callers of the replies so far have asked since leaves before the others get theirs.
                self.drive_gathered(cx, shared, now, woken, Turn::Begins)?;
            }
            self.drive_read(cx, shared, now, woken)?;
        }
        let turn = if is_due { Turn::EndsInTime } else { Turn::Ends };
        let driven = self.drive_gathered(cx, shared, now, woken, turn)?;
        Ok(Driven { timeout: driven.timeout.min(self.poll_timeout()), ..driven })
    }

    /// Writes what has gathered.
    fn drive_gathered(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<P>,
        now: Tick,
        woken: &mut Vec<Waker>,
        turn: Turn,
    ) -> Result<Driven, Broken> {
        let driven = self.look(cx, shared, now, woken, turn)?;
        if turn.comes_late(now, driven.timeout) {
            return Ok(driven);
        }
        if let Err(why) = self.drive_write(cx, now) {
            // What the server has said before it closed may tell more than the failed write.
            self.drive_all_read(cx, shared, now, woken)?;
            return Err(why);
        }
        Ok(driven)
    }

    /// Reads what lies in the socket, and hands over all of it, beyond the budget of a turn.
    fn drive_all_read(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<P>,
        now: Tick,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let mut received = None;
        for _ in 0..READS_MAX {
            while std::mem::take(&mut self.has_unframed) {
                self.drive_replies(cx, shared, now, woken)?;
            }
            if received.replace(self.incoming.received()) == Some(self.incoming.received()) {
                break;
            }
            // Bounded here, and not by what tokio grants a task: what is left in the socket would be found too late.
            let read = poll_fn(|cx| Poll::Ready(self.drive_read(cx, shared, now, woken)));
            if let Poll::Ready(read) = pin!(unconstrained(read)).poll(cx) {
                read?;
            }
        }
        Ok(())
    }

    fn drive_read(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<P>,
        now: Tick,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        if std::mem::take(&mut self.has_unframed) {
            self.drive_replies(cx, shared, now, woken)?;
        }
        let mut budget = self.limits.turn_bytes_max;
        while !self.has_unframed {
            let transport = &mut self.transport;
            match self.incoming.read_with(|space| transport.poll_read(cx, space)) {
                Poll::Pending => break,
                Poll::Ready(Ok(0)) => return Err(Broken::EndOfStream),
                Poll::Ready(Ok(n)) => {
                    self.incoming.handle_input(now, n);
                    (self.active_at, self.is_shrunk) = (now, false);
                    self.drive_replies(cx, shared, now, woken)?;
                    budget = budget.saturating_sub(n);
                    if budget == 0 {
                        // Others get their turn; this task goes to the end of the queue.
                        cx.waker().wake_by_ref();
                        break;
                    }
                }
                Poll::Ready(Err(error)) => return Err(broken(error)),
            }
        }
        Ok(())
    }

    /// Cuts what was read into replies and hands them over, up to the budget of a turn.
    fn drive_replies(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<P>,
        now: Tick,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        loop {
            if self.incoming.needs_pending() {
                shared.lock().connection.poll_sent(&mut self.incoming);
            }
            let framed = self.incoming.poll_replies();
            if self.incoming.has_ready() {
                let handled = {
                    let mut guarded = shared.lock();
                    self.is_proved |= self.is_open;
                    let handled = guarded.connection.handle_replies(now, &mut self.incoming, woken);
                    if std::mem::take(&mut self.is_silent) {
                        guarded.connection.resume();
                    }
                    self.is_open |= *guarded.connection.phase() == Phase::Open;
                    handled
                };
                self.handed_over += woken.len();
                wake_all(woken);
                handled?;
            }
            self.incoming.drain_unasked().for_each(|message| shared.protocol.unasked(message));
            match framed? {
                Framed::NeedInput => return Ok(()),
                Framed::NeedPending => {}
                Framed::Budget => {
                    self.has_unframed = true;
                    cx.waker().wake_by_ref();
                    return Ok(());
                }
            }
        }
    }

    fn drive_timeouts(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<P>,
        now: Tick,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        {
            let mut guarded = shared.lock();
            guarded.connection.poll_sent(&mut self.incoming);
            self.note_silence(&guarded);
            guarded.connection.handle_timeout(now, &mut self.transmit, woken)?;
            self.suspend_if_silent(shared.options.suspension, &mut guarded, now, woken);
        }
        self.transmit.drop_cut();
        if now >= self.incoming.poll_timeout().min(self.blocked_until()) {
            // A program that was suspended in the middle of a command, be it in a caller's hands, has not written since. If the
            // socket takes more of it now the server was not silent: it was waiting for us.
            shared.lock().connection.poll_transmit(&mut self.transmit, woken);
            self.transmit.drop_cut();
            self.drive_write(cx, now)?;
        }
        self.incoming.handle_timeout(now)?;
        if now >= self.blocked_until() {
            return Err(Broken::WriteStalled);
        }
        if self.may_shrink() && now >= self.active_at.after(IDLE_AFTER) {
            self.incoming.shrink();
            self.transmit.shrink();
            self.transport.shrink();
            shared.lock().connection.shrink();
            self.is_shrunk = true;
        }
        Ok(())
    }

    /// Whether the silence, if there is one, is still the same.
    fn note_silence(&mut self, guarded: &Guarded<P>) {
        let since = self.incoming.silent_since();
        if self.silence.since != since {
            self.silence = Silence { since, abandoned_before: guarded.connection.stats().abandoned };
        }
    }

    /// A server that lets commands wait for replies until nobody waits any more, and says nothing at all meanwhile, is not given more
    /// of them. One that is slow is: something comes from it. It is asked again when a reply comes, or on a new connection.
    fn suspend_if_silent(&mut self, rule: Suspension, guarded: &mut Guarded<P>, now: Tick, woken: &mut Vec<Waker>) {
        let Some(since) = self.silence.since else { return };
        let unanswered = guarded.connection.stats().abandoned.saturating_sub(self.silence.abandoned_before);
        if unanswered >= u64::from(rule.commands) && now >= since.after(rule.silence) {
            self.is_silent |= guarded.connection.suspend(Cause::Down(SILENT.to_owned()), woken);
        }
    }

    /// Looks at what callers have left, and takes what is to be written unless it pays to wait a turn for more.
    fn look(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared<P>,
        now: Tick,
        woken: &mut Vec<Waker>,
        turn: Turn,
    ) -> Result<Driven, Broken> {
        let mut guarded = shared.lock();
        guarded.register(cx);
        // A protocol without an opening exchange is open at once.
        self.is_open |= *guarded.connection.phase() == Phase::Open;
        if let Some((opened, what)) = guarded.distrusted.take()
            && opened == guarded.connection.opened_so_far()
        {
            return Err(Broken::Malformed(what));
        }
        let timeout = guarded.connection.poll_timeout();
        if turn.comes_late(now, timeout) {
            // Nothing is written for who is late: the next turn, at once, ends those waits first.
            return Ok(Driven { timeout, stop: guarded.stop, is_drained: guarded.connection.is_drained() });
        }
        let queued = guarded.connection.queued_bytes();
        let waits = match turn {
            Turn::Begins => {
                self.linger.end(queued);
                false
            }
            Turn::Ends | Turn::EndsInTime => {
                let handed_over = std::mem::take(&mut self.handed_over);
                self.transmit.is_done() && self.linger.waits(queued, handed_over)
            }
        };
        if waits {
            // A task that wakes itself goes behind all that are ready to run: those callers add to this write.
            guarded.connection.expect_driver();
            cx.waker().wake_by_ref();
        } else {
            // Callers' own writes first: their replies come before those of what is taken now.
            guarded.connection.poll_sent(&mut self.incoming);
            guarded.connection.poll_transmit(&mut self.transmit, woken);
            if guarded.connection.has_too_many_abandoned() {
                return Err(Broken::Abandoned);
            }
        }
        if let Some(load) = &shared.load {
            let commands = guarded.connection.in_flight() * COMMAND_LEN;
            let bytes = guarded.connection.queued_bytes() + self.transmit.remaining() + self.incoming.lacking();
            load.store(commands + bytes, Ordering::Relaxed);
        }
        let driven = Driven {
            timeout: guarded.connection.poll_timeout(),
            stop: guarded.stop,
            is_drained: guarded.connection.is_drained(),
        };
        drop(guarded);
        self.transmit.drop_cut();
        wake_all(woken);
        Ok(driven)
    }

    fn drive_write(&mut self, cx: &mut Context<'_>, now: Tick) -> Result<(), Broken> {
        self.write_all(cx, now)?;
        if self.needs_flush {
            match self.transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.needs_flush = false,
                Poll::Ready(Err(error)) => return Err(broken(error)),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    fn write_all(&mut self, cx: &mut Context<'_>, now: Tick) -> Result<(), Broken> {
        while !self.transmit.is_done() {
            let mut slices = [&[][..]; SLICES_MAX];
            let filled = self.transmit.slices(&mut slices);
            let slices = slices.map(IoSlice::new);
            match self.transport.poll_write(cx, slices.get(..filled).unwrap_or_default()) {
                Poll::Ready(Ok(0)) => return Err(Broken::Io("the socket takes no more bytes".to_owned())),
                Poll::Ready(Ok(n)) => {
                    self.incoming.handle_written(now, &mut self.transmit, n);
                    self.needs_flush = self.transport.needs_flush();
                    self.blocked_since = None;
                }
                Poll::Ready(Err(error)) => return Err(broken(error)),
                Poll::Pending => {
                    self.blocked_since.get_or_insert(now);
                    return Ok(());
                }
            }
        }
        self.blocked_since = None;
        Ok(())
    }

    fn may_shrink(&self) -> bool {
        !self.is_shrunk && !self.incoming.is_owed() && self.incoming.is_empty()
    }

    fn poll_timeout(&self) -> Tick {
        let idle = if self.may_shrink() { self.active_at.after(IDLE_AFTER) } else { Tick::NEVER };
        self.incoming.poll_timeout().min(self.blocked_until()).min(idle)
    }

    /// When a socket that takes nothing ends the connection. As long as bytes come the server is not silent: memcached reads
    /// nothing while it has something to write, and a large reply takes its time on a slow way.
    fn blocked_until(&self) -> Tick {
        let since = self.blocked_since.map(|since| since.max(self.active_at));
        since.map_or(Tick::NEVER, |since| since.after(self.limits.stall_timeout))
    }
}
