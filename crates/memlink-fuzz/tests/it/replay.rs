//! `FUZZ_EXECUTIONS` sets how many inputs are made at random in all, `FUZZ_SEED` which ones, `FUZZ_TARGET` of which target alone. A failure
//! prints the input as a line of a corpus: add it there, and it is replayed for ever.

use std::time::Instant;

use memlink_fuzz::mutate::{Random, mutate};
use memlink_fuzz::{TARGETS, Target, corpus};

/// Where nothing is optimised; `./check` and CI ask for a million, optimised.
const EXECUTIONS: u64 = 20_000;

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn run(target: &Target, input: &[u8]) {
    if let Err(panic) = std::panic::catch_unwind(|| (target.run)(input)) {
        eprintln!("{} fails with the input\n{}", target.name, corpus::escape(input));
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn every_corpus_is_replayed() {
    for target in TARGETS {
        let inputs = corpus::read(target.name).expect("every target has a corpus");
        assert!(inputs.len() >= 10, "{}: {} inputs", target.name, inputs.len());
        for input in inputs {
            run(target, &input);
        }
    }
}

#[test]
fn corpora_change_at_random() {
    let only = std::env::var("FUZZ_TARGET").ok();
    let targets: Vec<&Target> =
        TARGETS.iter().filter(|target| only.as_ref().is_none_or(|name| name == target.name)).collect();
    let (seed, all) = (number("FUZZ_SEED").unwrap_or(1), number("FUZZ_EXECUTIONS").unwrap_or(EXECUTIONS));
    assert!(!targets.is_empty(), "there is no target {only:?}");
    for target in &targets {
        let inputs = corpus::read(target.name).expect("every target has a corpus");
        let (mut random, mut input) = (Random::new(seed), Vec::new());
        let (executions, began) = (all.div_ceil(targets.len() as u64), Instant::now());
        for _ in 0..executions {
            input.clone_from(&inputs[random.below(inputs.len())]);
            mutate(&mut random, &mut input, &inputs, target.len_max);
            run(target, &input);
        }
        let seconds = began.elapsed().as_secs_f64();
        println!("{:10} {executions} executions, {:.0} a second", target.name, executions as f64 / seconds);
    }
}
