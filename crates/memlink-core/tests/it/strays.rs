//! Bytes that nobody asked for, and peers or protocols that do what they must not.

use memlink_core::{Broken, Cause, Limits};

use crate::line::{Kind, Line};
use crate::world::{Ended, NOT_SENT, UNKNOWN, World};

#[test]
fn a_stray_line_before_between_or_after_closes_the_connection() {
    for stray in [&b"e 0 0\r\n"[..], b"e", b"\r\n", b"\0"] {
        let mut world = World::open_with(Limits::default());
        world.receive(stray);
        assert_eq!(world.lost, [Broken::Unsolicited], "before, while it is idle");

        let mut world = World::open_with(Limits::default());
        let (first, second) = (world.submit(Kind::Echo), world.submit(Kind::Echo));
        world.take();
        world.write(7);
        world.deliver(usize::MAX);
        world.receive(stray);
        assert_eq!(world.lost, [Broken::Unsolicited], "between two commands");
        world.look_all();
        world.assert_replied(first);
        world.assert_failed(second, NOT_SENT);
        world.check_end();

        let mut world = World::open_with(Limits::default());
        let only = world.submit(Kind::Echo);
        world.take();
        world.write(usize::MAX);
        world.replies.extend(stray);
        world.deliver(usize::MAX);
        assert_eq!(world.lost, [Broken::Unsolicited], "in one piece with the reply");
        world.look_all();
        world.assert_replied(only);
        world.check_end();
    }
}

#[test]
fn unasked_messages_may_come_anywhere_between_replies() {
    let mut world = World::open_with(Limits::default());
    world.receive(b"! one\r\n");
    let many = world.submit(Kind::Many(2));
    world.take();
    world.write(usize::MAX);
    world.receive(b"! two\r\n");
    world.deliver(9);
    world.receive(b"! three\r\n");
    world.replies.extend(b"! four\r\n");
    world.turn();
    world.assert_replied(many);
    assert_eq!((world.unasked, world.stats().unasked), (4, 4));
    world.check_end();
}

#[test]
fn a_message_that_began_before_the_command_is_not_its_reply() {
    let mut world = World::open_with(Limits::default());
    world.receive(b"! hal");
    let n = world.submit(Kind::Echo);
    world.take();
    world.write(usize::MAX);
    world.receive(b"lo\r\n");
    world.turn();
    world.assert_replied(n);
    assert_eq!(world.unasked, 1);
    world.check_end();
}

#[test]
fn unasked_messages_that_nobody_takes_have_a_bound() {
    let mut world = World::open_with(Limits { unclaimed_bytes_max: 1_000, ..Limits::default() });
    for _ in 0..100 {
        world.incoming.handle_bytes(world.now(), b"! a message\r\n");
        while world.incoming.poll_replies() != Ok(memlink_core::Framed::NeedInput) {}
    }
    assert!(world.incoming.drain_unasked().count() < 25);
    world.receive(b"! and it goes on\r\n");
    assert_eq!((world.unasked, world.stats().unasked), (1, 101));
    assert!(world.stats().unclaimed_dropped >= 75);
}

#[test]
fn a_line_without_an_end_is_too_long() {
    let mut world = World::open_with(Limits { line_len_max: 100, ..Limits::default() });
    let n = world.submit(Kind::Echo);
    world.take();
    world.write(usize::MAX);
    world.receive(&[b'e'; 100]);
    assert!(world.is_up);
    world.receive(b"e");
    assert_eq!(world.lost, [Broken::LineTooLong]);
    world.look_all();
    world.assert_failed(n, UNKNOWN);
    world.check_end();
}

#[test]
fn parts_of_one_reply_have_a_bound_together_and_harm_nobody_else() {
    let mut world = World::open_with(Limits { unclaimed_bytes_max: 2_000, ..Limits::default() });
    let (before, n, after) = (world.submit(Kind::Echo), world.submit(Kind::Many(1_000)), world.submit(Kind::Many(3)));
    world.turn();
    assert_eq!(world.ended(n), Some(&Ended::Failed(UNKNOWN, Cause::Unclaimed)));
    world.assert_replied(before);
    world.assert_replied(after);
    assert!(world.lost.is_empty(), "{:?}", world.lost);
    assert_eq!(world.stats().unclaimed_dropped, 1);
    world.check_end();
}

#[test]
fn an_opening_exchange_opens_refuses_or_ends() {
    for (line, rounds) in [
        (Line::default(), 0),
        (Line { rounds: 1, ..Line::default() }, 1),
        (Line { rounds: 2, ..Line::default() }, 2),
        (Line { rounds: 0, has_greeting: true, ..Line::default() }, 1),
        (Line { rounds: 1, has_greeting: true, ..Line::default() }, 2),
    ] {
        let mut world = World::new(line, Limits::default());
        let n = world.submit(Kind::Echo);
        world.open();
        if line.has_greeting {
            world.receive(b"o 0\r\n");
        }
        world.turn();
        world.assert_replied(n);
        assert_eq!(world.server.next_serial(), rounds + 1);
        world.check_end();
    }
}

#[test]
fn a_refusal_and_a_flood_end_the_opening_exchange() {
    let mut world = World::new(Line { rounds: 1, ..Line::default() }, Limits::default());
    world.server.refusal = Some("- go away".to_owned());
    world.open();
    world.turn();
    assert!(matches!(world.lost[..], [Broken::Refused(_)]), "{:?}", world.lost);

    let mut world =
        World::new(Line { rounds: 1, ..Line::default() }, Limits { opening_bytes_max: 500, ..Limits::default() });
    world.open();
    for _ in 0..60 {
        world.receive(b"! banner\r\n");
    }
    assert!(matches!(world.lost[..], [Broken::ReplyTooLarge { .. }]), "{:?}", world.lost);
}

#[test]
fn an_opening_twice_is_a_doubt() {
    let mut world = World::open_with(Limits::default());
    let taken = world.submit(Kind::Echo);
    world.take();
    world.write(usize::MAX);
    let queued = world.submit(Kind::Echo);
    // A driver that forgets to close, and has thrown away what it wrote from.
    world.transmit = memlink_core::Transmit::default();
    world.is_up = false;
    world.open();
    assert!(matches!(world.lost[..], [Broken::OutOfPlace(_)]));
    world.look_all();
    world.assert_failed(taken, UNKNOWN);
    world.assert_failed(queued, NOT_SENT);
    world.check_end();
}

/// A reply of a number that was never sent stands behind a silent command, and confirms nothing.
#[test]
fn a_forged_reply_confirms_no_silence() {
    for (kinds, stray) in [
        (&[Kind::Silent][..], &b"e 900 7\r\n"[..]),
        (&[Kind::Silent, Kind::Silent], b"e 900 7\r\n"),
        (&[Kind::Silent, Kind::Echo], b"e 900 7\r\n"),
        (&[Kind::Silent, Kind::Echo], b"= 1 5\r\nabcde\r\n"),
    ] {
        for len in 1..=stray.len() {
            let mut world = World::open_with(Limits::default());
            let callers: Vec<usize> = kinds.iter().map(|kind| world.submit(*kind)).collect();
            world.take();
            world.write(usize::MAX);
            world.replies.clear();
            stray.chunks(len).for_each(|piece| world.receive(piece));
            assert_eq!(world.lost.len(), 1, "{kinds:?} {len}");
            world.look_all();
            callers.into_iter().for_each(|n| world.assert_failed(n, UNKNOWN));
            world.check_end();
        }
    }
}
