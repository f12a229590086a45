//! A header buys no memory: it grows with what was really received.
//!
//! The allocator counts per thread, so tests that run beside these do not matter.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use memlink_core::{Broken, Limits, Tick};

use crate::line::Kind;
use crate::world::World;

struct Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(freed: usize, taken: usize) {
    // While a thread ends its counters are gone before its last memory is.
    let _ = NOW.try_with(|now| {
        now.set(now.get().wrapping_sub(freed).wrapping_add(taken));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(taken.saturating_sub(freed))));
}

// SAFETY: everything is passed on to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        note(layout.size(), len);
        unsafe { System.realloc(at, layout, len) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs `work` and gives the most memory that it held at once, and its largest single request.
fn measure(work: impl FnOnce()) -> (usize, usize) {
    // Freed memory that was taken before does not count, so the count starts well above nothing.
    let base = 1 << 40;
    NOW.set(base);
    PEAK.set(base);
    LARGEST.set(0);
    work();
    (PEAK.get() - base, LARGEST.get())
}

const KIB: usize = 1024;

/// A connection that awaits a value, and the header that announces it.
fn awaits_value(len: usize) -> (World, Vec<u8>) {
    let mut world = World::open_with(Limits::default());
    world.submit(Kind::Value(0));
    world.take();
    world.write(usize::MAX);
    world.replies.clear();
    (world, format!("= 0 {len}\r\n").into_bytes())
}

#[test]
fn a_header_alone_buys_64_kib_at_most() {
    for len in [100 * KIB, 1024 * KIB, 8 * 1024 * KIB] {
        let (mut world, header) = awaits_value(len);
        let (peak, _) = measure(|| {
            world.incoming.handle_bytes(world.now(), &header);
            world.incoming.poll_replies().expect("a header");
            world.incoming.read_with(|space| assert!(space.has_remaining_mut()));
        });
        assert!(peak <= 2 * header.len() + 64 * KIB, "{len}: {peak}");
    }
}

/// The list of what is ready grows with every reply, and what a header buys shrinks by it.
#[test]
fn a_header_behind_many_replies_buys_no_more() {
    for count in [1, 5, 100, 511, 900] {
        let mut world = World::open_with(Limits::default());
        let mut kinds = vec![Kind::Echo; count];
        kinds.push(Kind::Value(0));
        let mut stream = replies_to(&mut world, &kinds);
        stream.truncate(stream.len() - format!("= {count} 0\r\n\r\n").len());
        stream.extend_from_slice(format!("= {count} 8000000\r\n").as_bytes());
        let (peak, _) = measure(|| {
            world.incoming.handle_bytes(world.now(), &stream);
            while world.incoming.poll_replies().expect("replies and a header") != memlink_core::Framed::NeedInput {}
            world.incoming.read_with(|space| assert!(space.has_remaining_mut()));
        });
        assert!(peak <= 2 * stream.len() + 64 * KIB, "{count}: {peak} for {}", stream.len());
    }
}

#[test]
fn memory_grows_with_what_was_received() {
    for (len, step) in [(8 * 1024 * KIB, 16 * KIB), (1024 * KIB, 700), (300 * KIB, 64 * KIB), (50 * KIB, 1)] {
        let (mut world, header) = awaits_value(len);
        let body = vec![b'x'; step];
        let (mut received, now) = (0, world.now());
        let receive = |world: &mut World, bytes: &[u8]| {
            world.incoming.handle_bytes(now, bytes);
            world.incoming.poll_replies().expect("no more than was announced");
        };
        measure(|| receive(&mut world, &header));
        received += header.len();
        while received + step < len {
            receive(&mut world, &body);
            received += step;
            let peak = PEAK.get() - (1 << 40);
            assert!(peak <= 2 * received + 64 * KIB, "{len} by {step}: {peak} after {received}");
        }
    }
}

#[test]
fn what_is_too_large_is_refused_without_memory() {
    let largest = Limits::default().value_len_max;
    for len in [largest + 3_000, usize::MAX / 2, usize::MAX - 40, usize::MAX] {
        let (mut world, header) = awaits_value(len);
        let (peak, _) = measure(|| {
            world.incoming.handle_bytes(world.now(), &header);
            assert!(matches!(world.incoming.poll_replies(), Err(Broken::ReplyTooLarge { .. })), "{len}");
        });
        assert!(peak <= 5 * KIB, "{len}: {peak}");
    }
}

#[test]
fn a_stream_of_small_replies_needs_no_more_than_a_read() {
    let mut world = World::open_with(Limits { turn_replies_max: 4, ..Limits::default() });
    for round in 0..50 {
        for _ in 0..40 {
            world.submit(Kind::Echo);
        }
        let (peak, _) = measure(|| {
            world.take();
            world.write(usize::MAX);
            world.deliver(usize::MAX);
        });
        world.look_all();
        assert!(peak < 64 * KIB, "{round}: {peak}");
    }
    world.check_end();
}

#[test]
fn a_value_that_is_kept_keeps_little_else() {
    let mut world = World::open_with(Limits::default());
    let callers: Vec<usize> = [100, 5_000, 17_000, 70_000, 300_000].map(|len| world.submit(Kind::Value(len))).into();
    world.take();
    world.write(usize::MAX);
    let replies: Vec<u8> = world.replies.drain(..).collect();
    measure(|| {
        for piece in replies.chunks(10_000) {
            world.receive(piece);
        }
        world.incoming.shrink();
    });
    let kept = NOW.get() - (1 << 40);
    assert!(kept < replies.len() + replies.len() / 4, "{kept} for {}", replies.len());
    world.look_all();
    callers.iter().for_each(|n| world.assert_replied(*n));
    world.check_end();
}

#[test]
fn a_connection_with_nothing_to_do_lets_go_of_what_it_needed() {
    const MANY: usize = 2_000;
    let mut world = World::open_with(Limits { in_flight_max: MANY, abandoned_max: MANY, ..Limits::default() });
    let callers: Vec<usize> = (0..MANY).map(|_| world.submit(Kind::Echo)).collect();
    // Each is noted as written by a caller, and then as abandoned.
    assert!(world.begin_inline(usize::MAX));
    world.end_inline();
    world.take();
    callers.iter().for_each(|n| world.leave(*n));
    world.deliver(usize::MAX);
    assert_eq!((world.stats().in_flight, world.stats().abandoned_now), (0, 0));
    measure(|| world.connection.shrink());
    let freed = (1 << 40) - NOW.get();
    assert!(freed > MANY * (size_of::<Tick>() + size_of::<usize>()), "{freed} bytes");
}

/// Largest single request for memory while these bytes come in pieces.
fn largest_of(world: &mut World, bytes: &[u8]) -> usize {
    measure(|| bytes.chunks(4_000).for_each(|piece| world.receive(piece))).1
}

/// The replies to commands of these kinds, as the server would send them now.
fn replies_to(world: &mut World, kinds: &[Kind]) -> Vec<u8> {
    for kind in kinds {
        world.submit(*kind);
    }
    world.take();
    world.write(usize::MAX);
    world.replies.drain(..).collect()
}

#[test]
fn memory_of_a_large_reply_serves_the_next_once_nobody_has_it() {
    let mut world = World::open_with(Limits::default());
    let largest = |world: &mut World, len| {
        let replies = replies_to(world, &[Kind::Value(len)]);
        largest_of(world, &replies)
    };
    assert!(largest(&mut world, 300_000) >= 60 * KIB);
    // The first is still there: each has memory of its own, all of it at once.
    assert!(largest(&mut world, 300_000) >= 300_000);
    world.look_all();
    for len in [300_000, 299_000, 280_000, 300_000] {
        assert!(largest(&mut world, len) < 16 * KIB, "{len}");
        world.look_all();
    }
    // A much smaller one would keep too much.
    assert!(largest(&mut world, 200_000) >= 200_000);
    world.look_all();
    world.incoming.shrink();
    assert!(largest(&mut world, 200_000) >= 200_000, "an idle connection keeps nothing");
    world.look_all();
    world.check_end();
}

#[test]
fn memory_of_a_large_reply_is_not_kept_for_ever() {
    let mut world = World::open_with(Limits::default());
    let largest = |world: &mut World| {
        let replies = replies_to(world, &[Kind::Value(100_000)]);
        let largest = largest_of(world, &replies);
        world.look_all();
        largest
    };
    largest(&mut world);
    assert!(largest(&mut world) < 16 * KIB);
    for _ in 0..900 {
        let replies = replies_to(&mut world, &[Kind::Value(1_000)]);
        world.receive(&replies);
        world.look_all();
    }
    assert!(largest(&mut world) >= 100_000);
    world.check_end();
}

#[test]
fn letting_go_of_memory_loses_nothing_that_has_come() {
    let kinds = [Kind::Echo, Kind::Many(2), Kind::Value(40)];
    let len = replies_to(&mut World::open_with(Limits::default()), &kinds).len();
    for at in 0..=len {
        let mut world = World::open_with(Limits::default());
        let callers = kinds.map(|kind| world.submit(kind));
        world.take();
        world.write(usize::MAX);
        world.deliver(at);
        world.incoming.shrink();
        world.connection.shrink();
        world.turn();
        callers.iter().for_each(|n| world.assert_replied(*n));
        world.check_end();
    }
}

#[test]
fn a_header_buys_no_more_than_was_received_before() {
    for before in [100 * KIB, 1024 * KIB] {
        let mut world = World::open_with(Limits::default());
        let replies = replies_to(&mut world, &[Kind::Value(before)]);
        world.receive(&replies);
        replies_to(&mut world, &[Kind::Value(0)]);
        let (peak, _) = measure(|| {
            world.incoming.handle_bytes(world.now(), format!("= 1 {}\r\n", 8 * 1024 * KIB).as_bytes());
            world.incoming.poll_replies().expect("a header");
            world.incoming.read_with(|space| assert!(space.has_remaining_mut()));
        });
        assert!(peak <= replies.len() + 5 * KIB, "{before}: {peak}");
    }
}
