//! Latency at a quarter of W3's peak rate, open loop: requests start by the clock and not when others were answered.
//!
//! One pacer for everybody: a thread that wakes a few thousand times a second and says how many requests are due. Latency counts from
//! the time at which each was due, so that a client that falls behind cannot hide it.

mod pacer;
mod takers;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::child;
use crate::client::{Client, Flavour};
use crate::harness::latency::Percentiles;
use crate::harness::{Job, Mode, Outcome};
use crate::server::Memcached;
use crate::workload::Workload;

#[derive(Clone, Serialize, Deserialize)]
pub struct TailJob {
    client: Client,
    flavour: Flavour,
    server: String,
    /// Requests a second.
    rate: f64,
    window_ms: u64,
}

#[derive(Serialize)]
pub struct Tail {
    pub rate: f64,
    pub rows: Vec<TailRow>,
}

#[derive(Serialize)]
pub struct TailRow {
    pub client: Client,
    pub flavour: Flavour,
    pub latencies: Vec<Percentiles>,
}

const WHO: [(Client, Flavour); 3] = [
    (Client::Memlink, Flavour::CurrentThread),
    (Client::Memlink, Flavour::MultiThread(1)),
    (Client::Bare, Flavour::Threads),
];

const PATIENCE: Duration = Duration::from_secs(30);

pub fn run(repetitions: usize, window_ms: u64) -> Option<Tail> {
    let workload = Workload::find("W3")?;
    let memcached = Memcached::start_for(workload);
    let server = memcached.first()?.addresses().first()?.clone();
    let rate = peak(workload, &server, window_ms)? / 4.0;
    let mut rows: Vec<TailRow> =
        WHO.iter().map(|&(client, flavour)| TailRow { client, flavour, latencies: Vec::new() }).collect();
    for _ in 0..repetitions {
        for row in &mut rows {
            let (client, flavour, server) = (row.client, row.flavour, server.clone());
            let job = TailJob { client, flavour, server, rate, window_ms };
            match child::run("tail", &job, flavour.cores(), PATIENCE) {
                Ok(latency) => row.latencies.push(latency),
                Err(error) => eprintln!("tail, {}: {error}", client.name()),
            }
        }
    }
    Some(Tail { rate, rows })
}

/// What memlink reaches in W3 on this machine now.
fn peak(workload: &Workload, server: &str, window_ms: u64) -> Option<f64> {
    let (flavour, mode) = (Flavour::MultiThread(1), Mode::Timed(window_ms));
    let job = Job {
        workload: workload.name.to_owned(),
        client: Client::Memlink,
        flavour,
        servers: vec![server.to_owned()],
        mode,
    };
    let once = |_| child::run::<_, Outcome>("client", &job, flavour.cores(), PATIENCE).ok();
    let mut rates: Vec<f64> =
        (0..3).filter_map(once).map(|outcome| outcome.operations as f64 / outcome.seconds).collect();
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

/// In the measured process.
pub fn measured(job: &TailJob) -> Result<Percentiles, String> {
    match job.client {
        Client::Memlink => takers::memlink(job),
        Client::Bare => takers::bare(job),
        _ => Err("not measured in an open loop".to_owned()),
    }
}

impl TailRow {
    pub fn median(&self, read: impl Fn(&Percentiles) -> f64) -> f64 {
        let mut values: Vec<f64> = self.latencies.iter().map(read).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

pub fn print(tail: &Tail) {
    println!(
        "\n### tail: W3 at a quarter of its peak, {:.0} requests/s, microseconds from the time they were due\n",
        tail.rate
    );
    println!("| client | runtime | p50 | p99 | p99.9 |\n|---|---|---:|---:|---:|");
    for row in &tail.rows {
        println!(
            "| {} | {} | {:.0} | {:.0} | {:.0} |",
            row.client.name(),
            row.flavour.name(),
            row.median(|latency| latency.p50),
            row.median(|latency| latency.p99),
            row.median(|latency| latency.p999)
        );
    }
}
