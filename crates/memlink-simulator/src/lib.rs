//! Histories of the engine: a whole client against whole servers, in one thread, on a clock that is only told.
//!
//! ```text
//!   callers      links (driver, engine)      wires              servers
//!   200 of them  4, to 3 servers             cut, late, full    memcached's answers, altered or not
//!      |             |                          |                  |
//!      '-------------'------ one queue of events, one seed --------'
//! ```
//!
//! What is real: the engine (`memlink-core`), the protocol (`memlink-meta`), the ring, the client's policies (where and whether a command
//! goes again, which link takes it, health, backoff, linger). What is simulated, with the same calls of the engine in the same order:
//! the client's driver and its callers. What is independent: the servers, which are the conversations of `memlink-testserver`.
//!
//! * A [`Plan`] is made of a seed: who asks what when, and what goes wrong. [`run`] lets it happen and says whether a promise was
//!   broken; [`shrink`] takes out of a failing plan what it can fail without.
//! * `memlink-history` judges the answers of each key: is there an order of all operations that explains them?
//! * [`Mutant`] is a bug that others have had, switched on to see that it is found.
//! * [`small`] tries every order of a few steps instead of some orders of many.
//!
//! docs/testing.md has the commands and the figures.
#![forbid(unsafe_code)]

mod command;
mod dice;
mod fault;
mod keys;
mod link;
mod mutant;
mod plan;
// The client's own: it has no clock, no dice and no sockets.
#[allow(unreachable_pub, reason = "the client shows some of it to its users")]
#[path = "../../memlink/src/policy/mod.rs"]
mod policy;
mod protocol;
mod report;
mod run;
pub mod small;
mod value;
mod wire;
mod world;

pub use fault::{Fault, Injected};
pub use mutant::Mutant;
pub use plan::{Ask, FAULTS_MIN, OPERATIONS, Plan, Step, Verb, What};
pub use report::{Report, Violation};
pub use run::{run, run_mutant, shrink};
