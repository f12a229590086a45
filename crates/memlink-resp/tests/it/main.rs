//! The client against real redis-server processes, and against strangers that play what a real one does not do when asked.
#![cfg(test)]

mod cancel;
mod million;
mod opening;
mod outage;
mod redis;
mod scripted;
mod shared;
mod sockets;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod types;
mod verbs;
mod wait;
