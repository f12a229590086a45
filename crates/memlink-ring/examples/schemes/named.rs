//! The schemes of other clients: how evenly they spread keys, what a removal moves, and what a lookup costs.

use std::hint::black_box;
use std::time::Instant;

use memlink_ring::Ring;
use memlink_ring::schemes::{Scheme, SchemeRing, Server};

use crate::lookup_ns;

/// Prints a row for each scheme.
pub(crate) fn table(keys: &[String]) {
    println!("| scheme | spread, 10 servers | foreign | lookup ns, 3 | 30 | 300 servers | build ms | KiB |");
    println!("|---|---|---|---|---|---|---|---|");
    let rings = [own(3), own(30), own(300)];
    if let ([Some(few), Some(some), Some(many)], Some(ten)) = (rings, own(10)) {
        let (least, most) = spread(keys, 10, |key| ten.route(key));
        let ns = [few, some, many].map(|ring| lookup_ns(keys, |key| ring.route(key)));
        println!(
            "| memlink's own | {least:.3} to {most:.3} | 0 | {:.0} | {:.0} | {:.0} | 11 | 512 |",
            ns[0], ns[1], ns[2]
        );
    }
    for name in Scheme::names() {
        let name = name.as_str();
        let Some(ten) = ring(name, &servers(10)) else {
            println!("| {name} | makes no ring |");
            continue;
        };
        let (least, most) = spread(keys, 10, |key| ten.route(key));
        let mut fewer = servers(10);
        fewer.remove(5);
        let foreign = ring(name, &fewer).map_or(0, |after| foreign(keys, &ten, &after, 5));
        let ns = [3, 30, 300]
            .map(|len| ring(name, &servers(len)).map_or(0.0, |ring| lookup_ns(keys, |key| ring.route(key))));
        let mut build_ms = f64::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            black_box(ring(name, &servers(300)));
            build_ms = build_ms.min(start.elapsed().as_secs_f64() * 1_000.0);
        }
        let many = ring(name, &servers(300));
        let kib = many.map_or(0.0, |ring| ring.bytes() as f64 / 1_024.0);
        println!(
            "| {name} | {least:.3} to {most:.3} | {foreign} | {:.0} | {:.0} | {:.0} | {build_ms:.1} | {kib:.1} |",
            ns[0], ns[1], ns[2],
        );
    }
}

/// Looks up, and nothing else, for a counter of instructions.
pub(crate) fn lookups(keys: &[String], name: &str, servers_len: &str, count: &str) {
    let (Ok(servers_len), Ok(count)) = (servers_len.parse(), count.parse::<usize>()) else {
        return eprintln!("schemes: SERVERS and COUNT are numbers");
    };
    match (name, own(servers_len), ring(name, &servers(servers_len))) {
        ("memlink", Some(ring), _) => look_up_all(keys, count, |key| ring.route(key)),
        (_, _, Some(ring)) => look_up_all(keys, count, |key| ring.route(key)),
        _ => eprintln!("schemes: no ring of {servers_len} servers by {name}"),
    }
}

/// memlink's own.
fn own(servers_len: usize) -> Option<Ring> {
    Ring::new(servers(servers_len).iter().map(|server| (server.host().to_owned(), 1))).ok()
}

/// A function of its own, so that a counter can tell it from the making of the ring.
#[inline(never)]
fn look_up_all(keys: &[String], count: usize, route: impl Fn(&[u8]) -> usize) {
    for key in keys.iter().cycle().take(count) {
        black_box(route(black_box(key.as_bytes())));
    }
}

fn ring(name: &str, servers: &[Server]) -> Option<SchemeRing> {
    name.parse::<Scheme>().ok()?.ring(servers).ok()
}

fn servers(len: usize) -> Vec<Server> {
    (0..len)
        .filter_map(|number| Server::new(format!("10.0.{}.{}", number / 200, number % 200 + 1), 11211).ok())
        .collect()
}

/// The least and the most loaded server, as a share of the mean.
fn spread(keys: &[String], servers_len: usize, route: impl Fn(&[u8]) -> usize) -> (f64, f64) {
    let mut served = vec![0_u32; servers_len];
    keys.iter().for_each(|key| served[route(key.as_bytes())] += 1);
    let share = |keys: Option<&u32>| keys.map_or(0.0, |keys| f64::from(*keys) * servers_len as f64);
    let len = keys.len() as f64;
    (share(served.iter().min()) / len, share(served.iter().max()) / len)
}

/// How many keys move between two servers that stay.
fn foreign(keys: &[String], before: &SchemeRing, after: &SchemeRing, gone: usize) -> usize {
    let moved = |key: &&String| {
        let (from, to) = (before.route(key.as_bytes()), after.route(key.as_bytes()));
        from != gone && from != if to < gone { to } else { to + 1 }
    };
    keys.iter().filter(moved).count()
}
