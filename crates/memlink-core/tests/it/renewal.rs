//! A connection takes the place of another one, and no command notices.

use memlink_core::{Broken, Connection, Framed, Incoming, Limits, Phase, Tick, Transmit};

use crate::candidate::Candidate;
use crate::inside::Waiter;
use crate::line::{Kind, Line, Tagged};
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

/// One that serves somebody already, or whose bytes are read by another, takes nobody's place.
#[test]
fn only_an_opened_connection_that_serves_nobody_is_adopted() {
    let mut world = World::new(line(0), Limits { in_flight_max: 1, ..Limits::default() });
    let opened = |world: &World| {
        let mut candidate = Candidate::new(world);
        candidate.step(1, Tick::ZERO).expect("it opens at once");
        candidate
    };
    let (mut one, mut other, mut stranger) = (opened(&world), opened(&world), Candidate::new(&world));
    let mut adopt = |candidate: &mut Candidate, incoming: Option<&mut Incoming<Line>>| {
        let incoming = incoming.unwrap_or(&mut candidate.incoming);
        let adopted = world.connection.adopt(&mut candidate.connection, false, incoming, &mut Vec::new());
        adopted.map(drop).is_ok()
    };
    assert!(!adopt(&mut one, Some(&mut stranger.incoming)), "these are not its bytes");
    for n in 0..2 {
        let command = Tagged { tag: n, kind: Kind::Echo };
        let submitted = one.connection.submit(&command, Tick::NEVER, true, &mut Some(Waiter(n as usize)));
        assert!(submitted.is_ok() && !adopt(&mut one, None), "something is in flight");
    }
    let (mut transmit, mut woken) = (Transmit::default(), Vec::new());
    one.connection.poll_transmit(&mut transmit, &mut woken);
    one.incoming.handle_written(Tick::ZERO, &mut transmit, usize::MAX);
    one.incoming.handle_bytes(Tick::ZERO, b"e 0 0\r\n");
    one.incoming.poll_replies().expect("a reply");
    one.connection.handle_replies(Tick::ZERO, &mut one.incoming, &mut woken).expect("it is well");
    assert_eq!((one.connection.in_flight(), woken.len()), (0, 2), "one has its reply, one is promised the room");
    assert!(!adopt(&mut one, None), "room is promised");
    assert!(adopt(&mut other, None), "it serves nobody");
}

#[test]
fn nothing_is_reinstated_that_was_not_retired() {
    let mut woken = Vec::new();
    let mut world = World::new(line(1), Limits::default());
    assert!(!world.connection.reinstate(&mut woken), "it was never opened");
    world.connection.dialling();
    assert!(!world.connection.reinstate(&mut woken), "it is being dialled");
    world.open();
    assert!(!world.connection.reinstate(&mut woken), "it is being opened");
    world.turn();
    assert!(!world.connection.reinstate(&mut woken), "it is open");
    assert!(world.connection.retire() && world.connection.reinstate(&mut woken));
    assert_eq!(*world.connection.phase(), Phase::Open);
}

#[test]
fn messages_that_came_before_it_was_adopted_are_counted() {
    let listen = |connection: &mut Connection<Line, Waiter>, incoming: &mut Incoming<Line>, text: &[u8]| {
        incoming.handle_bytes(Tick::ZERO, text);
        while incoming.poll_replies() != Ok(Framed::NeedInput) {}
        connection.handle_replies(Tick::ZERO, incoming, &mut Vec::new()).expect("it is well");
        incoming.drain_unasked().count()
    };
    // Room for one of these at a time.
    let mut world = World::open_with(Limits { unclaimed_bytes_max: 60, ..Limits::default() });
    assert_eq!(listen(&mut world.connection, &mut world.incoming, b"! 1\r\n! 2\r\n! 3\r\n"), 1);
    assert!(world.begin_renewal());
    let candidate = world.candidate.as_mut().expect("it was begun");
    assert_eq!(listen(&mut candidate.connection, &mut candidate.incoming, b"! 4\r\n! 5\r\n! 6\r\n! 7\r\n"), 1);
    assert!(world.end_renewal());
    assert_eq!((world.stats().unasked, world.stats().unclaimed_dropped), (7, 5));
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
