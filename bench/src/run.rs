//! Runs a workload: everyone in turn, again and again, so that a slow minute hits all of them.

use std::time::Duration;

use serde::Serialize;

use crate::child;
use crate::client::{Client, Flavour};
use crate::harness::{Job, Mode, Outcome};
use crate::interference::Interference;
use crate::options::Options;
use crate::server;
use crate::workload::Workload;

/// Everything that was measured of one workload.
#[derive(Serialize)]
pub struct Measured {
    pub workload: &'static str,
    pub what: &'static str,
    pub rows: Vec<Row>,
    /// The part of one core that others have used during each repetition.
    pub interference: Vec<f64>,
    /// Who was left out, and why.
    pub left_out: Vec<(&'static str, &'static str)>,
}

/// One client in one flavour.
#[derive(Serialize)]
pub struct Row {
    pub client: Client,
    pub name: &'static str,
    pub flavour: Flavour,
    pub runtime: &'static str,
    pub connections: usize,
    pub has_latency: bool,
    /// One for each repetition.
    pub outcomes: Vec<Outcome>,
    pub error: Option<String>,
    pub system_calls: Option<f64>,
    pub allocations: Option<f64>,
}

const PATIENCE: Duration = Duration::from_secs(30);

pub fn run(workload: &'static Workload, options: &Options, perf: bool) -> Measured {
    let running = server::start_for(workload);
    let servers: Vec<String> = running.iter().flat_map(|server| server.addresses()).cloned().collect();
    let processes: Vec<u32> = running.iter().map(|server| server.id()).collect();
    let mut measured = Measured::new(workload);
    for &client in workload.clients {
        match client.cannot(workload) {
            _ if client.is_peer() && !client.name().contains(&options.only) => {}
            Some(why) => measured.left_out.push((client.name(), why)),
            None => measured.rows.extend(rows(client, workload, options)),
        }
    }
    for repetition in 1..=options.repetitions {
        eprintln!("{} repetition {repetition} of {}", workload.name, options.repetitions);
        let others = Interference::start(&processes);
        for row in &mut measured.rows {
            row.time(workload, &servers, options.window_ms);
        }
        measured.interference.push(others.since_start(&processes));
    }
    eprintln!("{} counting", workload.name);
    for row in &mut measured.rows {
        row.count(workload, &servers, perf);
    }
    measured
}

fn rows<'a>(client: Client, workload: &'a Workload, options: &'a Options) -> impl Iterator<Item = Row> + 'a {
    let wanted = |flavour: &&Flavour| match flavour.short() {
        Some(short) => options.flavours.iter().any(|wanted| wanted == short),
        None => true,
    };
    client.flavours().iter().filter(wanted).map(move |&flavour| Row {
        client,
        name: client.name(),
        flavour,
        runtime: flavour.name(),
        connections: client.connections(workload),
        has_latency: client.has_latency(workload),
        outcomes: Vec::new(),
        error: None,
        system_calls: None,
        allocations: None,
    })
}

impl Row {
    fn job(&self, workload: &Workload, servers: &[String], mode: Mode) -> Job {
        let (workload, servers) = (workload.name.to_owned(), servers.to_vec());
        Job { workload, client: self.client, flavour: self.flavour, servers, mode }
    }

    /// One repetition.
    fn time(&mut self, workload: &Workload, servers: &[String], window_ms: u64) {
        if self.error.is_some() {
            return;
        }
        let job = self.job(workload, servers, Mode::Timed(window_ms));
        match child::run("client", &job, self.flavour.cores(), PATIENCE + Duration::from_millis(window_ms)) {
            Ok(outcome) => self.outcomes.push(outcome),
            Err(error) => self.error = Some(error),
        }
    }

    /// Counts what disturbs the clock: the difference of a long and a short run, so that what happens once does not count.
    fn count(&mut self, workload: &Workload, servers: &[String], perf: bool) {
        if self.error.is_some() || self.outcomes.is_empty() {
            return;
        }
        // Enough for a tenth of a second and three times as much.
        let short = (self.rate() * 0.1) as u64 / 100 * 100
            + 10 * workload.callers as u64 * workload.operations_per_call() as u64;
        let counted = |operations| -> Result<(Outcome, f64), String> {
            let job = self.job(workload, servers, Mode::Counted(operations));
            match perf {
                true => child::run_counted("client", &job, self.flavour.cores(), PATIENCE),
                false => child::run("client", &job, self.flavour.cores(), PATIENCE).map(|outcome| (outcome, f64::NAN)),
            }
        };
        let (Ok((first, first_calls)), Ok((second, second_calls))) = (counted(short), counted(3 * short)) else {
            return;
        };
        let operations = (second.operations - first.operations) as f64;
        self.allocations = Some(second.allocations.saturating_sub(first.allocations) as f64 / operations);
        self.system_calls = perf.then_some((second_calls - first_calls) / operations);
    }

    /// Operations a second, by the median of the repetitions; all figures are.
    pub fn rate(&self) -> f64 {
        self.median(|outcome| outcome.operations as f64 / outcome.seconds)
    }

    /// Microseconds of CPU for each operation.
    pub fn cpu(&self) -> f64 {
        self.median(|outcome| (outcome.user + outcome.system) / outcome.operations as f64)
    }

    pub fn user(&self) -> f64 {
        self.median(|outcome| outcome.user / outcome.operations as f64)
    }

    pub fn system(&self) -> f64 {
        self.median(|outcome| outcome.system / outcome.operations as f64)
    }

    /// Microseconds.
    pub fn latency(&self, read: impl Fn(&crate::harness::latency::Percentiles) -> f64) -> Option<f64> {
        let has = self.has_latency && self.outcomes.iter().all(|outcome| outcome.latency.is_some());
        has.then(|| self.median(|outcome| outcome.latency.as_ref().map_or(f64::NAN, &read)))
    }

    pub fn memory_mib(&self) -> f64 {
        self.median(|outcome| outcome.memory_kib as f64 / 1024.0)
    }

    pub fn median(&self, read: impl Fn(&Outcome) -> f64) -> f64 {
        let mut values: Vec<f64> = self.outcomes.iter().map(read).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

impl Measured {
    fn new(workload: &'static Workload) -> Measured {
        let (rows, interference, left_out) = (Vec::new(), Vec::new(), Vec::new());
        Measured { workload: workload.name, what: workload.what, rows, interference, left_out }
    }

    pub fn row(&self, client: Client, flavour: Flavour) -> Option<&Row> {
        self.rows.iter().find(|row| row.client == client && row.flavour == flavour && row.is_whole())
    }

    fn peers(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.client.is_peer() && row.is_whole())
    }

    /// The most operations a second of any crate in any flavour.
    pub fn best_peer_rate(&self) -> Option<f64> {
        self.peers().map(Row::rate).max_by(f64::total_cmp)
    }

    /// The least CPU for an operation of any crate in any flavour.
    pub fn best_peer_cpu(&self) -> Option<f64> {
        self.peers().map(Row::cpu).min_by(f64::total_cmp)
    }
}

impl Row {
    fn is_whole(&self) -> bool {
        self.error.is_none() && !self.outcomes.is_empty()
    }
}
