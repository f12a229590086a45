//! A command under construction: sends nothing until it is awaited.

mod future;
mod get;
mod reading;
mod source;
mod store;

pub use future::RequestFuture;
pub use reading::{AddedOrNot, Deleted, Described, Done, Fetched, Full, Number, Present, Reading};
pub use source::{Source, Sourced, SourcedFuture, SourcedRequest};

use std::future::IntoFuture;
use std::time::Duration;

use memlink_meta::{Invalid, Verb};
use tokio::time::Instant;

use crate::Client;
use crate::error::Error;

/// One request to one key's server, to be given options and awaited.
///
/// Nothing happens before the first poll. Dropping the request, or its future, at any time abandons the command and never the
/// connection; what was not sent by then will not be.
///
/// `V` is the command, `R` what its reply is read as: options that ask for more change `R`, and with it the type of the result.
#[must_use = "a request is sent when it is awaited"]
#[derive(Debug)]
pub struct Request<'c, V, R> {
    pub(crate) client: &'c Client,
    pub(crate) verb: Result<V, Invalid>,
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) wait: Option<bool>,
    pub(crate) is_large: bool,
    pub(crate) reading: R,
}

impl<'c, V: Verb, R: Reading<V>> Request<'c, V, R> {
    pub(crate) fn new(client: &'c Client, verb: Result<V, Invalid>, reading: R) -> Request<'c, V, R> {
        Request { client, verb, timeout: None, deadline: None, wait: None, is_large: false, reading }
    }

    /// How long this request may take in all, instead of the client's timeout: waiting for room, for a dial, writing and reading.
    pub fn timeout(self, timeout: Duration) -> Self {
        Request { timeout: Some(Some(timeout)), ..self }
    }

    /// When this request ends at the latest. Takes precedence over any timeout.
    pub fn deadline(self, deadline: impl Into<Instant>) -> Self {
        Request { deadline: Some(deadline.into()), ..self }
    }

    /// Whether this request waits for room while the queue is full, up to its deadline, or fails at once.
    pub fn wait_when_full(self, wait: bool) -> Self {
        Request { wait: Some(wait), ..self }
    }

    /// Says that the value is large: it takes the [lane for large values](crate::Settings::large_lane), where there is one.
    pub fn large(self) -> Self {
        Request { is_large: true, ..self }
    }

    /// Says with the result who has answered: the key's own server, or what stands for it by the user's choice ([`WhenDown`]).
    ///
    /// [`WhenDown`]: crate::WhenDown
    pub fn with_source(self) -> SourcedRequest<'c, V, R> {
        SourcedRequest(self)
    }

    pub(crate) fn map(self, change: impl FnOnce(V) -> V) -> Self {
        Request { verb: self.verb.map(change), ..self }
    }

    pub(crate) fn read_as<S>(self, reading: S) -> Request<'c, V, S> {
        Request {
            client: self.client,
            verb: self.verb,
            timeout: self.timeout,
            deadline: self.deadline,
            wait: self.wait,
            is_large: self.is_large,
            reading,
        }
    }
}

impl<V: Verb + Unpin, R: Reading<V> + Unpin> IntoFuture for Request<'_, V, R> {
    type Output = Result<R::Output, Error>;
    type IntoFuture = RequestFuture<V, R>;

    fn into_future(self) -> RequestFuture<V, R> {
        RequestFuture::new(self)
    }
}
