use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use std::io::IoSlice;

use memlink_core::{
    Admission, Cause, Command, Failure, Inline, Looked, Malformed, Outcome, Refused, Reply, Tick, Token, Unsupported,
};
use tokio::time::Instant;

use super::handle::NotOpen;
use super::shared::{Guarded, Shared, wake_all};
use super::{Link, LinkProtocol};
use crate::transport::InlineWrite;

/// One command on its way over one link.
///
/// ```text
///   New --first poll--> Submitted --reply, failure--> Done
///                         |  ^ in line, admitted, in flight: told apart by the connection
///                         '--drop: abandoned, the connection stays
/// ```
#[must_use = "a command is sent when its call is first polled"]
pub(crate) struct Call<P: LinkProtocol, C: Command<P>> {
    link: Arc<Link<P>>,
    command: C,
    timing: Timing,
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
}

#[derive(Debug, Clone, Copy)]
enum State {
    New,
    Submitted { token: Token, deadline: Tick },
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

impl<P: LinkProtocol> Link<P> {
    /// A command to be sent when the call is first polled. A clone of the handle is kept until it has ended.
    pub(crate) fn call<C: Command<P>>(self: &Arc<Link<P>>, command: C, timing: Timing) -> Call<P, C> {
        Call::new(self.clone(), command, timing)
    }
}

impl<P: LinkProtocol, C: Command<P>> Call<P, C> {
    fn new(link: Arc<Link<P>>, command: C, timing: Timing) -> Call<P, C> {
        Call { link, command, timing, state: State::New }
    }

    /// The link it goes over.
    pub(crate) fn link(&self) -> &Arc<Link<P>> {
        &self.link
    }

    /// The command.
    pub(crate) fn command(&self) -> &C {
        &self.command
    }

    /// Allows the same command to be submitted once more, after it ended as not sent.
    pub(crate) fn again(&mut self) {
        self.state = State::New;
    }

    fn deadline(&self, now: Tick) -> Tick {
        match (self.timing.deadline, self.timing.timeout) {
            (Some(at), _) => self.link.shared.tick(at),
            (None, Some(timeout)) => now.after(timeout),
            (None, None) => Tick::NEVER,
        }
    }

    fn submit(&mut self, cx: &mut Context<'_>) -> Result<(), CallError> {
        let shared = &self.link.shared;
        let now = shared.now();
        let deadline = self.deadline(now);
        // A relative timeout is fixed by the first attempt.
        self.timing.deadline.get_or_insert_with(|| shared.instant(deadline.min(FAR)));
        if deadline <= now {
            return Err(CallError::Failed(Failure { outcome: Outcome::NotSent, cause: Cause::Deadline }));
        }
        if !self.link.ensure_driver() {
            return Err(CallError::NoRuntime);
        }
        let mut waker = Some(cx.waker().clone());
        let mut guarded = shared.lock();
        let admission = guarded.connection.submit(&self.command, deadline, self.timing.wait, &mut waker);
        let admission = admission.map_err(CallError::from)?;
        self.state = State::Submitted { token: admission.token, deadline };
        let duty = Duty::take(&mut guarded, &admission, now);
        if !shared.is_served() {
            // The runtime has gone in between: the command ends here, with everything else on this link.
            let mut woken = Vec::new();
            let remains = guarded.connection.driver_gone(&mut woken);
            drop(guarded);
            drop(remains);
            wake_all(&mut woken);
            return Ok(());
        }
        drop(guarded);
        duty.fulfil(shared, now);
        Ok(())
    }

