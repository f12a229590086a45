//! Very many inputs of one target, made at random of a corpus: `bulk TARGET EXECUTIONS SEED [FOLDER]`.
//!
//! Besides the corpus that is kept, those that libFuzzer has put into a folder are changed. A failure prints the input as a line of a
//! corpus.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use memlink_fuzz::cost::Cost;
use memlink_fuzz::mutate::{Random, mutate};
use memlink_fuzz::{TARGETS, Target, corpus};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, executions, seed, folder @ ..] = arguments.as_slice() else {
        return Err("bulk TARGET EXECUTIONS SEED [FOLDER]".into());
    };
    let target = TARGETS.iter().find(|target| target.name == name).ok_or("there is no such target")?;
    let mut inputs = corpus::read(target.name)?;
    for folder in folder {
        inputs.extend(files(Path::new(folder), target.len_max)?);
    }
    run(target, &inputs, executions.parse()?, seed.parse()?);
    Ok(())
}

/// Long ones are left out: they are slow, and the short ones lead as far.
fn files(folder: &Path, len_max: usize) -> std::io::Result<Vec<Vec<u8>>> {
    let mut inputs = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let input = std::fs::read(entry?.path())?;
        if input.len() <= len_max {
            inputs.push(input);
        }
    }
    Ok(inputs)
}

fn run(target: &Target, inputs: &[Vec<u8>], executions: u64, seed: u64) {
    let (mut random, mut input, mut cost, began) = (Random::new(seed), Vec::new(), Cost::default(), Instant::now());
    for _ in 0..executions {
        input.clone_from(&inputs[random.below(inputs.len())]);
        mutate(&mut random, &mut input, inputs, target.len_max);
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| cost.run(target.run, &input)));
        if let Err(panic) = ended {
            println!("{} fails with the input\n{}", target.name, corpus::escape(&input));
            std::panic::resume_unwind(panic);
        }
    }
    let rate = executions as f64 / began.elapsed().as_secs_f64();
    println!("{} executions, {rate:.0} a second, {cost}, {} inputs", executions, inputs.len());
}
