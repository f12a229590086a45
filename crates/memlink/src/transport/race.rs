//! Which of several addresses is used: the first that answers ("happy eyeballs", RFC 8305).
//!
//! ```text
//!   v6 --+--------------------------- no answer
//!        '250 ms- v4 --+-- connected: this one is taken, the others are dropped
//!                 or at once, when the one before has failed
//! ```

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long an attempt has the field to itself: the value that RFC 8305 recommends. Less where the dial timeout is short, so that
/// there is time for every address.
const STAGGER: Duration = Duration::from_millis(250);

/// Attempts at one time, of which the oldest gives way: a name with hundreds of addresses may not cost hundreds of sockets.
const ATTEMPTS_MAX: usize = 8;

/// Families take turns, beginning with that of the first address: a family that leads nowhere costs one attempt.
pub(super) fn in_turn(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let is_first_family = |address: &SocketAddr| addresses.first().is_some_and(|a| a.is_ipv4() == address.is_ipv4());
    let (first, second): (Vec<_>, Vec<_>) = addresses.iter().partition(|address| is_first_family(address));
    let mut second = second.into_iter();
    let mut turns = VecDeque::with_capacity(addresses.len());
    for address in first {
        turns.push_back(address);
        turns.extend(second.next());
    }
    turns.extend(second);
    turns
}

/// Connects to one address after the other, without waiting longer than [`STAGGER`] for any, and takes the first that succeeds.
/// When all fail the error is that of the last one to do so. The caller sees that it ends within `limit`.
pub(super) async fn first<T, F>(
    mut addresses: VecDeque<SocketAddr>,
    limit: Duration,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let stagger = STAGGER.min(limit / u32::try_from(addresses.len().saturating_add(1)).unwrap_or(u32::MAX));
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    let mut next = pin!(sleep_until(Instant::now()));
    poll_fn(move |cx| {
        loop {
            let mut failed = None;
            attempts.retain_mut(|attempt| match (&failed, attempt.as_mut().poll(cx)) {
                (Some(Ok(_)), _) | (_, Poll::Pending) => true,
                (_, Poll::Ready(result)) => {
                    failed = Some(result);
                    false
                }
            });
            let is_due = match failed {
                Some(Ok(stream)) => return Poll::Ready(Ok(stream)),
                Some(Err(error)) if attempts.is_empty() && addresses.is_empty() => return Poll::Ready(Err(error)),
                Some(Err(_)) => true,
                None => next.as_mut().poll(cx).is_ready(),
            };
            let Some(address) = addresses.front().copied().filter(|_| is_due) else { return Poll::Pending };
            addresses.pop_front();
            if attempts.len() == ATTEMPTS_MAX {
                attempts.remove(0);
            }
            attempts.push(Box::pin(connect(address)));
            next.as_mut().reset(Instant::now() + stagger);
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns() {
        let of = |texts: &[&str]| texts.iter().map(|text| address(text)).collect::<Vec<_>>();
        for (given, wanted) in [
            (&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"][..], &["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"][..]),
            (&["1.1.1.1:1", "[::1]:1", "[::2]:1"], &["1.1.1.1:1", "[::1]:1", "[::2]:1"]),
            (&["1.1.1.1:1"], &["1.1.1.1:1"]),
        ] {
            assert_eq!(in_turn(of(given)), of(wanted));
        }
    }

    /// Ports say how an address behaves: 1 answers, 2 refuses, 3 is silent, 4 answers after a second.
    async fn behave(address: SocketAddr) -> io::Result<SocketAddr> {
        match address.port() {
            1 => Ok(address),
            2 => Err(io::ErrorKind::ConnectionRefused.into()),
            3 => pending().await,
            _ => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Ok(address)
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_answer_wins_and_none_is_waited_for_longer_than_the_stagger() {
        for (ports, wanted, millis, begun) in [
            (&[1, 1][..], Some(0), 0, 1),
            (&[3, 1], Some(1), 250, 2),
            (&[2, 1], Some(1), 0, 2),
            (&[2, 2], None, 0, 2),
            (&[3, 3, 2, 1], Some(3), 500, 4),
            (&[4, 3, 3], Some(0), 1_000, 3),
            (&[4, 2], Some(0), 1_000, 2),
            (&[3, 3, 3, 3, 3, 3, 3, 3, 3, 1], Some(9), 2_250, 10),
            (&[3, 3], None, 9_999, 2),
        ] {
            let addresses = ports.iter().enumerate().map(|(n, port)| address(&format!("127.0.0.{n}:{port}"))).collect();
            let (started, tried) = (Instant::now(), RefCell::new(0));
            let limit = Duration::from_millis(9_999);
            let race = first(addresses, limit, |address| {
                *tried.borrow_mut() += 1;
                behave(address)
            });
            let found = tokio::time::timeout(limit, race).await.ok().and_then(Result::ok);
            let wanted = wanted.map(|n: usize| address(&format!("127.0.0.{n}:{}", ports[n])));
            assert_eq!((found, *tried.borrow()), (wanted, begun), "{ports:?}");
            let took = started.elapsed().as_millis();
            assert!((millis..millis + 5).contains(&took), "{ports:?}: {took} ms");
        }
    }
}
