//! Room that is promised to somebody who does not come for it.

use std::time::Duration;

use memlink_core::{Broken, Cause, Limits, Tick};

use crate::line::Kind;
use crate::world::{Ended, NOT_SENT, UNKNOWN, World};

/// As long as room is kept while others wait.
const AGE: u64 = 250_000_000;

fn narrow() -> Limits {
    // Room for one command, by number and by bytes.
    Limits { in_flight_max: 1, queued_bytes_max: 30, stall_timeout: Duration::from_secs(60), ..Limits::default() }
}

/// One command is answered, and the next in line was promised its room and sleeps.
fn promised(limits: Limits, deadline: Tick) -> (World, usize) {
    let mut world = World::open_with(limits);
    let first = world.submit(Kind::Echo);
    let sleeper = world.submit_until(Kind::Echo, deadline);
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    world.look(first);
    world.assert_replied(first);
    assert!(world.callers[sleeper].is_woken);
    (world, sleeper)
}

#[test]
fn room_is_kept_for_ever_while_nobody_stands_behind() {
    let (mut world, sleeper) = promised(narrow(), Tick::NEVER);
    assert_eq!(world.connection.poll_timeout(), Tick::NEVER);
    for now in [1, AGE, 100 * AGE] {
        world.pass(now);
        assert_eq!(world.connection.poll_timeout(), Tick::NEVER);
    }
    let late = world.submit(Kind::Echo);
    world.look(sleeper);
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    world.look(sleeper);
    world.assert_replied(sleeper);
    world.turn();
    world.assert_replied(late);
    world.check_end();
}

#[test]
fn room_that_nobody_comes_for_goes_to_the_next_and_the_sleeper_keeps_its_place() {
    let (mut world, sleeper) = promised(narrow(), Tick::NEVER);
    let (next, last) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
    assert_eq!(world.connection.poll_timeout(), Tick::ZERO, "it was not noted yet since when somebody waits");
    world.pass(5);
    assert_eq!(world.connection.poll_timeout(), Tick::from_nanos(5 + AGE));
    world.pass(4 + AGE);
    assert!(!world.callers[next].is_woken, "not yet");
    world.pass(5 + AGE);
    assert!(world.callers[next].is_woken && !world.callers[last].is_woken);
    world.look(next);
    // The sleeper comes: it is in line again, before everybody who came later.
    world.look(sleeper);
    assert!(world.ended(sleeper).is_none());
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    assert!(world.callers[sleeper].is_woken && !world.callers[last].is_woken);
    world.turn();
    for n in [sleeper, next, last] {
        world.assert_replied(n);
    }
    world.check_end();
}

#[test]
fn a_promise_that_is_younger_is_kept() {
    let (mut world, sleeper) = promised(narrow(), Tick::NEVER);
    let (next, last) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
    world.pass(1);
    world.look(sleeper);
    world.take();
    world.write(usize::MAX);
    world.now = AGE;
    world.deliver(usize::MAX);
    assert!(world.callers[next].is_woken, "it is promised the room just before");
    world.pass(1 + AGE);
    assert!(!world.callers[last].is_woken, "and keeps it");
    world.pass(1 + 2 * AGE);
    assert!(world.callers[last].is_woken, "but not for ever");
    world.turn();
    for n in [sleeper, next, last] {
        world.assert_replied(n);
    }
    world.check_end();
}

#[test]
fn room_of_a_sleeper_that_comes_too_late_goes_to_the_next() {
    let (mut world, sleeper) = promised(narrow(), Tick::from_nanos(100));
    let next = world.submit(Kind::Echo);
    world.pass(99);
    assert!(!world.callers[next].is_woken);
    world.pass(100);
    assert!(world.callers[next].is_woken);
    world.look(sleeper);
    assert_eq!(world.ended(sleeper), Some(&Ended::Failed(NOT_SENT, Cause::Deadline)));
    assert_eq!((world.stats().expired, world.stats().failed, world.stats().abandoned), (1, 1, 0));
    world.turn();
    world.assert_replied(next);
    world.check_end();
}

/// Whoever was promised room on a connection that is lost stands in line again; nobody takes its place there when it expires.
#[test]
fn a_place_in_line_is_free_again_when_a_sleeper_expires() {
    let limits = Limits { waiting_max: 1, ..narrow() };
    let (mut world, sleeper) = promised(limits, Tick::from_nanos(100));
    world.lose(Broken::EndOfStream);
    assert!(world.connection.is_wanted(), "somebody sleeps who wants it");
    let refused = world.submit(Kind::Echo);
    assert_eq!(world.ended(refused), Some(&Ended::Failed(NOT_SENT, Cause::QueueFull)));
    world.pass(100);
    world.look(sleeper);
    world.assert_failed(sleeper, NOT_SENT);
    assert!(!world.connection.is_wanted());
    let next = world.submit(Kind::Echo);
    assert!(world.ended(next).is_none(), "there is room in line");
    world.open();
    world.turn();
    world.assert_replied(next);
    world.check_end();
}

#[test]
fn what_has_expired_in_flight_is_counted_as_abandoned() {
    let mut world = World::open_with(Limits::default());
    for n in 0..3 {
        world.submit_until(Kind::Echo, Tick::from_nanos(10 + n));
    }
    world.take();
    world.write(usize::MAX);
    for n in 0..3 {
        world.pass(10 + n);
        let stats = world.stats();
        assert_eq!((stats.expired, stats.failed, stats.abandoned), (n + 1, n + 1, n + 1));
        assert_eq!(stats.abandoned_now as u64, n + 1);
    }
    world.look_all();
    (0..3).for_each(|n| world.assert_failed(n, UNKNOWN));
    world.turn();
    world.check_end();
}
