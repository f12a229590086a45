//! The schemes of other clients: their own answers, and what holds for all of them.

mod hashes;
mod input;
mod moves;
mod random;
mod vectors;

use memlink_ring::schemes::{Scheme, Server};

/// The 400 keys of the golden vectors.
fn golden_keys() -> Vec<Vec<u8>> {
    let keys: Vec<Vec<u8>> = include_str!("../../golden/keys.txt").lines().map(unescaped).collect();
    assert_eq!(keys.len(), 400);
    keys
}

fn unescaped(line: &str) -> Vec<u8> {
    let mut parts = line.split("\\x");
    let mut key = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at(2);
        key.push(u8::from_str_radix(digits, 16).expect("two digits"));
        key.extend(rest.as_bytes());
    }
    key
}

/// The servers of a set, `A`, `C` or `D`.
fn golden_servers(set: &str) -> Vec<Server> {
    let lines = include_str!("../../golden/servers.txt").lines().filter_map(|line| line.strip_prefix(set));
    lines.map(|line| Server::parse(line.trim()).expect("a good server")).collect()
}

fn unweighted(servers: Vec<Server>) -> Vec<Server> {
    servers.into_iter().map(|server| server.with_weight(1)).collect()
}

/// Every scheme that has a name.
fn all_schemes() -> Vec<Scheme> {
    let schemes: Vec<Scheme> = Scheme::names().iter().map(|name| name.parse().expect("its own name")).collect();
    assert!(schemes.len() > 100);
    schemes
}
