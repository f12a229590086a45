use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep};

/// How long a stream has waited for its servers, and how long it bears that one of them says nothing.
///
/// Time that the caller spends elsewhere is no server's fault. So only time between two polls counts that found nothing, and of each
/// such time no more than a part of the patience: whoever is blamed was looked at several times, with a turn of the runtime between,
/// in which the answer would have been read. A program that was suspended, or a thread that was blocked, is one look.
pub(super) struct Patience {
    limit: Duration,
    waited: Duration,
    waiting_since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The longest time for which one server that answers nothing holds up the keys of others: far more than a pause of a healthy server,
/// and a quarter of the default timeout.
const PATIENCE_MAX: Duration = Duration::from_millis(250);

/// Looks before a server is blamed.
const LOOKS: u32 = 4;

impl Patience {
    /// A quarter of the time there is, at most [`PATIENCE_MAX`].
    pub(super) fn new(timeout: Option<Duration>) -> Patience {
        let limit = timeout.map_or(PATIENCE_MAX, |timeout| (timeout / 4).min(PATIENCE_MAX));
        Patience { limit, waited: Duration::ZERO, waiting_since: None, timer: None }
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// What was spent waiting so far.
    pub(super) fn waited(&self) -> Duration {
        self.waited
    }

    /// The stream is polled again.
    pub(super) fn look(&mut self) {
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed().min(self.limit / LOOKS);
        }
    }

    /// Nothing was found. `Ready`: it is time for another look.
    pub(super) fn wait(&mut self, is_held_up: bool, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        self.waiting_since = Some(now);
        // Without a runtime there is no timer; answers, and the deadlines of what is in flight, wake the stream as well.
        if !is_held_up || Handle::try_current().is_err() {
            return Poll::Pending;
        }
        let next = now + self.limit / LOOKS;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
        timer.as_mut().reset(next);
        timer.as_mut().poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_counts_only_while_it_is_waited_for_and_is_looked_at() {
        let mut patience = Patience::new(Some(Duration::from_secs(1)));
        assert_eq!(patience.limit(), PATIENCE_MAX);
        tokio::time::advance(Duration::from_secs(9)).await;
        patience.look();
        assert_eq!(patience.waited(), Duration::ZERO, "nobody has waited");
        poll_fn(|cx| {
            assert!(patience.wait(false, cx).is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::time::advance(Duration::from_secs(9)).await;
        patience.look();
        assert_eq!(patience.waited(), PATIENCE_MAX / LOOKS, "a suspended program has looked once");
    }

    #[test]
    fn who_has_little_time_has_little_patience() {
        assert_eq!(Patience::new(Some(Duration::from_millis(100))).limit(), Duration::from_millis(25));
        assert_eq!(Patience::new(None).limit(), PATIENCE_MAX);
    }
}
