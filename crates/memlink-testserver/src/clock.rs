//! A clock that tests can move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The clock of one server: real time plus what it was advanced by. Clones are
/// the same clock.
///
/// Only what the protocol counts in seconds follows it: expiry, the time left,
/// `flush_all` with a delay, the uptime. Idle connections are timed by the real
/// clock, since the waiting itself is real.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    advanced_ms: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that shows real time.
    pub fn new() -> Clock {
        Clock::default()
    }

    /// Moves the clock forward; it never goes back. Anything below a
    /// millisecond is dropped.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let add = |advanced: u64| Some(advanced.saturating_add(by));
        // The closure never declines, so this cannot fail.
        let _ = self.advanced_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, add);
    }

    /// Unix time as this clock shows it.
    pub fn now(&self) -> Duration {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        real.saturating_add(Duration::from_millis(self.advanced_ms.load(Ordering::SeqCst)))
    }
}
