//! Events as log lines, at most one a second for each server: a server that is away for a night must not fill a disk.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::event::Event;

/// Least time between two lines about one server.
const PAUSE: Duration = Duration::from_secs(1);

/// A line about the list of servers, which changes no more often than somebody asks for it.
pub(crate) fn change(event: &Event) {
    tracing::info!(server = event.server(), "{event}");
}

/// Decides which events of one server become lines, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    suppressed: u64,
}

impl Limiter {
    /// How many events were left out since the last line, if this one becomes a line.
    fn admit(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.duration_since(last) < PAUSE) {
            state.suppressed += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }

    /// Writes a line, or counts that it did not.
    pub(crate) fn event(&self, event: &Event) {
        if matches!(event, Event::Dialling { .. }) {
            tracing::debug!(server = event.server(), "{event}");
            return;
        }
        let Some(suppressed) = self.admit(Instant::now()) else { return };
        let server = event.server();
        match event {
            Event::Dialling { .. } => {}
            Event::Opened { .. }
            | Event::Replaced { .. }
            | Event::Resumed { .. }
            | Event::Added { .. }
            | Event::Removed { .. }
            | Event::Reweighted { .. } => tracing::info!(server, suppressed, "{event}"),
            Event::DialFailed { .. }
            | Event::TlsFilesRefused { .. }
            | Event::RenewalFailed { .. }
            | Event::LookUpFailed { .. }
            | Event::DiscoveryFailed { .. }
            | Event::Suspended { .. }
            | Event::Closed { .. } => tracing::warn!(server, suppressed, "{event}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_most_one_line_a_second_and_what_was_left_out_is_counted() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        assert_eq!(limiter.admit(start), Some(0));
        for millis in [0, 1, 500, 999] {
            assert_eq!(limiter.admit(start + Duration::from_millis(millis)), None);
        }
        assert_eq!(limiter.admit(start + PAUSE), Some(4));
    }
}
