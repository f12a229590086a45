//! Real servers for tests and checks: a process that is started on a free port of the loopback, and ends with its handle, also when a
//! test panics.
//!
//! ```no_run
//! let memcached = memlink_processes::Memcached::start(&["-m", "64"])?;
//! println!("listening at {}", memcached.address());
//! # Ok::<(), memlink_processes::ProcessError>(())
//! ```
#![forbid(unsafe_code)]

mod error;
mod memcached;
mod port;
mod process;

pub use error::ProcessError;
pub use memcached::Memcached;
pub use port::Port;
pub use process::{Listens, Process};
