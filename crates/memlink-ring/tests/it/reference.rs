//! The specification of `docs/routing.md`, written as directly as possible, against the library's quick way.
//!
//! The reference hands out slots strictly in the order of time from a heap, so it knows no passes, evicts nobody and
//! keeps no second table. It shares the hash of names with the library, which the golden values pin.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use memlink_ring::Ring;
use xxhash_rust::xxh3::xxh3_64;

#[test]
fn ring_equals_the_specification() {
    let uneven: Vec<(String, u32)> = (0..40).map(|number| (format!("s{number}"), number * number)).collect();
    let crowd: Vec<(String, u32)> =
        (0..3_000).map(|number| (format!("10.1.{}.{}", number / 250, number % 250), 1)).collect();
    let dwarfs = vec![
        ("giant".to_owned(), u32::MAX),
        ("dwarf".to_owned(), 1),
        ("child".to_owned(), 70_000),
        ("giant's brother".to_owned(), u32::MAX - 1),
    ];
    for servers in [uneven, crowd, dwarfs] {
        let slots: Vec<usize> = Ring::new(servers.clone()).unwrap().slots().collect();
        assert!(slots == reference(&servers), "servers: {servers:?}");
    }
}

fn reference(servers: &[(String, u32)]) -> Vec<usize> {
    let mut claims: BinaryHeap<Reverse<Claim<'_>>> = BinaryHeap::new();
    for (place, (name, weight)) in servers.iter().enumerate() {
        if *weight > 0 {
            let mut state = xxh3_64(name.as_bytes());
            let phase = split_mix(&mut state) >> 32;
            let moment = u128::from(phase);
            claims.push(Reverse(Claim { moment, weight: u128::from(*weight), name, place, state }));
        }
    }
    let mut owners: Vec<Option<usize>> = vec![None; 262_144];
    let mut free_len = owners.len();
    while free_len > 0 {
        let mut first = claims.peek_mut().expect("a server never stops claiming");
        let Reverse(claim) = &mut *first;
        let slot = (split_mix(&mut claim.state) >> 46) as usize;
        if owners[slot].is_none() {
            owners[slot] = Some(claim.place);
            free_len -= 1;
        }
        claim.moment += 1 << 32;
    }
    owners.into_iter().flatten().collect()
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let once = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    twice ^ (twice >> 31)
}

/// A server at its next claim; the lesser claims first.
struct Claim<'a> {
    moment: u128,
    weight: u128,
    name: &'a str,
    place: usize,
    state: u64,
}

impl Ord for Claim<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.moment * other.weight).cmp(&(other.moment * self.weight)).then_with(|| self.name.cmp(other.name))
    }
}

impl PartialOrd for Claim<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Claim<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Claim<'_> {}
