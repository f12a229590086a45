//! What the routing promises, a module per promise.

mod golden;
mod input;
mod moves;
mod reference;
#[cfg(feature = "schemes")]
mod schemes;
mod spread;

/// `len` servers of weight 1, named as people name them.
fn equal_servers(len: usize) -> Vec<(String, u32)> {
    (0..len).map(|number| (format!("cache-{number}.example.net:11211"), 1)).collect()
}

/// Keys that differ in a few digits, which is harder on a hash than random ones.
fn keys(len: usize) -> impl Iterator<Item = String> {
    (0..len).map(|number| format!("user:{number:07}:profile"))
}
