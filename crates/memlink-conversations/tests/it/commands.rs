//! From a line of the table to the command of memlink-meta that writes it, if one does.
//!
//! This is the one place that says which method stands for which flag. A wrong entry is found at once: the command is
//! encoded, and its bytes are compared with the table's.

use std::time::Duration;

use memlink_conversations::Asked;
use memlink_core::{Malformed, Refused, Reply, encode_to_vec};
use memlink_meta::{
    Arithmetic, AskVersion, Debug, Delete, FlushAll, Get, Key, MultiGet, Noop, Peer, Set, SetMode, Stats, StatsKind,
    Ttl, Verb, Verbosity,
};

use crate::outcomes::Output;
use crate::wire::Wire;

/// Longest opaque that a server takes, letter included. An opaque of the table stands for memlink's own, unless it is about
/// this bound.
const OPAQUE_LEN_MAX: usize = 32;

/// Any command of memlink-meta.
#[derive(Debug, Clone)]
pub(crate) enum Typed {
    Get(Get),
    Set(Set),
    Delete(Delete),
    Arithmetic(Arithmetic),
    Debug(Debug),
    Many(MultiGet),
    Noop(Noop),
    Version(AskVersion),
    Verbosity(Verbosity),
    Flush(FlushAll),
    Stats(Stats),
}

macro_rules! each {
    ($typed:expr, $command:ident => $then:expr) => {
        match $typed {
            Typed::Get($command) => $then,
            Typed::Set($command) => $then,
            Typed::Delete($command) => $then,
            Typed::Arithmetic($command) => $then,
            Typed::Debug($command) => $then,
            Typed::Many($command) => $then,
            Typed::Noop($command) => $then,
            Typed::Version($command) => $then,
            Typed::Verbosity($command) => $then,
            Typed::Flush($command) => $then,
            Typed::Stats($command) => $then,
        }
    };
}

/// Whether a command goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Goes {
    /// It does.
    Out,
    /// The options do not go together.
    Refused,
    /// The server has not what it needs.
    Unsupported,
}

impl Typed {
    /// The command that this line is written by. What it really writes may still differ: the caller compares.
    pub(crate) fn read(asked: &Asked<'_>) -> Option<Typed> {
        let words = &asked.words;
        if words.iter().skip(2).any(|word| word.len() > OPAQUE_LEN_MAX && word.starts_with(b"O")) {
            return None;
        }
        let text = |at: usize| words.get(at).and_then(|word| std::str::from_utf8(word).ok());
        match (text(0)?, words.len()) {
            ("mn", 1) => Some(Typed::Noop(Noop)),
            ("version", 1) => Some(Typed::Version(AskVersion)),
            ("verbosity", 2) => Some(Typed::Verbosity(Verbosity::new(text(1)?.parse().ok()?))),
            ("flush_all", 1) => Some(Typed::Flush(FlushAll::new())),
            ("flush_all", 2) => {
                let delay = Duration::from_secs(text(1)?.parse().ok()?);
                Some(Typed::Flush(FlushAll::new().delay(delay)))
            }
            ("stats", _) => Some(Typed::Stats(Stats::of(stats_kind(words)?))),
            (name @ ("get" | "gets"), 2..) => {
                let keys: Result<Vec<Key>, _> = words[1..].iter().map(Key::new).collect();
                let many = MultiGet::new(keys.ok()?);
                Some(Typed::Many(if name == "gets" { many.with_cas() } else { many }))
            }
            ("me", 2..) => Some(Typed::Debug(Debug::new(key(words, 2)?))),
            ("mg", 2..) => get(words).map(Typed::Get),
            ("ms", 3..) => set(words, asked.value?).map(Typed::Set),
            ("md", 2..) => delete(words).map(Typed::Delete),
            ("ma", 2..) => arithmetic(words).map(Typed::Arithmetic),
            _ => None,
        }
    }

    /// Whether it goes out to this server.
    pub(crate) fn goes(&mut self, now: u64, peer: &Peer) -> Goes {
        each!(self, command => match command.prepare(|| now) {
            Err(_) => Goes::Refused,
            Ok(()) => match memlink_core::Command::check(command, peer) {
                Err(_) => Goes::Unsupported,
                Ok(()) => Goes::Out,
            },
        })
    }

