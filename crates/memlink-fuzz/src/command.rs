//! Any command of memlink-meta, with any parts.

use std::time::Duration;

use bytes::Bytes;
use memlink_core::{Command, Encoder, Malformed, Reply, Unsupported};
use memlink_meta::{
    Arithmetic, AskVersion, Counted, Debug, Delete, DeleteOutcome, Expect, Fault, FlushAll, Found, Get, Got, Invalid,
    ItemInfo, Key, Meta, MultiGet, Noop, Peer, Set, SetMode, Statistics, Stats, StatsKind, Stored, Ttl, Verb,
    Verbosity,
};

use crate::Choices;

/// The largest item that servers are told to keep, in bytes: so that inputs of a few bytes reach beyond it.
pub const ITEM_LEN_MAX: usize = 64 * 1024;

/// The clock of all targets: in the year 2027.
pub(crate) const NOW: u64 = 1_800_000_000;

macro_rules! commands {
    ($($name:ident($command:ty) -> $output:ty,)*) => {
        /// One command of any kind.
        #[derive(Debug, Clone)]
        #[allow(missing_docs)]
        pub enum Any { $($name($command),)* }

        /// What its reply means.
        #[derive(Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Answer { $($name(Result<$output, Fault>),)* }

        impl Command<Meta> for Any {
            type Output = Answer;

            fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
                match self { $(Any::$name(command) => command.check(peer),)* }
            }

            fn size_hint(&self) -> usize {
                match self { $(Any::$name(command) => command.size_hint(),)* }
            }

            fn encode(&self, peer: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
                match self { $(Any::$name(command) => command.encode(peer, serial, out),)* }
            }

            fn decode(&self, reply: Reply) -> Result<Answer, Malformed> {
                match self { $(Any::$name(command) => command.decode(reply).map(Answer::$name),)* }
            }
        }

        impl Any {
            fn prepare(&mut self) -> Result<(), Invalid> {
                match self { $(Any::$name(command) => command.prepare(|| NOW),)* }
            }
        }

        impl Answer {
            /// The error that the server reported, if it did.
            #[must_use]
            pub fn fault(&self) -> Option<&Fault> {
                match self { $(Answer::$name(answer) => answer.as_ref().err(),)* }
            }
        }
    };
}

commands! {
    Get(Get) -> Option<Got>,
    Set(Set) -> Stored,
    Delete(Delete) -> DeleteOutcome,
    Arithmetic(Arithmetic) -> Counted,
    MultiGet(MultiGet) -> Vec<Option<Found>>,
    Debug(Debug) -> Option<ItemInfo>,
    Stats(Stats) -> Statistics,
    FlushAll(FlushAll) -> (),
    Noop(Noop) -> (),
    Version(AskVersion) -> Box<str>,
    Verbosity(Verbosity) -> (),
}

impl Any {
    /// Whether a success or a miss may be answered by nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        match self {
            Any::Get(get) => get.is_quiet(),
            Any::Set(set) => set.is_quiet(),
            Any::Delete(delete) => delete.is_quiet(),
            Any::Arithmetic(arithmetic) => arithmetic.is_quiet(),
            _ => false,
        }
    }
}

/// The command that the choices make, prepared.
///
/// # Errors
///
/// [`Invalid`] when a part of it cannot be sent.
pub fn any_command(choices: &mut Choices<'_>) -> Result<Any, Invalid> {
    let mut command = match choices.below(16) {
        0..=3 => Any::Get(get(choices)?),
        4..=7 => Any::Set(set(choices)?),
        8 | 9 => Any::Delete(delete(choices)?),
        10 | 11 => Any::Arithmetic(arithmetic(choices)?),
        12 | 13 => Any::MultiGet(multi_get(choices)?),
        14 => Any::Debug(Debug::new(key(choices)?)),
        _ => for_a_server(choices),
    };
    command.prepare()?;
    Ok(command)
}

