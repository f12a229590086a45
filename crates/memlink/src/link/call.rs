use std::io::IoSlice;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use memlink_core::{
    Cause, Command, Failure, Inline, Looked, Malformed, Outcome, Refused, Reply, Tick, Token, Unsupported,
};
use tokio::time::Instant;

use super::handle::NotOpen;
use super::shared::{Lock, Shared, wake_all, wake_driver};
use super::{Link, LinkProtocol};
use crate::policy::COMMAND_LEN;
use crate::sync::atomic::Ordering;
use crate::transport::InlineWrite;

/// Where one command stands on its way over one link.
///
/// The command stays with its owner, who lends it to every poll, always the same one: so it never has to be moved.
///
/// ```text
///   New --first poll--> Submitted --reply, failure--> Done
///                         ^  | ^ in line, admitted, in flight: told apart by the connection
///             Again ------'  '--drop: abandoned, the connection stays
/// ```
#[must_use = "a command is sent when its call is first polled"]
pub(crate) struct Call<P: LinkProtocol> {
    link: Arc<Link<P>>,
    timing: Timing,
    /// Fixed by the first attempt.
    deadline: Tick,
    /// The connection on which the command was entered, by its number.
    opened: u64,
    state: State,
}

/// When a call ends at the latest, and whether it waits for room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// From the first poll; ignored when there is a deadline.
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
    /// Wait while the queue is full; else fail at once.
    pub(crate) wait: bool,
    /// Ask a server that is suspended, too: whether it answers again.
    pub(crate) is_probe: bool,
}

impl Timing {
    /// As the settings have it, for a request that says nothing of its own.
    #[inline]
    pub(crate) fn new(timeout: Option<Duration>, wait: bool) -> Timing {
        Timing { timeout, deadline: None, wait, is_probe: false }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    New,
    /// Was submitted before, and not sent.
    Again,
    Submitted(Token),
    Done,
}

/// Why a call has no output.
#[derive(Debug, Clone)]
pub(crate) enum CallError {
    /// The command got no reply.
    Failed(Failure),
    /// The server lacks what the command needs; nothing was sent.
    Unsupported(Unsupported),
    /// The reply made no sense; the connection is being closed.
    Malformed(Malformed),
    /// There is no tokio runtime to run the link's driver; nothing was sent.
    NoRuntime,
}

impl<P: LinkProtocol> Call<P> {
    /// A call that keeps the handle for as long as it lives. Nothing happens before the first poll.
    #[inline]
    pub(crate) fn new(link: Arc<Link<P>>, timing: Timing) -> Call<P> {
        Call { link, timing, deadline: Tick::NEVER, opened: 0, state: State::New }
    }

    /// The link it goes over.
    pub(crate) fn link(&self) -> &Arc<Link<P>> {
        &self.link
    }

    /// Ends it after so long instead, counted from its first poll.
    pub(crate) fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timing.timeout = timeout;
    }

    /// Whether it waits for room or for a connection: nothing of it is encoded, and whatever is submitted now may come before it.
    pub(crate) fn is_in_line(&self) -> bool {
        match self.state {
            State::Submitted(token) => self.link.shared.lock().connection.is_in_line(token),
            State::New | State::Again => true,
            State::Done => false,
        }
    }

    /// The number of the connection on which the command was entered, once it has ended with a reply.
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    /// Whether the next poll submits it.
    #[inline]
    pub(crate) fn is_to_be_submitted(&self) -> bool {
        matches!(self.state, State::New | State::Again)
    }

    /// Allows the command to be submitted once more, after it ended as not sent, within the same deadline.
    pub(crate) fn again(&mut self) {
        self.state = State::Again;
    }

    /// The same over another link, whose clock has a start of its own.
    pub(crate) fn move_to(&mut self, link: Arc<Link<P>>) {
        if self.deadline != Tick::NEVER {
            self.deadline = link.shared.tick(self.link.shared.instant(self.deadline));
        }
        self.link = link;
        self.state = State::Again;
    }

