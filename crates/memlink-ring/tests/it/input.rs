//! Lists of servers that make no ring, and those at the border that do.

use memlink_ring::{Ring, RingError, Router};

use crate::{equal_servers, keys};

#[test]
fn bad_lists_are_refused() {
    let none: [(&str, u32); 0] = [];
    check(Ring::new(none), RingError::NoServers, "the list of servers is empty");
    check(Ring::new([("a", 0), ("b", 0)]), RingError::NoWeight, "every server has weight 0");
    check(
        Ring::new([("b", 1), ("a", 1), ("c", 1), ("a", 7), ("a", 1)]),
        RingError::DuplicateName { first: 1, second: 3 },
        "servers 1 and 3 of the list have the same name",
    );
    // A drained server is still a server, and its name still taken.
    check(
        Ring::new([("a", 0), ("a", 1)]),
        RingError::DuplicateName { first: 0, second: 1 },
        "servers 0 and 1 of the list have the same name",
    );
    check(Ring::new(equal_servers(Ring::SERVERS_MAX + 1)), RingError::TooManyServers, "more than 65535 servers");
    check(Ring::new(std::iter::repeat(("endless", 1))), RingError::TooManyServers, "more than 65535 servers");
}

fn check(ring: Result<Ring, RingError>, error: RingError, text: &str) {
    assert_eq!(ring.err(), Some(error));
    assert_eq!(error.to_string(), text);
}

#[test]
fn the_longest_list_is_taken() {
    let ring = Ring::new(equal_servers(Ring::SERVERS_MAX)).unwrap();
    assert_eq!(ring.slots().len(), Ring::SLOTS);
    assert!(ring.slots().max() > Some(Ring::SERVERS_MAX * 99 / 100));
    assert!(ring.slots().max() < Some(Ring::SERVERS_MAX));
}

#[test]
fn one_server_takes_every_key() {
    for weight in [1, u32::MAX] {
        let ring = Ring::new([("only", weight)]).unwrap();
        assert!(keys(1_000).all(|key| ring.route(key.as_bytes()) == 0));
        assert!(ring.slots().eq(std::iter::repeat_n(0, Ring::SLOTS)));
    }
}

#[test]
fn weight_0_takes_no_key_and_keeps_its_index() {
    let drained = Ring::new([("a", 1), ("b", 0), ("c", 1)]).unwrap();
    let without = Ring::new([("a", 1), ("c", 1)]).unwrap();
    assert!(drained.slots().eq(without.slots().map(|server| [0, 2][server])));

    let only = Ring::new([("a", 0), ("b", 5), ("c", 0)]).unwrap();
    assert!(only.slots().all(|server| server == 1));
}

#[test]
fn names_are_bytes() {
    let bytes: [(&[u8], u32); 3] = [(b"", 1), (b"\xff\x00", 1), (b"\xff", 1)];
    let ring = Ring::new(bytes).unwrap();
    let mut served = [0; 3];
    ring.slots().for_each(|server| served[server] += 1);
    assert!(served.iter().all(|slots| *slots > Ring::SLOTS * 32 / 100), "{served:?}");
}

#[test]
fn a_ring_is_a_router_and_prints_short() {
    let router: Box<dyn Router> = Box::new(Ring::new([("a", 1), ("b", 1)]).unwrap());
    assert!(router.route(b"key") < 2);
    assert_eq!(format!("{:?}", Ring::new([("a", 1), ("b", 1)]).unwrap()), "Ring { .. }");
}
