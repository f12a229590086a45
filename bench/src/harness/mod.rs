//! The measured process: one client, one workload, one flavour, once.

pub mod allocations;
pub mod latency;
mod nonblocking;
mod threads;
pub mod usage;

pub use self::nonblocking::runtime;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::latency::Percentiles;
use self::usage::Usage;
use crate::client::{
    AsyncMemcached, Bare, Client, Empty, Flavour, Fred, MemcacheAsync, MemcacheExp, MemcacheExpTokio, MemcachePooled,
    Memlink, MemlinkResp, MemlinkTwo, MemlinkWithoutOpaque, RedisRs, Rsmc,
};
use crate::workload::Workload;

/// What a measured process is told to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    pub workload: String,
    pub client: Client,
    pub flavour: Flavour,
    pub servers: Vec<String>,
    pub mode: Mode,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Mode {
    /// For so many milliseconds, after a warm-up.
    Timed(u64),
    /// So many operations and nothing else: the difference of two lengths is what is counted from outside.
    Counted(u64),
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Outcome {
    pub operations: u64,
    pub seconds: f64,
    /// Microseconds of CPU.
    pub user: f64,
    pub system: f64,
    pub latency: Option<Percentiles>,
    /// Of everything since the process began, where they were counted.
    pub allocations: u64,
    /// Peak resident memory in KiB.
    pub memory_kib: u64,
}

/// Where a run ends.
#[derive(Debug, Clone, Copy)]
pub enum Limit {
    At(Instant),
    Operations(u64),
}

impl Limit {
    /// The part of one of `parts` that run at the same time.
    pub fn shared_by(self, parts: usize) -> Limit {
        match self {
            Limit::At(end) => Limit::At(end),
            Limit::Operations(count) => Limit::Operations(count.div_ceil(parts as u64)),
        }
    }
}

const WARM_UP: Duration = Duration::from_millis(200);

/// Does the job in this process.
pub fn run(job: &Job) -> Result<Outcome, String> {
    let workload = Workload::find(&job.workload).ok_or("an unknown workload")?;
    let run = Run { workload, job };
    match job.client {
        Client::Memlink => run.nonblocking::<Memlink>(),
        Client::MemlinkWithoutOpaque => run.nonblocking::<MemlinkWithoutOpaque>(),
        Client::MemlinkTwo => run.nonblocking::<MemlinkTwo>(),
        Client::AsyncMemcached => run.nonblocking::<AsyncMemcached>(),
        Client::MemcacheAsync => run.nonblocking::<MemcacheAsync>(),
        Client::MemcacheExpTokio => run.nonblocking::<MemcacheExpTokio>(),
        Client::MemlinkResp => run.nonblocking::<MemlinkResp>(),
        Client::RedisRs => run.nonblocking::<RedisRs>(),
        Client::Fred => run.nonblocking::<Fred>(),
        Client::Rsmc => run.nonblocking::<Rsmc>(),
        Client::Harness => run.nonblocking::<Empty>(),
        Client::MemcacheExp => run.blocking::<MemcacheExp>(),
        Client::MemcachePooled => run.blocking::<MemcachePooled>(),
        Client::Bare | Client::BareSpinning | Client::BareClassic | Client::BareClassicSpinning => {
            let mut bare = Bare::connect(job.client, workload, &job.servers)?;
            run.measure(|limit| bare.run(limit))
        }
    }
}

struct Run<'a> {
    workload: &'static Workload,
    job: &'a Job,
}

impl Run<'_> {
    /// Warms up and takes the time, or counts.
    fn measure(&self, mut go: impl FnMut(Limit) -> Result<u64, String>) -> Result<Outcome, String> {
        let limit = match self.job.mode {
            Mode::Timed(millis) => {
                go(Limit::At(Instant::now() + WARM_UP))?;
                latency::clear();
                Limit::At(Instant::now() + Duration::from_millis(millis))
            }
            Mode::Counted(operations) => {
                allocations::start();
                Limit::Operations(operations)
            }
        };
        let (before, began) = (Usage::now(), Instant::now());
        let operations = go(limit)?;
        let (elapsed, spent) = (began.elapsed(), Usage::now() - before);
        Ok(Outcome {
            operations,
            seconds: elapsed.as_secs_f64(),
            user: spent.user,
            system: spent.system,
            latency: latency::percentiles(),
            allocations: allocations::count(),
            memory_kib: usage::status("VmHWM").unwrap_or_default(),
        })
    }
}

/// When one caller stops, and how long its calls took.
struct Pace {
    limit: Limit,
    operations: u64,
    per_call: u64,
    /// Of so many calls the last is timed.
    every: u64,
    left: u64,
    began: Option<Instant>,
}

/// Where many callers ask, one call in so many is timed: two looks at the clock and a histogram cost a tenth of a get. It is the same
/// for all clients.
const TIMED_OF: u64 = 8;

/// So many callers are many.
const MANY: usize = 64;

impl Pace {
    fn new(limit: Limit, callers: usize, workload: &Workload) -> Pace {
        let limit = limit.shared_by(callers);
        let began = matches!(limit, Limit::At(_)).then(Instant::now);
        let every = if callers >= MANY { TIMED_OF } else { 1 };
        Pace { limit, operations: 0, per_call: workload.operations_per_call() as u64, every, left: every, began }
    }

    /// Notes the end of a call; whether there is another. The clock is looked at before and after a call that is timed.
    #[inline]
    fn goes_on(&mut self) -> bool {
        self.operations += self.per_call;
        match (self.limit, &mut self.began) {
            (Limit::At(end), Some(began)) => {
                self.left -= 1;
                if self.left > 1 {
                    return true;
                }
                let now = Instant::now();
                if self.left == 0 {
                    latency::record(now - *began);
                    self.left = self.every;
                }
                *began = now;
                now < end
            }
            (Limit::Operations(count), _) => self.operations < count,
            (Limit::At(_), None) => false,
        }
    }
}
