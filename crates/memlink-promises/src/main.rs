//! Runs the checks that are named, or all of them; the exit code is 1 if a promise is broken.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use memlink_promises::{CHECKS, Size};

fn main() -> ExitCode {
    let (options, named): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|word| word.starts_with('-'));
    let is_known = |name: &String| CHECKS.iter().any(|check| check.name == name.as_str());
    if let Some(unknown) = named.iter().find(|name| !is_known(name)) {
        return refuse(unknown);
    }
    if let Some(unknown) = options.iter().find(|option| !["--quick", "--json"].contains(&option.as_str())) {
        return refuse(unknown);
    }
    let has = |option: &str| options.iter().any(|other| other == option);
    let size = if has("--quick") { Size::Quick } else { Size::Full };
    let mut are_kept = true;
    for check in CHECKS.iter().filter(|check| named.is_empty() || named.iter().any(|name| name == check.name)) {
        eprintln!("{} ({}): {}", check.name, check.promise, check.asked);
        let report = check.run(size);
        are_kept &= report.is_kept();
        println!("{}", if has("--json") { report.json(check) } else { report.text(check) });
    }
    if are_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn refuse(unknown: &str) -> ExitCode {
    let names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    eprintln!("{unknown:?} is unknown; there are {}, --quick and --json", names.join(", "));
    ExitCode::from(2)
}
