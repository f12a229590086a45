//! What has come and was not framed, what was framed and not handed over, and how long it may take.

use memlink_core::{Broken, Framed, Limits, Tick};

use crate::line::{Kind, Line};
use crate::world::World;

/// `count` echoes are written, and their replies lie at the other end.
fn asked(count: usize, limits: Limits) -> World {
    let mut world = World::open_with(limits);
    for _ in 0..count {
        world.submit(Kind::Echo);
    }
    world.take();
    while world.write(usize::MAX) > 0 {}
    world
}

fn arrive(world: &mut World) {
    let bytes: Vec<u8> = world.replies.drain(..).collect();
    world.incoming.handle_bytes(world.now(), &bytes);
}

#[test]
fn silence_begins_with_the_command_and_anew_with_every_byte() {
    let mut world = World::open_with(Limits::default());
    assert_eq!(world.incoming.silent_since(), None, "nothing is owed");
    world.submit(Kind::Echo);
    world.take();
    world.now = 5;
    world.write(usize::MAX);
    assert_eq!(world.incoming.silent_since(), Some(Tick::from_nanos(5)));
    world.now = 7;
    world.deliver(2);
    assert_eq!(world.incoming.silent_since(), Some(Tick::from_nanos(7)));
    world.now = 9;
    world.deliver(usize::MAX);
    assert_eq!(world.incoming.silent_since(), None);
}

/// As long as a server takes bytes of the only command it owes for it is not silent; bytes of later commands prove nothing.
#[test]
fn silence_begins_when_the_only_command_has_left_whole() {
    let mut world = World::open_with(Limits::default());
    world.submit(Kind::Put(100));
    world.submit(Kind::Put(100));
    world.take();
    let whole = world.transmit.remaining() / 2;
    let silent_since = |world: &World| world.incoming.silent_since().map(Tick::as_nanos);
    world.write(10);
    assert_eq!(silent_since(&world), Some(0));
    world.now = 3;
    world.write(10);
    assert_eq!(silent_since(&world), Some(3), "some of it has left");
    world.now = 4;
    world.incoming.handle_written(world.now(), &mut world.transmit, 0);
    assert_eq!(silent_since(&world), Some(3), "nothing has left");
    world.now = 5;
    world.write(whole - 20);
    assert_eq!(silent_since(&world), Some(5), "the rest has left");
    for now in [6, 7] {
        world.now = now;
        world.write(10);
        assert_eq!(silent_since(&world), Some(5), "what leaves now is the next command");
    }
}

#[test]
fn what_a_reply_lacks_is_known_with_its_header() {
    let mut world = World::open_with(Limits::default());
    world.submit(Kind::Value(1_000));
    world.take();
    world.write(usize::MAX);
    world.deliver(12);
    assert!((985..=1_010).contains(&world.incoming.lacking()), "{}", world.incoming.lacking());
    world.deliver(500);
    assert!((485..=510).contains(&world.incoming.lacking()), "{}", world.incoming.lacking());
}

#[test]
fn what_has_come_is_there_until_it_was_handed_over() {
    let mut world = asked(1, Limits::default());
    assert!(world.incoming.is_empty() && world.incoming.received() == 0);
    let replies = world.replies.split_off(3);
    arrive(&mut world);
    assert!(!world.incoming.is_empty() && world.incoming.received() == 3, "a part of a line");
    assert_eq!(world.incoming.poll_replies(), Ok(Framed::NeedInput));
    world.replies = replies;
    arrive(&mut world);
    assert_eq!(world.incoming.poll_replies(), Ok(Framed::NeedInput));
    assert!(!world.incoming.is_empty() && world.incoming.has_ready(), "framed, and nobody has it");
    world.drive_replies().expect("it is well");
    assert!(world.incoming.is_empty());
}

