//! The simulator, at work.
#![cfg(test)]

mod checker;
mod histories;
mod mutants;
mod small;
