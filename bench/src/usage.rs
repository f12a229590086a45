//! What the kernel says this process has used.

use std::ops::Sub;
use std::process::{Command, Stdio};
use std::time::Duration;

/// CPU time of all threads.
#[derive(Clone, Copy)]
pub struct Usage {
    pub user: Duration,
    pub system: Duration,
}

impl Usage {
    /// So far. The kernel counts in hundredths of a second.
    pub fn now() -> Usage {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("this needs Linux");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| Duration::from_millis(10 * fields[field].parse::<u64>().expect("a number of ticks"));
        Usage { user: ticks(11), system: ticks(12) }
    }
}

impl Sub for Usage {
    type Output = Usage;

    fn sub(self, earlier: Usage) -> Usage {
        Usage { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// Counts the system calls of this process for a while, if `perf` may; the answer is asked for at the end.
pub fn trace_system_calls(window: Duration) -> impl FnOnce() -> Option<f64> {
    let perf = Command::new("perf")
        .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", &std::process::id().to_string()])
        .args(["--", "sleep", &window.as_secs_f64().to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    move || {
        let output = perf.ok()?.wait_with_output().ok()?;
        String::from_utf8(output.stderr).ok()?.split(',').next()?.trim().parse().ok()
    }
}