/// Whoever wrote by itself may not have told yet what was written.
#[test]
fn replies_wait_for_commands_that_nobody_has_told_of() {
    assert!(!World::open_with(Limits::default()).incoming.needs_pending(), "nothing has come");
    let mut world = asked(2, Limits::default());
    arrive(&mut world);
    assert!(!world.incoming.needs_pending(), "it is known whose it is");
    assert_eq!(world.incoming.poll_replies(), Ok(Framed::NeedInput));

    let mut world = World::new(Line::default(), Limits::default());
    world.may_write_inline = true;
    world.open();
    let first = world.submit(Kind::Echo);
    world.take();
    world.write(usize::MAX);
    world.deliver(3);
    let second = world.submit(Kind::Echo);
    assert!(world.begin_inline(usize::MAX));
    arrive(&mut world);
    // Of the second command nothing is known here.
    assert_eq!(world.incoming.poll_replies(), Ok(Framed::NeedPending));
    assert!(world.incoming.needs_pending());
    world.end_inline();
    world.turn();
    world.assert_replied(first);
    world.assert_replied(second);
    world.check_end();
}

/// The callers of the first half ask again while those of the second half are served.
#[test]
fn a_burst_is_handed_over_in_halves() {
    for (count, first) in [(47, 47), (48, 24), (101, 51)] {
        let mut world = asked(count, Limits::default());
        arrive(&mut world);
        let framed = world.drive_replies();
        assert_eq!(world.stats().replied, first, "of {count}");
        assert_eq!(framed, Ok(if first == count as u64 { Framed::NeedInput } else { Framed::Budget }));
    }
}

#[test]
fn a_turn_ends_with_so_many_replies_or_bytes() {
    let mut world = asked(10, Limits { turn_replies_max: 3, ..Limits::default() });
    arrive(&mut world);
    let handed_over: Vec<u64> = (0..4).map(|_| hand_over(&mut world)).collect();
    assert_eq!(handed_over, [3, 3, 3, 1]);

    // Each takes seven bytes.
    let mut world = asked(10, Limits { turn_bytes_max: 15, ..Limits::default() });
    arrive(&mut world);
    let handed_over: Vec<u64> = (0..4).map(|_| hand_over(&mut world)).collect();
    assert_eq!(handed_over, [3, 3, 3, 1]);
}

/// How many replies one turn gives.
fn hand_over(world: &mut World) -> u64 {
    let before = world.stats().replied;
    world.drive_replies().expect("it is well");
    world.stats().replied - before
}

#[test]
fn an_opening_exchange_has_a_bound_to_the_byte() {
    // The exchange is answered by five bytes.
    for (len, is_broken) in [(95, false), (96, true)] {
        let mut world =
            World::new(Line { rounds: 1, ..Line::default() }, Limits { opening_bytes_max: 100, ..Limits::default() });
        world.open();
        world.take();
        world.write(usize::MAX);
        world.replies.clear();
        world.receive(format!("!{}\r\n", " ".repeat(len - 3)).as_bytes());
        assert!(world.lost.is_empty());
        world.receive(b"o 0\r\n");
        assert_eq!(!world.lost.is_empty(), is_broken, "{:?}", world.lost);
    }
}

#[test]
fn a_reply_may_be_as_large_as_is_allowed_and_no_larger() {
    let limits = || Limits { line_len_max: 100, value_len_max: 5_000, ..Limits::default() };
    // With its header, "= 0 5092" and two bytes, and two more behind it.
    for (len, is_allowed) in [(5_090, true), (5_091, false)] {
        let mut world = World::open_with(limits());
        let n = world.submit(Kind::Value(len));
        world.take();
        world.write(usize::MAX);
        world.deliver(20);
        world.turn();
        if is_allowed {
            world.assert_replied(n);
        } else {
            assert_eq!(world.lost, [Broken::ReplyTooLarge { len: 5_103 }]);
        }
    }
}

#[test]
fn unasked_messages_are_kept_up_to_the_bound_and_not_beyond() {
    let count = |limit: usize| {
        let mut world = World::open_with(Limits { unclaimed_bytes_max: limit, ..Limits::default() });
        world.incoming.handle_bytes(Tick::ZERO, &b"! hello\r\n".repeat(5));
        while world.incoming.poll_replies() != Ok(Framed::NeedInput) {}
        world.incoming.drain_unasked().count()
    };
    let one = (1..).find(|limit| count(*limit) == 1).expect("some room is enough for one");
    assert_eq!([one - 1, 3 * one - 1, 3 * one, 4 * one - 1].map(count), [0, 2, 3, 3]);
}
