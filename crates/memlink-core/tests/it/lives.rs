//! Nothing of an old connection meets a new one.

use memlink_core::{Broken, Cause, Limits, Phase, Tick};

use crate::line::{Kind, Line};
use crate::world::{Ended, NOT_SENT, UNKNOWN, World};

#[test]
fn a_connection_is_lost_in_every_phase_and_opened_again() {
    for step in 0..40 {
        let mut world =
            World::new(Line { rounds: 1, ..Line::default() }, Limits { in_flight_max: 3, ..Limits::default() });
        let callers: Vec<usize> = [Kind::Echo, Kind::Many(2), Kind::Put(30), Kind::Value(9), Kind::Echo]
            .map(|kind| world.submit(kind))
            .into();
        world.open();
        for _ in 0..step {
            world.take();
            world.write(5);
            world.deliver(4);
            if step % 2 == 0 {
                world.look_all();
            }
        }
        world.lose(Broken::Io("reset".to_owned()));
        world.open();
        world.turn();
        assert_eq!(
            world.server.next_serial() as usize,
            world.server.served + 1,
            "the serial starts anew, with no gaps"
        );
        assert!(callers.iter().all(|n| world.ended(*n).is_some()));
        let last = world.submit(Kind::Echo);
        world.turn();
        world.assert_replied(last);
        world.check_end();
    }
}

#[test]
fn replies_of_the_old_connection_are_thrown_away() {
    let mut world = World::open_with(Limits::default());
    let old = world.submit(Kind::Echo);
    world.take();
    world.write(usize::MAX);
    let bytes: Vec<u8> = world.replies.drain(..).collect();
    world.incoming.handle_bytes(Tick::ZERO, &bytes);
    assert!(world.incoming.poll_replies().is_ok() && world.incoming.has_ready());
    let mut incoming = world.close_and_reopen();
    let new = world.submit(Kind::Echo);
    world.take();
    let mut woken = Vec::new();
    world.connection.handle_replies(Tick::ZERO, &mut incoming, &mut woken).expect("nothing happens");
    assert!(woken.is_empty() && !incoming.has_ready());
    world.look_all();
    world.assert_failed(old, UNKNOWN);
    world.turn();
    world.assert_replied(new);
    world.check_end();
}

#[test]
fn an_inline_write_that_comes_back_to_a_new_connection_changes_nothing() {
    for at in [0, 3, 30_000] {
        let mut world = World::new(Line::default(), Limits::default());
        world.may_write_inline = true;
        world.open();
        let (old, _) = world.submit_with(Kind::Put(20_000), Tick::NEVER, true);
        assert!(world.begin_inline(at));
        world.lose(Broken::EndOfStream);
        world.open();
        let new = world.submit(Kind::Echo);
        world.end_inline();
        world.turn();
        world.look_all();
        world.assert_failed(old, UNKNOWN);
        world.assert_replied(new);
        world.check_end();
    }
}

#[test]
fn a_caller_never_writes_into_the_middle_of_the_drivers_command() {
    let mut world = World::new(Line::default(), Limits::default());
    world.may_write_inline = true;
    world.open();
    world.submit(Kind::Put(100));
    world.take();
    world.write(20);
    // The server answers before it has read all of it; the rest still has to be written.
    world.receive(b"e 0 0\r\n");
    world.look_all();
    world.assert_replied(0);
    assert_eq!(world.stats().in_flight, 0);
    let (second, may_write) = world.submit_with(Kind::Echo, Tick::NEVER, true);
    assert!(!may_write && !world.begin_inline(usize::MAX) && world.is_driver_woken);
    while world.write(usize::MAX) > 0 {
        world.replies.clear();
    }
    world.turn();
    world.assert_replied(second);
    world.check_end();
}

#[test]
fn what_callers_wrote_comes_before_what_the_driver_takes() {
    let mut world = World::new(Line::default(), Limits::default());
    world.may_write_inline = true;
    world.open();
    let (first, _) = world.submit_with(Kind::Echo, Tick::NEVER, true);
    assert!(world.begin_inline(usize::MAX));
    world.end_inline();
    let second = world.submit(Kind::Echo);
    let mut woken = Vec::new();
    world.connection.poll_transmit(&mut world.transmit, &mut woken);
    assert!(world.transmit.is_done(), "nothing is handed out before the first was passed on");
    world.is_driver_woken = true;
    world.turn();
    world.assert_replied(first);
    world.assert_replied(second);
    world.check_end();
}

#[test]
fn a_reply_may_be_read_before_its_inline_writer_is_back() {
    let mut world = World::new(Line::default(), Limits::default());
    world.may_write_inline = true;
    world.open();
    let (n, _) = world.submit_with(Kind::Put(20_000), Tick::NEVER, true);
    assert!(world.begin_inline(usize::MAX));
    world.deliver(usize::MAX);
    world.look_all();
    world.assert_replied(n);
    let behind = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(behind);
    world.check_end();
}

#[test]
fn a_retired_connection_finishes_what_is_in_flight_and_the_next_takes_over() {
    for step in 0..40 {
        let mut world = World::open_with(Limits { in_flight_max: 3, ..Limits::default() });
        let callers: Vec<usize> = [Kind::Echo, Kind::Many(2), Kind::Put(30), Kind::Value(9), Kind::Echo]
            .map(|kind| world.submit(kind))
            .into();
        for _ in 0..step {
            world.take();
            world.write(5);
            world.deliver(4);
            if step % 2 == 0 {
                world.look_all();
            }
        }
        world.connection.retire();
        let late = world.submit(Kind::Echo);
        while !world.connection.is_drained() {
            world.turn();
        }
        assert!(world.ended(late).is_none(), "it waits");
        let opened = world.stats().opened;
        world.lose(Broken::Shutdown);
        world.open();
        world.turn();
        world.turn();
        assert_eq!(world.stats().opened, opened + 1);
        for caller in callers.into_iter().chain([late]) {
            world.assert_replied(caller);
        }
        world.check_end();
    }
}

/// Somebody was promised room when the connection was lost, and leaves before the driver looks whether a connection is wanted: whoever
/// comes next, without a deadline, has it dialled.
#[test]
fn a_connection_that_nobody_wanted_any_more_is_wanted_again() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let (first, promised) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    world.look(first);
    world.assert_replied(first);
    world.lose(Broken::EndOfStream);
    assert!(world.connection.is_wanted());
    world.leave(promised);
    // The driver looks, and finds nothing to do.
    world.take();
    assert!(!world.connection.is_wanted() && !world.is_driver_woken);
    let next = world.submit(Kind::Echo);
    assert!(world.is_driver_woken, "it was told that a connection is being made");
    world.open();
    world.turn();
    world.assert_replied(next);
}

#[test]
fn a_connection_that_is_shut_down_opens_no_more() {
    for is_gone in [false, true] {
        let mut world = World::new(Line::default(), Limits::default());
        world.drain();
        if is_gone {
            world.driver_gone();
        }
        world.open();
        assert_eq!(world.lost.last(), Some(&Broken::Shutdown));
        let late = world.submit(Kind::Echo);
        assert_eq!(world.ended(late), Some(&Ended::Failed(NOT_SENT, Cause::Shutdown)));
    }
}

#[test]
fn a_driver_that_is_gone_is_followed_by_another() {
    let mut world = World::open_with(Limits::default());
    world.driver_gone();
    assert_eq!(*world.connection.phase(), Phase::Idle);
    let next = world.submit(Kind::Echo);
    world.open();
    world.turn();
    world.assert_replied(next);
    world.check_end();
}
