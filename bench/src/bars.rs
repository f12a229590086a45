//! What was to be reached, and whether it was: on `current_thread` and on `multi_thread` with one worker, each by itself.

use serde::Serialize;

use crate::Everything;
use crate::client::{Client, Flavour};
use crate::codec::Case;
use crate::run::{Measured, Row};

#[derive(Serialize)]
pub struct Bar {
    pub of: &'static str,
    pub runtime: &'static str,
    pub what: String,
    pub bound: Bound,
    pub found: f64,
}

#[derive(Clone, Copy, Serialize)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

/// What a figure of memlink is divided by.
#[derive(Clone, Copy)]
enum To {
    /// Nothing: the figure itself.
    One,
    Peer,
    Bare,
    Spinning,
    Classic,
}

/// A figure of a row.
#[derive(Clone, Copy)]
enum Figure {
    Rate,
    Cpu,
    P50,
    Calls,
    Allocations,
}

use Figure::{Allocations, Calls, Cpu, P50, Rate};

/// Workload, client, figure, what it is divided by, bound.
const BARS: &[(&str, Client, Figure, To, Bound)] = &[
    ("W1", Client::Memlink, Rate, To::Peer, AtLeast(1.0)),
    ("W1", Client::Memlink, P50, To::Bare, AtMost(1.1)),
    ("W1", Client::Memlink, Calls, To::One, AtMost(3.1)),
    ("W1", Client::Memlink, Allocations, To::One, AtMost(1.0)),
    ("W2", Client::Memlink, Rate, To::Peer, AtLeast(5.0)),
    ("W2", Client::Memlink, Rate, To::Spinning, AtLeast(0.8)),
    ("W2", Client::Memlink, Cpu, To::Peer, AtMost(1.0 / 7.0)),
    ("W2", Client::Memlink, Cpu, To::Bare, AtMost(2.2)),
    ("W2", Client::Memlink, Calls, To::One, AtMost(0.2)),
    ("W2", Client::Memlink, Allocations, To::One, AtMost(1.0)),
    ("W2M", Client::Memlink, Allocations, To::One, AtMost(0.0)),
    ("W2D", Client::Memlink, Allocations, To::One, AtMost(0.0)),
    ("W2R", Client::Memlink, Rate, To::Spinning, AtLeast(0.5)),
    ("W2R", Client::MemlinkTwo, Rate, To::Spinning, AtLeast(0.7)),
    ("W3", Client::Memlink, Rate, To::Peer, AtLeast(6.0)),
    ("W3", Client::Memlink, Rate, To::Spinning, AtLeast(0.85)),
    ("W3", Client::Memlink, Cpu, To::Peer, AtMost(1.0 / 7.0)),
    ("W4", Client::Memlink, Rate, To::Peer, AtLeast(1.0)),
    ("W4", Client::Memlink, Cpu, To::Peer, AtMost(0.7)),
    ("W4", Client::Memlink, Rate, To::Classic, AtLeast(0.9)),
    ("W5", Client::Memlink, Rate, To::Peer, AtLeast(4.0)),
    ("W5", Client::Memlink, Rate, To::Bare, AtLeast(0.8)),
    ("W5", Client::Memlink, Cpu, To::Peer, AtMost(1.0 / 6.0)),
    ("W5", Client::Memlink, Allocations, To::One, AtMost(0.0)),
    ("W6", Client::Memlink, Rate, To::Peer, AtLeast(1.2)),
    ("W6", Client::Memlink, Rate, To::Bare, AtLeast(0.9)),
    ("W6", Client::Memlink, Cpu, To::Peer, AtMost(0.7)),
    ("W7", Client::Memlink, Rate, To::Peer, AtLeast(1.0)),
    ("W7", Client::Memlink, Cpu, To::Peer, AtMost(1.1)),
    ("W8", Client::Memlink, Rate, To::Bare, AtLeast(0.8)),
    ("W8", Client::Memlink, Rate, To::Peer, AtLeast(4.0)),
    ("W8", Client::Memlink, Cpu, To::Peer, AtMost(1.0 / 6.0)),
    ("W9", Client::Memlink, Rate, To::Peer, AtLeast(4.0)),
    ("W9", Client::Memlink, Cpu, To::Peer, AtMost(1.0 / 6.0)),
    ("RESP", Client::MemlinkResp, Rate, To::Peer, AtLeast(1.2)),
];

