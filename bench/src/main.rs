//! Measures memlink beside its peers and beside a bare socket: see `docs/performance.md`.

mod bars;
mod child;
mod client;
mod codec;
mod cores;
mod data;
mod harness;
mod idle;
mod instructions;
mod interference;
mod options;
mod run;
mod server;
mod table;
mod tail;
mod tls;
mod workload;

use std::process::ExitCode;

use options::{Options, USAGE};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|word| word == child::WORD).is_some() {
        return measured(&words.next().unwrap_or_default(), &words.next().unwrap_or_default());
    }
    match Options::read(words) {
        Ok(options) => everything(&options),
        Err(why) => {
            eprintln!("{why}\n\n{USAGE}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// This process is one that is measured.
fn measured(role: &str, job: &str) -> ExitCode {
    let answer = match role {
        "client" => text(harness::run(&read(job))),
        "idle" => text(idle::measured(&read(job))),
        "tail" => text(tail::measured(&read(job))),
        "codec" => text(codec::measured(read(job))),
        _ => text::<()>(Err(format!("an unknown role: {role}"))),
    };
    println!("{answer}");
    ExitCode::SUCCESS
}

fn read<J: DeserializeOwned>(job: &str) -> J {
    serde_json::from_str(job).expect("a job of this program's own making")
}

fn text<O: Serialize>(outcome: Result<O, String>) -> String {
    serde_json::to_string(&outcome).expect("an outcome is plain data")
}

/// All that was measured, for `--json`.
#[derive(Default, Serialize)]
struct Everything {
    server: String,
    workloads: Vec<run::Measured>,
    idle: Vec<idle::Idle>,
    tail: Option<tail::Tail>,
    codec: Option<codec::Codec>,
    bars: Vec<bars::Bar>,
}

fn everything(options: &Options) {
    let perf = options.perf && child::can_count();
    let mut all = Everything { server: server::version(), ..Everything::default() };
    println!("{}, {} repetitions of {} ms", all.server, options.repetitions, options.window_ms);
    for workload in &options.workloads {
        let measured = run::run(workload, options, perf);
        table::print(&measured);
        all.workloads.push(measured);
    }
    if options.idle {
        all.idle = idle::run(options.quick);
        idle::print(&all.idle);
    }
    if options.tail {
        // Rare events need more of them.
        all.tail = tail::run(2 * options.repetitions, options.window_ms);
        all.tail.iter().for_each(tail::print);
    }
    if options.codec {
        let codec = codec::run(options.repetitions);
        codec::print(&codec);
        all.codec = Some(codec);
    }
    all.bars = bars::judge(&all);
    bars::print(&all.bars);
    if let Some(file) = &options.json {
        let text = serde_json::to_string_pretty(&all).expect("figures are plain data");
        std::fs::write(file, text).expect("the file can be written");
    }
}
