//! Measures memlink's routing beside the schemes that were not chosen. Prints a table in Markdown.
//!
//! ```text
//! cargo run --release -p memlink-ring --example schemes
//! cargo run --release -p memlink-ring --example schemes -- named
//! ```
//!
//! The second measures the schemes of other clients in place of those. To count instructions, `lookups NAME SERVERS COUNT` does
//! so many lookups and prints nothing: `valgrind --tool=callgrind --toggle-collect='*look_up_all*'` counts them and nothing else.
//! `names` prints the names of all schemes.
//!
//! All schemes hash names and keys with XXH3-64 and give every server the weight 1. *Spread* is the least and the most
//! loaded server of 1,000,000 keys, as a share of the mean; the keys' own chance is part of it (1,000 servers: 3 % in one
//! standard deviation). *Foreign* is how many of the 1,000,000 keys move between two servers that are in both lists when
//! one in the middle is added, and when one is removed. *Lookup* is the time from key to server, hash included, each
//! lookup waiting for the one before it; keys have 14 to 30 bytes. Times are the best of some runs, in one thread.

mod cost;
mod named;
mod points;
mod rendezvous;
mod tables;

use std::hint::black_box;
use std::time::Instant;

use xxhash_rust::xxh3::xxh3_64;

const KEYS_LEN: usize = 1_000_000;

/// A way from key to server, to be compared with others.
trait Scheme {
    const NAME: &str;
    /// Whether and how weights can be given.
    const WEIGHTS: &str;

    fn new(names: &[String]) -> Self;
    fn route(&self, key: &[u8]) -> usize;
    /// What it holds on the heap.
    fn bytes(&self) -> usize;
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [] => compare(&keys(KEYS_LEN)),
        ["named"] => named::table(&keys(KEYS_LEN)),
        ["names"] => memlink_ring::schemes::Scheme::names().iter().for_each(|name| println!("{name}")),
        ["lookups", name, servers, count] => named::lookups(&keys(1_000), name, servers, count),
        _ => eprintln!("schemes: nothing, `named`, `names`, or `lookups NAME SERVERS COUNT`"),
    }
}

fn keys(len: usize) -> Vec<String> {
    (0..len as u64).map(key).collect()
}

/// memlink's own scheme beside those that were not chosen.
fn compare(keys: &[String]) {
    hashes(keys);
    for servers_len in [3, 10, 100, 1_000] {
        println!("\n{servers_len} servers\n");
        println!("| scheme | weights | spread | foreign, added | foreign, removed | lookup ns | build ms | KiB |");
        println!("|---|---|---|---|---|---|---|---|");
        measure::<rendezvous::Plain>(servers_len, keys);
        measure::<rendezvous::Weighted>(servers_len, keys);
        measure::<rendezvous::TwoLevels>(servers_len, keys);
        measure::<points::PointRing<160>>(servers_len, keys);
        measure::<points::DenseRing>(servers_len, keys);
        measure::<points::MultiProbe>(servers_len, keys);
        measure::<tables::Jump>(servers_len, keys);
        measure::<tables::Maglev>(servers_len, keys);
        measure::<rendezvous::Slots<16>>(servers_len, keys);
        measure::<rendezvous::Slots<18>>(servers_len, keys);
        measure::<tables::Claims<16>>(servers_len, keys);
        measure::<tables::Memlink>(servers_len, keys);
        measure::<tables::Claims<20>>(servers_len, keys);
    }
    println!("\nmemlink-ring alone");
    cost::making();
    cost::cold_lookups(keys);
}

/// Prints a row of the table.
fn measure<S: Scheme>(servers_len: usize, keys: &[String]) {
    let names: Vec<String> = (0..=servers_len).map(|number| format!("cache-{number}.example.net:11211")).collect();
    let middle = servers_len / 2;
    let mut all = names.clone();
    let newcomer = all.remove(middle);
    let mut fewer = all.clone();
    let gone = fewer.remove(middle);

    let mut build_ms = f64::MAX;
    for _ in 0..3 {
        let start = Instant::now();
        black_box(S::new(black_box(&all)));
        build_ms = build_ms.min(start.elapsed().as_secs_f64() * 1_000.0);
    }

    let scheme = S::new(&all);
    let before: Vec<usize> = keys.iter().map(|key| scheme.route(key.as_bytes())).collect();
    let mut served = vec![0_u32; servers_len];
    before.iter().for_each(|server| served[*server] += 1);
    let mean = keys.len() as f64 / servers_len as f64;
    let share = |keys: Option<&u32>| keys.map_or(0.0, |keys| f64::from(*keys) / mean);

    let foreign = |servers: &[String], changed: &str| {
        let after = S::new(servers);
        let moves = keys.iter().zip(&before).map(|(key, from)| (&all[*from], &servers[after.route(key.as_bytes())]));
        moves.filter(|(from, to)| from != to && *from != changed && *to != changed).count()
    };
    println!(
        "| {} | {} | {:.3} to {:.3} | {} | {} | {:.1} | {:.1} | {:.1} |",
        S::NAME,
        S::WEIGHTS,
        share(served.iter().min()),
        share(served.iter().max()),
        foreign(&names, &newcomer),
        foreign(&fewer, &gone),
        lookup_ns(keys, |key| scheme.route(key)),
        build_ms,
        scheme.bytes() as f64 / 1_024.0,
    );
}

/// Compares hashes of keys: XXH3 with what else one might write.
fn hashes(keys: &[String]) {
    println!("| hash of a key | ns |\n|---|---|");
    let fnv = |key: &[u8]| {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        mix(key.iter().fold(0xcbf2_9ce4_8422_2325, step))
    };
    let lanes = |key: &[u8]| {
        let lane = |hash: u64, bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            mix(hash ^ u64::from_le_bytes(word))
        };
        key.chunks(8).fold(key.len() as u64, lane)
    };
    println!("| XXH3-64 | {:.1} |", lookup_ns(keys, |key| key_hash(key) as usize));
    println!("| eight bytes at a time, mixed as in SplitMix64 | {:.1} |", lookup_ns(keys, |key| lanes(key) as usize));
    println!("| FNV-1a with a final mix | {:.1} |", lookup_ns(keys, |key| fnv(key) as usize));
}

/// The time of one call. Each waits for the result of the one before, as a command waits for its route.
fn lookup_ns(keys: &[String], mut route: impl FnMut(&[u8]) -> usize) -> f64 {
    // Few enough for the keys themselves to stay in the cache.
    let keys = &keys[..8_192];
    let mut best = f64::MAX;
    for _ in 0..7 {
        let mut last = 0;
        let start = Instant::now();
        for number in 0..keys.len() {
            // Adds nothing, but neither the compiler nor the processor can know that.
            let key = &keys[number.wrapping_add(black_box(last) & black_box(0))];
            last = route(key.as_bytes());
        }
        black_box(last);
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / keys.len() as f64);
    }
    best
}

/// Distinct keys of 14 to 30 bytes, as people build them.
fn key(number: u64) -> String {
    let digits = format!("{:08x}", number.wrapping_mul(0x9e37_79b1) as u32);
    match number % 3 {
        0 => format!("user:a{digits}"),
        1 => format!("session:{digits}:state"),
        _ => format!("article:{digits}:comments:abc"),
    }
}

fn key_hash(key: &[u8]) -> u64 {
    xxh3_64(key)
}

fn name_hash(name: &str) -> u64 {
    xxh3_64(name.as_bytes())
}

/// The last step of SplitMix64: spreads every bit over all others.
fn mix(number: u64) -> u64 {
    let once = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}
