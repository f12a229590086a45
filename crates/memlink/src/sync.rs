//! The locks and atomics of links, and how their drivers are started. With `--cfg memlink_shuttle` they are those of a scheduler that
//! tries other orders of threads, for the tests in `scheduled.rs`.
//!
//! Only what is held across foreign code or awaited elsewhere is here. A lock that guards a few assignments is the standard library's
//! in any case: nobody can come in between.

#[cfg(memlink_shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(memlink_shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

use std::future::Future;

use tokio::runtime::Handle;

/// Runs a task on this runtime.
pub(crate) fn spawn(runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    #[cfg(not(memlink_shuttle))]
    runtime.spawn(task);
    #[cfg(memlink_shuttle)]
    {
        let _ = runtime;
        shuttle::future::spawn(task);
    }
}
