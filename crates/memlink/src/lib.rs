//! memlink
