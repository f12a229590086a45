//! The engine, stepped by hand: a simulated wire and clock, and a line-echo protocol that has one of everything.
#![cfg(test)]

mod abuse;
mod candidate;
mod cuts;
mod deadlines;
mod floods;
mod incoming;
mod inline;
mod inside;
mod late;
mod leaving;
mod line;
mod lives;
mod memory;
mod model;
mod order;
mod overload;
mod pressed;
mod promised;
mod renewal;
mod server;
mod strays;
mod suspended;
mod told;
mod world;
