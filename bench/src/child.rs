//! One measurement is one process: its peak memory, its allocator and its cores are its own.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cores;

/// First word of the command line of a measured process; the job follows.
pub const WORD: &str = "measured";

/// Runs this program once more for one job, on these cores, and waits for its answer.
pub fn run<J: Serialize, O: DeserializeOwned>(
    role: &str,
    job: &J,
    cores: &str,
    patience: Duration,
) -> Result<O, String> {
    let mut command = cores::pinned(cores, own_path());
    finish(start(command.args(words(role, job))), patience).map(|finished| finished.0)
}

/// The same under `perf`, which counts all its system calls.
pub fn run_counted<J: Serialize, O: DeserializeOwned>(
    role: &str,
    job: &J,
    cores: &str,
    patience: Duration,
) -> Result<(O, f64), String> {
    let mut command = cores::pinned(cores, "perf");
    command.args(["stat", "-x", ",", "-e", EVENT, "--"]).arg(own_path()).args(words(role, job));
    let (outcome, notes) = finish(start(&mut command), patience)?;
    let count = notes.lines().find(|line| line.contains(EVENT)).and_then(|line| line.split(',').next());
    let count = count.and_then(|count| count.trim().parse().ok()).ok_or("perf did not count")?;
    Ok((outcome, count))
}

/// Whether system calls can be counted here.
pub fn can_count() -> bool {
    let output = Command::new("perf").args(["stat", "-x", ",", "-e", EVENT, "--", "true"]).output();
    output.is_ok_and(|output| {
        let notes = String::from_utf8_lossy(&output.stderr);
        notes.lines().any(|line| line.contains(EVENT) && line.starts_with(|first: char| first.is_ascii_digit()))
    })
}

const EVENT: &str = "raw_syscalls:sys_enter";

pub fn own_path() -> std::path::PathBuf {
    std::env::current_exe().expect("this program has a path")
}

pub fn words<J: Serialize>(role: &str, job: &J) -> [String; 3] {
    [WORD.to_owned(), role.to_owned(), serde_json::to_string(job).expect("a job is plain data")]
}

fn start(command: &mut Command) -> std::io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// The answer on its output, and its notes. Who takes too long is stopped.
fn finish<O: DeserializeOwned>(child: std::io::Result<Child>, patience: Duration) -> Result<(O, String), String> {
    let mut child = child.map_err(|error| error.to_string())?;
    let ends = Instant::now() + patience;
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if Instant::now() > ends => {
                let _ = child.kill();
                let _ = child.wait();
                return Err("it took too long".to_owned());
            }
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    let read = |stream: Option<&mut dyn Read>| {
        let mut text = String::new();
        let _ = stream.map(|stream| stream.read_to_string(&mut text));
        text
    };
    let answer = read(child.stdout.as_mut().map(|stream| stream as &mut dyn Read));
    let notes = read(child.stderr.as_mut().map(|stream| stream as &mut dyn Read));
    let answer: Result<O, String> = match serde_json::from_str(&answer) {
        Ok(answer) => answer,
        Err(_) => Err(format!("it ended with {status}: {}", notes.lines().last().unwrap_or_default())),
    };
    answer.map(|answer| (answer, notes))
}
