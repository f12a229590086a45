//! The codec by itself: nanoseconds, and instructions by callgrind.

mod cases;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::child;
use crate::client::{Client, Flavour};
use crate::harness::{Job, Mode};
use crate::instructions;
use crate::server::Memcached;
use crate::workload::Workload;

/// One case, so many times.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct CodecJob {
    case: usize,
    times: u64,
}

#[derive(Serialize)]
pub struct Codec {
    pub cases: Vec<Case>,
    pub gets: Vec<GetInstructions>,
}

#[derive(Serialize)]
pub struct Case {
    pub name: &'static str,
    pub nanos: f64,
    pub instructions: Option<f64>,
}

/// What a get of W2 costs in user space.
#[derive(Serialize)]
pub struct GetInstructions {
    pub name: &'static str,
    pub runtime: &'static str,
    pub instructions: f64,
}

/// In the measured process: nanoseconds for each.
pub fn measured(job: CodecJob) -> Result<f64, String> {
    let case = cases::CASES.get(job.case).ok_or("an unknown case")?;
    let began = Instant::now();
    (case.run)(job.times);
    Ok(began.elapsed().as_nanos() as f64 / job.times as f64)
}

pub fn run(repetitions: usize) -> Codec {
    let counts = instructions::can_count();
    let cases = cases::CASES.iter().enumerate().map(|(number, case)| Case {
        name: case.name,
        nanos: nanos(number, repetitions),
        instructions: counts.then(|| case_instructions(number)).flatten(),
    });
    Codec { cases: cases.collect(), gets: if counts { gets() } else { Vec::new() } }
}

fn nanos(case: usize, repetitions: usize) -> f64 {
    let once = |_| {
        let job = CodecJob { case, times: 5_000_000 };
        child::run::<_, f64>("codec", &job, "1", Duration::from_secs(60)).unwrap_or(f64::NAN)
    };
    let mut all: Vec<f64> = (0..repetitions).map(once).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn case_instructions(case: usize) -> Option<f64> {
    instructions::difference("codec", 20_000, |times| CodecJob { case, times })
}

/// The same for whole clients, with the harness by itself to be subtracted.
fn gets() -> Vec<GetInstructions> {
    let workload = Workload::find("W2").expect("there is a W2");
    let memcached = Memcached::start_for(workload);
    let servers: Vec<String> = memcached.iter().flat_map(Memcached::addresses).cloned().collect();
    let measure = |(client, flavour): (Client, Flavour)| {
        let job = |operations| Job {
            workload: workload.name.to_owned(),
            client,
            flavour,
            servers: servers.clone(),
            mode: Mode::Counted(operations),
        };
        let instructions = instructions::difference("client", 12_800, job)?;
        Some(GetInstructions { name: client.name(), runtime: flavour.name(), instructions })
    };
    let (one, many) = (Flavour::CurrentThread, Flavour::MultiThread(1));
    [
        (Client::Harness, one),
        (Client::Memlink, one),
        (Client::Memlink, many),
        (Client::MemlinkWithoutOpaque, one),
        (Client::AsyncMemcached, one),
        (Client::MemcacheAsync, one),
        (Client::MemcacheExpTokio, one),
    ]
    .into_iter()
    .filter_map(measure)
    .collect()
}

pub fn print(codec: &Codec) {
    println!("\n### codec\n\n| what | ns | instructions |\n|---|---:|---:|");
    for case in &codec.cases {
        let instructions = case.instructions.map_or("-".to_owned(), |count| format!("{count:.0}"));
        println!("| {} | {:.1} | {instructions} |", case.name, case.nanos);
    }
    println!("\n| one get of W2, user space | runtime | instructions |\n|---|---|---:|");
    for get in &codec.gets {
        println!("| {} | {} | {:.0} |", get.name, get.runtime, get.instructions);
    }
}
