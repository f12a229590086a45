//! A caller leaves at every step; its neighbours do not notice.

use memlink_core::{Broken, Limits, Tick};

use crate::line::{Kind, Line};
use crate::world::World;

/// Where the one in the middle leaves: after so many steps of the conversation.
fn conversation(kind: Kind, step: usize, chunk: usize) -> World {
    let mut world = World::open_with(Limits::default());
    let (before, leaver, behind) = (world.submit(Kind::Echo), world.submit(kind), world.submit(Kind::Value(20)));
    let mut steps = 0;
    let mut leave = |world: &mut World| {
        if steps == step {
            world.leave(leaver);
        }
        steps += 1;
    };
    leave(&mut world);
    world.take();
    leave(&mut world);
    while world.write(chunk) > 0 {
        leave(&mut world);
        world.take();
    }
    while world.deliver(chunk) > 0 {
        leave(&mut world);
    }
    world.look_all();
    leave(&mut world);
    for n in [before, behind] {
        world.assert_replied(n);
    }
    if world.ended(leaver).is_none() {
        assert!(steps <= step, "it had left");
    }
    world
}

#[test]
fn a_caller_leaves_at_every_step() {
    for kind in [Kind::Echo, Kind::Value(30), Kind::Many(3), Kind::Put(20), Kind::Silent, Kind::Put(20_000)] {
        let chunk = if kind == Kind::Put(20_000) { 700 } else { 1 };
        let mut cut = 0;
        for step in 0..200 {
            let mut world = conversation(kind, step, chunk);
            world.check_end();
            let stats = world.stats();
            assert_eq!(stats.abandoned.max(stats.cut) + 2, if stats.cancelled > 0 { 3 } else { 2 }, "{step} {stats:?}");
            cut += stats.cut;
        }
        // Before it is taken, when it is taken, and while the one before it is written.
        assert!(cut >= if chunk == 1 { 3 } else { 1 }, "{kind:?}: {cut}");
    }
}

#[test]
fn a_caller_leaves_while_it_writes_inline() {
    for at in 0..12 {
        for is_back in [false, true] {
            let mut world = World::new(Line::default(), Limits::default());
            world.may_write_inline = true;
            world.open();
            let (n, _) = world.submit_with(Kind::Echo, Tick::NEVER, true);
            assert!(world.begin_inline(at));
            if is_back {
                world.end_inline();
            }
            world.leave(n);
            let other = world.submit(Kind::Echo);
            world.turn();
            world.assert_replied(other);
            // Begun is finished; what was not begun is taken back, unless nobody could say when its caller left.
            if at > 0 || is_back {
                assert_eq!(world.server.received.contains(&0), at > 0);
            }
            world.check_end();
        }
    }
}

#[test]
fn one_who_leaves_the_line_or_its_promise_makes_room_for_the_next() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let callers: Vec<usize> = (0..5).map(|_| world.submit(Kind::Echo)).collect();
    world.leave(callers[1]);
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    assert!(world.callers[callers[2]].is_woken, "the next in line has room");
    world.leave(callers[2]);
    assert!(world.callers[callers[3]].is_woken, "its room goes on to the next");
    world.turn();
    [0, 3, 4].iter().for_each(|n| world.assert_replied(callers[*n]));
    world.check_end();
}

#[test]
fn room_that_comes_from_a_cut_is_given_away() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let (first, next) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
    world.leave(first);
    world.take();
    assert!(world.callers[next].is_woken);
    world.turn();
    world.assert_replied(next);
    assert!(!world.server.received.contains(&0), "nothing was sent for the one who had left");
    world.check_end();
}

#[test]
fn one_who_cannot_use_its_room_passes_it_on() {
    let mut world =
        World::new(Line { is_old: true, ..Line::default() }, Limits { in_flight_max: 1, ..Limits::default() });
    let refused = [world.submit(Kind::Modern), world.submit(Kind::Modern)];
    let (empty, last) = (world.submit(Kind::Empty), world.submit(Kind::Echo));
    world.open();
    world.turn();
    for n in refused.into_iter().chain([empty]) {
        assert_eq!(world.ended(n), Some(&crate::world::Ended::Unsupported));
    }
    world.assert_replied(last);
    world.check_end();
}

#[test]
fn a_command_that_is_cut_while_it_waits_for_the_socket_is_no_longer_abandoned() {
    let mut world = World::open_with(Limits::default());
    let (first, second) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
    world.take();
    world.write(1);
    world.leave(second);
    assert_eq!(world.stats().abandoned_now, 1, "nobody knows yet how far the driver is");
    world.take();
    assert_eq!((world.stats().abandoned_now, world.stats().in_flight), (0, 1));
    world.turn();
    world.assert_replied(first);
    world.pass(Limits::default().abandoned_age_max.as_nanos() as u64 * 2);
    assert!(world.is_up, "{:?}", world.lost);
    world.check_end();
}

