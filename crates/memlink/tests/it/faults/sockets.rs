//! What only real sockets can do.
