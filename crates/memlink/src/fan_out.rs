//! Many commands: split by server, sent together, answered in the caller's order with one outcome for each.
//!
//! ```text
//!   keys  a b c d e   --route-->   server 1: a c e   --lines, all in flight at once-->   answers
//!                                  server 2: b d                                            |
//!   outcomes  a b c d e   <-----------------------in the caller's order--------------------'
//! ```
//!
//! A server that is down, a bad key, or a value that is too large spoils its own outcomes and no others.

mod batch;
mod command;
mod get_many;
mod many;
mod stream;

pub use batch::Batch;
pub use command::{BatchCommand, BatchOutcome};
pub use get_many::GetMany;
pub use many::{DeleteMany, Many, SetMany};
pub use stream::{
    BatchStream, Commands, DeleteStream, Deletes, Form, GetStream, Gets, ManyStream, SetStream, Sets, Takes,
};

use std::future::Future;

use futures_util::StreamExt;
use futures_util::stream::{iter, select_all};
use memlink_meta::{Key, Verb};
use tokio::task::coop;

use crate::cluster::sealed::Route;

/// To the server that has the command's own key.
#[derive(Debug, Clone, Copy)]
struct OwnKey;

impl<V: Verb> Route<V> for OwnKey {
    fn key<'a>(&'a self, verb: &'a V) -> Option<&'a [u8]> {
        verb.key().map(Key::as_bytes)
    }
}

/// Commands of one bulk request that are on their way to one server at the same time: enough to fill a connection, few enough that
/// others on it are not held up and that a bulk of millions costs no more memory than its results.
const WINDOW: usize = 512;

/// Runs the members of all groups, each group on its own and at most `window` of each at a time, and puts the outcomes where they
/// belong.
///
/// The members of a group are first polled in their order, whatever was spent of the task's time: those that tokio put off until
/// the next turn would come back in the opposite order. So the task's time is counted here, by the outcome.
async fn run<T, F: Future<Output = (usize, T)>>(
    groups: impl IntoIterator<Item = impl Iterator<Item = F>>,
    len: usize,
    window: usize,
) -> Vec<Option<T>> {
    let mut outcomes: Vec<Option<T>> = std::iter::repeat_with(|| None).take(len).collect();
    let groups = groups.into_iter().map(|group| iter(group).buffer_unordered(window));
    let mut finished = select_all(groups.map(Box::pin));
    while let Some((place, outcome)) = coop::unconstrained(finished.next()).await {
        if let Some(slot) = outcomes.get_mut(place) {
            *slot = Some(outcome);
        }
        coop::consume_budget().await;
    }
    outcomes
}
