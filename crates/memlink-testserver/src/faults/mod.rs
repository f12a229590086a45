//! Misbehaving on request.
//!
//! A [`Fault`] says what goes wrong and when; [`Faults`] are those of a server.
//! Each connection has a [`Tap`] that decides what becomes of a command and of
//! its reply, and an [`Outbox`] that does at the right byte what was decided. A
//! server without faults has neither.

mod board;
mod chance;
mod edit;
mod fault;
mod mix;
mod outbox;
mod tap;
mod text;
mod when;

pub(crate) use board::{Board, Doom, Installed};
pub use board::{FaultHandle, Faults};
pub use fault::Fault;
pub(crate) use fault::{Arrival, Cut};
use outbox::Act;
pub(crate) use outbox::{Mark, Next, Outbox};
pub(crate) use tap::{Tap, Verdict};

use std::time::Duration;
use tokio::time::Instant;

/// Times beyond this are as good as never, and can still be added.
const NEVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// The moment that is so much later.
pub(crate) fn later(now: Instant, by: Duration) -> Instant {
    now + by.min(NEVER)
}
