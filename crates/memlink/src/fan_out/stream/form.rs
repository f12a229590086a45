use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memlink_core::Command;
use memlink_meta::{Fault, Meta, Verb};

use self::sealed::{Accepts, Sends};
use super::lane::Departed;
use super::lanes::Way;
use crate::Client;
use crate::cluster::Exchange;
use crate::error::Error;
use crate::fan_out::OwnKey;
use crate::probe;

/// What a stream does with its keys: [`Gets`](super::Gets), [`Sets`](super::Sets), [`Deletes`](super::Deletes),
/// [`Commands`](super::Commands).
pub trait Form: Sends {}

impl<F: Sends> Form for F {}

/// That a stream of this form can be made of what an iterator gives.
///
/// Apart from [`Form`], so that the type of a stream says nothing of it: a stream of items that borrow can be sent to another task.
pub trait Takes<G>: Form + Accepts<G> {}

impl<G, F: Form + Accepts<G>> Takes<G> for F {}

pub(crate) mod sealed {
    use memlink_meta::Invalid;

    use super::{Flight, Way};
    use crate::Client;
    use crate::fan_out::stream::lane::Weight;

    pub trait Accepts<G>: Sends {
        /// Checks what was given.
        fn accept(&self, client: &Client, given: G) -> Result<Self::Job, Invalid>;
    }

    pub trait Sends {
        /// Whether values come back.
        const FETCHES: bool;

        /// What was given, checked.
        type Job: Send + 'static;

        /// What becomes of it.
        type Output: Send + 'static;

        /// The bytes that say which server it belongs to.
        fn key(job: &Self::Job) -> &[u8];

        fn weigh(job: &Self::Job) -> Weight;

        /// How many jobs one command can ever take.
        fn line_max(&self, _: &Client) -> usize {
            1
        }

        /// How many of the first of these go as one command: at least one of at least one.
        fn fitting<'a>(&self, jobs: impl ExactSizeIterator<Item = &'a Self::Job>) -> usize
        where
            Self::Job: 'a,
        {
            jobs.len().min(1)
        }

        /// One command for these jobs, on its way when it is polled.
        fn launch(
            &self,
            client: &Client,
            way: Way,
            jobs: impl Iterator<Item = (usize, Self::Job)>,
        ) -> Flight<Self::Output>;

        /// Bytes of the value that was found.
        fn value_len(_: &Self::Output) -> Option<usize> {
            None
        }
    }
}

/// A command on its way, and in the end what became of its keys.
pub(super) type Flight<T> = Pin<Box<dyn Future<Output = Outcomes<T>> + Send>>;

/// What became of the keys of one command, each with its index in the caller's order.
pub enum Outcomes<T> {
    /// Of a command of one key.
    One(usize, Result<T, Error>),
    /// Of a line of keys.
    Line(Vec<usize>, Vec<Result<T, Error>>),
}

impl<T> Outcomes<T> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &Result<T, Error>> {
        let (one, line) = match self {
            Outcomes::One(_, outcome) => (Some(outcome), &[][..]),
            Outcomes::Line(_, outcomes) => (None, &outcomes[..]),
        };
        one.into_iter().chain(line)
    }
}

impl<T> IntoIterator for Outcomes<T> {
    type Item = (usize, Result<T, Error>);
    type IntoIter = std::iter::Chain<
        std::option::IntoIter<Self::Item>,
        std::iter::Zip<std::vec::IntoIter<usize>, std::vec::IntoIter<Result<T, Error>>>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        let (one, indices, outcomes) = match self {
            Outcomes::One(index, outcome) => (Some((index, outcome)), Vec::new(), Vec::new()),
            Outcomes::Line(indices, outcomes) => (None, indices, outcomes),
        };
        one.into_iter().chain(indices.into_iter().zip(outcomes))
    }
}

/// A command of no key, should there ever be one.
pub(super) fn nothing<T: Send + 'static>() -> Flight<T> {
    Box::pin(std::future::ready(Outcomes::Line(Vec::new(), Vec::new())))
}

/// One command for the server that has its key.
pub(super) fn send<V: Verb>(client: &Client, way: &Way, verb: V) -> Exchange<Meta, V, OwnKey> {
    client.cluster().send_by(&way.link, OwnKey, verb, way.timing)
}

/// What a command's reply means, once it is there.
pub(super) async fn answer<V, T>(mut send: Exchange<Meta, V, OwnKey>) -> Result<(T, std::sync::Arc<str>), Error>
where
    V: Verb + Unpin + Command<Meta, Output = Result<T, Fault>>,
{
    let reply = (&mut send).await?;
    let server = send.server_name().clone();
    let result = reply.map_err(|fault| Error::fault(server.clone(), &fault));
    probe::note(send.link(), &result);
    Ok((result?, server))
}

/// A flight, and where it comes from.
pub(super) struct InFlight<T> {
    pub(super) seat: usize,
    pub(super) departed: Departed,
    pub(super) flight: Flight<T>,
}

impl<T> Future for InFlight<T> {
    type Output = (usize, Departed, Outcomes<T>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcomes = ready!(self.flight.as_mut().poll(cx));
        Poll::Ready((self.seat, self.departed, outcomes))
    }
}
