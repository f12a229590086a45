use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::mutant::Mutant;
use crate::plan::{FAULTS_MIN, Plan};
use crate::report::{Report, Violation};
use crate::world::World;

/// Lets a plan happen.
///
/// # Errors
///
/// The first promise that was not kept.
pub fn run(plan: &Plan) -> Result<Report, Violation> {
    live(plan, None)
}

/// As [`run`], with a bug.
///
/// # Errors
///
/// The first promise that was not kept: the bug was found.
pub fn run_mutant(plan: &Plan, mutant: Mutant) -> Result<Report, Violation> {
    live(plan, Some(mutant))
}

fn live(plan: &Plan, mutant: Option<Mutant>) -> Result<Report, Violation> {
    let mut world = World::new(plan, mutant);
    let lived = catch_unwind(AssertUnwindSafe(|| world.live()));
    if let Err(panic) = lived {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        return Err(Violation { promise: "P17", what: text.unwrap_or("a panic").to_owned(), at: world.now });
    }
    // Where hardly anything was ever connected, hardly anything could go wrong: judged all the same, and not counted.
    world.report.histories = u64::from(world.report.injected.total() >= FAULTS_MIN);
    world.violation.map_or(Ok(world.report), Err)
}

/// Takes out of a failing plan what it fails without: steps in ever smaller groups, as long as the same promise is broken.
#[must_use]
pub fn shrink(plan: &Plan, promise: &str, runs_max: usize) -> Plan {
    let mut best = plan.with_steps(plan.steps.clone());
    let (mut size, mut runs) = (best.steps.len().div_ceil(2), 0);
    while size > 0 && runs < runs_max {
        let (mut from, mut has_shrunk) = (0, false);
        while from < best.steps.len() && runs < runs_max {
            let mut steps = best.steps.clone();
            steps.drain(from..(from + size).min(steps.len()));
            let fewer = best.with_steps(steps);
            runs += 1;
            match run(&fewer) {
                Err(violation) if violation.promise == promise => (best, has_shrunk) = (fewer, true),
                _ => from += size,
            }
        }
        size = if has_shrunk && size == 1 { 1 } else { size / 2 };
    }
    best
}
