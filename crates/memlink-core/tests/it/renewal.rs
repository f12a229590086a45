//! A connection takes the place of another one, and no command notices.

use memlink_core::{Broken, Limits, Phase, Tick};

use crate::candidate::Candidate;
use crate::line::{Kind, Line};
use crate::world::{NOT_SENT, World};

fn line(rounds: usize) -> Line {
    Line { rounds, ..Line::default() }
}

/// Commands are in every phase, and some come while the old one finishes.
fn check(rounds: usize, step: usize, may_write_inline: bool, end: fn(&mut World)) {
    let mut world = World::new(line(rounds), Limits { in_flight_max: 3, ..Limits::default() });
    world.may_write_inline = may_write_inline;
    world.open();
    world.turn();
    let mut callers: Vec<usize> =
        [Kind::Echo, Kind::Many(2), Kind::Put(30), Kind::Value(9), Kind::Echo].map(|kind| world.submit(kind)).into();
    for _ in 0..step {
        world.take();
        world.write(5);
        world.deliver(4);
        if step.is_multiple_of(2) {
            world.look_all();
        }
    }
    assert!(world.begin_renewal());
    let late = world.submit(Kind::Echo);
    callers.push(late);
    world.take();
    assert!(world.ended(late).is_none(), "it waits");
    end(&mut world);
    callers.push(world.submit(Kind::Value(70_000)));
    world.turn();
    for caller in callers {
        world.assert_replied(caller);
    }
    assert_eq!(world.lost, [], "nothing was lost");
    world.check_end();
}

#[test]
fn an_opened_connection_takes_over_at_every_step() {
    for rounds in 0..3 {
        for step in 0..40 {
            check(rounds, step, step % 3 == 0, |world| {
                while !world.end_renewal() {
                    world.turn();
                }
                let stats = world.stats();
                assert_eq!((stats.opened, stats.closed), (2, 1), "{stats:?}");
            });
        }
    }
}

#[test]
fn the_old_connection_serves_on_when_the_new_one_is_lost() {
    for step in 0..40 {
        check(1, step, step % 3 == 0, |world| {
            if step_is_late(world) {
                world.turn();
            }
            world.break_renewal();
            let stats = world.stats();
            assert_eq!((stats.opened, stats.closed), (1, 0), "{stats:?}");
        });
    }
}

/// In half of the cases what was in flight has finished by then.
fn step_is_late(world: &World) -> bool {
    world.server.order.len().is_multiple_of(2)
}

#[test]
fn a_refused_opening_touches_no_other_connection() {
    let mut world = World::new(line(2), Limits::default());
    world.open();
    world.turn();
    world.server.refusal = Some("- no room".to_owned());
    let mut candidate = Candidate::new(&world);
    assert!(matches!(candidate.step(8, Tick::ZERO), Err(Broken::Refused(_))));
    let n = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(n);
    world.check_end();
}

#[test]
fn only_an_opened_connection_is_adopted_and_only_in_the_place_of_a_closed_one() {
    let adopt = |world: &mut World, candidate: &mut Candidate| {
        let incoming = &mut candidate.incoming;
        world.connection.adopt(&mut candidate.connection, false, incoming, &mut Vec::new()).map(drop)
    };
    for steps in 0..3 {
        let mut world = World::new(line(2), Limits::default());
        let mut candidate = Candidate::new(&world);
        candidate.step(steps, Tick::ZERO).expect("nothing is wrong");
        assert!(matches!(adopt(&mut world, &mut candidate), Err(Broken::OutOfPlace(_))), "{steps}");
        assert_eq!(*world.connection.phase(), Phase::Idle);
    }
    let mut world = World::new(line(2), Limits::default());
    world.open();
    world.turn();
    let mut candidate = Candidate::new(&world);
    candidate.step(8, Tick::ZERO).expect("nothing is wrong");
    assert!(matches!(adopt(&mut world, &mut candidate), Err(Broken::OutOfPlace(_))), "the other one is open");
    let n = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(n);
    world.drain();
    world.lose(Broken::Shutdown);
    assert_eq!(adopt(&mut world, &mut candidate), Err(Broken::Shutdown));
    assert_eq!(*candidate.connection.phase(), Phase::Open, "it is as it was");
}

/// What was written in the opening exchange counts in the stream of the connection that it belongs to now.
#[test]
fn what_a_caller_could_not_write_whole_was_not_sent() {
    let mut world = World::new(line(2), Limits::default());
    world.may_write_inline = true;
    world.open();
    world.turn();
    assert!(world.begin_renewal() && world.end_renewal());
    let (n, may_write) = world.submit_with(Kind::Echo, Tick::NEVER, true);
    assert!(may_write && world.begin_inline(3));
    world.end_inline();
    world.lose(Broken::EndOfStream);
    world.look_all();
    world.assert_failed(n, NOT_SENT);
    world.check_end();
}
