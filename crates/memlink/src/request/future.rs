use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memlink_meta::{Invalid, Key, Meta, Verb};

use super::{Reading, Request, Source};
use crate::Client;
use crate::client::unix_now;
use crate::cluster::{Attempts, Elsewhere, found_no_server};
use crate::config::WhenDown;
use crate::error::Error;
use crate::link::Timing;
use crate::probe;

/// A request that is being awaited. Owns all it needs: it may outlive the client it came from, and be sent to another task.
#[must_use = "a request is sent when it is awaited"]
pub struct RequestFuture<V: Verb, R> {
    client: Client,
    /// Stays where it is: the command is lent to whoever sends it. Wrong ones are told before anything is sent.
    verb: Result<V, Invalid>,
    state: State,
    is_large: bool,
    reading: R,
}

enum State {
    /// To be sent at the first poll.
    New(Timing),
    /// Silent after its end.
    Sent(Attempts<Meta>),
    /// No server has seen it.
    Done,
}

impl<V: Verb, R: Reading<V>> RequestFuture<V, R> {
    #[inline]
    pub(super) fn new(request: Request<'_, V, R>) -> RequestFuture<V, R> {
        let Request { client, verb, timeout, deadline, wait, is_large, reading } = request;
        let mut timing = client.cluster().timing();
        timing.timeout = timeout.unwrap_or(timing.timeout);
        timing.deadline = deadline;
        timing.wait = wait.unwrap_or(timing.wait);
        RequestFuture { client: client.clone(), verb, state: State::New(timing), is_large, reading }
    }

    /// Checks the command and finds its server.
    #[inline]
    fn begin(&mut self, timing: Timing) -> Result<(), Error> {
        let verb = self.verb.as_mut().map_err(|invalid| Error::invalid(invalid))?;
        verb.prepare(unix_now).map_err(|invalid| Error::invalid(&invalid))?;
        let len = len_of(verb, self.is_large);
        self.state = State::Sent(self.client.cluster().attempts(routing_key(verb), len, timing));
        Ok(())
    }
}

impl<V: Verb, R: Reading<V>> RequestFuture<V, R> {
    /// What the user has chosen for requests whose server is down.
    #[cold]
    fn failed(&mut self, error: Error) -> Result<R::Output, Error> {
        if self.client.cluster().settings().when_down != WhenDown::Miss || !found_no_server(&error) {
            return Err(error);
        }
        let Some(output) = self.reading.without_server() else { return Err(error) };
        self.client.counters().without_server(self.reading.is_read());
        self.state = State::Done;
        Ok(output)
    }

    /// Who has answered, once it was polled to its end.
    pub(super) fn source(&self) -> Source {
        let (State::Sent(attempts), Ok(verb)) = (&self.state, &self.verb) else { return Source::Nobody };
        let (server, topology) = (attempts.server_name(), self.client.cluster().topology());
        match topology.name(topology.route(routing_key(verb))) == server {
            true => Source::Owner,
            false => Source::StandIn(server.clone()),
        }
    }
}

/// The bytes that say which server a command belongs to.
fn routing_key<V: Verb>(verb: &V) -> &[u8] {
    verb.key().map_or(&[], Key::as_bytes)
}

/// About how many bytes a command moves, as far as its connection is chosen by it.
fn len_of<V: Verb>(verb: &V, is_large: bool) -> usize {
    if is_large { usize::MAX } else { verb.size_hint() }
}

impl<V: Verb + Unpin, R: Reading<V> + Unpin> Future for RequestFuture<V, R> {
    type Output = Result<R::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::New(timing) = this.state
            && let Err(error) = this.begin(timing)
        {
            this.state = State::Done;
            return Poll::Ready(Err(error));
        }
        // Polled after its end, which futures need not support, it stays silent.
        let (State::Sent(attempts), Ok(verb)) = (&mut this.state, &this.verb) else { return Poll::Pending };
        let (client, is_large) = (&this.client, this.is_large);
        let elsewhere =
            |why: Elsewhere<'_, Meta>| why.link(client.cluster(), routing_key(verb), len_of(verb, is_large));
        let output = ready!(attempts.poll(cx, verb, elsewhere, |_, _| Poll::Ready(())));
        let result = output.and_then(|output| this.reading.read(verb, output, client, attempts.server_name()));
        probe::note(attempts.link(), &result);
        Poll::Ready(result.or_else(|error| this.failed(error)))
    }
}

impl<V: Verb, R> std::fmt::Debug for RequestFuture<V, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::New(_) => "new",
            State::Sent(_) => "sent",
            State::Done => "done",
        };
        f.debug_struct("RequestFuture").field("state", &state).finish_non_exhaustive()
    }
}