/// Everything that can be judged by what was measured.
pub fn judge(all: &Everything) -> Vec<Bar> {
    let mut bars = Vec::new();
    for &(name, client, figure, to, bound) in BARS {
        let Some(measured) = all.workloads.iter().find(|measured| measured.workload == name) else { continue };
        for flavour in [Flavour::CurrentThread, Flavour::MultiThread(1)] {
            let found = measured.row(client, flavour).and_then(|row| ratio(measured, row, figure, to));
            let who = if client == Client::Memlink { "" } else { client.name() };
            let what = format!("{}{} {who}", figure.name(), to.name()).trim_end().to_owned();
            bars.extend(found.map(|found| Bar { of: name, runtime: flavour.name(), what, bound, found }));
        }
    }
    bars.extend(two_workers(all));
    bars.extend(
        [Flavour::CurrentThread, Flavour::MultiThread(1)].into_iter().filter_map(|flavour| secret(all, flavour)),
    );
    bars.extend(idle(all));
    bars.extend(tail(all));
    bars.extend(codec(all));
    bars
}

fn ratio(measured: &Measured, row: &Row, figure: Figure, to: To) -> Option<f64> {
    let bare = |client| measured.row(client, Flavour::Threads).and_then(|bare| figure.of(bare));
    let below = match (to, figure) {
        (To::One, _) => 1.0,
        (To::Peer, Cpu) => measured.best_peer_cpu()?,
        (To::Peer, _) => measured.best_peer_rate()?,
        (To::Bare, _) => bare(Client::Bare)?,
        (To::Spinning, _) => bare(Client::BareSpinning)?,
        (To::Classic, _) => bare(Client::BareClassic)?,
    };
    Some(figure.of(row)? / below)
}

impl Figure {
    fn of(self, row: &Row) -> Option<f64> {
        match self {
            Rate => Some(row.rate()),
            Cpu => Some(row.cpu()),
            P50 => row.latency(|latency| latency.p50),
            Calls => row.system_calls,
            Allocations => row.allocations,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Rate => "operations/s",
            Cpu => "CPU",
            P50 => "p50",
            Calls => "system calls",
            Allocations => "allocations",
        }
    }
}

impl To {
    fn name(self) -> &'static str {
        match self {
            To::One => "",
            To::Peer => " / best peer",
            To::Bare => " / bare",
            To::Spinning => " / spinning",
            To::Classic => " / bare classic get",
        }
    }
}

fn two_workers(all: &Everything) -> Option<Bar> {
    let measured = all.workloads.iter().find(|measured| measured.workload == "W3")?;
    let rate = |workers| measured.row(Client::Memlink, Flavour::MultiThread(workers)).map(Row::rate);
    let what = "operations/s / one worker".to_owned();
    Some(Bar { of: "W3", runtime: "multi_thread 2", what, bound: AtLeast(0.9), found: rate(2)? / rate(1)? })
}

/// What TLS leaves of the rate.
fn secret(all: &Everything, flavour: Flavour) -> Option<Bar> {
    let rate = |name| {
        let measured = all.workloads.iter().find(|measured| measured.workload == name)?;
        measured.row(Client::Memlink, flavour).map(Row::rate)
    };
    let what = "operations/s / without TLS".to_owned();
    Some(Bar { of: "W8", runtime: flavour.name(), what, bound: AtLeast(0.4), found: rate("W8")? / rate("W2")? })
}

fn idle(all: &Everything) -> Vec<Bar> {
    let own = all.idle.iter().filter(|idle| idle.client.is_memlink());
    own.flat_map(|idle| {
        let bar = |what: &str, bound, found| Bar {
            of: "W10",
            runtime: idle.flavour.name(),
            what: what.to_owned(),
            bound,
            found,
        };
        [
            bar("tasks for each connection", AtMost(1.0), idle.tasks as f64 / 1_000.0),
            bar("KiB for each connection", AtMost(20.0), idle.memory_kib),
            bar("CPU, % of a core", AtMost(0.1), idle.cpu_percent),
        ]
    })
    .collect()
}

