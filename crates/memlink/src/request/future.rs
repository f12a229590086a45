use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memlink_meta::{Invalid, Meta, Verb};

use super::{Reading, Request};
use crate::Client;
use crate::client::unix_now;
use crate::cluster::Exchange;
use crate::error::Error;
use crate::link::Timing;

/// A request that is being awaited. Owns all it needs: it may outlive the client it came from, and be sent to another task.
#[must_use = "a request is sent when it is awaited"]
pub struct RequestFuture<V: Verb, R> {
    state: State<V>,
    reading: R,
}

enum State<V: Verb> {
    /// Found to be wrong before anything was sent.
    Invalid(Invalid),
    /// To be sent at the first poll.
    New {
        client: Client,
        verb: V,
        timing: Timing,
    },
    Sent {
        client: Client,
        exchange: Exchange<Meta, V>,
    },
    Done,
}

impl<V: Verb, R: Reading<V>> RequestFuture<V, R> {
    pub(super) fn new(request: Request<'_, V, R>) -> RequestFuture<V, R> {
        let Request { client, verb, timeout, deadline, wait, reading } = request;
        let mut timing = client.cluster().timing();
        timing.timeout = timeout.unwrap_or(timing.timeout);
        timing.deadline = deadline;
        timing.wait = wait.unwrap_or(timing.wait);
        let state = match verb {
            Ok(verb) => State::New { client: client.clone(), verb, timing },
            Err(invalid) => State::Invalid(invalid),
        };
        RequestFuture { state, reading }
    }
}

impl<V: Verb + Unpin, R: Reading<V> + Unpin> Future for RequestFuture<V, R> {
    type Output = Result<R::Output, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match &mut this.state {
                State::Invalid(invalid) => {
                    let error = Error::invalid(invalid);
                    this.state = State::Done;
                    return Poll::Ready(Err(error));
                }
                State::New { verb, .. } => {
                    if let Err(invalid) = verb.prepare(unix_now) {
                        this.state = State::Invalid(invalid);
                        continue;
                    }
                    let State::New { client, verb, timing } = std::mem::replace(&mut this.state, State::Done) else {
                        return Poll::Pending;
                    };
                    let cluster = client.cluster();
                    let server = verb.key().map_or(0, |key| cluster.route(key.as_bytes()));
                    let exchange = cluster.send_to(server, verb, timing);
                    this.state = State::Sent { client, exchange };
                }
                State::Sent { client, exchange } => {
                    let output = ready!(Pin::new(&mut *exchange).poll(cx)).and_then(|output| {
                        this.reading.read(exchange.command(), output, client, exchange.server_name())
                    });
                    this.state = State::Done;
                    return Poll::Ready(output);
                }
                // Polled after its end, which futures need not support: it stays silent.
                State::Done => return Poll::Pending,
            }
        }
    }
}

impl<V: Verb, R> std::fmt::Debug for RequestFuture<V, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match &self.state {
            State::Invalid(_) => "invalid",
            State::New { .. } => "new",
            State::Sent { .. } => "sent",
            State::Done => "done",
        };
        f.debug_struct("RequestFuture").field("state", &state).finish_non_exhaustive()
    }
}
