//! Random histories against a server that remembers what it has received.
//!
//! `CORE_SEEDS` sets how many seeds are tried, `CORE_SEED` replays one; a failure prints its seed.

use memlink_core::{Broken, Cause, Limits, Phase, Tick};
use std::time::Duration;

use crate::line::{Kind, Line};
use crate::world::{Caller, Ended, NOT_SENT, World};

/// Marsaglia's xorshift with a multiplication behind it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Mostly small, at times everything.
    fn bytes(&mut self) -> usize {
        match self.below(4) {
            0 => 1,
            1 => self.below(12) as usize,
            2 => self.below(40_000) as usize,
            _ => usize::MAX,
        }
    }
}

fn kind(random: &mut Random) -> Kind {
    match random.below(16) {
        0..7 => Kind::Echo,
        7 | 8 => Kind::Value(random.below(80) as usize),
        9 => Kind::Value(random.below(90_000) as usize),
        10 => Kind::Put(random.below(60) as usize),
        11 => Kind::Put(16_384 + random.below(40_000) as usize),
        12 => Kind::Many(random.below(4) as usize + 1),
        13 => Kind::Silent,
        14 if random.one_in(8) => Kind::Stop,
        15 => Kind::Modern,
        _ => Kind::Echo,
    }
}

fn limits(random: &mut Random, unit: u64) -> Limits {
    Limits {
        in_flight_max: 1 + random.below(12) as usize,
        queued_bytes_max: 60 + random.below(40_000) as usize,
        waiting_max: 1 + random.below(12) as usize,
        abandoned_max: 1 + random.below(8) as usize,
        abandoned_age_max: Duration::from_nanos(unit * (50 + random.below(300))),
        stall_timeout: Duration::from_nanos(unit * (20 + random.below(200))),
        opening_timeout: Duration::from_nanos(unit * 100),
        turn_replies_max: 1 + random.below(4) as usize,
        turn_bytes_max: 1 + random.below(50_000) as usize,
        unclaimed_bytes_max: 100_000 + random.below(100_000) as usize,
        ..Limits::default()
    }
}

/// One step of anybody.
fn step(world: &mut World, random: &mut Random, unit: u64) {
    match random.below(100) {
        0..25 => submit(world, random, unit),
        25..30 => {
            if let Some(n) = live(world, random) {
                world.leave(n);
            }
        }
        30..50 => {
            if let Some(n) = live(world, random) {
                world.look(n);
            }
        }
        50..53 => world.look_all(),
        53..63 => world.take(),
        63..73 => {
            world.write(random.bytes());
        }
        73..85 => {
            world.deliver(random.bytes());
        }
        85..90 => world.end_inline(),
        90..96 => {
            let jump = if random.one_in(6) { random.below(400) } else { random.below(20) };
            world.pass(world.now + jump * unit);
        }
        96 if world.is_up && random.one_in(4) => fault(world, random),
        97 if !world.is_up && random.one_in(4) => {
            let cause = Cause::Down("refused".to_owned());
            world.down(cause);
        }
        _ if !world.is_up => world.open(),
        _ if random.one_in(2) => {
            world.begin_renewal();
        }
        _ if random.one_in(4) => world.break_renewal(),
        _ => {
            world.end_renewal();
        }
    }
}

fn submit(world: &mut World, random: &mut Random, unit: u64) {
    let wait = unit * (1 + random.below(150));
    let deadline = if random.one_in(3) { Tick::NEVER } else { Tick::from_nanos(world.now + wait) };
    let kind = kind(random);
    let (_, may_write) = world.submit_with(kind, deadline, !random.one_in(5));
    if may_write && !(random.one_in(8) && world.wake_driver()) {
        world.begin_inline(random.bytes());
    }
}

fn fault(world: &mut World, random: &mut Random) {
    match random.below(5) {
        0 => world.replies.extend(b"e 999999 stray\r\n"),
        1 => world.replies.extend(b"! psst\r\n"),
        2 => world.driver_gone(),
        _ => world.lose(Broken::EndOfStream),
    }
}

fn live(world: &World, random: &mut Random) -> Option<usize> {
    let live: Vec<usize> = (0..world.callers.len()).filter(|n| world.callers[*n].token.is_some()).collect();
    let at = random.below(live.len().max(1) as u64) as usize;
    live.get(at).copied()
}

/// The faults have stopped: everyone gets an end, without anybody's deadline, and the counts go back to zero.
fn come_to_rest(world: &mut World) {
    world.end_inline();
    world.look_all();
    if !world.end_renewal() {
        world.break_renewal();
    }
    for _ in 0..20 {
        if !world.is_up {
            world.open();
        }
        world.turn();
        world.check();
        if world.callers.iter().all(|caller| caller.ended.is_some()) && world.stats().in_flight == 0 {
            break;
        }
        // The silent ones at the end are told by one that speaks. If they fill all the room there is, nobody can speak, and
        // the silence ends the connection.
        if world.is_up && world.server.is_silent && world.stats().waiting > 0 {
            world.pass(world.timeout().as_nanos());
        }
        world.submit(Kind::Echo);
    }
    world.turn();
    world.check_end();
    assert!(*world.connection.phase() == Phase::Open || !world.is_up);
}

/// How many connections have taken the place of another, and how many callers were told before their time that it is too late.
fn run(seed: u64) -> (usize, usize) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let line = Line { rounds: random.below(3) as usize, has_greeting: false, is_old: random.one_in(2) };
    // Nanoseconds in which things happen; the longer ones are those of what is counted by the clock.
    let unit = [1, 1_000_000, 5_000_000][random.below(3) as usize];
    let limits = limits(&mut random, unit);
    let mut world = World::new(line, limits);
    world.may_write_inline = random.one_in(2);
    let steps = 60 + random.below(200);
    for _ in 0..steps {
        step(&mut world, &mut random, unit);
        world.check();
    }
    come_to_rest(&mut world);
    let is_early = |caller: &&Caller| {
        caller.ended == Some(Ended::Failed(NOT_SENT, Cause::Deadline))
            && Tick::from_nanos(caller.ended_at) < caller.deadline
    };
    (world.renewals, world.callers.iter().filter(is_early).count())
}

#[test]
fn random_histories() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("CORE_SEED") {
        run(seed);
        return;
    }
    let (mut renewals, mut early) = (0, 0);
    for seed in 0..number("CORE_SEEDS").unwrap_or(1_500) {
        match std::panic::catch_unwind(|| run(seed)) {
            Ok((renewed, too_late)) => (renewals, early) = (renewals + renewed, early + too_late),
            Err(panic) => {
                eprintln!("replay with CORE_SEED={seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    println!(
        "{renewals} connections have taken the place of another, {early} callers were told early that it is too late"
    );
    assert!(renewals > 0 && early > 0);
}
