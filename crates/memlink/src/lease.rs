//! Wins that nobody asked for go back to the server.

use memlink_meta::{Delete, DeleteOutcome, Get, Got, Key, Verb};
use tokio::runtime::Handle;

use crate::Client;
use crate::client::unix_now;

/// Takes the win out of what a plain get has found, and gives it back if there was one: to its caller it looks as to everybody else,
/// won by another.
#[inline]
pub(crate) fn decline(client: &Client, key: &Key, got: &mut Got) {
    if std::mem::take(&mut got.won) {
        got.already_won = true;
        give_back(client, key);
    }
}

/// Gives back the win that a plain get took by accident.
///
/// A plain get of a stale item is told that it won the right to refresh it, and all others are told to wait for it. A caller that
/// does not know of leases would never do it, and the item would stay stale until it expires. So the item is marked stale once
/// more, which clears the election; the CAS id sees to it that a value stored meanwhile is left alone.
///
/// Only a get that is still waited for learns that it won. The reply to one that was dropped or came too late is eaten unread, and a
/// win in it stays with the server until the item expires.
///
/// Runs beside the request, which has its value already. When it fails the win is lost until the item expires; both ends are
/// counted ([`ClientStats`](crate::ClientStats)).
fn give_back(client: &Client, key: &Key) {
    client.counters().wins_taken_by_accident();
    let (client, key) = (client.clone(), key.clone());
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(async move {
            if mark_again(&client, key).await.is_some() {
                client.counters().wins_given_back();
            }
        });
    }
}

/// `None` when it was not possible, or when there was nothing to give back any more.
async fn mark_again(client: &Client, key: Key) -> Option<()> {
    let cluster = client.cluster();
    let look = Get::without_value(key.clone()).with_cas().no_bump();
    let got = cluster.send(key.as_bytes(), look).await.ok()?.ok()??;
    if !got.stale || !(got.won || got.already_won) {
        return None;
    }
    let mut mark = Delete::new(key.clone()).mark_stale().compare_cas(got.cas?);
    mark.prepare(unix_now).ok()?;
    let marked = cluster.send(key.as_bytes(), mark).await.ok()?.ok()?;
    (marked == DeleteOutcome::Deleted).then_some(())
}
