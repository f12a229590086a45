//! The simulator, at work.
#![cfg(test)]

mod histories;
mod mutants;
mod small;
