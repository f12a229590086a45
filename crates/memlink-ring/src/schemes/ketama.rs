//! What the ketama family has in common: points from MD5, and how many of them a weight buys.

use alloc::format;

use super::{SchemeError, Server, points::Drawing};
use crate::hash::md5::point4;

/// Strings per server where weights are not counted; four points come from each.
pub(super) const STRINGS: u32 = 40;

/// The four points of each of `name-0`, `name-1` and so on.
pub(super) fn draw(drawing: &mut Drawing<u32>, owner: u16, name: &str, strings: u32) -> Result<(), SchemeError> {
    drawing.reserve(u64::from(strings) * 4)?;
    (0..strings).try_for_each(|number| drawing.add(owner, point4(format!("{name}-{number}").as_bytes())))
}

/// How many strings the weight of a server buys, computed as libmemcached does: in 32-bit floating point, every step of it.
///
/// Equal weights do not always buy 40: with 25, 47, 50, 55, 61, 71, 94 or 100 servers a rounding loses one, and with it
/// four points. Better arithmetic would make another ring.
#[derive(Clone, Copy)]
pub(super) struct Shares {
    sum: f32,
    servers: f32,
}

impl Shares {
    pub(super) fn new(servers: &[Server]) -> Self {
        let sum: u64 = servers.iter().map(|server| u64::from(server.weight())).sum();
        Self { sum: sum as f32, servers: servers.len() as f32 }
    }

    pub(super) fn strings(self, weight: u32) -> u32 {
        let share = weight as f32 / self.sum;
        // A conversion to an integer cuts off, which is the floor of what is not negative.
        (share * 160.0 / 4.0 * self.servers + 1e-10) as u32
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn equal_weights_lose_a_string_at_some_sizes() {
        let strings = |len: usize| Shares::new(&vec![Server::new("a", 1).unwrap(); len]).strings(1);
        let lossy = [25, 47, 50, 55, 61, 71, 94, 100];
        for len in 1..=100 {
            assert_eq!(strings(len), if lossy.contains(&len) { 39 } else { 40 }, "{len} servers");
        }
    }
}
