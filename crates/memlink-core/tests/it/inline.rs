//! Callers who write by themselves: what they may take, and what they tell the driver when they come back.

use std::time::Duration;

use memlink_core::{Broken, Limits, Tick};

use crate::line::{Kind, Line};
use crate::world::{NOT_SENT, UNKNOWN, World};

const STALL: u64 = 1_000;

fn inline() -> World {
    let limits = Limits { stall_timeout: Duration::from_nanos(STALL), ..Limits::default() };
    let mut world = World::new(Line::default(), limits);
    world.may_write_inline = true;
    world.open();
    world.take();
    world
}

#[test]
fn there_is_nothing_to_take_while_somebody_writes_or_before_it_is_open() {
    let mut world = inline();
    assert!(!world.begin_inline(1), "nothing is queued");
    world.submit(Kind::Echo);
    assert!(world.begin_inline(1));
    world.submit(Kind::Echo);
    assert!(world.connection.take_inline(Tick::ZERO).is_none(), "another caller writes");

    let mut world = World::new(Line { rounds: 1, ..Line::default() }, Limits::default());
    world.may_write_inline = true;
    world.open();
    assert!(world.connection.take_inline(Tick::ZERO).is_none(), "the opening exchange is the driver's");
}

/// The driver need not look as long as everything is written and it wakes early enough to see a silence.
#[test]
fn a_caller_that_has_written_tells_the_driver_only_of_what_is_left() {
    let after = |kind, n, more: bool, armed| {
        let mut world = inline();
        let _ = world.connection.arm(Tick::from_nanos(armed));
        world.submit(kind);
        assert!(world.begin_inline(n));
        if more {
            world.submit(Kind::Echo);
        }
        world.is_driver_woken = false;
        world.end_inline();
        world.is_driver_woken
    };
    assert!(!after(Kind::Echo, usize::MAX, false, STALL));
    assert!(after(Kind::Echo, usize::MAX, false, STALL + 1), "its timer is behind the silence");
    assert!(!after(Kind::Echo, usize::MAX, false, STALL - 1));
    assert!(after(Kind::Echo, 3, false, 1), "it was not written whole");
    assert!(after(Kind::Echo, usize::MAX, true, 1), "another command has come");
    assert!(after(Kind::Put(20_000), usize::MAX, false, 1), "a value is to be dropped");
}

#[test]
fn a_caller_that_comes_back_to_another_connection_tells_the_driver_of_what_is_to_be_dropped() {
    for (kind, is_woken) in [(Kind::Echo, false), (Kind::Put(20_000), true)] {
        let mut world = inline();
        world.submit(kind);
        assert!(world.begin_inline(5));
        world.lose(Broken::EndOfStream);
        world.open();
        world.take();
        world.end_inline();
        assert_eq!(world.is_driver_woken, is_woken, "{kind:?}");
    }
}

/// What a caller took and did not write is taken back, also when others have written before it and the driver has not looked since.
#[test]
fn what_a_caller_could_not_write_behind_others_was_not_sent() {
    let mut world = inline();
    let first = world.submit(Kind::Echo);
    assert!(world.begin_inline(usize::MAX));
    world.end_inline();
    let (second, third) = (world.submit_until(Kind::Echo, Tick::from_nanos(9)), world.submit(Kind::Echo));
    assert!(world.begin_inline(0));
    world.end_inline();
    world.now = 9;
    let ended = world.connection.handle_timeout(Tick::from_nanos(9), &mut world.transmit, &mut world.woken);
    assert_eq!(ended, Ok(()));
    world.wake();
    world.look_all();
    world.assert_failed(second, NOT_SENT);
    world.lose(Broken::EndOfStream);
    world.look_all();
    world.assert_failed(first, UNKNOWN);
    world.assert_failed(third, NOT_SENT);
    world.check_end();
}

/// As long as a caller has not come back nobody knows whether its command has left whole: the server owes nothing for it yet while
/// it takes bytes.
#[test]
fn a_command_that_is_written_by_its_caller_is_whole_when_that_has_come_back() {
    for (is_back, since) in [(false, 7), (true, 0)] {
        let mut world = inline();
        world.submit(Kind::Put(100));
        assert!(world.begin_inline(usize::MAX));
        if is_back {
            world.end_inline();
        }
        world.connection.poll_sent(&mut world.incoming);
        world.now = 7;
        world.end_inline();
        world.submit(Kind::Echo);
        world.take();
        world.write(3);
        assert_eq!(world.incoming.silent_since(), Some(Tick::from_nanos(since)));
    }
}
