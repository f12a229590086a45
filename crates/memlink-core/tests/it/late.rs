//! Those in line who cannot be answered in time are told so when it is their turn.

use memlink_core::{Cause, Limits, Tick};

use crate::line::Kind;
use crate::world::{Ended, NOT_SENT, World};

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;

/// The server gives one more reply.
fn answer(world: &mut World, at: u64) {
    world.now = at;
    let before = world.stats().replied;
    while world.stats().replied == before {
        assert_eq!(world.deliver(1), 1, "nothing is owed");
    }
}

/// Three are in flight and one is in line, on a server that is known to answer one in two milliseconds.
fn paced(limits: Limits) -> World {
    let mut world = World::open_with(limits);
    for _ in 0..4 {
        world.submit(Kind::Echo);
    }
    for at in (2..=110).step_by(2) {
        world.take();
        world.write(usize::MAX);
        answer(&mut world, at * MILLI);
        world.look_all();
        world.submit(Kind::Echo);
    }
    world.take();
    world.write(usize::MAX);
    assert_eq!((world.stats().in_flight, world.stats().waiting), (3, 1));
    world
}

#[test]
fn whoever_cannot_be_answered_in_time_is_told_when_it_is_its_turn() {
    // As the third to be answered, in six milliseconds and a quarter more.
    for (micros, is_late) in [(6_000, true), (7_499, true), (7_500, false)] {
        let mut world = paced(Limits { in_flight_max: 3, ..Limits::default() });
        let turn = world.now + 4 * MILLI;
        let n = world.submit_until(Kind::Echo, Tick::from_nanos(turn + micros * MICRO));
        answer(&mut world, turn - 2 * MILLI);
        world.look_all();
        assert!(world.ended(n).is_none() && !world.callers[n].is_woken, "it is not the first in line");
        let before = world.stats();
        answer(&mut world, turn);
        world.look_all();
        let (expired, failed) = (world.stats().expired - before.expired, world.stats().failed - before.failed);
        if is_late {
            assert_eq!(world.ended(n), Some(&Ended::Failed(NOT_SENT, Cause::Deadline)), "{micros} µs");
            assert_eq!((expired, failed), (1, 1));
        } else {
            assert_eq!((world.ended(n), expired, failed), (None, 0, 0), "{micros} µs");
        }
        world.turn();
        world.check_end();
    }
}

/// How fast a server is shows only while it is never without a command: nobody is sent away for what was seen before there was a line.
#[test]
fn the_pace_of_a_server_that_nobody_waits_for_says_nothing() {
    let mut world = World::open_with(Limits { in_flight_max: 3, ..Limits::default() });
    for at in (2..=300).step_by(2) {
        world.submit(Kind::Echo);
        world.take();
        world.write(usize::MAX);
        answer(&mut world, at * MILLI);
        world.look_all();
    }
    for _ in 0..3 {
        world.submit(Kind::Echo);
    }
    let in_line = world.submit_until(Kind::Echo, Tick::from_nanos(303 * MILLI));
    world.take();
    world.write(usize::MAX);
    answer(&mut world, 302 * MILLI);
    assert!(world.callers[in_line].is_woken);
    world.turn();
    world.assert_replied(in_line);
    world.check_end();
}

/// Whoever leaves the line wakes nobody who is too late: the driver tells them.
#[test]
fn the_driver_is_woken_for_one_who_is_too_late() {
    let mut world = paced(Limits { in_flight_max: 3, queued_bytes_max: 200, ..Limits::default() });
    let at = world.now + 6 * MILLI;
    world.submit(Kind::Echo);
    let leaves = world.submit(Kind::Put(1_000));
    let late = world.submit_until(Kind::Echo, Tick::from_nanos(at + MILLI));
    for before in [4, 2] {
        answer(&mut world, at - before * MILLI);
        world.look_all();
        // The first has to be written; the second stays queued as long as it is not. So there is no room for the large one, and nobody
        // goes before it.
        world.take();
    }
    answer(&mut world, at);
    assert!(!world.callers[leaves].is_woken && !world.callers[late].is_woken && !world.is_driver_woken);
    world.leave(leaves);
    assert!(world.is_driver_woken && !world.callers[late].is_woken);
    world.take();
    world.look_all();
    assert_eq!(world.ended(late), Some(&Ended::Failed(NOT_SENT, Cause::Deadline)));
    world.turn();
    world.check_end();
}
