//! The embedded server against a real memcached, against random bytes, and as a
//! thread with sockets.

// The attribute tells the lints that all of this is test code.
#[cfg(test)]
mod against_memcached;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod random_bytes;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod script;
#[cfg(test)]
mod server;