    /// Its bytes as the first command of a connection.
    pub(crate) fn bytes(&self, peer: &Peer) -> Vec<u8> {
        each!(self, command => encode_to_vec(|out| {
            memlink_core::Command::encode(command, peer, 0, out);
        }))
    }

    pub(crate) fn submit(&self, wire: &mut Wire) -> Result<memlink_core::Token, Refused> {
        each!(self, command => wire.submit(command))
    }

    pub(crate) fn decode(&self, reply: Reply) -> Result<Output, Malformed> {
        use memlink_core::Command as _;
        Ok(match self {
            Typed::Get(command) => Output::Get(command.decode(reply)?),
            Typed::Set(command) => Output::Set(command.decode(reply)?),
            Typed::Delete(command) => Output::Delete(command.decode(reply)?),
            Typed::Arithmetic(command) => Output::Arithmetic(command.decode(reply)?),
            Typed::Debug(command) => Output::Debug(command.decode(reply)?),
            Typed::Many(command) => Output::Many(command.decode(reply)?),
            Typed::Noop(command) => Output::Done(command.decode(reply)?),
            Typed::Version(command) => Output::Version(command.decode(reply)?),
            Typed::Verbosity(command) => Output::Done(command.decode(reply)?),
            Typed::Flush(command) => Output::Done(command.decode(reply)?),
            Typed::Stats(command) => Output::Stats(command.decode(reply)?),
        })
    }

    /// Whether it carries a value, so that after most errors the connection is given up.
    pub(crate) fn has_payload(&self) -> bool {
        matches!(self, Typed::Set(_))
    }
}

fn stats_kind(words: &[&[u8]]) -> Option<StatsKind> {
    Some(match words.get(1..)? {
        [] => StatsKind::General,
        [b"settings"] => StatsKind::Settings,
        [b"items"] => StatsKind::Items,
        [b"slabs"] => StatsKind::Slabs,
        [b"sizes"] => StatsKind::Sizes,
        [b"conns"] => StatsKind::Connections,
        [b"reset"] => StatsKind::Reset,
        _ => return None,
    })
}

/// The key, decoded where one of the flags, which begin at `from`, is `b`.
fn key(words: &[&[u8]], from: usize) -> Option<Key> {
    let word = words.get(1)?;
    match words.get(from..)?.contains(&&b"b"[..]) {
        true => Key::new(decode_base64(word)?).ok(),
        false => Key::new(word).ok(),
    }
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut len) = (Vec::new(), 0_u32, 0);
    for byte in text.iter().take_while(|byte| **byte != b'=') {
        let digit = ALPHABET.iter().position(|letter| letter == byte)?;
        bits = bits << 6 | u32::try_from(digit).ok()?;
        len += 6;
        if len >= 8 {
            len -= 8;
            bytes.push(u8::try_from(bits >> len & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// A flag, and what stands behind its letter.
struct Flag<'a>(u8, &'a str);

impl Flag<'_> {
    fn number<N: std::str::FromStr>(&self) -> Option<N> {
        self.1.parse().ok()
    }

    fn time(&self) -> Option<Ttl> {
        Some(match self.1 {
            "-1" => Ttl::EXPIRED,
            "0" => Ttl::NEVER,
            digits => match digits.parse().ok()? {
                seconds @ 0..=2_592_000 => Ttl::seconds(seconds),
                date => Ttl::at(date),
            },
        })
    }
}

/// The flags from `from` on, without the opaque, which every command has anyway, and without `b`, which the key decides.
fn flags<'a>(words: &[&'a [u8]], from: usize) -> Option<Vec<Flag<'a>>> {
    let words = words.get(from..)?.iter().filter(|word| !matches!(word, [b'O', ..] | [b'b']));
    words
        .map(|word| {
            let (letter, token) = word.split_first()?;
            Some(Flag(*letter, std::str::from_utf8(token).ok()?))
        })
        .collect()
}

