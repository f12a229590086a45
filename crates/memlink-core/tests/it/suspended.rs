//! A connection that stands and is not asked.

use memlink_core::{Cause, Limits, Phase, Tick};

use crate::inside::{Waiter, inside};
use crate::line::{Kind, Tagged};
use crate::world::{Ended, NOT_SENT, World};

fn why() -> Cause {
    Cause::Down("it says nothing".to_owned())
}

fn suspend(world: &mut World) -> bool {
    let is_suspended = inside(|| world.connection.suspend(why(), &mut world.woken));
    world.wake();
    is_suspended
}

#[test]
fn what_is_in_flight_stays_and_everybody_else_is_refused() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let (sent, waits) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
    world.take();
    world.write(usize::MAX);
    assert!(suspend(&mut world));
    assert_eq!(*world.connection.phase(), Phase::Suspended(why()));
    world.look_all();
    let late = world.submit(Kind::Echo);
    for refused in [waits, late] {
        assert_eq!(world.ended(refused), Some(&Ended::Failed(NOT_SENT, why())));
    }
    world.turn();
    world.assert_replied(sent);
    assert!(world.connection.resume());
    let next = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(next);
    world.check_end();
}

#[test]
fn only_an_open_connection_is_suspended_and_only_a_suspended_one_resumed() {
    let mut world = World::new(crate::line::Line::default(), Limits::default());
    assert!(!suspend(&mut world) && !world.connection.resume());
    assert_eq!(*world.connection.phase(), Phase::Idle);
    world.open();
    assert!(!world.connection.resume());
    assert!(suspend(&mut world) && !suspend(&mut world));
    assert!(world.connection.resume() && !world.connection.resume());
    world.drain();
    assert!(!suspend(&mut world) && !world.connection.resume());
    assert_eq!(*world.connection.phase(), Phase::Draining);
}

#[test]
fn a_probe_is_taken_while_nothing_else_is() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let mut tags = 100..;
    let mut probe = |world: &mut World| {
        let tag = tags.next().expect("there are many");
        let (command, mut waiter) = (Tagged { tag, kind: Kind::Echo }, Some(Waiter(0)));
        inside(|| world.connection.submit_probe(&command, Tick::NEVER, &mut waiter)).is_ok()
    };
    let first = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(first);
    assert!(probe(&mut world), "as any command while it is open");
    assert!(!probe(&mut world), "it does not wait for room");
    world.turn();
    assert!(suspend(&mut world));
    assert!(probe(&mut world));
    assert_eq!(*world.connection.phase(), Phase::Suspended(why()), "and everybody else is refused on");
    assert!(!probe(&mut world), "it does not wait for room");
    let refused = world.submit(Kind::Echo);
    world.assert_failed(refused, NOT_SENT);
    world.drain();
    assert!(!probe(&mut world), "it is closed");
}
