//! The client against real servers: memcached processes, the embedded server, and strangers that are neither.
#![cfg(test)]

mod bulk;
mod cancel;
mod crowding;
mod deadlines;
mod doors;
mod faults;
mod generic;
mod input;
mod leases;
mod lifecycle;
mod memcached;
mod mended;
mod million;
mod outage;
mod pipe;
mod pool;
mod show;
mod strangers;
mod table;
#[cfg(feature = "tls")]
mod tls;
mod verbs;
mod wait;
