//! Judges what was asked of the keys of a cache and what was answered, by simulated servers and real ones: is there an order of all
//! operations on a key, each at one moment of its time, that explains every answer? Operations of unknown outcome may have happened or not.
//!
//! The search is Wing and Gong's, with Lowe's memory of what was tried.
#![forbid(unsafe_code)]

mod history;
mod linear;

pub use history::{Answered, Asked, Checked, History, Item, NotLinearizable, Operation};
