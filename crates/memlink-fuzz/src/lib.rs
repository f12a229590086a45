//! What is fuzzed: every target is a function of bytes that panics when something does not hold.
//!
//! ```text
//!   bytes --Choices--> commands, events, cuts --> engine, protocols, parsers --> what must hold
//! ```
//!
//! The same functions are run by libFuzzer (the workspace `fuzz/`), by an ordinary test that replays the corpora, and by one that mutates
//! them at random (`tests/it`). A target is deterministic, keeps nothing from one input to the next, and reads no clock.
//!
//! | target | input | what must hold |
//! | --- | --- | --- |
//! | [`replies`] | commands, and bytes that a server sends | the same replies however the bytes are cut, read without a panic; memory and work bounded |
//! | [`commands`] | one command of any parts | refused before a byte is written, or exactly one command and one reply |
//! | [`engine`] | what callers, the driver, the clock, the network and the server do | no reply goes astray, every command ends once, what is said of it is true |
//! | [`verdicts`] | what a protocol of somebody else says, right or wrong | the engine ends the connection, and every command |
//! | [`urls`] | a URL | no panic, and no secret in an error |
//! | [`discovery`] | what a configuration endpoint or a file of servers says | the same however it is cut; memory bounded |
//! | [`resp`] | bytes that a Redis server sends | as `replies`; depth bounded |
//! | [`session`] | bytes that a client sends to the embedded server | no panic; what it writes and holds bounded |
#![deny(unsafe_code)]

pub mod barrier;
mod choices;
mod command;
pub mod corpus;
pub mod cost;
mod engine;
mod feed;
pub mod memory;
pub mod mutate;
mod targets;

pub use choices::Choices;
pub use command::{Answer, Any, ITEM_LEN_MAX, any_command};
pub use engine::engine;
pub use targets::commands::commands;
pub use targets::discovery::discovery;
pub use targets::replies::replies;
pub use targets::resp::resp;
pub use targets::session::session;
pub use targets::urls::urls;
pub use targets::verdicts::verdicts;

/// A target by its name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As its corpus and its binary are called.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]),
    /// Longest input that is of any use, in bytes.
    pub len_max: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "replies", run: replies, len_max: 2_048 },
    Target { name: "commands", run: commands, len_max: 512 },
    Target { name: "engine", run: engine, len_max: 512 },
    Target { name: "verdicts", run: verdicts, len_max: 256 },
    Target { name: "urls", run: urls, len_max: 512 },
    Target { name: "discovery", run: discovery, len_max: 512 },
    Target { name: "resp", run: resp, len_max: 2_048 },
    Target { name: "session", run: session, len_max: 2_048 },
];
