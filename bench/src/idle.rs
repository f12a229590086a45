//! W10: what a thousand idle connections cost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::child;
use crate::client::{AsyncMemcached, Caller, Client, Flavour, MemcacheAsync, Memlink};
use crate::harness::usage::{self, Usage};
use crate::server::Memcached;
use crate::workload::{Operation, Store, Workload};

#[derive(Serialize, Deserialize)]
pub struct IdleJob {
    client: Client,
    flavour: Flavour,
    servers: Vec<String>,
    rest_ms: u64,
}

/// What a process holds when nothing happens.
#[derive(Serialize, Deserialize)]
pub struct Idle {
    pub client: Client,
    pub flavour: Flavour,
    pub tasks: usize,
    pub threads: u64,
    /// Resident memory for each connection beyond that of the process without any, in KiB.
    pub memory_kib: f64,
    /// CPU at rest, in percent of a core.
    pub cpu_percent: f64,
}

const CONNECTIONS: usize = 1_000;

/// Buffers of an idle connection are let go of some time after it was last used.
const SETTLING: Duration = Duration::from_secs(3);

const WHO: [(Client, Flavour); 4] = [
    (Client::Memlink, Flavour::CurrentThread),
    (Client::Memlink, Flavour::MultiThread(1)),
    (Client::AsyncMemcached, Flavour::CurrentThread),
    (Client::MemcacheAsync, Flavour::CurrentThread),
];

pub fn run(quick: bool) -> Vec<Idle> {
    // One server, reached as a thousand.
    let hosts: Vec<String> =
        (0..CONNECTIONS).map(|host| format!("127.0.{}.{}", 1 + host / 250, 1 + host % 250)).collect();
    let memcached = Memcached::start(&hosts, &[]);
    let rest_ms = if quick { 2_000 } else { 10_000 };
    let measure = |(client, flavour): (Client, Flavour)| {
        let job = IdleJob { client, flavour, servers: memcached.addresses().to_vec(), rest_ms };
        let idle = child::run("idle", &job, flavour.cores(), Duration::from_secs(60));
        idle.map_err(|error| eprintln!("W10, {}: {error}", client.name())).ok()
    };
    WHO.into_iter().filter_map(measure).collect()
}

/// In the measured process.
pub fn measured(job: &IdleJob) -> Result<Idle, String> {
    let runtime = crate::harness::runtime(job.flavour)?;
    runtime.block_on(async {
        // So that what the runtime itself needs is there before.
        tokio::time::sleep(Duration::from_millis(10)).await;
        let before = usage::status("VmRSS").ok_or("this needs Linux")?;
        match job.client {
            Client::Memlink => rest(job, before, Memlink::connect(&ONE, &job.servers).await?).await,
            Client::AsyncMemcached => rest(job, before, each::<AsyncMemcached>(&job.servers).await?).await,
            Client::MemcacheAsync => rest(job, before, each::<MemcacheAsync>(&job.servers).await?).await,
            _ => Err("not measured at rest".to_owned()),
        }
    })
}

/// A client of their own for each server, for those that know one.
async fn each<C: Caller>(servers: &[String]) -> Result<Vec<C>, String> {
    let mut all = Vec::new();
    for server in servers {
        all.extend(C::connect(&ONE, std::slice::from_ref(server)).await?);
    }
    Ok(all)
}

async fn rest<C>(job: &IdleJob, before: u64, clients: Vec<C>) -> Result<Idle, String> {
    tokio::time::sleep(SETTLING).await;
    let (began, used) = (std::time::Instant::now(), Usage::now());
    tokio::time::sleep(Duration::from_millis(job.rest_ms)).await;
    let spent = Usage::now() - used;
    let after = usage::status("VmRSS").ok_or("this needs Linux")?;
    let idle = Idle {
        client: job.client,
        flavour: job.flavour,
        tasks: tokio::runtime::Handle::current().metrics().num_alive_tasks(),
        threads: usage::status("Threads").unwrap_or_default(),
        memory_kib: after.saturating_sub(before) as f64 / job.servers.len() as f64,
        cpu_percent: (spent.user + spent.system) / began.elapsed().as_micros() as f64 * 100.0,
    };
    drop(clients);
    Ok(idle)
}

const ONE: Workload = Workload {
    name: "W10",
    what: "idle",
    callers: 1,
    connections: 1,
    servers: 1,
    store: Store::Memcached,
    server_args: &[],
    keys: 1,
    value_len: 100,
    operation: Operation::Get,
    tls: false,
    clients: &[],
};

pub fn print(rows: &[Idle]) {
    println!("\n### W10: {CONNECTIONS} servers, one connection each, at rest\n");
    println!("| client | runtime | tasks | threads | KiB for each connection | CPU, % of a core |");
    println!("|---|---|---:|---:|---:|---:|");
    for row in rows {
        println!(
            "| {} | {} | {} | {} | {:.1} | {:.3} |",
            row.client.name(),
            row.flavour.name(),
            row.tasks,
            row.threads,
            row.memory_kib,
            row.cpu_percent
        );
    }
}
