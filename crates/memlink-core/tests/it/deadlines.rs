//! Every wait ends at its tick, and not one earlier.

use std::time::Duration;

use memlink_core::{Broken, Cause, Limits, Tick};

use crate::line::{Kind, Line};
use crate::world::{Ended, NOT_SENT, UNKNOWN, World};

const DEADLINE: u64 = 1_000;

/// Brings a world to where the command of caller 0 is in some phase, and says how it ends there.
type Phase = (&'static str, fn() -> World, memlink_core::Outcome);

fn closed() -> World {
    World::new(Line { rounds: 1, ..Line::default() }, Limits { in_flight_max: 1, ..Limits::default() })
}

fn submit(world: &mut World) {
    let n = world.submit_until(Kind::Put(30), Tick::from_nanos(DEADLINE));
    assert_eq!(world.callers.len() - 1, n);
}

fn open() -> World {
    let mut world = World::open_with(Limits::default());
    submit(&mut world);
    world
}

fn taken() -> World {
    let mut world = open();
    world.take();
    world
}

fn written(n: usize) -> World {
    let mut world = taken();
    world.write(n);
    world
}

const PHASES: [Phase; 9] = [
    (
        "idle",
        || {
            let mut world = closed();
            submit(&mut world);
            world
        },
        NOT_SENT,
    ),
    (
        "opening",
        || {
            let mut world = closed();
            submit(&mut world);
            world.open();
            world
        },
        NOT_SENT,
    ),
    (
        "admitted",
        || {
            let mut world = World::new(Line::default(), Limits::default());
            submit(&mut world);
            world.open();
            assert!(world.callers[0].is_woken);
            world
        },
        NOT_SENT,
    ),
    ("queued", open, NOT_SENT),
    ("taken", taken, NOT_SENT),
    ("written in part", || written(1), UNKNOWN),
    ("written all but one byte", || written(41), UNKNOWN),
    ("written", || written(usize::MAX), UNKNOWN),
    (
        "answered in part",
        || {
            let mut world = written(usize::MAX);
            world.deliver(3);
            world
        },
        UNKNOWN,
    ),
];

#[test]
fn a_deadline_holds_in_every_phase_to_the_tick() {
    for (name, make, outcome) in PHASES {
        let mut world = make();
        assert_eq!(world.connection.poll_timeout().as_nanos().min(DEADLINE), DEADLINE, "{name}: too early");
        assert!(world.connection.poll_timeout().as_nanos() <= DEADLINE, "{name}: too late");
        world.pass(DEADLINE - 1);
        world.check();
        assert!(world.ended(0).is_none(), "{name}");
        world.pass(DEADLINE);
        assert!(world.callers[0].is_woken, "{name}: it was not woken");
        world.look(0);
        assert_eq!(world.ended(0), Some(&Ended::Failed(outcome, Cause::Deadline)), "{name}");
        // Neighbours do not notice.
        if !world.is_up {
            world.open();
        }
        let other = world.submit(Kind::Value(10));
        world.turn();
        world.assert_replied(other);
        assert_eq!(world.server.received.contains(&0), outcome == UNKNOWN, "{name}");
        world.check_end();
    }
}

#[test]
fn one_who_has_left_is_not_late() {
    for (name, make, _) in PHASES {
        let mut world = make();
        world.leave(0);
        world.pass(DEADLINE);
        assert_eq!(world.stats().expired, 0, "{name}");
        assert_eq!(world.connection.poll_timeout().min(Tick::from_nanos(DEADLINE)), Tick::from_nanos(DEADLINE));
    }
}

#[test]
fn an_earlier_deadline_wakes_the_driver() {
    let mut world = closed();
    world.connection.dialling();
    world.submit_until(Kind::Echo, Tick::from_nanos(900));
    world.take();
    world.pass(0);
    for (deadline, wakes) in [(900, false), (901, false), (899, true)] {
        world.take();
        world.submit_until(Kind::Echo, Tick::from_nanos(deadline));
        assert_eq!(world.is_driver_woken, wakes, "{deadline}");
    }
}

#[test]
fn a_deadline_of_an_inline_write_that_wrote_nothing_is_not_sent() {
    for told_the_driver in [false, true] {
        let mut world = World::new(Line::default(), Limits::default());
        world.may_write_inline = true;
        world.open();
        let (n, may_write) = world.submit_with(Kind::Echo, Tick::from_nanos(DEADLINE), true);
        assert!(may_write && world.begin_inline(0));
        if told_the_driver {
            world.take();
        }
        world.end_inline();
        world.pass(DEADLINE);
        world.look(n);
        // Once it was passed on as sent it cannot be taken back: it is going to be written, so it is unknown.
        world.assert_failed(n, if told_the_driver { UNKNOWN } else { NOT_SENT });
        world.turn();
        assert_eq!(world.server.received.contains(&0), told_the_driver);
        world.check_end();
    }
}

#[test]
fn silence_ends_the_connection_and_slowness_does_not() {
    let limits = Limits { stall_timeout: Duration::from_nanos(100), ..Limits::default() };
    let mut world = World::open_with(limits.clone());
    let n = world.submit(Kind::Value(50));
    world.take();
    world.write(usize::MAX);
    assert_eq!(world.incoming.poll_timeout(), Tick::from_nanos(100));
    for at in 1..=40 {
        world.now = at * 99;
        world.deliver(1);
        world.pass(world.now);
        assert!(world.is_up, "a byte comes every 99 ticks");
        assert_eq!(world.incoming.poll_timeout(), Tick::from_nanos(world.now + 100));
    }
    // More commands prove nothing: the server is silent all the same.
    let from = world.now;
    for at in [from + 50, from + 99] {
        world.pass(at);
        world.submit(Kind::Echo);
        world.take();
        world.write(usize::MAX);
        assert!(world.is_up);
    }
    world.pass(from + 100);
    assert_eq!(world.lost, [Broken::Stalled]);
    world.look_all();
    world.assert_failed(n, UNKNOWN);
    world.check_end();
}

#[test]
fn a_command_that_is_being_written_is_not_owed_a_reply() {
    let limits = Limits { stall_timeout: Duration::from_nanos(100), ..Limits::default() };
    let mut world = World::open_with(limits);
    let n = world.submit(Kind::Put(20_000));
    for at in 0..30 {
        world.now = at * 90;
        world.take();
        world.write(600);
        world.pass(world.now);
        assert!(world.is_up, "it takes bytes all the time");
    }
    world.pass(world.now + 99);
    assert!(world.is_up);
    world.pass(world.now + 1);
    assert_eq!(world.lost, [Broken::Stalled], "and no more");
    world.look_all();
    world.assert_failed(n, NOT_SENT);
    world.check_end();
}

#[test]
fn a_greeting_and_an_opening_exchange_have_their_time() {
    for has_greeting in [false, true] {
        let mut world = World::new(Line { rounds: 1, has_greeting, ..Line::default() }, Limits::default());
        let n = world.submit(Kind::Echo);
        world.open();
        world.take();
        world.write(usize::MAX);
        let ends = Limits::default().opening_timeout.as_nanos() as u64;
        world.pass(ends - 1);
        assert!(world.is_up);
        world.pass(ends);
        assert_eq!(world.lost, [Broken::OpeningTimeout]);
        assert!(world.ended(n).is_none());
        world.leave(n);
        world.check_end();
    }
}

/// A caller writes by itself between the driver's look at its timers and the moment at which it sets them: the silence that may follow
/// is not overlooked.
#[test]
fn a_command_that_a_caller_wrote_while_the_driver_set_its_timer_is_watched() {
    let limits = Limits { stall_timeout: Duration::from_nanos(500), ..Limits::default() };
    let mut world = World::open_with(limits);
    world.may_write_inline = true;
    world.close_and_reopen();
    // What the timer was set to last is over soon.
    assert_eq!(world.connection.arm(Tick::from_nanos(100)), Tick::from_nanos(100));
    let looked = world.connection.poll_timeout();
    world.submit(Kind::Put(30));
    assert!(world.begin_inline(usize::MAX));
    world.end_inline();
    assert_eq!(world.connection.arm(looked), Tick::from_nanos(500));
    // Once the driver has it, the driver knows.
    world.connection.poll_sent(&mut world.incoming);
    assert_eq!(world.connection.arm(looked), Tick::NEVER);
    assert_eq!(world.incoming.poll_timeout(), Tick::from_nanos(500));
}
