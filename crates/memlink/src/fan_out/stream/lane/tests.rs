use super::*;

const WAIT: Duration = Duration::from_millis(250);

fn window(line_max: usize) -> Window {
    Window { keys: 40, bytes: 4_000, line_max }
}

/// A lane for commands of so many bytes each, with `n` that wait.
fn lane(line_max: usize, fetches: bool, n: usize, bytes: usize) -> Lane<usize> {
    let mut lane = Lane::new(window(line_max), fetches);
    for index in 0..n {
        lane.push(Waiting { index, job: index, weight: Weight { bytes, fetches } });
    }
    lane
}

/// Lets the next command leave, and says which jobs it took.
fn depart(lane: &mut Lane<usize>, go: Go, waited: Duration) -> (Departed, Vec<usize>) {
    let len = lane.next_len(go);
    let (departed, jobs) = lane.depart(len, Instant::now(), waited);
    (departed, jobs.map(|(_, job)| job).collect())
}

fn answered(hits: usize, bytes: usize) -> Landed {
    Landed { answered: hits, hits, bytes, is_late: false }
}

#[test]
fn commands_leave_in_their_order_until_the_window_is_full() {
    let mut lane = lane(1, false, 50, 10);
    let mut left = Vec::new();
    while lane.next_len(Go::Later) > 0 {
        left.extend(depart(&mut lane, Go::Later, WAIT).1);
    }
    assert_eq!(left, (0..40).collect::<Vec<_>>());
    assert!(!lane.is_hungry());
}

#[test]
fn what_is_larger_than_the_window_leaves_alone() {
    let mut lane = lane(1, false, 2, 9_000);
    let (first, jobs) = depart(&mut lane, Go::Later, WAIT);
    assert_eq!((jobs, lane.next_len(Go::Now)), (vec![0], 0));
    lane.land(first, Landed::default(), Instant::now(), WAIT);
    assert_eq!(lane.next_len(Go::Now), 0, "its place is taken until the caller has the outcome");
    lane.release(0);
    assert_eq!(lane.next_len(Go::Now), 1);
}

#[test]
fn lines_wait_until_they_are_whole_or_nothing_more_comes() {
    let mut lane = lane(100, true, 6, 10);
    // Nothing is known of the values: a sixteenth of the window each and the keys besides, three keys a line.
    let (first, jobs) = depart(&mut lane, Go::Later, WAIT);
    assert_eq!(jobs, [0, 1, 2]);
    lane.land(first, answered(3, 3), Instant::now(), WAIT);
    (0..3).for_each(|_| lane.release(1));
    // Now they are known to be short: ten keys make a line of this window.
    assert!(lane.is_hungry());
    assert_eq!((lane.next_len(Go::Later), lane.next_len(Go::Now)), (0, 3));
    for index in 6..13 {
        lane.push(Waiting { index, job: index, weight: Weight { bytes: 10, fetches: true } });
    }
    assert_eq!(depart(&mut lane, Go::Later, WAIT).1, (3..13).collect::<Vec<_>>());
}

#[test]
fn values_that_the_caller_has_not_taken_count() {
    let mut lane = lane(1, true, 4, 10);
    let (first, _) = depart(&mut lane, Go::Now, WAIT);
    lane.land(first, answered(1, 3_900), Instant::now(), WAIT);
    assert_eq!(lane.next_len(Go::Now), 0);
    lane.release(3_900);
    assert_eq!(lane.next_len(Go::Now), 1);
}

#[test]
fn a_failure_teaches_nothing_of_lengths() {
    let mut lane = lane(1, true, 3, 10);
    let before = lane.expected.len();
    let (first, _) = depart(&mut lane, Go::Now, WAIT);
    lane.land(first, Landed::default(), Instant::now(), WAIT);
    assert_eq!(lane.expected.len(), before);
}

