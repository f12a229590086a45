//! A change of the list moves keys only to or from the servers that changed.
//!
//! The mapping of slots is compared, all of it, which covers every key there is; a sample of keys then shows that keys
//! follow their slots.

use memlink_ring::Ring;

use crate::{equal_servers, keys};

type Servers = Vec<(String, u32)>;

#[test]
fn order_of_the_list_does_not_matter() {
    let servers = [("cache-1", 1), ("cache-2", 5), ("cache-3", 2), ("größe", 5)];
    let expected = names_by_slot(&servers);
    let mut orders = 0;
    for a in 0..4 {
        for b in (0..4).filter(|b| *b != a) {
            for c in (0..4).filter(|c| *c != a && *c != b) {
                let order = [a, b, c, 6 - a - b - c].map(|place| servers[place]);
                assert!(names_by_slot(&order) == expected, "{order:?}");
                orders += 1;
            }
        }
    }
    assert_eq!(orders, 24);
}

#[test]
fn order_of_a_long_list_does_not_matter() {
    let servers = uneven_servers(500);
    let expected = names_by_slot(&servers);
    let mut shuffled = servers.clone();
    shuffled.reverse();
    assert!(names_by_slot(&shuffled) == expected);
    shuffled.sort_by_key(|(name, _)| (name.len(), name.bytes().map(u32::from).sum::<u32>()));
    assert!(names_by_slot(&shuffled) == expected);
}

#[test]
fn an_added_server_only_takes() {
    for len in [1, 2, 10, 999] {
        for before in [equal_servers(len), uneven_servers(len)] {
            let mut after = before.clone();
            after.insert(len / 2, ("newcomer".to_owned(), 3));
            check(&before, &after, "newcomer");
        }
    }
}

#[test]
fn a_removed_server_only_gives() {
    for len in [2, 10, 1_000] {
        for before in [equal_servers(len), uneven_servers(len)] {
            let mut after = before.clone();
            let (gone, _) = after.remove(len / 2);
            check(&before, &after, &gone);
        }
    }
}

#[test]
fn a_heavier_server_only_takes_and_a_lighter_only_gives() {
    let heaviest = u32::MAX;
    for (light, heavy) in [(0, 1), (1, 2), (2, 3), (1, heaviest), (heaviest - 1, heaviest)] {
        for mut lighter in [equal_servers(10), uneven_servers(30)] {
            let mut heavier = lighter.clone();
            lighter[4].1 = light;
            heavier[4].1 = heavy;
            let changed = &heavier[4].0;
            let up = check(&lighter, &heavier, changed);
            assert_eq!(up.lost, 0, "{changed} lost slots from {light} to {heavy}");
        }
    }
}

#[test]
fn a_million_keys_follow_their_slots() {
    let before = equal_servers(10);
    let mut fewer = before.clone();
    let (gone, _) = fewer.remove(3);
    let mut more = before.clone();
    more.insert(6, ("newcomer".to_owned(), 1));
    let mut heavier = before.clone();
    heavier[8].1 = 2;
    let changes = [(fewer, gone), (more, "newcomer".to_owned()), (heavier, before[8].0.clone())];

    let ring_of = |servers: &Servers| Ring::new(servers.clone()).unwrap();
    let old = ring_of(&before);
    let rings = changes.each_ref().map(|(after, _)| ring_of(after));
    let mut moved = [0; 3];
    for key in keys(1_000_000) {
        let (from, _) = &before[old.route(key.as_bytes())];
        for (number, (after, changed)) in changes.iter().enumerate() {
            let (to, _) = &after[rings[number].route(key.as_bytes())];
            if from != to {
                assert!(from == changed || to == changed, "{key} moved from {from} to {to}");
                moved[number] += 1;
            }
        }
    }
    // A tenth goes, an eleventh comes, and 2/11 - 1/10 go to the heavier one; 5 % of slack.
    for (moved, expected) in moved.iter().zip([100_000, 90_909, 81_818]) {
        assert!((expected * 95 / 100..expected * 105 / 100).contains(moved), "{moved} keys moved");
    }
}

/// How many slots a server has more, and how many it has no longer.
struct Change {
    gained: usize,
    lost: usize,
}

/// No slot may pass between servers other than `changed`, and as many must move as the weights ask for.
fn check(before: &Servers, after: &Servers, changed: &str) -> Change {
    let (old, new) = (names_by_slot(before), names_by_slot(after));
    let mut change = Change { gained: 0, lost: 0 };
    for (from, to) in old.iter().zip(&new).filter(|(from, to)| from != to) {
        match (*from == changed, *to == changed) {
            (true, _) => change.lost += 1,
            (_, true) => change.gained += 1,
            _ => unreachable!("a slot moved from {from} to {to} when {changed} changed"),
        }
    }

    let difference = (share(before, changed) - share(after, changed)).abs() * Ring::SLOTS as f64;
    // Six standard deviations, and a little for shares of a slot or two.
    let slack = 6.0 * difference.sqrt() + 6.0;
    let moved = (change.gained + change.lost) as f64;
    assert!((moved - difference).abs() < slack, "{moved} slots moved, not {difference}");
    change
}

/// The share of the keys that is due to the server called `name`, if there is one.
fn share(servers: &Servers, name: &str) -> f64 {
    let sum: f64 = servers.iter().map(|(_, weight)| f64::from(*weight)).sum();
    servers.iter().find(|(other, _)| other == name).map_or(0.0, |(_, weight)| f64::from(*weight) / sum)
}

fn names_by_slot<N: AsRef<str>>(servers: &[(N, u32)]) -> Vec<&str> {
    let list = servers.iter().map(|(name, weight)| (name.as_ref(), *weight));
    let ring = Ring::new(list).expect("a good list");
    ring.slots().map(|server| servers[server].0.as_ref()).collect()
}

fn uneven_servers(len: usize) -> Servers {
    (0..len).map(|number| (format!("10.0.{}.{}", number / 256, number % 256), number as u32 % 7 + 1)).collect()
}
