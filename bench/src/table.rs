//! Results for people.

use crate::client::{Client, Flavour};
use crate::run::{Measured, Row};

const HEAD: &str = "| client | runtime | conns | ops/s | x bare | x spin | x peer | CPU us | user | system | calls | allocs | p50 us | p99 | p99.9 | MiB |
|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|";

/// One table, with footnotes.
pub fn print(measured: &Measured) {
    println!("\n### {}: {}\n\n{HEAD}", measured.workload, measured.what);
    let bare = measured.row(Client::Bare, Flavour::Threads).map(Row::rate);
    let spinning = measured.row(Client::BareSpinning, Flavour::Threads).map(Row::rate);
    let peer = measured.best_peer_rate();
    for row in &measured.rows {
        if let Some(error) = &row.error {
            println!("| {} | {} | {} | failed: {error} |", row.name, row.runtime, row.connections);
            continue;
        }
        let ratio = |to: Option<f64>| cell(to.map(|to| row.rate() / to), 2);
        let spins = row.client.is_spinning();
        let cpu = |value: f64| if spins { "-".to_owned() } else { cell(Some(value), 2) };
        println!(
            "| {} | {} | {} | {:.0} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            row.name,
            if row.client.is_bare() { "-" } else { row.runtime },
            row.connections,
            row.rate(),
            ratio(bare),
            ratio(spinning),
            ratio(peer),
            cpu(row.cpu()),
            cpu(row.user()),
            cpu(row.system()),
            cell(row.system_calls.filter(|_| !spins), 3),
            cell(row.allocations, 2),
            cell(row.latency(|latency| latency.p50), 0),
            cell(row.latency(|latency| latency.p99), 0),
            cell(row.latency(|latency| latency.p999), 0),
            row.memory_mib(),
        );
    }
    for (name, _) in &measured.left_out {
        println!("| {name} | - |");
    }
    println!();
    let others: Vec<String> = measured.interference.iter().map(|part| format!("{:.0} %", part * 100.0)).collect();
    println!("- other programs used this much of one core in each repetition: {}.", others.join(", "));
    for (name, why) in &measured.left_out {
        println!("- {name}: {why}.");
    }
}

fn cell(value: Option<f64>, digits: usize) -> String {
    match value {
        Some(value) if value.is_finite() => format!("{value:.digits$}"),
        _ => "-".to_owned(),
    }
}
