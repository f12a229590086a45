//! The client against real servers: memcached processes, the embedded server, and strangers that are neither.

mod bulk;
mod cancel;
mod deadlines;
mod input;
mod leases;
mod lifecycle;
mod memcached;
mod million;
mod outage;
mod pipe;
mod show;
mod strangers;
mod table;
mod verbs;
mod wait;