fn tail(all: &Everything) -> Vec<Bar> {
    let Some(tail) = &all.tail else { return Vec::new() };
    let Some(bare) = tail.rows.iter().find(|row| row.client.is_bare()) else { return Vec::new() };
    let own = tail.rows.iter().filter(|row| row.client.is_memlink());
    own.flat_map(|row| {
        let bar = |what: &str, most, found| Bar {
            of: "tail",
            runtime: row.flavour.name(),
            what: what.to_owned(),
            bound: AtMost(most),
            found,
        };
        [
            bar("p99 / bare", 2.0, row.median(|at| at.p99) / bare.median(|at| at.p99)),
            bar("p99.9 / bare", 4.0, row.median(|at| at.p999) / bare.median(|at| at.p999)),
        ]
    })
    .collect()
}

fn codec(all: &Everything) -> Vec<Bar> {
    let Some(codec) = &all.codec else { return Vec::new() };
    let less = |text: &str, part: &str, of: fn(&Case) -> Option<f64>| {
        let find = |text: &str| codec.cases.iter().find(|case| case.name.starts_with(text));
        Some(of(find(text)?)? - of(find(part)?)?)
    };
    let (nanos, instructions): (fn(&Case) -> _, fn(&Case) -> _) = (|case| Some(case.nanos), |case| case.instructions);
    let whole = |text: &str, of: fn(&Case) -> Option<f64>| {
        codec.cases.iter().find(|case| case.name.starts_with(text)).and_then(of)
    };
    // The bars leave out the copy of the key and the opaque; lending a buffer to each repetition is the harness's work.
    let (mg, key) = ("encode mg, without an opaque", "of it: copy of the key");
    let (shared, sharing) = ("decode VA 100, sharing", "of it: a clone of the frame");
    let bar = |what: &str, bound, found: Option<f64>| {
        found.map(|found| Bar { of: "codec", runtime: "-", what: what.to_owned(), bound, found })
    };
    let harness = codec.gets.iter().find(|get| get.name == Client::Harness.name()).map_or(0.0, |get| get.instructions);
    let own = codec.gets.iter().filter(|get| get.name == Client::Memlink.name()).map(|get| Bar {
        of: "W2",
        runtime: get.runtime,
        what: "user instructions of a get".to_owned(),
        bound: AtMost(1_500.0),
        found: get.instructions - harness,
    });
    [
        bar("ns to encode mg, all in", AtMost(10.0), whole("encode mg, opaque", nanos)),
        bar("instructions to encode mg, less opaque and copy of the key", AtMost(60.0), less(mg, key, instructions)),
        bar("ns to decode VA 100, shared, less a clone of the buffer", AtMost(10.0), less(shared, sharing, nanos)),
        bar("ns to decode VA 100, copied", AtMost(25.0), whole("decode VA 100, copied", nanos)),
        bar("instructions to frame and decode VA 100, less a clone of the buffer", AtMost(250.0), {
            let (frame, decode) = (whole("frame VA 100", instructions), less(shared, sharing, instructions));
            frame.zip(decode).map(|(frame, decode)| frame + decode)
        }),
    ]
    .into_iter()
    .flatten()
    .chain(own)
    .collect()
}

impl Bar {
    /// With half of the last digit that is shown, so that what reads as reached is.
    pub fn is_reached(&self) -> bool {
        match self.bound {
            AtLeast(least) => self.found >= least - 0.005,
            AtMost(most) => self.found <= most + 0.005,
        }
    }
}

pub fn print(bars: &[Bar]) {
    println!("\n### bars\n\n| workload | runtime | what | bar | found | |\n|---|---|---|---:|---:|---|");
    for bar in bars {
        let bound = match bar.bound {
            AtLeast(least) => format!(">= {least:.2}"),
            AtMost(most) => format!("<= {most:.2}"),
        };
        let reached = if bar.is_reached() { "reached" } else { "missed" };
        println!("| {} | {} | {} | {bound} | {:.2} | {reached} |", bar.of, bar.runtime, bar.what, bar.found);
    }
}
