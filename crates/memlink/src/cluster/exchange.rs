use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use memlink_core::Command;

use self::sealed::Route;
use super::Cluster;
use super::order::{Order, Place};
use crate::error::Error;
use crate::link::{Call, CallError, Link, LinkProtocol, Timing};
use crate::policy::{Next, Tries};

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
    /// Its place among others, if there is one.
    place: Option<Place>,
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

impl<P: LinkProtocol, C: Command<P>> Exchange<P, C> {
    /// Over this link and no other.
    pub(crate) fn over(link: Arc<Link<P>>, command: C, timing: Timing) -> Exchange<P, C> {
        Exchange::new(link, None, ThisServer, command, timing)
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
        Exchange { command, attempts: Attempts::new(link, timing), cluster, destination, place: None }
    }

    /// How long it may take in all instead of [`Settings::timeout`](crate::Settings::timeout), from its first poll; `None` waits for
    /// ever. A request that was polled keeps what it had.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Exchange<P, C, D> {
        self.attempts.call.set_timeout(timeout.into());
        self
    }

    /// The same, without submitting it again after a lost connection: it would come behind those that were submitted after it.
    pub(crate) fn once(mut self) -> Exchange<P, C, D> {
        self.attempts.tries = Tries::spent();
        self
    }

    /// The same for a command that has this number among others of one order, wherever they go.
    pub(crate) fn in_order(self, order: &Arc<Order>, number: usize) -> Exchange<P, C, D> {
        Exchange { place: Some(Place::new(order.clone(), number)), ..self.once() }
    }

    /// The number of the connection that has answered it.
    pub(crate) fn opened(&self) -> u64 {
        self.attempts.call.opened()
    }

    /// Whether others that are submitted now may come before it.
    pub(crate) fn is_in_line(&self) -> bool {
        self.attempts.call.is_in_line()
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

    /// The link it went over last.
    pub(crate) fn link(&self) -> &Arc<Link<P>> {
        self.attempts.link()
    }
}

impl<P: LinkProtocol, C: Command<P> + Unpin, D: Destination<C> + Unpin> Future for Exchange<P, C, D> {
    type Output = Result<C::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Exchange { command, attempts, cluster, destination, place } = &mut *self;
        let key = destination.key(command);
        let elsewhere = |why: Elsewhere<'_, P>| why.link(cluster.as_ref()?, key?, command.size_hint());
        let ended = match place {
            None => attempts.poll(cx, command, elsewhere, |_, _| Poll::Ready(())),
            Some(place) => {
                let turn = place.turn(key.unwrap_or_default());
                attempts.poll(cx, command, elsewhere, |link, cx| {
                    place.order().poll_turn(turn, Arc::as_ptr(link).addr(), cx)
                })
            }
        };
        if ended.is_ready() {
            *place = None;
        }
        ended
    }
}

/// Why a command that was not sent is to go elsewhere.
pub(crate) enum Elsewhere<'a, P: LinkProtocol> {
    /// Its server was removed.
    Removed,
    /// Its connection was lost: another one to its server may stand.
    Lost,
    /// The server of this link is down.
    Down(&'a Link<P>),
}

impl<P: LinkProtocol> Elsewhere<'_, P> {
    /// Where to, if anywhere.
    #[cold]
    pub(crate) fn link(&self, cluster: &Cluster<P>, key: &[u8], len: usize) -> Option<Arc<Link<P>>> {
        let topology = cluster.if_open()?;
        let server = match self {
            Elsewhere::Removed | Elsewhere::Lost => topology.choose(key),
            Elsewhere::Down(link) => topology.instead_of(link, key)?,
        };
        Some(topology.lane(server, len).clone())
    }
}

/// Says where to, if anywhere.
type Where<'a, P> = dyn Fn(Elsewhere<'_, P>) -> Option<Arc<Link<P>>> + 'a;

/// The attempts to send one command, which its owner keeps and lends to every poll.
pub(crate) struct Attempts<P: LinkProtocol> {
    call: Call<P>,
    tries: Tries,
}

impl<P: LinkProtocol> Attempts<P> {
    #[inline]
    pub(super) fn new(link: Arc<Link<P>>, timing: Timing) -> Attempts<P> {
        Attempts { call: Call::new(link, timing), tries: Tries::default() }
    }

    /// The configured name of the server it goes to.
    pub(crate) fn server_name(&self) -> &Arc<str> {
        self.call.link().name()
    }

    /// The link it went over last.
    #[inline]
    pub(crate) fn link(&self) -> &Arc<Link<P>> {
        self.call.link()
    }

    /// `elsewhere` says where the command may go that its server has not taken, `turn` whether it may be submitted to a link.
    #[inline]
    pub(crate) fn poll<C: Command<P>>(
        &mut self,
        cx: &mut Context<'_>,
        command: &C,
        elsewhere: impl Fn(Elsewhere<'_, P>) -> Option<Arc<Link<P>>>,
        mut turn: impl FnMut(&Arc<Link<P>>, &Context<'_>) -> Poll<()>,
    ) -> Poll<Result<C::Output, Error>> {
        loop {
            if self.call.is_to_be_submitted() {
                ready!(turn(self.call.link(), cx));
            }
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
    fn failed(&mut self, error: &CallError, elsewhere: &Where<'_, P>) -> Option<Error> {
        let link = self.call.link();
        let next = match error {
            CallError::Failed(failure) => self.tries.after(failure),
            _ => Next::Nowhere,
        };
        let goes_to = match next {
            Next::Nowhere => None,
            Next::Again if !link.may_retry() => None,
            Next::Again => Some(elsewhere(Elsewhere::Lost).unwrap_or_else(|| link.clone())),
            Next::Successor => elsewhere(Elsewhere::Removed),
            Next::StandIn => elsewhere(Elsewhere::Down(link)),
        };
        match goes_to {
            Some(other) if !Arc::ptr_eq(&other, link) => self.call.move_to(other),
            Some(_) if next == Next::Again => self.call.again(),
            _ => return Some(Error::call(self.server_name().clone(), error)),
        }
        None
    }
}

impl<P: LinkProtocol, C: Command<P>, D> std::fmt::Debug for Exchange<P, C, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange").field("server", &self.server()).finish_non_exhaustive()
    }
}