#[test]
fn a_server_falls_behind_by_silence_and_comes_back_by_an_answer() {
    let mut lane = lane(1, false, 60, 10);
    let departed: Vec<_> = (0..40).map(|_| depart(&mut lane, Go::Later, WAIT).0).collect();
    assert!(!lane.falls_behind(2 * WAIT - Duration::from_millis(1), WAIT), "it began to owe only when the first left");
    assert!(lane.falls_behind(2 * WAIT, WAIT) && lane.is_behind() && lane.refuses());
    assert!(!lane.falls_behind(2 * WAIT, WAIT), "it is said once");
    lane.take_waiting();
    assert!(lane.refuses() && !lane.is_hungry());
    lane.land(departed[0], answered(1, 0), Instant::now(), 2 * WAIT);
    lane.release(0);
    assert!(!lane.refuses() && lane.is_hungry());
}

#[test]
fn who_has_room_or_nothing_that_waits_is_not_behind() {
    let mut idle = lane(1, false, 0, 10);
    assert!(!idle.falls_behind(9 * WAIT, WAIT));
    idle.push(Waiting { index: 0, job: 0, weight: Weight { bytes: 10, fetches: false } });
    assert!(!idle.falls_behind(9 * WAIT, WAIT));
    depart(&mut idle, Go::Now, WAIT);
    assert!(!idle.falls_behind(9 * WAIT, WAIT));
}

#[test]
fn a_server_that_lets_all_of_a_commands_time_pass_gets_one_key_at_a_time() {
    let late = Landed { is_late: true, ..Landed::default() };
    let mut lane = lane(1, false, 60, 10);
    let departed: Vec<_> = (0..40).map(|_| depart(&mut lane, Go::Later, WAIT).0).collect();
    departed.into_iter().for_each(|departed| lane.land(departed, late, Instant::now(), WAIT));
    assert!(lane.is_behind());
    assert_eq!(lane.next_len(Go::Now), 1);
    let (probe, _) = depart(&mut lane, Go::Now, WAIT);
    assert_eq!(lane.next_len(Go::Now), 0);
    lane.land(probe, answered(1, 0), Instant::now(), WAIT);
    assert!(!lane.is_behind());
}

#[test]
fn a_late_command_is_no_silence_where_others_were_answered() {
    let mut lane = lane(1, false, 2, 10);
    let (slow, _) = depart(&mut lane, Go::Later, WAIT);
    let (quick, _) = depart(&mut lane, Go::Later, WAIT);
    lane.land(quick, answered(1, 0), Instant::now(), WAIT);
    lane.land(slow, Landed { is_late: true, ..Landed::default() }, Instant::now(), WAIT);
    assert!(!lane.is_behind());
}

/// Whatever the window and the lengths: while keys are left and nothing is in flight, something leaves.
#[test]
fn a_lane_never_waits_for_what_cannot_come() {
    for bytes_max in [1, 100, 1_000, 4_096, 8_192, 16_384, 1 << 20] {
        for (key_len, value_len) in [(1, 0), (1, 1), (10, 10), (40, 10), (100, 10), (250, 30), (250, 1), (10, 5_000)] {
            for (keys_max, line_max) in [(512, 100), (512, 1), (3, 100), (1, 100)] {
                let window = Window { keys: keys_max, bytes: bytes_max, line_max };
                let mut lane = Lane::new(window, true);
                let (mut taken, mut left) = (0, 0);
                while left < 2_000 {
                    // Keys come for as long as it could send more; others are waited for, as if they were all of one server.
                    while taken < 2_000 && lane.is_hungry() {
                        lane.push(Waiting {
                            index: taken,
                            job: taken,
                            weight: Weight { bytes: key_len, fetches: true },
                        });
                        taken += 1;
                    }
                    let go = if taken == 2_000 { Go::Now } else { Go::Later };
                    let (departed, jobs) = depart(&mut lane, go, WAIT);
                    assert!(!jobs.is_empty(), "{window:?} {key_len} {value_len}: stuck behind {left} of {taken}");
                    left += jobs.len();
                    lane.land(departed, answered(jobs.len(), jobs.len() * value_len), Instant::now(), WAIT);
                    jobs.iter().for_each(|_| lane.release(value_len));
                }
            }
        }
    }
}
