//! The targets without libFuzzer: what was found is replayed, and more is made of it at random.
#![cfg(test)]

mod hostile;
mod replay;
