//! Every bound is an answer that somebody can see; nobody in line is overtaken or forgotten.

use memlink_core::{Broken, Cause, Limits, Phase, Tick};

use crate::line::{Kind, Line};
use crate::world::{Ended, NOT_SENT, UNKNOWN, World};

#[test]
fn ten_times_as_many_as_there_is_room_for() {
    let mut world = World::open_with(Limits { in_flight_max: 10, ..Limits::default() });
    let callers: Vec<usize> = (0..100).map(|_| world.submit(Kind::Echo)).collect();
    assert_eq!((world.stats().in_flight, world.stats().waiting), (10, 90));
    world.turn();
    callers.iter().for_each(|n| world.assert_replied(*n));
    world.check_end();
}

#[test]
fn one_more_than_may_wait_is_refused() {
    for (is_open, waiting_max) in [(true, 5), (false, 5), (false, 0)] {
        let mut world = World::new(Line::default(), Limits { in_flight_max: 1, waiting_max, ..Limits::default() });
        if is_open {
            world.open();
            world.submit(Kind::Echo);
        }
        let callers: Vec<usize> = (0..=waiting_max).map(|_| world.submit(Kind::Echo)).collect();
        assert_eq!(world.ended(callers[waiting_max]), Some(&Ended::Failed(NOT_SENT, Cause::QueueFull)));
        assert_eq!(world.stats().queue_full, 1);
        if !is_open {
            world.open();
        }
        world.turn();
        callers[..waiting_max].iter().for_each(|n| world.assert_replied(*n));
        world.check_end();
    }
}

#[test]
fn one_who_does_not_want_to_wait_is_refused() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let first = world.submit(Kind::Echo);
    let (second, _) = world.submit_with(Kind::Echo, Tick::NEVER, false);
    assert_eq!(world.ended(second), Some(&Ended::Failed(NOT_SENT, Cause::QueueFull)));
    world.turn();
    world.assert_replied(first);
    world.check_end();
}

#[test]
fn bytes_have_a_bound_and_a_larger_command_goes_alone() {
    let mut world = World::open_with(Limits { queued_bytes_max: 300, ..Limits::default() });
    let small: Vec<usize> = (0..4).map(|_| world.submit(Kind::Put(40))).collect();
    let large = world.submit(Kind::Put(1_000));
    let behind: Vec<usize> = (0..4).map(|_| world.submit(Kind::Echo)).collect();
    assert_eq!(world.stats().waiting, 5, "nobody overtakes the large one");
    world.take();
    assert!(world.callers[large].is_woken && !world.callers[behind[0]].is_woken, "it goes alone");
    world.look_all();
    assert!(world.connection.queued_bytes() > 300);
    world.turn();
    small.iter().chain([&large]).chain(&behind).for_each(|n| world.assert_replied(*n));
    world.check_end();
}

#[test]
fn a_large_command_is_not_starved_by_small_ones() {
    let mut world = World::open_with(Limits { queued_bytes_max: 100, ..Limits::default() });
    for _ in 0..4 {
        world.submit(Kind::Echo);
    }
    let large = world.submit(Kind::Put(90));
    for _ in 0..20 {
        world.submit(Kind::Echo);
        world.take();
        world.look_all();
        world.write(usize::MAX);
        world.deliver(usize::MAX);
    }
    world.look_all();
    world.assert_replied(large);
    world.turn();
    world.check_end();
}

#[test]
fn the_line_keeps_its_order_over_a_lost_connection() {
    let mut world = World::new(Line::default(), Limits { in_flight_max: 2, ..Limits::default() });
    let callers: Vec<usize> = (0..6).map(|_| world.submit(Kind::Echo)).collect();
    world.open();
    assert!(world.callers[0].is_woken && world.callers[1].is_woken);
    world.lose(Broken::EndOfStream);
    assert!(world.connection.is_wanted());
    // They come back in the wrong order.
    world.look(1);
    world.look(0);
    world.open();
    world.turn();
    callers.iter().for_each(|n| world.assert_replied(*n));
    assert_eq!(world.server.order, [0, 1, 2, 3, 4, 5]);
    world.check_end();
}

