//! The embedded server against a real memcached, against random input, and as
//! a thread with sockets.

mod against_memcached;
mod reference;
mod script;
