//! The client against real servers: memcached processes, the embedded server, and strangers that are neither.

mod bulk;
mod leases;
mod memcached;
mod show;
mod table;
mod verbs;
mod wait;