fn for_a_server(choices: &mut Choices<'_>) -> Any {
    const KINDS: [StatsKind; 9] = [
        StatsKind::General,
        StatsKind::Settings,
        StatsKind::Items,
        StatsKind::Slabs,
        StatsKind::Sizes,
        StatsKind::Connections,
        StatsKind::Extstore,
        StatsKind::Proxy,
        StatsKind::Reset,
    ];
    match choices.below(6) {
        0 => Any::Noop(Noop),
        1 => Any::Version(AskVersion),
        2 => Any::Verbosity(Verbosity::new(choices.byte())),
        3 => Any::FlushAll(FlushAll::new()),
        4 => Any::FlushAll(FlushAll::new().delay(Duration::from_millis(choices.number()))),
        _ => Any::Stats(Stats::of(KINDS[choices.below(KINDS.len())])),
    }
}

fn get(choices: &mut Choices<'_>) -> Result<Get, Invalid> {
    let asked = choices.u16();
    let has = |bit: u32| asked & 1 << bit != 0;
    let key = key(choices)?;
    let mut get = if has(0) { Get::without_value(key) } else { Get::new(key) };
    let plain: [fn(Get) -> Get; 8] = [
        Get::with_size,
        Get::with_client_flags,
        Get::with_cas,
        Get::with_ttl,
        Get::with_hit_before,
        Get::with_last_access,
        Get::no_bump,
        Get::quiet,
    ];
    for (bit, add) in (1..).zip(plain) {
        get = if has(bit) { add(get) } else { get };
    }
    get = if has(9) { get.touch(ttl(choices)) } else { get };
    get = if has(10) { get.vivify(ttl(choices)) } else { get };
    get = if has(11) { get.recache(ttl(choices)) } else { get };
    get = if has(12) { get.override_cas(choices.number()) } else { get };
    get = if has(13) { get.unless_cas(choices.number()) } else { get };
    get = if has(14) { get.proxy_path(hint(choices)) } else { get };
    Ok(if has(15) { get.proxy_location(hint(choices)) } else { get })
}

fn set(choices: &mut Choices<'_>) -> Result<Set, Invalid> {
    const MODES: [SetMode; 5] = [SetMode::Set, SetMode::Add, SetMode::Replace, SetMode::Append, SetMode::Prepend];
    let asked = choices.u16();
    let has = |bit: u32| asked & 1 << bit != 0;
    let mode = if has(0) { MODES[choices.below(MODES.len())] } else { SetMode::Set };
    let mut set = Set::with_mode(mode, key(choices)?, value(choices));
    let plain: [fn(Set) -> Set; 4] = [Set::with_cas, Set::with_size, Set::invalidate, Set::quiet];
    for (bit, add) in (1..).zip(plain) {
        set = if has(bit) { add(set) } else { set };
    }
    set = if has(5) { set.ttl(ttl(choices)) } else { set };
    set = if has(6) { set.client_flags(choices.number() as u32) } else { set };
    set = if has(7) { set.compare_cas(choices.number()) } else { set };
    set = if has(8) { set.override_cas(choices.number()) } else { set };
    set = if has(9) { set.vivify(ttl(choices)) } else { set };
    set = if has(10) { set.proxy_path(hint(choices)) } else { set };
    Ok(if has(11) { set.proxy_location(hint(choices)) } else { set })
}

fn delete(choices: &mut Choices<'_>) -> Result<Delete, Invalid> {
    let asked = choices.u16();
    let has = |bit: u32| asked & 1 << bit != 0;
    let mut delete = Delete::new(key(choices)?);
    let plain: [fn(Delete) -> Delete; 3] = [Delete::mark_stale, Delete::drop_value, Delete::quiet];
    for (bit, add) in (0..).zip(plain) {
        delete = if has(bit) { add(delete) } else { delete };
    }
    delete = if has(3) { delete.ttl(ttl(choices)) } else { delete };
    delete = if has(4) { delete.client_flags(choices.number() as u32) } else { delete };
    delete = if has(5) { delete.compare_cas(choices.number()) } else { delete };
    delete = if has(6) { delete.override_cas(choices.number()) } else { delete };
    delete = if has(7) { delete.proxy_path(hint(choices)) } else { delete };
    Ok(if has(8) { delete.proxy_location(hint(choices)) } else { delete })
}

