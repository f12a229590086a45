//! The stream ends at every byte, in both directions, and the outcome is exactly right.

use memlink_core::{Broken, Limits};

use crate::line::{Kind, Line};
use crate::world::{NOT_SENT, UNKNOWN, World};

const KINDS: [Kind; 5] = [Kind::Echo, Kind::Put(30), Kind::Put(20_000), Kind::Many(2), Kind::Value(40)];

/// Lengths of the commands above on the wire, and of their replies.
fn lengths() -> (Vec<usize>, Vec<usize>) {
    let (mut sent, mut answered) = (Vec::new(), Vec::new());
    let mut world = World::open_with(Limits::default());
    for kind in KINDS {
        world.submit(kind);
        world.take();
        sent.push(world.write(usize::MAX));
        answered.push(world.deliver(usize::MAX));
    }
    (sent, answered)
}

/// How many of the parts, laid one behind the other, end within the first `n` bytes.
fn whole(parts: &[usize], n: usize) -> usize {
    let ends = parts.iter().scan(0, |end, len| {
        *end += len;
        Some(*end)
    });
    ends.take_while(|end| *end <= n).count()
}

#[test]
fn written_bytes_are_cut_at_every_byte() {
    let (lengths, _) = lengths();
    let ends = [0, 1, 2, 3, 4].map(|n| lengths[..=n].iter().sum::<usize>());
    // Every byte, but of the large value only the first, the last and a few in the middle.
    for at in (0..=ends[4]).filter(|at| at % 997 == 0 || ends.iter().any(|end| at.abs_diff(*end) < 60)) {
        let mut world = World::open_with(Limits::default());
        let callers = KINDS.map(|kind| world.submit(kind));
        world.take();
        world.write(at);
        world.lose(Broken::EndOfStream);
        world.look_all();
        let sent = whole(&lengths, at);
        for n in callers {
            world.assert_failed(n, if n < sent { UNKNOWN } else { NOT_SENT });
        }
        assert_eq!(world.server.received.len(), sent, "after {at} bytes");
        world.check_end();
    }
}

#[test]
fn written_bytes_are_cut_at_every_byte_of_an_inline_write() {
    for at in 0..=26 {
        for is_back in [false, true] {
            let mut world = World::new(Line::default(), Limits::default());
            world.may_write_inline = true;
            world.open();
            let (n, may_write) = world.submit_with(Kind::Put(14), memlink_core::Tick::NEVER, true);
            assert!(may_write && world.begin_inline(at));
            if is_back {
                world.end_inline();
            }
            world.lose(Broken::EndOfStream);
            world.end_inline();
            world.look_all();
            // As long as it is not back nobody can say how much it has written.
            let is_sent = !is_back || at == 26;
            world.assert_failed(n, if is_sent { UNKNOWN } else { NOT_SENT });
            world.check_end();
        }
    }
}

#[test]
fn received_bytes_are_cut_at_every_byte() {
    let (_, lengths) = lengths();
    for at in 0..=lengths.iter().sum() {
        let mut world = World::open_with(Limits::default());
        let callers = KINDS.map(|kind| world.submit(kind));
        world.take();
        world.write(usize::MAX);
        world.deliver(at);
        world.lose(Broken::EndOfStream);
        world.look_all();
        let answered = whole(&lengths, at);
        for n in callers {
            if n < answered { world.assert_replied(n) } else { world.assert_failed(n, UNKNOWN) }
        }
        world.check_end();
    }
}

#[test]
fn the_opening_exchange_is_cut_at_every_byte() {
    for (rounds, has_greeting) in [(1, false), (2, false), (1, true)] {
        for at in 0..12 {
            let mut world = World::new(Line { rounds, has_greeting, ..Line::default() }, Limits::default());
            let n = world.submit(Kind::Echo);
            world.open();
            if has_greeting {
                world.receive(b"o 0\r\n");
            }
            for _ in 0..at {
                world.take();
                world.write(1);
                world.deliver(1);
            }
            world.lose(Broken::EndOfStream);
            assert!(world.ended(n).is_none(), "it goes on waiting");
            world.open();
            if has_greeting {
                world.receive(b"o 0\r\n");
            }
            world.turn();
            world.assert_replied(n);
            world.check_end();
        }
    }
}

#[test]
fn a_driver_that_is_gone_leaves_everything_it_had_taken_unknown() {
    let mut world = World::open_with(Limits::default());
    let (taken, queued) = (world.submit(Kind::Echo), 1);
    world.take();
    world.write(usize::MAX);
    assert_eq!(world.submit(Kind::Echo), queued);
    world.driver_gone();
    world.look_all();
    world.assert_failed(taken, UNKNOWN);
    world.assert_failed(queued, NOT_SENT);
    world.check_end();
}
