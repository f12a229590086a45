//! Very many keys: taken from the caller's iterator as their servers have room, answered as the answers come.
//!
//! ```text
//!   iterator --taken--> waiting, by server --window has room--> in flight --answer--> ended --> caller
//!                          |                                                            ^
//!                          '--- its server does not keep up, or the time is over -------'
//!                               (not sent)
//! ```

mod course;
mod form;
mod gets;
mod lane;
mod lanes;
mod patience;
mod window;
mod writes;

pub use form::{Form, Takes};
pub use gets::Gets;
pub use writes::{Commands, Deletes, Sets};

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use tokio::task::coop;

use self::course::{Course, Plan};
use self::window::{WINDOW_BYTES, WINDOW_KEYS, Window};
use crate::Client;
use crate::error::Error;

/// Very many keys, or commands, of which each has an outcome as soon as it is known: what [`Client::get_stream`],
/// [`set_stream`](Client::set_stream), [`delete_stream`](Client::delete_stream) and [`batch_stream`](Client::batch_stream) give.
///
/// A [`Stream`] of `(index, outcome)`: the index is the place of the key in the caller's order, from 0, and each comes exactly once,
/// in the order in which servers answer. [`next`](ManyStream::next) needs no other crate.
///
/// | outcome | means |
/// | --- | --- |
/// | `Ok` | the server has answered; of a get `Some` is a hit and `None` a miss |
/// | `Err`, [`NotSent`](crate::Outcome::NotSent) | it was not sent, so it cannot have run |
/// | `Err`, [`Unknown`](crate::Outcome::Unknown) or [`Answered`](crate::Outcome::Answered) | it was sent and failed at [`server`](Error::server) |
///
/// **What is sent when?** Nothing before the first poll, and keys are taken from the iterator only as servers have room for them: up
/// to [`window_keys`](ManyStream::window_keys) keys and [`window_bytes`](ManyStream::window_bytes) bytes for each server, counted
/// from where a key is sent to where the caller has its outcome. As much as all windows together may wait beside that. So memory is
/// bounded by windows and servers, never by the number of keys, and who stops polling holds no more.
///
/// **How long does it take?** Each command has the client's [timeout](crate::Settings::timeout) from where it is sent. With a
/// [`timeout`](ManyStream::timeout) of the stream that is the time for all of it instead: what has arrived by then is there, what is on
/// its way ends as unknown, all other keys as not sent.
///
/// **A server that does not keep up** holds up nobody. When it has a full window, others could have more and all that may wait does,
/// and it has answered nothing for a quarter of the timeout and 250 ms at the most, then what waits for it and what comes is not sent
/// ([`ErrorKind::QueueFull`](crate::ErrorKind::QueueFull), which is [retryable](Error::is_retryable)), until it answers. The
/// same holds of a server that has left a command without an answer for all of its time. One key at a time is still tried.
///
/// **Servers that come and go**: keys that were not sent go to the server that has them then. None fails by it.
///
/// **Dropping it** abandons what is on its way and nothing else. It holds a clone of the client, and may be sent to another task.
#[must_use = "a stream does nothing unless it is polled"]
pub struct ManyStream<I, F: Form> {
    source: Source<I, F>,
    plan: Plan,
    /// From the first poll on.
    course: Option<Course<F::Job, F::Output>>,
}

/// What [`Client::get_stream`] gives.
pub type GetStream<I> = ManyStream<I, Gets>;

/// What [`Client::set_stream`] gives.
pub type SetStream<I> = ManyStream<I, Sets>;

/// What [`Client::delete_stream`] gives.
pub type DeleteStream<I> = ManyStream<I, Deletes>;

/// What [`Client::batch_stream`] gives.
pub type BatchStream<I> = ManyStream<I, Commands>;

impl<I, F: Form> ManyStream<I, F> {
    fn new(client: &Client, form: F, keys: I) -> ManyStream<I, F> {
        let window = Window { keys: WINDOW_KEYS, bytes: WINDOW_BYTES, line_max: 1 };
        let source = Source { client: client.clone(), form, keys: Some(keys), taken: 0 };
        ManyStream { source, plan: Plan { window, timeout: None }, course: None }
    }

    /// How long all of it may take, from the first poll. What has no answer by then ends with a deadline error, as unknown or not
    /// sent; keys that were not even taken from the iterator are taken for it, so let that end.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.timeout = Some(timeout);
        self
    }

    /// How many keys one server may have at one time. Default 512; at least 1, and at most half of what may be
    /// [in flight](crate::Limits::in_flight_max) or [abandoned](crate::Limits::abandoned_max) on a connection. A stream that was
    /// polled keeps what it had.
    pub fn window_keys(mut self, keys: usize) -> Self {
        self.plan.window.keys = keys;
        self
    }

    /// How many bytes one server may have at one time: of commands on their way to it, and of values on their way back or not yet
    /// taken by the caller. Default 1 MiB; one command that is larger goes alone. A stream that was polled keeps what it had.
    ///
    /// How long values will be is known only by those that came. Where they suddenly become longer, those on their way exceed the
    /// window: by as many keys as are in flight.
    pub fn window_bytes(mut self, bytes: usize) -> Self {
        self.plan.window.bytes = bytes;
        self
    }

    /// The next outcome, with the index of its key; `None` when each key has had its own. It may be dropped and called again: no
    /// outcome is lost by it.
    pub async fn next(&mut self) -> Option<(usize, Result<F::Output, Error>)>
    where
        I: Iterator,
        F: Takes<I::Item>,
    {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

/// Where keys come from, and what is done with them.
struct Source<I, F> {
    client: Client,
    form: F,
    /// `None`: there are no more.
    keys: Option<I>,
    taken: usize,
}

/// Nothing in it is pinned in its place.
impl<I, F: Form> Unpin for ManyStream<I, F> {}

impl<I: Iterator, F: Takes<I::Item>> Stream for ManyStream<I, F> {
    type Item = (usize, Result<F::Output, Error>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A stream that always has something would never let others run.
        let turn = ready!(coop::poll_proceed(cx));
        let this = &mut *self;
        let source = &this.source;
        let course = this.course.get_or_insert_with(|| Course::begin(&source.client, &this.plan, &source.form));
        let next = course.poll_next(&mut this.source, cx);
        if next.is_ready() {
            turn.made_progress();
        }
        next
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let ahead = self.course.as_ref().map_or(0, |course| self.source.taken.saturating_sub(course.given()));
        let (least, most) = self.source.keys.as_ref().map_or((0, Some(0)), Iterator::size_hint);
        (least.saturating_add(ahead), most.and_then(|most| most.checked_add(ahead)))
    }
}

impl<I, F: Form> std::fmt::Debug for ManyStream<I, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManyStream")
            .field("taken", &self.source.taken)
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