fn arithmetic(choices: &mut Choices<'_>) -> Result<Arithmetic, Invalid> {
    let asked = choices.u16();
    let has = |bit: u32| asked & 1 << bit != 0;
    let key = key(choices)?;
    let mut command = if has(0) { Arithmetic::decrement(key) } else { Arithmetic::increment(key) };
    let plain: [fn(Arithmetic) -> Arithmetic; 4] =
        [Arithmetic::with_value, Arithmetic::with_ttl, Arithmetic::with_cas, Arithmetic::quiet];
    for (bit, add) in (1..).zip(plain) {
        command = if has(bit) { add(command) } else { command };
    }
    command = if has(5) { command.delta(choices.number()) } else { command };
    command = if has(6) { command.initial(choices.number()) } else { command };
    command = if has(7) { command.vivify(ttl(choices)) } else { command };
    command = if has(8) { command.touch(ttl(choices)) } else { command };
    command = if has(9) { command.compare_cas(choices.number()) } else { command };
    command = if has(10) { command.override_cas(choices.number()) } else { command };
    command = if has(11) { command.proxy_path(hint(choices)) } else { command };
    Ok(if has(12) { command.proxy_location(hint(choices)) } else { command })
}

fn multi_get(choices: &mut Choices<'_>) -> Result<MultiGet, Invalid> {
    let (len, with_cas) = (choices.below(12), choices.byte() & 1 != 0);
    let keys = (0..len).map(|_| key(choices)).collect::<Result<Vec<Key>, Invalid>>()?;
    let get = MultiGet::new(keys);
    Ok(if with_cas { get.with_cas() } else { get })
}

/// Bytes that are to be a key.
pub(crate) fn key(choices: &mut Choices<'_>) -> Result<Key, Invalid> {
    const LENS: [usize; 12] = [0, 60, 61, 62, 185, 186, 187, 249, 250, 251, 2_048, 70_000];
    let bytes = match choices.byte() {
        len @ ..=95 => return Ok(Key::new(choices.bytes(usize::from(len)))?),
        // A few that are met again.
        name @ 96..=159 => return Ok(Key::new([b'a' + name % 4])?),
        len => repeated(choices, LENS[usize::from(len) % LENS.len()]),
    };
    Ok(Key::new(bytes)?)
}

fn value(choices: &mut Choices<'_>) -> Bytes {
    const LENS: [usize; 10] = [0, 1, 2, 250, 2_000, 2_048, 4_096, 16_383, 16_384, 20_000];
    match choices.byte() {
        len @ ..=159 => Bytes::copy_from_slice(choices.bytes(usize::from(len))),
        255 if choices.byte() == 255 => {
            // About the largest item of the servers that are asked.
            let len = ITEM_LEN_MAX - 150 + choices.below(200);
            repeated(choices, len).into()
        }
        len => repeated(choices, LENS[usize::from(len) % LENS.len()]).into(),
    }
}

fn repeated(choices: &mut Choices<'_>, len: usize) -> Vec<u8> {
    let unit = choices.bytes(1 + usize::from(len > 0) * 3);
    let mut bytes = if unit.is_empty() { b"x" } else { unit }.repeat(len.div_ceil(unit.len().max(1)));
    bytes.truncate(len);
    bytes
}

fn hint<'a>(choices: &mut Choices<'a>) -> &'a [u8] {
    let len = choices.below(36);
    choices.bytes(len)
}

fn ttl(choices: &mut Choices<'_>) -> Ttl {
    match choices.below(5) {
        0 => Ttl::seconds(choices.number()),
        1 => Ttl::at(choices.number()),
        2 => Ttl::NEVER,
        3 => Ttl::EXPIRED,
        _ => Ttl::from(Duration::from_millis(choices.number())),
    }
}