    /// Submits `command` at the first poll, and says from then on what has become of it.
    #[inline]
    pub(crate) fn poll<C: Command<P>>(
        &mut self,
        cx: &mut Context<'_>,
        command: &C,
    ) -> Poll<Result<C::Output, CallError>> {
        match self.state {
            State::Submitted(token) => self.look(cx, command, token),
            State::New | State::Again => {
                // A server that is down answers at once, and a task that asks it again and again must let others run.
                ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
                match self.submit(cx, command) {
                    Ok(()) => Poll::Pending,
                    Err(error) => {
                        self.state = State::Done;
                        Poll::Ready(Err(error))
                    }
                }
            }
            // Polled after its end, which futures need not support: it stays silent.
            State::Done => Poll::Pending,
        }
    }

    #[inline]
    fn fix_deadline(&mut self, now: Tick) {
        if let State::New = self.state {
            self.deadline = match (self.timing.deadline, self.timing.timeout) {
                (Some(at), _) => self.link.shared.tick(at),
                (None, Some(timeout)) => now.after(timeout),
                (None, None) => Tick::NEVER,
            };
        }
    }

    fn submit<C: Command<P>>(&mut self, cx: &mut Context<'_>, command: &C) -> Result<(), CallError> {
        let now = self.link.shared.now();
        self.fix_deadline(now);
        if self.deadline <= now {
            return Err(CallError::Failed(Failure { outcome: Outcome::NotSent, cause: Cause::Deadline }));
        }
        if !self.link.ensure_driver() {
            return Err(CallError::NoRuntime);
        }
        let shared = &*self.link.shared;
        let mut waker = Some(cx.waker().clone());
        let mut guarded = shared.lock();
        let admission = if self.timing.is_probe {
            guarded.connection.submit_probe(command, self.deadline, &mut waker)?
        } else {
            guarded.connection.submit(command, self.deadline, self.timing.wait, &mut waker)?
        };
        self.state = State::Submitted(admission.token);
        self.opened = guarded.connection.opened_so_far();
        if let Some(load) = &shared.load {
            // Until the driver has counted anew.
            load.fetch_add(command.size_hint() + COMMAND_LEN, Ordering::Relaxed);
        }
        if !shared.is_served() {
            shared.end_unserved(guarded);
        } else if admission.may_write {
            write_inline(shared, guarded, now, admission.wake_driver);
        } else if admission.wake_driver {
            wake_driver(guarded);
        }
        Ok(())
    }

    #[inline]
    fn look<C: Command<P>>(
        &mut self,
        cx: &mut Context<'_>,
        command: &C,
        token: Token,
    ) -> Poll<Result<C::Output, CallError>> {
        let mut guarded = self.link.shared.lock();
        match guarded.connection.poll(token) {
            Looked::Ended(Ok(reply)) => {
                drop(guarded);
                self.state = State::Done;
                Poll::Ready(self.decode(command, reply))
            }
            Looked::Ended(Err(failure)) => {
                drop(guarded);
                self.state = State::Done;
                Poll::Ready(Err(CallError::Failed(failure)))
            }
            Looked::Pending
                if guarded.connection.waiter_mut(token).is_none_or(|waiter| waiter.will_wake(cx.waker())) =>
            {
                Poll::Pending
            }
            Looked::Pending | Looked::Admitted => {
                drop(guarded);
                self.look_again(cx, command, token)
            }
        }
    }

    #[inline]
    fn decode<C: Command<P>>(&self, command: &C, reply: Reply) -> Result<C::Output, CallError> {
        command.decode(reply).map_err(|malformed| {
            self.link.shared.distrust(self.opened, malformed.what);
            CallError::Malformed(malformed)
        })
    }

