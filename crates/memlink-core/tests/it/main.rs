//! The engine, stepped by hand: a simulated wire and clock, and a line-echo protocol that has one of everything.
#![cfg(test)]

mod cuts;
mod inside;
mod leaving;
mod line;
mod model;
mod order;
mod server;
mod world;