    fn look(&mut self, cx: &mut Context<'_>, token: Token, deadline: Tick) -> Poll<Result<Ended, CallError>> {
        let shared = &self.link.shared;
        let mut fresh: Option<Waker> = None;
        loop {
            let mut guarded = shared.lock();
            match guarded.connection.poll(token) {
                Looked::Ended(result) => {
                    let opened = guarded.connection.stats().opened;
                    drop(guarded);
                    self.state = State::Done;
                    return Poll::Ready(match result {
                        Ok(reply) => Ok(Ended { reply, opened }),
                        Err(failure) => Err(CallError::Failed(failure)),
                    });
                }
                Looked::Pending => {
                    let Some(waiter) = guarded.connection.waiter_mut(token) else { return Poll::Pending };
                    if waiter.will_wake(cx.waker()) {
                        return Poll::Pending;
                    }
                    if let Some(fresh) = fresh.take() {
                        let stale = std::mem::replace(waiter, fresh);
                        drop(guarded);
                        drop(stale);
                        return Poll::Pending;
                    }
                }
                Looked::Admitted => {
                    if fresh.is_some() {
                        let now = shared.now();
                        let mut woken = Vec::new();
                        let entered = guarded.connection.enter(token, &self.command, deadline, &mut fresh, &mut woken);
                        let duty = entered.map(|admission| Duty::take(&mut guarded, &admission, now));
                        drop(guarded);
                        wake_all(&mut woken);
                        match duty {
                            Ok(duty) => duty.fulfil(shared, now),
                            Err(refused) => {
                                self.state = State::Done;
                                return Poll::Ready(Err(refused.into()));
                            }
                        }
                        return Poll::Pending;
                    }
                }
            }
            // Cloning a waker runs foreign code, so it is done where the lock is not held; then everything is looked at anew.
            drop(guarded);
            fresh = Some(cx.waker().clone());
        }
    }
}

impl<P: LinkProtocol, C: Command<P> + Unpin> Future for Call<P, C> {
    type Output = Result<C::Output, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.state {
            State::New => {
                // A server that is down answers at once, and a task that asks it again and again must let others run.
                ready!(tokio::task::coop::poll_proceed(cx)).made_progress();
                match this.submit(cx) {
                    Ok(()) => Poll::Pending,
                    Err(error) => {
                        this.state = State::Done;
                        Poll::Ready(Err(error))
                    }
                }
            }
            State::Submitted { token, deadline } => match this.look(cx, token, deadline) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(Ended { reply, opened })) => {
                    Poll::Ready(this.command.decode(reply).map_err(|malformed| {
                        this.link.shared.distrust(opened, malformed.what);
                        CallError::Malformed(malformed)
                    }))
                }
            },
            // Polled after its end, which futures need not support: it stays silent.
            State::Done => Poll::Pending,
        }
    }
}

impl<P: LinkProtocol, C: Command<P>> Drop for Call<P, C> {
    fn drop(&mut self) {
        let State::Submitted { token, .. } = self.state else { return };
        let shared = &self.link.shared;
        let now = shared.now();
        let mut guarded = shared.lock();
        let abandoned = guarded.connection.abandon(now, token);
        let driver = if abandoned.wake_driver { guarded.driver.take() } else { None };
        drop(guarded);
        if let Some(next) = abandoned.woken {
            next.wake();
        }
        if let Some(driver) = driver {
            driver.wake();
        }
        drop((abandoned.dropped, abandoned.reply));
    }
}

/// A deadline further away than this is none: it only has to fit the clock.
const FAR: Tick = Tick::from_nanos(u64::MAX / 4);

struct Ended {
    reply: Reply,
    /// Number of the connection that was open when the reply was fetched.
    opened: u64,
}

/// What has to be done for an admission once the lock is released.
struct Duty<E> {
    driver: Option<Waker>,
    write: Option<(Arc<dyn InlineWrite>, Inline<E>)>,
}

impl<E> Duty<E> {
    fn take<P: LinkProtocol<Expect = E>>(guarded: &mut Guarded<P>, admission: &Admission, now: Tick) -> Duty<E> {
        let write = match (&guarded.inline, admission.may_write) {
            (Some(writer), true) => {
                let writer = writer.clone();
                guarded.connection.take_inline(now).map(|inline| (writer, inline))
            }
            _ => None,
        };
        // Whoever may write and does not has to tell the driver.
        let wakes = admission.wake_driver || (admission.may_write && write.is_none());
        Duty { driver: if wakes { guarded.driver.take() } else { None }, write }
    }

    /// Writes what the caller may write by itself, once and without waiting; the driver does the rest.
    fn fulfil<P: LinkProtocol<Expect = E>>(self, shared: &Shared<P>, now: Tick) {
        if let Some((writer, inline)) = self.write {
            let n = write_once(&*writer, &inline);
            drop(writer);
            let mut guarded = shared.lock();
            let driver = if guarded.connection.inline_done(inline, n, now) { guarded.driver.take() } else { None };
            drop(guarded);
            if let Some(driver) = driver {
                driver.wake();
            }
        }
        if let Some(driver) = self.driver {
            driver.wake();
        }
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
