//! More is asked than a server can serve, by callers who wait for room: those who are let in are answered in time, and nothing of it
//! stays when it is over.

use crate::pressed::{MILLI, Pressed, SECOND, Told};

/// Most of what the server can do in this time is of use to somebody, and hardly anything is done for nobody.
fn assert_of_use(told: Told, capacity: u64, time: u64, what: &str) {
    let able = capacity * (time / MILLI) / 1_000;
    assert!(told.served * 10 >= able * 9, "{what}: {} of {able} were served, {told:?}", told.served);
    assert!(told.unknown * 20 <= able, "{what}: {told:?}");
}

/// A server's commands in a second, how many may be in flight, and how long callers wait.
const SHAPES: [(u64, usize, u64); 8] = [
    (2_000, 100, 100 * MILLI),
    (2_000, 150, 100 * MILLI),
    (200, 10, 100 * MILLI),
    (200, 100, SECOND),
    (1_000, 1, 20 * MILLI),
    (10, 1, SECOND),
    (2_000, 400, SECOND),
    (5_000, 25, 10 * MILLI),
];

#[test]
fn ten_times_as_much_as_a_server_can_do_leaves_it_of_use() {
    for (capacity, in_flight_max, wait) in SHAPES {
        for batch in [1, in_flight_max.div_ceil(3)] {
            let what =
                format!("{capacity}/s, {in_flight_max} in flight in batches of {batch}, wait {} ms", wait / MILLI);
            let mut world = Pressed::new(capacity, in_flight_max);
            world.batch = batch;
            // What is known is known after a tenth of a second, or some replies of a slow server.
            let early = world.press(SECOND, capacity * 10, |_| wait);
            let time = (1_500 / capacity).clamp(1, 150) * SECOND;
            let told = world.press(time, capacity * 10, |_| wait);
            assert_of_use(told, capacity, time, &what);
            assert!(early.served * 10 >= capacity * 8, "{what}: {early:?}");
            world.come_to_rest();
        }
    }
}

#[test]
fn callers_who_come_again_at_once_leave_it_of_use_as_well() {
    for (capacity, in_flight_max, wait) in SHAPES {
        let what = format!("{capacity}/s, {in_flight_max} in flight, wait {} ms", wait / MILLI);
        let mut world = Pressed::new(capacity, in_flight_max);
        // So many that a tenth of them could be answered in time.
        (0..10 * capacity * (wait / MILLI) / 1_000).for_each(|_| world.ask_for_ever(wait));
        world.press(SECOND, 0, |_| wait);
        let time = (1_500 / capacity).clamp(1, 30) * SECOND;
        let told = world.press(time, 0, |_| wait);
        assert_of_use(told, capacity, time, &what);
        world.come_to_rest();
    }
}

#[test]
fn callers_who_wait_for_different_times_leave_it_of_use() {
    const WAITS: [u64; 5] = [20 * MILLI, 60 * MILLI, 100 * MILLI, 400 * MILLI, SECOND];
    let mut world = Pressed::new(1_000, 50);
    world.press(3 * SECOND, 10_000, |n| WAITS[n as usize * 7 % 5]);
    let told = world.press(10 * SECOND, 10_000, |n| WAITS[n as usize * 7 % 5]);
    assert_of_use(told, 1_000, 10 * SECOND, "different times");
    // Where few can wait for long the others have their turn as well.
    let told = world.press(10 * SECOND, 10_000, |n| if n % 20 == 0 { SECOND } else { 100 * MILLI });
    assert_of_use(told, 1_000, 10 * SECOND, "mostly short");
    world.come_to_rest();
}

#[test]
fn who_has_no_deadline_is_never_sent_away() {
    let mut world = Pressed::new(1_000, 50);
    let told = world.press(2 * SECOND, 10_000, |_| u64::MAX);
    assert_eq!((told.not_sent, told.unknown), (0, 0), "{told:?}");
    // Nor does a line of them let in whom they make late.
    let told = world.press(SECOND, 1_000, |_| 100 * MILLI);
    assert_eq!((told.served, told.unknown), (1_000, 0), "those without a deadline, who came first: {told:?}");
    world.come_to_rest();
}

#[test]
fn nobody_is_sent_away_when_it_is_over() {
    for wait in [100 * MILLI, SECOND] {
        let mut world = Pressed::new(2_000, 100);
        world.press(2 * SECOND, 20_000, |_| wait);
        // Those who are in line still are told within their time.
        world.press(wait, 1_000, |_| wait);
        let told = world.press(10 * SECOND, 1_000, |_| wait);
        assert_eq!((told.not_sent, told.unknown), (0, 0), "{told:?}");
        assert!(told.served >= 9_999, "{told:?}");
        world.come_to_rest();
    }
}

#[test]
fn a_server_that_was_slow_is_believed_to_be_fast_again() {
    for (slow, fast) in [(50, 10_000), (2_000, 4_000), (500, 1_000)] {
        let mut world = Pressed::new(slow, 40);
        world.press(3 * SECOND, 20_000, |_| 100 * MILLI);
        world.capacity = fast;
        world.press(200 * MILLI, 10 * fast, |_| 100 * MILLI);
        let told = world.press(SECOND, 10 * fast, |_| 100 * MILLI);
        assert_of_use(told, fast, SECOND, &format!("{fast}/s after {slow}/s"));
        // And a burst that it can serve is served, however it was before.
        world.capacity = slow;
        world.press(SECOND, 20_000, |_| 100 * MILLI);
        world.capacity = fast;
        world.press(200 * MILLI, 0, |_| 0);
        let burst = world.press(MILLI, 75_000, |_| SECOND);
        let told = world.press(SECOND, 0, |_| 0);
        assert_eq!((burst.not_sent + told.not_sent, told.unknown), (0, 0), "{fast}/s after {slow}/s: {told:?}");
        world.come_to_rest();
    }
}

#[test]
fn a_server_that_paused_is_not_taken_for_a_slow_one() {
    for (demand, wait) in [(20_000, 100 * MILLI), (20_000, SECOND), (1_800, SECOND)] {
        let mut world = Pressed::new(2_000, 100);
        for _ in 0..5 {
            world.press(SECOND, demand, |_| wait);
            world.paused_until = world.now + 500 * MILLI;
            world.press(500 * MILLI, demand, |_| wait);
            world.press(150 * MILLI, demand, |_| wait);
            let told = world.press(SECOND, demand, |_| wait);
            let able = demand.min(2_000);
            assert_of_use(told, able, SECOND, &format!("{demand}/s, wait {} ms", wait / MILLI));
        }
        world.come_to_rest();
    }
}

#[test]
fn a_server_that_becomes_slower_is_of_use_again_soon() {
    let mut world = Pressed::new(4_000, 100);
    world.press(SECOND, 40_000, |_| 100 * MILLI);
    world.capacity = 2_000;
    world.press(250 * MILLI, 40_000, |_| 100 * MILLI);
    let told = world.press(SECOND, 40_000, |_| 100 * MILLI);
    assert_of_use(told, 2_000, SECOND, "half as fast");
    world.come_to_rest();
}
