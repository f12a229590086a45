//! What the kernel says this process has used.

use std::ops::Sub;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// CPU time of all threads, in microseconds.
#[derive(Clone, Copy)]
pub struct Usage {
    pub user: f64,
    pub system: f64,
}

impl Usage {
    /// So far.
    pub fn now() -> Usage {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel keeps accounts");
        Usage {
            user: usage.user_time().num_microseconds() as f64,
            system: usage.system_time().num_microseconds() as f64,
        }
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// A number from `/proc/self/status`: `VmHWM` and `VmRSS` in KiB, `Threads`. `None` where there is no such file.
pub fn status(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}
