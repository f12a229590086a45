//! Instructions in user space, by valgrind's callgrind: the difference of a long and a short run, so that what happens once does
//! not count. It counts what would have run anywhere, and so repeats to about one percent on the busiest machine.

use std::process::{Command, Stdio};

use serde::Serialize;

use crate::child;

pub fn can_count() -> bool {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        eprintln!("no valgrind: instructions are not counted");
    }
    found
}

/// Instructions for each of what `job` does `times` times.
pub fn difference<J: Serialize>(role: &str, times: u64, job: impl Fn(u64) -> J) -> Option<f64> {
    let (short, long) = (count(role, &job(times))?, count(role, &job(3 * times))?);
    Some((long - short) / (2 * times) as f64)
}

fn count<J: Serialize>(role: &str, job: &J) -> Option<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(child::own_path())
        .args(child::words(role, job))
        .output()
        .ok()?;
    let notes = String::from_utf8_lossy(&output.stderr);
    let collected = notes.lines().find_map(|line| line.split_once("Collected :"));
    collected.and_then(|(_, count)| count.trim().parse().ok())
}
