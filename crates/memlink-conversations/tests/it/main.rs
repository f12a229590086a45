//! The table of conversations, run three ways: a real memcached, the embedded server, the engine by hand.

mod commands;
mod doors;
mod embedded;
mod engine;
mod memcached;
mod outcomes;
mod real;
mod script;
mod table;
mod through;
mod wire;
