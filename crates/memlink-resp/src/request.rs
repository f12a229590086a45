use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use memlink::generic::Exchange;

use crate::protocol::{Query, Resp};
use crate::{Error, FromReply};

/// One command on its way. Sent when it is first polled; dropping it abandons the command, never the connection.
#[must_use = "a command is sent when its request is awaited"]
pub struct Request<T: FromReply>(State<T>);

enum State<T: FromReply> {
    Sent(Exchange<Resp, Query<T>>),
    /// Nothing is sent: why not, until it was told.
    Refused(Option<Error>),
}

impl<T: FromReply> Request<T> {
    pub(crate) fn new(exchange: Result<Exchange<Resp, Query<T>>, Error>) -> Request<T> {
        Request(match exchange {
            Ok(exchange) => State::Sent(exchange),
            Err(error) => State::Refused(Some(error)),
        })
    }

    /// How long it may take in all instead of [`Settings::timeout`](memlink::Settings::timeout), from its first poll; `None` waits
    /// for ever.
    pub fn timeout(self, timeout: impl Into<Option<Duration>>) -> Request<T> {
        match self.0 {
            State::Sent(exchange) => Request(State::Sent(exchange.timeout(timeout))),
            refused => Request(refused),
        }
    }
}

impl<T: FromReply> Future for Request<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        match &mut self.0 {
            State::Sent(exchange) => {
                let read = ready!(Pin::new(&mut *exchange).poll(cx))?;
                Poll::Ready(read.map_err(|fault| Error::fault(exchange.server(), fault)))
            }
            // Polled after its end, which futures need not support: it stays silent.
            State::Refused(error) => error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error))),
        }
    }
}

impl<T: FromReply> fmt::Debug for Request<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Sent(exchange) => {
                f.debug_struct("Request").field("server", &exchange.server()).finish_non_exhaustive()
            }
            State::Refused(error) => f.debug_tuple("Request").field(error).finish(),
        }
    }
}
