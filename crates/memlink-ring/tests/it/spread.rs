//! Shares follow the weights. The bars are wide enough for any set of names, and those asked of the scheme.

use memlink_ring::Ring;

use crate::{equal_servers, keys};

#[test]
fn ten_equal_servers_stay_within_5_percent() {
    let ring = Ring::new(equal_servers(10)).unwrap();
    let mut served = [0; 10];
    keys(1_000_000).for_each(|key| served[ring.route(key.as_bytes())] += 1);
    assert!(served.iter().all(|keys| (95_000..=105_000).contains(keys)), "{served:?}");
}

#[test]
fn equal_servers_share_the_slots_whatever_their_names() {
    // Six standard deviations: about sqrt(len / 2^19) each.
    for (len, percent) in [(2, 1.2), (3, 1.5), (10, 2.7), (100, 8.3), (1_000, 26.2)] {
        for family in ["cache-", "10.0.0.", "メムキャッシュ"] {
            let servers = (0..len).map(|number| (format!("{family}{number}"), 1));
            let ring = Ring::new(servers).unwrap();
            let mut held = vec![0; len];
            ring.slots().for_each(|server| held[server] += 1);
            let fair = Ring::SLOTS as f64 / len as f64;
            for slots in held {
                let off = (f64::from(slots) / fair - 1.0).abs() * 100.0;
                assert!(off < percent, "{family}*: {off:.1} % off with {len} servers");
            }
        }
    }
}

#[test]
fn weights_are_shares() {
    check(&[1, 2, 4]);
    check(&[1, 1, 1, 1, 6]);
    check(&[u32::MAX, u32::MAX, u32::MAX / 2]);
    check(&[1_000, 1_001, 999, 10_000, 500]);
    check(&[1, 100]);
}

#[test]
fn a_share_below_one_slot_is_one_slot_or_none() {
    for name in 0..8 {
        let ring = Ring::new([(format!("dwarf-{name}"), 1), ("giant".to_owned(), u32::MAX)]).unwrap();
        assert!(ring.slots().filter(|server| *server == 0).count() <= 1);
    }
}

fn check(weights: &[u32]) {
    let servers = weights.iter().enumerate().map(|(place, weight)| (format!("cache-{place}"), *weight));
    let ring = Ring::new(servers).expect("a good list");
    let mut served = vec![0.0; weights.len()];
    let keys_len = 200_000;
    keys(keys_len).for_each(|key| served[ring.route(key.as_bytes())] += 1.0);
    let sum: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
    for (weight, keys) in weights.iter().zip(served) {
        let fair = f64::from(*weight) / sum * keys_len as f64;
        // Five standard deviations of the keys' own chance, and 2 % for the slots.
        let slack = 5.0 * fair.sqrt() + 0.02 * fair;
        assert!((keys - fair).abs() < slack, "{keys} keys for {weight} of {weights:?}, not {fair:.0}");
    }
}