#[test]
fn replies_that_nobody_fetches_have_a_bound() {
    let mut world = World::open_with(Limits { unclaimed_bytes_max: 1_000, ..Limits::default() });
    let callers: Vec<usize> = (0..5).map(|_| world.submit(Kind::Value(300))).collect();
    let small = world.submit(Kind::Value(10));
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    assert_eq!(world.stats().unclaimed_dropped, 2);
    world.leave(callers[0]);
    world.look_all();
    callers[1..3].iter().chain([&small]).for_each(|n| world.assert_replied(*n));
    callers[3..].iter().for_each(|n| {
        assert_eq!(world.ended(*n), Some(&Ended::Failed(UNKNOWN, Cause::Unclaimed)));
    });
    let again: Vec<usize> = (0..3).map(|_| world.submit(Kind::Value(300))).collect();
    world.turn();
    again.iter().for_each(|n| world.assert_replied(*n));
    world.check_end();
}

#[test]
fn a_server_that_is_down_refuses_until_the_next_connection() {
    let mut world = World::new(Line::default(), Limits::default());
    let waits = world.submit(Kind::Echo);
    let cause = Cause::Down("refused".to_owned());
    world.down(cause.clone());
    world.look_all();
    let comes = world.submit(Kind::Echo);
    world.connection.dialling();
    world.lose(Broken::EndOfStream);
    let later = world.submit(Kind::Echo);
    for n in [waits, comes, later] {
        assert_eq!(world.ended(n), Some(&Ended::Failed(NOT_SENT, cause.clone())));
    }
    world.open();
    let last = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(last);
    world.check_end();
}

#[test]
fn a_server_that_was_down_takes_commands_when_its_opening_has_ended_well() {
    let mut world = World::new(Line { rounds: 1, ..Line::default() }, Limits::default());
    world.down(Cause::Down("refused".to_owned()));
    world.open();
    let early = world.submit(Kind::Echo);
    world.assert_failed(early, NOT_SENT);
    // It accepts and says nothing, as a frozen one does: still nobody is kept waiting.
    world.take();
    world.write(usize::MAX);
    world.lose(Broken::OpeningTimeout);
    let again = world.submit(Kind::Echo);
    world.assert_failed(again, NOT_SENT);
    world.open();
    world.turn();
    let last = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(last);
    world.check_end();
}

#[test]
fn a_server_that_was_down_serves_nobody_before_its_opening_has_ended() {
    let mut world = World::new(Line { rounds: 2, ..Line::default() }, Limits::default());
    let cause = Cause::Down("refused".to_owned());
    world.down(cause.clone());
    for _ in 0..2 {
        world.open();
        assert_eq!(*world.connection.phase(), Phase::Reopening(cause.clone()));
        let early = world.submit(Kind::Echo);
        assert_eq!(world.ended(early), Some(&Ended::Failed(NOT_SENT, cause.clone())));
        world.lose(Broken::EndOfStream);
        assert_eq!(*world.connection.phase(), Phase::Down(cause.clone()), "an opening that failed proves nothing");
    }
    world.open();
    world.turn();
    assert_eq!(*world.connection.phase(), Phase::Open);
    let served = world.submit(Kind::Echo);
    world.turn();
    world.assert_replied(served);
    world.check_end();
}

#[test]
fn draining_ends_what_waits_and_lets_finish_what_was_sent() {
    for rounds in [0, 1] {
        let mut world =
            World::new(Line { rounds, ..Line::default() }, Limits { in_flight_max: 1, ..Limits::default() });
        let (sent, waits) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
        world.open();
        if rounds == 0 {
            world.look_all();
        }
        world.drain();
        world.look_all();
        world.assert_failed(waits, NOT_SENT);
        let late = world.submit(Kind::Echo);
        assert_eq!(world.ended(late), Some(&Ended::Failed(NOT_SENT, Cause::Shutdown)));
        world.turn();
        if rounds == 0 {
            world.assert_replied(sent)
        } else {
            world.assert_failed(sent, NOT_SENT)
        }
        assert_eq!(*world.connection.phase(), Phase::Draining, "an opening that ends does not bring it back");
        assert!(world.connection.is_drained());
        world.check_end();
    }
}
