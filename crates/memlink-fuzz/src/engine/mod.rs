//! The whole engine, with events that the input decides.
//!
//! ```text
//!   setup, limits | event, event, ...        callers, driver, clock, network, server, faults
//! ```
//!
//! It shares no code with the tests of the engine: another protocol, another server, another world. What must hold is
//! said in [`checks`] and checked at every end of a command; afterwards the faults stop, and everybody must come to an end.

mod checks;
mod protocol;
mod renewal;
mod server;
mod world;

use std::time::Duration;

use memlink_core::{Broken, Cause, Limits};

use crate::Choices;
use crate::memory::{Measure, assert_bounded};
use protocol::{Binary, Kind, Order};
use world::World;

/// Whatever happens in whatever order, no reply goes astray, every command ends once, and what is said of its end is true.
pub fn engine(input: &[u8]) {
    let mut choices = Choices::new(input);
    let setup = choices.byte();
    let protocol = Binary { rounds: setup & 3, is_old: setup & 4 != 0, has_greeting: setup & 8 != 0 };
    let limits =
        if setup & 16 == 0 { narrow(&mut choices) } else { Limits { stall_timeout: TIMEOUT, ..Limits::default() } };
    let mut world = World::new(protocol, limits, setup & 32 != 0);
    let measure = Measure::begin();
    if setup & 64 == 0 {
        world.open();
    }
    while !choices.is_empty() {
        step(&mut world, &mut choices);
    }
    world.come_to_rest();
    assert_bounded(&measure, world.received_bytes + 3 * world.submitted_bytes / 2, "an engine");
}

const TIMEOUT: Duration = Duration::from_nanos(200);

/// Limits that are reached by a few commands.
fn narrow(choices: &mut Choices<'_>) -> Limits {
    let mut most = |base: usize, n: usize| base + choices.below(n);
    Limits {
        in_flight_max: most(1, 12),
        queued_bytes_max: most(10, 250) * 100,
        waiting_max: most(1, 12),
        abandoned_max: most(1, 8),
        turn_replies_max: most(1, 4),
        turn_bytes_max: most(1, 200) * 100,
        unclaimed_bytes_max: most(0, 200) * 500,
        abandoned_age_max: Duration::from_nanos(most(50, 256) as u64),
        stall_timeout: Duration::from_nanos(most(20, 200) as u64),
        opening_timeout: Duration::from_nanos(100),
        ..Limits::default()
    }
}

/// How many bytes pass at once: mostly few, at times all.
fn amount(choices: &mut Choices<'_>) -> usize {
    match choices.byte() {
        few @ ..160 => usize::from(few),
        more @ 160..224 => usize::from(more - 159) * 640,
        _ => usize::MAX,
    }
}

/// One event.
fn step(world: &mut World, choices: &mut Choices<'_>) {
    match choices.byte() {
        0..64 => submit(world, choices),
        64..80 => world.leave(choices.byte()),
        80..104 => world.look(choices.byte()),
        104..112 => world.look_all(),
        112..136 => world.take(),
        136..164 => drop(world.write(amount(choices))),
        164..196 => drop(world.deliver(amount(choices))),
        196..204 => world.end_inline(),
        204..208 => world.pass(u64::from(choices.u16())),
        208..224 => world.pass(u64::from(choices.byte())),
        224..228 => world.turn(),
        228..240 => world.open(),
        240 => world.lose(Broken::EndOfStream),
        241 => world.driver_gone(),
        242 => world.down(Cause::Down("refused".to_owned())),
        243 => world.retire(),
        244 => world.drain(choices.byte()),
        245 => world.shutdown(choices.byte()),
        246 => world.shrink(),
        247 => world.expect_driver(),
        248 => world.server.stray(choices.byte()),
        249 => world.server.say_unasked(choices.byte()),
        250 => world.server.repeat_last(),
        251 => world.server.forget_last(),
        252 => world.server.refuse_opening(),
        253 => world.lose_while_reading(amount(choices)),
        254 => world.poll_sent(),
        255 => rare(world, choices),
    }
}

/// What whoever drives a connection does seldom.
fn rare(world: &mut World, choices: &mut Choices<'_>) {
    match choices.byte() {
        0..60 => world.begin_renewal(),
        60..120 => world.end_renewal(),
        120..140 => world.break_renewal(),
        140..160 => world.suspend(),
        160..190 => world.resume(),
        190.. => world.probe(u64::from(choices.byte())),
    }
}

fn submit(world: &mut World, choices: &mut Choices<'_>) {
    let order = match choices.byte() {
        kind @ ..96 => Order { kind: Kind::Echo, len: u16::from(kind % 4) },
        kind @ 96..128 => Order { kind: Kind::Value, len: u16::from(kind) - 96 },
        128..140 => Order { kind: Kind::Value, len: choices.u16() % 50_000 },
        140..152 => Order { kind: Kind::Put, len: u16::from(choices.byte()) },
        152..160 => Order { kind: Kind::Put, len: 16_300 + choices.u16() % 8_192 },
        160..180 => Order { kind: Kind::Many, len: u16::from(choices.byte() % 8) + 1 },
        180..200 => Order { kind: Kind::Silent, len: 0 },
        200..204 => Order { kind: Kind::Stop, len: 0 },
        204..216 => Order { kind: Kind::Modern, len: 0 },
        216..232 => Order { kind: Kind::Pair, len: u16::from(choices.byte()) },
        232..236 => Order { kind: Kind::Empty, len: 0 },
        _ => Order { kind: Kind::Echo, len: 0 },
    };
    let how = choices.byte();
    let deadline = if how & 3 == 0 { Some(u64::from(how >> 2) * 4 + 1) } else { None };
    if world.submit(order, deadline, how & 0x84 != 0x80) && how & 0x70 != 0x70 {
        world.begin_inline(amount(choices));
    }
}