#[test]
fn too_many_or_too_old_abandoned_commands_close_the_connection() {
    let limits = Limits { abandoned_max: 3, ..Limits::default() };
    let age = limits.abandoned_age_max.as_nanos() as u64;
    for count in [3, 4] {
        let mut world = World::open_with(limits.clone());
        let callers: Vec<usize> = (0..count).map(|_| world.submit(Kind::Echo)).collect();
        world.take();
        world.write(usize::MAX);
        world.is_driver_woken = false;
        callers.iter().for_each(|n| world.leave(*n));
        assert_eq!((world.connection.has_too_many_abandoned(), world.is_up), (count == 4, true));
        assert!(world.is_driver_woken, "the limit on the age is due");
        // Bytes keep coming, so it is not the silence that ends it.
        for at in [age / 2, age - 1] {
            world.now = at;
            world.receive(b"! still here\r\n");
            world.pass(at);
            assert_eq!(world.is_up, count == 3, "at {at}");
        }
        world.pass(age);
        assert_eq!(world.lost, [Broken::Abandoned]);
        world.check_end();
    }
}

#[test]
fn a_caller_that_panics_while_it_encodes_was_never_there() {
    for in_line in [false, true] {
        let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
        let first = in_line.then(|| world.submit(Kind::Echo));
        let panics = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            world.submit(Kind::Panics);
            world.turn();
        }));
        assert!(panics.is_err());
        if in_line {
            // Its future is dropped by whoever caught the panic.
            world.leave(1);
        }
        let last = world.submit(Kind::Echo);
        world.turn();
        first.into_iter().chain([last]).for_each(|n| world.assert_replied(n));
        world.check_end();
    }
}

#[test]
fn a_token_that_is_used_up_names_nobody() {
    let mut world = World::open_with(Limits::default());
    let n = world.submit(Kind::Echo);
    let token = world.callers[n].token;
    world.turn();
    world.assert_replied(n);
    for _ in 0..3 {
        let other = world.submit(Kind::Echo);
        world.callers[n].token = token;
        world.callers[n].ended = None;
        world.look(n);
        world.assert_failed(n, crate::world::UNKNOWN);
        world.callers[n].ended = Some(crate::world::Ended::Replied);
        let gone = world.connection.abandon(Tick::ZERO, token.expect("it was taken"));
        assert!(gone.dropped.is_none() && gone.woken.is_none());
        world.turn();
        world.assert_replied(other);
    }
    world.check_end();
}

#[test]
fn a_promise_that_nobody_comes_for_is_taken_back() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    let (first, sleeper, behind) = (world.submit(Kind::Echo), world.submit(Kind::Echo), world.submit(Kind::Echo));
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    world.look(first);
    world.assert_replied(first);
    // The sleeper was promised the room and does not look; nobody may be held up by it for long.
    for millis in [0, 250, 500, 750] {
        world.pass(millis * 1_000_000);
    }
    world.look(behind);
    world.turn();
    world.look(behind);
    world.assert_replied(behind);
    world.look(sleeper);
    world.turn();
    world.look(sleeper);
    world.assert_replied(sleeper);
    world.check_end();
}

#[test]
fn a_promise_is_kept_for_a_while_whenever_it_was_made() {
    let mut world = World::open_with(Limits { in_flight_max: 1, ..Limits::default() });
    (0..4).for_each(|_| _ = world.submit(Kind::Echo));
    let answer = |world: &mut World| {
        world.take();
        world.write(usize::MAX);
        world.deliver(usize::MAX);
    };
    answer(&mut world);
    // The second is promised room, which is noted, and comes for it.
    world.pass(0);
    world.look(1);
    // So is the third, much later, just before old promises are looked at.
    world.now = 249_000_000;
    answer(&mut world);
    world.pass(250_000_000);
    world.look(2);
    assert_eq!(world.stats().in_flight, 1, "the promise is a millisecond old");
    world.turn();
    assert!(world.server.order.is_sorted());
    world.look_all();
    world.check_end();
}

#[test]
fn nobody_overtakes_those_who_were_promised_room() {
    let mut world = World::new(Line { rounds: 1, ..Line::default() }, Limits::default());
    let first = world.submit(Kind::Echo);
    world.open();
    world.take();
    world.write(usize::MAX);
    world.deliver(usize::MAX);
    // The first is promised room and has not looked yet.
    let second = world.submit(Kind::Echo);
    assert_eq!(world.stats().in_flight, 0, "the second waits for the first");
    world.look(first);
    assert_eq!(world.stats().in_flight, 1);
    world.turn();
    world.assert_replied(first);
    world.turn();
    world.assert_replied(second);
    world.check_end();
}
