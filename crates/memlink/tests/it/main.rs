//! The client against real servers: memcached processes, the embedded server, and strangers that are neither.
#![cfg(test)]

mod book;
mod bulk;
mod cancel;
mod crowding;
#[cfg(target_os = "linux")]
mod dead_link;
mod deadlines;
mod discovery;
mod doors;
mod faults;
mod generic;
mod health;
mod input;
mod leases;
mod lifecycle;
mod memcached;
mod mended;
mod million;
#[cfg(target_os = "linux")]
mod names;
mod outage;
mod pipe;
mod policy;
mod pool;
mod renewal;
mod show;
mod strangers;
mod stream;
mod table;
#[cfg(feature = "tls")]
mod tls;
mod topology;
mod verbs;
mod wait;
