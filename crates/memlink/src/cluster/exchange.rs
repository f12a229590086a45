use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memlink_core::Command;

use crate::error::Error;
use crate::link::{Call, LinkProtocol};
use crate::retry;

/// One command on its way to one server. Sent when it is first polled; dropping it abandons the command, never the connection.
///
/// A command that was not sent because the connection was lost under it is submitted again by itself, a few times and within the
/// same deadline: it cannot have run.
#[must_use = "a command is sent when it is first polled"]
pub struct Exchange<P: LinkProtocol, C: Command<P>> {
    call: Call<P, C>,
    attempts: u32,
}

impl<P: LinkProtocol, C: Command<P>> Exchange<P, C> {
    pub(super) fn new(call: Call<P, C>) -> Exchange<P, C> {
        Exchange { call, attempts: 0 }
    }

    /// The same, without submitting it again: for commands whose order among others matters.
    pub(crate) fn once(self) -> Exchange<P, C> {
        Exchange { attempts: retry::ATTEMPTS_MAX, ..self }
    }

    /// The configured name of the server it goes to.
    #[must_use]
    pub fn server(&self) -> &str {
        self.call.link().name()
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> &C {
        self.call.command()
    }

    pub(crate) fn server_name(&self) -> std::sync::Arc<str> {
        self.call.link().name().clone()
    }
}

impl<P: LinkProtocol, C: Command<P> + Unpin> Future for Exchange<P, C> {
    type Output = Result<C::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match ready!(Pin::new(&mut self.call).poll(cx)) {
                Ok(output) => return Poll::Ready(Ok(output)),
                Err(error) => {
                    let error = Error::call(self.server_name(), &error);
                    self.attempts = self.attempts.saturating_add(1);
                    if !retry::repeats_unasked(error.kind(), error.outcome(), self.attempts) {
                        return Poll::Ready(Err(error));
                    }
                    self.call.again();
                }
            }
        }
    }
}

impl<P: LinkProtocol, C: Command<P>> std::fmt::Debug for Exchange<P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("server", &self.server()).finish_non_exhaustive()
    }
}
