//! Events as log lines, at most one a second for each server: a server that is away for a night must not fill a disk. What is told once
//! and never again is a line in any case.

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
        match event {
            Event::Dialling { .. } => return tracing::debug!(server = event.server(), "{event}"),
            // Once for each contents of the files, so nobody would ever hear of it.
            Event::TlsFilesRefused { .. } => return tracing::warn!(server = event.server(), "{event}"),
            _ => {}
        }
        let Some(suppressed) = self.admit(Instant::now()) else { return };
        let server = event.server();
        match event {
            Event::Dialling { .. } | Event::TlsFilesRefused { .. } => {}
            Event::Opened { .. }
            | Event::Replaced { .. }
            | Event::Resumed { .. }
            | Event::Added { .. }
            | Event::Removed { .. }
            | Event::Reweighted { .. } => tracing::info!(server, suppressed, "{event}"),
            Event::DialFailed { .. }
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Level, Metadata, Subscriber};

    use super::*;

    /// Counts warnings.
    struct Warnings(Arc<AtomicUsize>);

    impl Subscriber for Warnings {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let is_warning = *event.metadata().level() == Level::WARN;
            self.0.fetch_add(usize::from(is_warning), Ordering::Relaxed);
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn what_is_told_once_is_a_line_whatever_came_before() {
        let warnings: Arc<AtomicUsize> = Arc::default();
        let (limiter, server): (_, Arc<str>) = (Limiter::default(), "cache-1".into());
        let refused = Event::TlsFilesRefused { server: server.clone(), error: "no PEM".into() };
        let failed = Event::RenewalFailed { server, error: "it is away".into() };
        tracing::subscriber::with_default(Warnings(warnings.clone()), || {
            for event in [&failed, &refused, &failed, &refused] {
                limiter.event(event);
            }
        });
        assert_eq!(warnings.load(Ordering::Relaxed), 3);
    }

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
