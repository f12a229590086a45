use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use memlink_core::Command;

use self::sealed::Route;
use super::Cluster;
use crate::error::{Error, ErrorKind, Outcome};
use crate::link::{Call, CallError, Link, LinkProtocol, Timing};
use crate::retry;

/// One command on its way to one server. Sent when it is first polled; dropping it abandons the command, never the connection.
///
/// A command that was not sent because the connection was lost under it is submitted again by itself, a few times and within the
/// same deadline: it cannot have run. One that was not sent because its server was removed goes to the server that has its key now.
#[must_use = "a command is sent when it is first polled"]
pub struct Exchange<P: LinkProtocol, C: Command<P>, D = ThisServer> {
    command: C,
    attempts: Attempts<P>,
    /// Where to look for another server.
    cluster: Option<Cluster<P>>,
    destination: D,
}

/// Where a command goes: to whatever server has its key, or to one that was chosen.
pub trait Destination<C>: Route<C> {}

impl<C, D: Route<C>> Destination<C> for D {}

pub(crate) mod sealed {
    pub trait Route<C> {
        /// The bytes that say which server a command belongs to. `None`: to the one that was chosen, and to no other.
        fn key<'a>(&'a self, command: &'a C) -> Option<&'a [u8]>;
    }
}

/// To one server and no other.
#[derive(Debug, Clone, Copy)]
pub struct ThisServer;

impl<C> Route<C> for ThisServer {
    fn key<'a>(&'a self, _: &'a C) -> Option<&'a [u8]> {
        None
    }
}

/// To the server that has this key.
#[derive(Debug, Clone, Copy)]
pub struct ByKey<K>(pub(super) K);

impl<C, K: AsRef<[u8]>> Route<C> for ByKey<K> {
    fn key<'a>(&'a self, _: &'a C) -> Option<&'a [u8]> {
        Some(self.0.as_ref())
    }
}

impl<P: LinkProtocol, C: Command<P>, D> Exchange<P, C, D> {
    pub(super) fn new(
        link: Arc<Link<P>>,
        cluster: Option<Cluster<P>>,
        destination: D,
        command: C,
        timing: Timing,
    ) -> Exchange<P, C, D> {
        Exchange { command, attempts: Attempts::new(link, timing), cluster, destination }
    }

    /// How long it may take in all instead of [`Settings::timeout`](crate::Settings::timeout), from its first poll; `None` waits for
    /// ever. A request that was polled keeps what it had.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Exchange<P, C, D> {
        self.attempts.call.set_timeout(timeout.into());
        self
    }

    /// The same, without submitting it again after a lost connection: for commands whose order among others matters.
    pub(crate) fn once(mut self) -> Exchange<P, C, D> {
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

    pub(crate) fn server_name(&self) -> &Arc<str> {
        self.attempts.server_name()
    }
}

impl<P: LinkProtocol, C: Command<P> + Unpin, D: Destination<C> + Unpin> Future for Exchange<P, C, D> {
    type Output = Result<C::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Exchange { command, attempts, cluster, destination } = &mut *self;
        attempts.poll(cx, command, || cluster.as_ref()?.lane_of(destination.key(command)?, command.size_hint()))
    }
}

/// The attempts to send one command, which its owner keeps and lends to every poll.
pub(crate) struct Attempts<P: LinkProtocol> {
    call: Call<P>,
    /// How many have ended by the loss of a connection.
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

    /// `elsewhere` says where the command belongs when its server was removed before it was sent.
    #[inline]
    pub(crate) fn poll<C: Command<P>>(
        &mut self,
        cx: &mut Context<'_>,
        command: &C,
        elsewhere: impl Fn() -> Option<Arc<Link<P>>>,
    ) -> Poll<Result<C::Output, Error>> {
        loop {
            match ready!(self.call.poll(cx, command)) {
                Ok(output) => return Poll::Ready(Ok(output)),
                Err(error) => {
                    if let Some(error) = self.failed(&error, &elsewhere) {
                        return Poll::Ready(Err(error));
                    }
                }
            }
        }
    }

    /// What to tell the caller, unless there is to be another attempt.
    #[cold]
    fn failed(&mut self, error: &CallError, elsewhere: &dyn Fn() -> Option<Arc<Link<P>>>) -> Option<Error> {
        let error = Error::call(self.server_name().clone(), error);
        if error.kind() == ErrorKind::Closed && error.outcome() == Outcome::NotSent {
            // Its server was removed. Each time costs a change of the topology, and all of them one deadline.
            return match elsewhere() {
                Some(link) if !Arc::ptr_eq(&link, self.call.link()) => {
                    self.call.move_to(link);
                    None
                }
                _ => Some(error),
            };
        }
        self.made = self.made.saturating_add(1);
        if !retry::repeats_unasked(error.kind(), error.outcome(), self.made) {
            return Some(error);
        }
        self.call.again();
        None
    }
}

impl<P: LinkProtocol, C: Command<P>, D> std::fmt::Debug for Exchange<P, C, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("server", &self.server()).finish_non_exhaustive()
    }
}
