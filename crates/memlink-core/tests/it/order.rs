//! Everyone gets its own reply, however the bytes are cut.

use memlink_core::{Broken, Limits};

use crate::line::{Kind, Line};
use crate::world::World;

const KINDS: [Kind; 7] =
    [Kind::Echo, Kind::Value(50), Kind::Many(3), Kind::Silent, Kind::Silent, Kind::Put(9), Kind::Echo];

#[test]
fn replies_come_in_the_order_of_commands_for_any_split() {
    for split in 1..200 {
        let mut world = World::open_with(Limits::default());
        let callers = KINDS.map(|kind| world.submit(kind));
        world.take();
        while world.write(split) > 0 {}
        while world.deliver(split) > 0 {}
        world.look_all();
        callers.iter().for_each(|n| world.assert_replied(*n));
        world.check_end();
    }
}

#[test]
fn a_reply_to_a_value_is_the_same_for_every_single_split() {
    let all = {
        let mut world = World::open_with(Limits::default());
        let _ = KINDS.map(|kind| world.submit(kind));
        world.take();
        world.write(usize::MAX);
        world.replies.len()
    };
    for at in 0..=all {
        let mut world = World::open_with(Limits::default());
        let callers = KINDS.map(|kind| world.submit(kind));
        world.take();
        world.write(usize::MAX);
        world.deliver(at);
        world.deliver(usize::MAX);
        world.look_all();
        callers.iter().for_each(|n| world.assert_replied(*n));
        world.check_end();
    }
}

#[test]
fn the_reply_of_another_closes_the_connection() {
    let mut world = World::open_with(Limits::default());
    let callers = [world.submit(Kind::Echo), world.submit(Kind::Echo)];
    world.take();
    world.write(usize::MAX);
    world.receive(b"e 1 1\r\n");
    assert!(matches!(world.lost[..], [Broken::OutOfPlace(_)]));
    world.look_all();
    callers.iter().for_each(|n| world.assert_failed(*n, crate::world::UNKNOWN));
    world.check_end();
}

#[test]
fn an_error_that_ends_the_connection_is_delivered_first() {
    let mut world = World::open_with(Limits::default());
    let (stop, behind) = (world.submit(Kind::Stop), world.submit(Kind::Echo));
    world.turn();
    world.assert_replied(stop);
    world.assert_failed(behind, crate::world::UNKNOWN);
    assert!(matches!(world.lost[..], [Broken::ServerError(_)]));
    world.check_end();
}

#[test]
fn a_turn_has_a_budget() {
    let limits = Limits { turn_replies_max: 3, ..Limits::default() };
    let mut world = World::open_with(limits);
    for _ in 0..8 {
        world.submit(Kind::Echo);
    }
    world.take();
    world.write(usize::MAX);
    let bytes: Vec<u8> = world.replies.drain(..).collect();
    world.incoming.handle_bytes(world.now(), &bytes);
    let mut turns = Vec::new();
    loop {
        let before = world.stats().replied;
        let framed = world.drive_replies();
        turns.push(world.stats().replied - before);
        if framed != Ok(memlink_core::Framed::Budget) {
            break;
        }
    }
    assert_eq!(turns, [3, 3, 2]);
    world.look_all();
    world.check_end();
}

/// All answers of a burst come at once; callers ask again, leave, and ask for other things between the halves.
#[test]
fn a_burst_is_handed_over_by_halves_and_stays_in_order() {
    let mut world = World::open_with(Limits { in_flight_max: 512, ..Limits::default() });
    let mut callers: Vec<usize> = (0..100).map(|_| world.submit(Kind::Echo)).collect();
    for round in 0..20 {
        world.take();
        world.write(usize::MAX);
        let bytes: Vec<u8> = world.replies.drain(..).collect();
        world.incoming.handle_bytes(world.now(), &bytes);
        let mut turns = Vec::new();
        loop {
            let before = world.stats().replied;
            let framed = world.drive_replies();
            turns.push(world.stats().replied - before);
            world.look_all();
            let kind = [Kind::Echo, Kind::Value(40), Kind::Many(3), Kind::Put(9)][round % 4];
            callers.extend((0..turns[turns.len() - 1]).map(|_| world.submit(kind)));
            if round % 3 == 1 {
                world.leave(callers.len() - 1);
            }
            // What is asked between the halves leaves in front of the second.
            world.take();
            world.write(usize::MAX);
            if framed != Ok(memlink_core::Framed::Budget) {
                break;
            }
        }
        assert!(turns.len() > 1 || round > 0, "{turns:?}");
        assert!(turns.iter().all(|turn| *turn <= 64), "{turns:?}");
    }
    while !world.replies.is_empty() || !world.connection.is_drained() {
        world.turn();
    }
    world.look_all();
    world.check_end();
}

#[test]
fn a_silent_command_is_answered_by_the_next_reply() {
    let mut world = World::new(Line { rounds: 2, ..Line::default() }, Limits::default());
    world.open();
    let silent = [world.submit(Kind::Silent), world.submit(Kind::Silent)];
    world.turn();
    assert!(silent.iter().all(|n| world.ended(*n).is_none()));
    let echo = world.submit(Kind::Echo);
    world.turn();
    silent.iter().chain([&echo]).for_each(|n| world.assert_replied(*n));
    world.check_end();
}