    /// Polled by another task than before, or because there is room now.
    #[inline(never)]
    fn look_again<C: Command<P>>(
        &mut self,
        cx: &mut Context<'_>,
        command: &C,
        token: Token,
    ) -> Poll<Result<C::Output, CallError>> {
        // Cloning a waker runs foreign code, so it is done where the lock is not held.
        let mut fresh = Some(cx.waker().clone());
        let shared = &*self.link.shared;
        let mut guarded = shared.lock();
        match guarded.connection.poll(token) {
            Looked::Ended(result) => {
                drop(guarded);
                self.state = State::Done;
                match result {
                    Ok(reply) => Poll::Ready(self.decode(command, reply)),
                    Err(failure) => Poll::Ready(Err(CallError::Failed(failure))),
                }
            }
            Looked::Pending => {
                if let (Some(waiter), Some(fresh)) = (guarded.connection.waiter_mut(token), &mut fresh) {
                    std::mem::swap(waiter, fresh);
                }
                drop(guarded);
                Poll::Pending
            }
            Looked::Admitted => {
                let now = shared.now();
                if self.deadline <= now {
                    // Nothing is written for who is late.
                    drop(guarded);
                    abandon(shared, token);
                    self.state = State::Done;
                    let late = Failure { outcome: Outcome::NotSent, cause: Cause::Deadline };
                    return Poll::Ready(Err(CallError::Failed(late)));
                }
                let mut woken = Vec::new();
                let entered = guarded.connection.enter(token, command, self.deadline, &mut fresh, &mut woken);
                self.opened = guarded.connection.opened_so_far();
                match entered {
                    Ok(admission) if admission.may_write => write_inline(shared, guarded, now, admission.wake_driver),
                    Ok(admission) if admission.wake_driver => wake_driver(guarded),
                    Ok(_) => drop(guarded),
                    Err(refused) => {
                        drop(guarded);
                        self.state = State::Done;
                        wake_all(&mut woken);
                        return Poll::Ready(Err(refused.into()));
                    }
                }
                wake_all(&mut woken);
                Poll::Pending
            }
        }
    }
}

impl<P: LinkProtocol> Drop for Call<P> {
    #[inline]
    fn drop(&mut self) {
        if let State::Submitted(token) = self.state {
            abandon(&self.link.shared, token);
        }
    }
}

#[inline(never)]
fn abandon<P: LinkProtocol>(shared: &Shared<P>, token: Token) {
    let now = shared.now();
    let mut guarded = shared.lock();
    let abandoned = guarded.connection.abandon(now, token);
    let driver = if abandoned.wake_driver { guarded.driver.take() } else { None };
    drop(guarded);
    // First, since it is tokio's own: the other may panic.
    if let Some(driver) = driver {
        driver.wake();
    }
    if let Some(next) = abandoned.woken {
        next.wake();
    }
    drop((abandoned.dropped, abandoned.reply));
}

/// Writes what the caller may write by itself, once and without waiting; the driver does the rest.
#[inline(never)]
fn write_inline<P: LinkProtocol>(shared: &Shared<P>, mut guarded: Lock<'_, P>, now: Tick, wake_driver: bool) {
    let writer = guarded.inline.clone();
    let write = writer.and_then(|writer| Some((writer, guarded.connection.take_inline(now)?)));
    // Whoever may write and does not has to tell the driver.
    let mut driver = if wake_driver || write.is_none() { guarded.driver.take() } else { None };
    drop(guarded);
    if let Some((writer, inline)) = write {
        let n = write_once(&*writer, &inline);
        drop(writer);
        let mut guarded = shared.lock();
        if guarded.connection.inline_done(inline, n, now) {
            driver = driver.or_else(|| guarded.driver.take());
        }
    }
    if let Some(driver) = driver {
        driver.wake();
    }
}

/// How many bytes the operating system took. An error counts as none: the driver will meet it again and deal with it.
fn write_once<E>(writer: &dyn InlineWrite, inline: &Inline<E>) -> usize {
    let transmit = inline.transmit();
    if transmit.is_contiguous() {
        return writer.try_write(&[IoSlice::new(transmit.first())]).unwrap_or(0);
    }
    let mut slices = [&[][..]; 8];
    let filled = transmit.slices(&mut slices);
    let slices = slices.map(IoSlice::new);
    writer.try_write(slices.get(..filled).unwrap_or_default()).unwrap_or(0)
}

impl From<NotOpen> for CallError {
    fn from(not_open: NotOpen) -> CallError {
        match not_open {
            NotOpen::Failed(failure) => CallError::Failed(failure),
            NotOpen::NoRuntime => CallError::NoRuntime,
        }
    }
}

impl From<Refused> for CallError {
    fn from(refused: Refused) -> CallError {
        match refused {
            Refused::Unsupported(unsupported) => CallError::Unsupported(unsupported),
            Refused::Failed(failure) => CallError::Failed(failure),
        }
    }
}
