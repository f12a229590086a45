//! Everything at once, by chance.