fn get(words: &[&[u8]]) -> Option<Get> {
    let key = key(words, 2)?;
    let flags = flags(words, 2)?;
    let has_value = flags.iter().any(|flag| flag.0 == b'v');
    let mut get = if has_value { Get::new(key) } else { Get::without_value(key) };
    for flag in flags {
        get = match flag.0 {
            b'v' => get,
            b's' => get.with_size(),
            b'f' => get.with_client_flags(),
            b'c' => get.with_cas(),
            b't' => get.with_ttl(),
            b'h' => get.with_hit_before(),
            b'l' => get.with_last_access(),
            b'u' => get.no_bump(),
            b'q' => get.quiet(),
            b'T' => get.touch(flag.time()?),
            b'N' => get.vivify(flag.time()?),
            b'R' => get.recache(flag.time()?),
            b'E' => get.override_cas(flag.number()?),
            b'C' => get.unless_cas(flag.number()?),
            b'P' => get.proxy_path(flag.1),
            b'L' => get.proxy_location(flag.1),
            _ => return None,
        };
    }
    Some(get)
}

fn set(words: &[&[u8]], value: &[u8]) -> Option<Set> {
    let mut set = Set::new(key(words, 3)?, bytes::Bytes::copy_from_slice(value));
    for flag in flags(words, 3)? {
        set = match flag.0 {
            b'M' => set.mode(match flag.1 {
                "E" => SetMode::Add,
                "R" => SetMode::Replace,
                "A" => SetMode::Append,
                "P" => SetMode::Prepend,
                _ => return None,
            }),
            b'T' => set.ttl(flag.time()?),
            b'F' => set.client_flags(flag.number()?),
            b'C' => set.compare_cas(flag.number()?),
            b'E' => set.override_cas(flag.number()?),
            b'I' => set.invalidate(),
            b'N' => set.vivify(flag.time()?),
            b'c' => set.with_cas(),
            b's' => set.with_size(),
            b'q' => set.quiet(),
            b'P' => set.proxy_path(flag.1),
            b'L' => set.proxy_location(flag.1),
            _ => return None,
        };
    }
    Some(set)
}

fn delete(words: &[&[u8]]) -> Option<Delete> {
    let mut delete = Delete::new(key(words, 2)?);
    for flag in flags(words, 2)? {
        delete = match flag.0 {
            b'C' => delete.compare_cas(flag.number()?),
            b'I' => delete.mark_stale(),
            b'x' => delete.drop_value(),
            b'T' => delete.ttl(flag.time()?),
            b'E' => delete.override_cas(flag.number()?),
            b'F' => delete.client_flags(flag.number()?),
            b'q' => delete.quiet(),
            b'P' => delete.proxy_path(flag.1),
            b'L' => delete.proxy_location(flag.1),
            _ => return None,
        };
    }
    Some(delete)
}

fn arithmetic(words: &[&[u8]]) -> Option<Arithmetic> {
    let key = key(words, 2)?;
    let flags = flags(words, 2)?;
    let is_down = flags.iter().any(|flag| flag.0 == b'M' && flag.1 == "D");
    let mut arithmetic = if is_down { Arithmetic::decrement(key) } else { Arithmetic::increment(key) };
    for flag in flags {
        arithmetic = match flag.0 {
            b'M' => arithmetic,
            b'D' => arithmetic.delta(flag.number()?),
            b'N' => arithmetic.vivify(flag.time()?),
            b'J' => arithmetic.initial(flag.number()?),
            b'T' => arithmetic.touch(flag.time()?),
            b'C' => arithmetic.compare_cas(flag.number()?),
            b'E' => arithmetic.override_cas(flag.number()?),
            b'v' => arithmetic.with_value(),
            b't' => arithmetic.with_ttl(),
            b'c' => arithmetic.with_cas(),
            b'q' => arithmetic.quiet(),
            b'P' => arithmetic.proxy_path(flag.1),
            b'L' => arithmetic.proxy_location(flag.1),
            _ => return None,
        };
    }
    Some(arithmetic)
}
