//! The engine of memlink: ordered pipelining for any protocol whose replies come back in the order of the commands.
//!
//! Nothing here opens a socket, reads a clock, takes a lock or spawns a task. A program (memlink's link driver, a test that
//! steps by hand, a simulator) feeds bytes and time in, and takes bytes, replies and deadlines out:
//!
//! ```text
//!  command --encode--> Outgoing --poll_transmit--> socket --> server
//!                         |
//!                      pending        the order of those who wait
//!                         |
//!  waiter  <--claim--- Connection <--replies-- Incoming <-- socket <-- server
//! ```
//!
//! * [`Protocol`] says how a connection opens, where a reply ends, and what a broken stream is.
//! * [`Command`] is one command of a protocol: how it is written and how its reply is read.
//! * [`Connection`] keeps the order: who asked what, who still waits, which wait ends next.
//! * [`Incoming`] holds what was read and cuts it into replies.
//!
//! **What order?** The order in which commands enter [`Connection`]. A reply is matched by its position and by nothing else;
//! a protocol that can confirm the position does so, and any doubt ends the connection.
//!
//! **What happens on failure?** Every command ends exactly once: with its reply, or with a [`Failure`] whose [`Outcome`] says
//! whether the server can have run it.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod command;
mod connection;
mod deadline;
mod encoder;
mod error;
mod frame;
mod incoming;
mod input;
mod limits;
mod mutants;
mod outgoing;
mod pace;
mod pending;
mod protocol;
mod stats;
mod tick;
mod waiters;

pub use command::{Command, Malformed, Unsupported};
pub use connection::{Abandoned, Admission, Connection, Inline, Looked, Phase, Refused, Remains};
pub use encoder::{Encoder, encode_to_vec};
pub use error::{Broken, Cause, Failure, Outcome};
pub use frame::{Frame, Reply, padded};
pub use incoming::{Framed, Incoming};
pub use limits::Limits;
#[cfg(feature = "mutants")]
#[doc(hidden)]
pub use mutants::Mutant;
pub use outgoing::Transmit;
pub use protocol::{Ask, Protocol, Refusal, Step, Verdict};
pub use stats::Stats;
pub use tick::Tick;
pub use waiters::Token;
