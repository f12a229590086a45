//! Schemes that put points on a circle and look for the one next to the key.

use crate::{Scheme, key_hash, mix, name_hash};

/// The usual ring: so many points for each server, and the key belongs to the next one. 160 is what ketama has.
pub(crate) struct PointRing<const POINTS: u64> {
    points: Vec<(u64, u32)>,
}

impl<const POINTS: u64> Scheme for PointRing<POINTS> {
    const NAME: &str = "ring, 160 points each, binary search";
    const WEIGHTS: &str = "as points";

    fn new(names: &[String]) -> Self {
        Self { points: points(names, POINTS) }
    }

    fn route(&self, key: &[u8]) -> usize {
        successor(&self.points, key_hash(key))
    }

    fn bytes(&self) -> usize {
        size_of_val(self.points.as_slice())
    }
}

/// A ring of many points, with an index by the top bits of the hash, so that a search looks at a few points.
pub(crate) struct DenseRing {
    points: Vec<(u64, u32)>,
    /// Where the points of each bucket begin.
    begins: Vec<u32>,
    bits: u32,
}

impl Scheme for DenseRing {
    const NAME: &str = "dense ring, 2,048 points each, bucket index";
    const WEIGHTS: &str = "as points";

    fn new(names: &[String]) -> Self {
        let points = points(names, 2_048);
        let bits = points.len().ilog2();
        let begins = (0..1_u64 << bits)
            .map(|bucket| points.partition_point(|(at, _)| at >> (64 - bits) < bucket) as u32)
            .collect();
        Self { points, begins, bits }
    }

    fn route(&self, key: &[u8]) -> usize {
        let hash = key_hash(key);
        let begin = self.begins[(hash >> (64 - self.bits)) as usize] as usize;
        let next = self.points[begin..].iter().find(|(at, _)| *at >= hash);
        next.unwrap_or(&self.points[0]).1 as usize
    }

    fn bytes(&self) -> usize {
        size_of_val(self.points.as_slice()) + size_of_val(self.begins.as_slice())
    }
}

/// One point for each server and 21 for the key, of which the one closest to a server counts.
pub(crate) struct MultiProbe {
    points: Vec<(u64, u32)>,
}

impl Scheme for MultiProbe {
    const NAME: &str = "multi-probe, 21 probes";
    const WEIGHTS: &str = "as points";

    fn new(names: &[String]) -> Self {
        Self { points: points(names, 1) }
    }

    fn route(&self, key: &[u8]) -> usize {
        let hash = key_hash(key);
        let probe = |number: u64| {
            let at = mix(hash.wrapping_add(number));
            let next = self.points.partition_point(|(point, _)| *point < at);
            let (point, server) = self.points.get(next).unwrap_or(&self.points[0]);
            (point.wrapping_sub(at), *server)
        };
        (0..21).map(probe).min().map_or(0, |(_, server)| server as usize)
    }

    fn bytes(&self) -> usize {
        size_of_val(self.points.as_slice())
    }
}

fn points(names: &[String], per_server: u64) -> Vec<(u64, u32)> {
    let mut points: Vec<(u64, u32)> = (0..)
        .zip(names)
        .flat_map(|(place, name)| {
            let seed = name_hash(name);
            (0..per_server).map(move |number| (mix(seed.wrapping_add(mix(number))), place))
        })
        .collect();
    points.sort_unstable();
    points
}

fn successor(points: &[(u64, u32)], hash: u64) -> usize {
    let next = points.partition_point(|(at, _)| *at < hash);
    points.get(next).unwrap_or(&points[0]).1 as usize
}
