use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use memlink_meta::Verb;

use super::{Reading, Request, RequestFuture};
use crate::error::Error;

/// Who has answered a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// The server that has the key.
    Owner,
    /// Another server, of this name, because the owner was down ([`WhenDown::NextServer`](crate::WhenDown)), or because the key has
    /// changed hands since.
    StandIn(Arc<str>),
    /// No server: the read is a miss and the write is dropped because the owner is down ([`WhenDown::Miss`](crate::WhenDown)).
    Nobody,
}

/// A result, and who it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced<T> {
    /// What the request gives.
    pub output: T,
    /// Who has answered it.
    pub source: Source,
}

/// A request whose result says who it is from: see [`Request::with_source`].
#[must_use = "a request is sent when it is awaited"]
#[derive(Debug)]
pub struct SourcedRequest<'c, V, R>(pub(super) Request<'c, V, R>);

impl<V: Verb + Unpin, R: Reading<V> + Unpin> IntoFuture for SourcedRequest<'_, V, R> {
    type Output = Result<Sourced<R::Output>, Error>;
    type IntoFuture = SourcedFuture<V, R>;

    fn into_future(self) -> SourcedFuture<V, R> {
        SourcedFuture(self.0.into_future())
    }
}

/// A request that is being awaited, whose result says who it is from.
#[must_use = "a request is sent when it is awaited"]
#[derive(Debug)]
pub struct SourcedFuture<V: Verb, R>(RequestFuture<V, R>);

impl<V: Verb + Unpin, R: Reading<V> + Unpin> Future for SourcedFuture<V, R> {
    type Output = Result<Sourced<R::Output>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let output = ready!(Pin::new(&mut self.0).poll(cx))?;
        Poll::Ready(Ok(Sourced { output, source: self.0.source() }))
    }
}
