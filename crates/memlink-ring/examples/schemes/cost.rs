//! What the table of schemes does not show of memlink's own: making a ring with weights, and looking up in a cold one.

use std::hint::black_box;
use std::time::Instant;

use memlink_ring::Ring;

use crate::lookup_ns;

/// Prints how long a ring takes to make, by servers, with equal and with unequal weights.
pub(crate) fn making() {
    println!("\n| servers | equal weights, ms | weights from 7 to 807, ms |\n|---|---|---|");
    for servers_len in [2, 10, 100, 1_000, 10_000] {
        let equal = making_ms(servers_len, |_| 1);
        let unequal = making_ms(servers_len, |number| number % 9 * 100 + 7);
        println!("| {servers_len} | {equal:.1} | {unequal:.1} |");
    }
}

fn making_ms(servers_len: u32, weight: impl Fn(u32) -> u32) -> f64 {
    let names: Vec<String> = (0..servers_len).map(|number| format!("cache-{number}.example.net:11211")).collect();
    let mut best = f64::MAX;
    for _ in 0..7 {
        let start = Instant::now();
        black_box(Ring::new((0..).map(&weight).zip(&names).map(|(weight, name)| (name, weight)))).ok();
        best = best.min(start.elapsed().as_secs_f64() * 1_000.0);
    }
    best
}

/// Prints the time of a lookup when it goes to many rings in turn, so that the table asked is not in the nearest cache.
pub(crate) fn cold_lookups(keys: &[String]) {
    let Ok(ring) = Ring::new((0..100).map(|number| (format!("cache-{number}"), 1))) else {
        return;
    };
    println!("\n| rings asked in turn | MiB | lookup ns |\n|---|---|---|");
    // Odd numbers, so that a key meets another ring in every run.
    for rings_len in [1, 9, 257] {
        let rings = vec![ring.clone(); rings_len];
        let mut turn = rings.iter().cycle();
        let ns = lookup_ns(keys, |key| turn.next().map_or(0, |ring| ring.route(key)));
        println!("| {rings_len} | {:.1} | {ns:.1} |", (rings_len * Ring::SLOTS * 2) as f64 / 1_048_576.0);
    }
}
