//! What the client decides by rule: whether and where a command goes again, which link takes it, how long to wait before a dial, when a
//! server is left alone.
//!
//! Pure: what happened goes in, an answer comes out. Nothing here has a clock, dice, a socket or a task, and nothing knows of the rest of
//! the client; memlink-simulator runs these very files.

mod backoff;
mod budget;
mod choice;
mod health;
mod linger;
mod retry;
mod state;

pub(crate) use backoff::{Backoff, STEADY_AFTER};
pub(crate) use budget::RetryBudget;
pub(crate) use choice::{COMMAND_LEN, Readiness, choose};
pub(crate) use health::{Patience, Record};
pub(crate) use linger::Linger;
pub(crate) use retry::{Next, Tries};
pub use state::LinkState;
