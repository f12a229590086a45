//! A hundredth of every check: that it runs, does its harm and counts nothing wrong. Times are not judged here.

use memlink_promises::{CHECKS, Check, Size};

fn run(check: &Check) {
    let report = check.run(Size::Quick);
    println!("{}{}\n", report.text(check), report.json(check));
    assert!(report.wrong.is_empty(), "{}", report.text(check));
    assert!(!report.injected.is_empty() && !report.reached.is_empty(), "{}", check.name);
}

#[test]
fn every_check_does_its_harm_and_finds_nothing_wrong() {
    // It counts what the process holds.
    let (alone, others): (Vec<_>, Vec<_>) = CHECKS.iter().partition(|check| check.name == "cycles");
    alone.into_iter().for_each(run);
    std::thread::scope(|scope| {
        for check in others {
            scope.spawn(|| run(check));
        }
    });
}
