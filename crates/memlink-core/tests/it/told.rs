//! What callers are told when they bring a command, and what is counted: who writes it, and who has to be woken for it.

use std::time::Duration;

use memlink_core::{Limits, Tick};

use crate::inside::Waiter;
use crate::line::{Kind, Line};
use crate::world::World;

fn inline() -> World {
    let mut world = World::new(Line::default(), Limits::default());
    world.may_write_inline = true;
    world.open();
    world.take();
    world
}

/// Brings one echo; says whether its caller may write, and whether the driver has to be woken.
fn bring(world: &mut World, deadline: Tick) -> (bool, bool) {
    world.is_driver_woken = false;
    let (_, may_write) = world.submit_with(Kind::Echo, deadline, true);
    (may_write, world.is_driver_woken)
}

#[test]
fn only_the_first_caller_writes_and_only_where_callers_may() {
    let mut world = World::open_with(Limits::default());
    world.take();
    assert_eq!(bring(&mut world, Tick::NEVER), (false, true), "the driver alone writes here");
    assert_eq!(bring(&mut world, Tick::NEVER), (false, false), "it was woken, and has not looked");

    let mut world = inline();
    assert_eq!(bring(&mut world, Tick::NEVER), (true, false));
    assert!(world.begin_inline(3));
    assert_eq!(bring(&mut world, Tick::NEVER), (false, false), "whoever writes looks for more behind it");
    world.end_inline();
    assert!(world.is_driver_woken);

    let mut world = inline();
    assert_eq!(bring(&mut world, Tick::NEVER), (true, false));
    assert!(world.begin_inline(usize::MAX));
    world.end_inline();
    world.take();
    assert_eq!(bring(&mut world, Tick::NEVER), (false, true), "something is in flight: more may come");

    let mut world = inline();
    world.connection.expect_driver();
    assert_eq!(bring(&mut world, Tick::NEVER), (false, false), "the driver comes anyway");
}

/// In line is who may still be passed: while there is no connection or no room, and until the room is used.
#[test]
fn a_caller_is_in_line_until_its_command_is_entered() {
    let mut world = World::new(Line::default(), Limits { in_flight_max: 1, ..Limits::default() });
    let is_in_line = |world: &mut World, n: usize| {
        let token = world.callers[n].token.expect("it has not ended");
        world.connection.is_in_line(token)
    };
    let (first, second) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
    assert!(is_in_line(&mut world, first) && is_in_line(&mut world, second), "nobody was dialled");
    let tokens = [first, second].map(|n| world.callers[n].token.expect("it has not ended"));
    world.open();
    assert!(is_in_line(&mut world, first), "it was let in and has not come");
    world.look_all();
    assert!(!is_in_line(&mut world, first) && is_in_line(&mut world, second));
    world.turn();
    world.turn();
    assert!(tokens.into_iter().all(|token| !world.connection.is_in_line(token)), "they have ended");
    world.check_end();
}

/// The driver sleeps until the earliest end of a wait that it knows.
#[test]
fn a_deadline_that_is_earlier_than_the_drivers_timer_wakes_it() {
    let at = Tick::from_nanos;
    for (deadline, is_woken) in [(at(99), true), (at(100), false), (at(101), false)] {
        let mut world = inline();
        let _ = world.connection.arm(at(100));
        assert_eq!(bring(&mut world, deadline), (true, is_woken), "{deadline:?}");
    }
}

#[test]
fn the_driver_is_told_once_until_it_looks() {
    let mut world = World::open_with(Limits::default());
    world.take();
    let mut woken = || bring(&mut world, Tick::NEVER).1;
    assert_eq!([woken(), woken(), woken()], [true, false, false]);
    world.take();
    assert!(bring(&mut world, Tick::NEVER).1);
    world.take();
    world.connection.expect_driver();
    assert!(!bring(&mut world, Tick::NEVER).1, "it comes back by itself");
}

/// Nobody looks after promises while nobody stands behind them.
#[test]
fn the_first_behind_a_promise_wakes_the_driver() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    world.submit(Kind::Echo);
    assert_eq!(bring(&mut world, Tick::NEVER), (false, false), "it waits, and is promised nothing");
    world.take();
    assert_eq!(world.connection.poll_timeout(), Tick::NEVER);
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    assert!(world.callers[1].is_woken, "it is promised the room");
    assert_eq!(bring(&mut world, Tick::NEVER), (false, true), "the first behind it");
    world.take();
    assert_eq!(world.connection.poll_timeout(), Tick::ZERO, "at once");
    world.pass(1);
    assert_eq!(bring(&mut world, Tick::NEVER), (false, false), "the second");
}

/// What is abandoned may stay for a time: the driver has to know when that is over.
#[test]
fn an_abandoned_command_wakes_the_driver_if_its_timer_is_later() {
    let age = Duration::from_nanos(60);
    for (armed, is_woken) in [(59, false), (60, false), (61, true)] {
        let mut world = World::open_with(Limits { abandoned_age_max: age, ..Limits::default() });
        let leaves = world.submit(Kind::Echo);
        world.take();
        world.write(usize::MAX);
        let _ = world.connection.arm(Tick::from_nanos(armed));
        world.leave(leaves);
        assert_eq!(world.is_driver_woken, is_woken, "armed for {armed}");
    }
}

#[test]
fn whoever_waits_in_another_task_now_is_woken_there() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let asked = [world.submit(Kind::Echo), world.submit(Kind::Echo)];
    for n in asked {
        let token = world.callers[n].token.expect("it waits");
        let waiter = world.connection.waiter_mut(token).expect("in flight, or in line");
        drop(std::mem::replace(waiter, Waiter(1 - n)));
    }
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    assert!(world.callers[0].is_woken && world.callers[1].is_woken);
    let ended = world.callers[asked[0]].token.expect("nobody has looked");
    assert!(world.connection.waiter_mut(ended).is_none(), "it has ended");
}

#[test]
fn what_has_happened_is_counted() {
    let mut world = World::new(Line::default(), Limits { in_flight_max: 2, ..Limits::default() });
    assert_eq!((world.connection.opened_so_far(), world.connection.in_flight()), (0, 0));
    assert!(world.connection.peer().is_none() && !world.connection.is_wanted());
    for waiting in 1..4 {
        world.submit(Kind::Echo);
        assert_eq!(world.stats().waited, waiting);
        assert!(world.connection.is_wanted());
    }
    world.open();
    assert!(world.connection.peer().is_some());
    world.look_all();
    assert_eq!((world.connection.opened_so_far(), world.connection.in_flight()), (1, 2));
    world.turn();
    assert_eq!((world.connection.in_flight(), world.stats().replied), (0, 3));
    drop(world.close_and_reopen());
    assert_eq!(world.connection.opened_so_far(), 2);
}
