use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use memlink_core::Command;

use crate::error::Error;
use crate::link::{Call, CallError, Link, LinkProtocol, Timing};
use crate::retry;

/// One command on its way to one server. Sent when it is first polled; dropping it abandons the command, never the connection.
///
/// A command that was not sent because the connection was lost under it is submitted again by itself, a few times and within the
/// same deadline: it cannot have run.
#[must_use = "a command is sent when it is first polled"]
pub struct Exchange<P: LinkProtocol, C: Command<P>> {
    command: C,
    attempts: Attempts<P>,
}

impl<P: LinkProtocol, C: Command<P>> Exchange<P, C> {
    pub(super) fn new(link: Arc<Link<P>>, command: C, timing: Timing) -> Exchange<P, C> {
        Exchange { command, attempts: Attempts::new(link, timing) }
    }

    /// How long it may take in all instead of [`Settings::timeout`](crate::Settings::timeout), from its first poll; `None` waits for
    /// ever. A request that was polled keeps what it had.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Exchange<P, C> {
        self.attempts.call.set_timeout(timeout.into());
        self
    }

    /// The same, without submitting it again: for commands whose order among others matters.
    pub(crate) fn once(mut self) -> Exchange<P, C> {
        self.attempts.made = retry::ATTEMPTS_MAX;
        self
    }

    /// The configured name of the server it goes to.
    #[must_use]
    pub fn server(&self) -> &str {
        self.attempts.server_name()
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> &C {
        &self.command
    }

    pub(crate) fn server_name(&self) -> Arc<str> {
        self.attempts.server_name().clone()
    }
}

impl<P: LinkProtocol, C: Command<P> + Unpin> Future for Exchange<P, C> {
    type Output = Result<C::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.attempts.poll(cx, &this.command)
    }
}

/// The attempts to send one command, which its owner keeps and lends to every poll.
pub(crate) struct Attempts<P: LinkProtocol> {
    call: Call<P>,
    /// How many have ended.
    made: u32,
}

impl<P: LinkProtocol> Attempts<P> {
    #[inline]
    pub(super) fn new(link: Arc<Link<P>>, timing: Timing) -> Attempts<P> {
        Attempts { call: Call::new(link, timing), made: 0 }
    }

    /// The configured name of the server it goes to.
    pub(crate) fn server_name(&self) -> &Arc<str> {
        self.call.link().name()
    }

    #[inline]
    pub(crate) fn poll<C: Command<P>>(&mut self, cx: &mut Context<'_>, command: &C) -> Poll<Result<C::Output, Error>> {
        loop {
            match ready!(self.call.poll(cx, command)) {
                Ok(output) => return Poll::Ready(Ok(output)),
                Err(error) => {
                    if let Some(error) = self.failed(&error) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }

    /// What to tell the caller, unless there is to be another attempt.
    #[cold]
    fn failed(&mut self, error: &CallError) -> Option<Error> {
        let error = Error::call(self.server_name().clone(), error);
        self.made = self.made.saturating_add(1);
        if !retry::repeats_unasked(error.kind(), error.outcome(), self.made) {
            return Some(error);
        }
        self.call.again();
        None
    }
}

impl<P: LinkProtocol, C: Command<P>> std::fmt::Debug for Exchange<P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("server", &self.server()).finish_non_exhaustive()
    }
}
