//! How much others have used the machine while something was measured: figures of a busy machine say so.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// Seconds of CPU used on all cores so far, and by those whom this program has started.
pub struct Interference {
    all: f64,
    own: f64,
    at: std::time::Instant,
}

impl Interference {
    /// `servers` are processes that still run; those that have ended count by themselves.
    pub fn start(servers: &[u32]) -> Interference {
        let children = getrusage(UsageWho::RUSAGE_CHILDREN).expect("the kernel keeps accounts");
        let ended = (children.user_time().num_microseconds() + children.system_time().num_microseconds()) as f64 / 1e6;
        let running: f64 = servers.iter().map(|server| ticks(&format!("/proc/{server}/stat"), ')', 11..13)).sum();
        // user, nice, system; the first word behind `cpu` is empty.
        let all = ticks("/proc/stat", 'u', 0..3);
        Interference { all, own: ended + running, at: std::time::Instant::now() }
    }

    /// The part of one core that others have used since.
    pub fn since_start(&self, servers: &[u32]) -> f64 {
        let now = Interference::start(servers);
        ((now.all - self.all) - (now.own - self.own)).max(0.0) / (now.at - self.at).as_secs_f64()
    }
}

/// The sum of some of the numbers behind the first line's last `mark`, in seconds: the kernel counts in hundredths.
fn ticks(file: &str, mark: char, fields: std::ops::Range<usize>) -> f64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let numbers = line.rsplit(mark).next().unwrap_or_default().split_whitespace();
    let sum: u64 = numbers.skip(fields.start).take(fields.len()).filter_map(|number| number.parse::<u64>().ok()).sum();
    sum as f64 / 100.0
}
