//! The engine, stepped by hand: a simulated wire and clock, and a line-echo protocol that has one of everything.
#![cfg(test)]

mod abuse;
mod candidate;
mod cuts;
mod deadlines;
mod floods;
mod inside;
mod leaving;
mod line;
mod lives;
mod memory;
mod model;
mod order;
mod overload;
mod pressed;
mod renewal;
mod server;
mod strays;
mod world;
