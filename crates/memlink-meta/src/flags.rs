//! Every flag of the meta commands, and the one order in which they are written.
//!
//! # The order
//!
//! The server takes the flags of a line **in the order in which they stand** and answers them in that order, so some
//! orders mean something else than what was asked for:
//!
//! * `O` comes first: its echo then stands directly behind the status (and the size), where whoever cuts the stream
//!   into replies finds it without reading further.
//! * `b` says how to read the key. It has the same meaning anywhere; next to the opaque it is easy to see.
//! * `R` comes before `T`: the other way round the touch has already lengthened the life of the item when it is
//!   compared with the recache time, and nobody is ever elected to refresh it.
//! * `T` comes before `N`: on a miss the later of the two sets the life of what `N` created. A placeholder is to live
//!   for its own short time, not for the touch's.
//! * `t` comes last: before `T` and `N` it reports the old time to live, or none for an item that was just created.
//! * All others have no effect on each other. What changes something stands before what reads something.
//!
//! Hence one order for all commands, whatever the order in which a builder's methods are called:
//!
//! ```text
//! O b R T N M D J F C E I x q u P L s f c h l v t
//! ```
//!
//! `k` (echo the key) is never sent. A key that was given as base64 can come back raw, with line ends in it, because
//! the server loses track of the form on several ways; a reply is told by its place and its opaque, and the caller
//! knows the key.
//!
//! No flag is ever written twice (the server refuses that), and no line has more than 17 of them, 18 from 1.6.40 on.
//!
//! Source: meta protocol, the description of each command; the order rules follow from "flags are executed in token
//! order".

use alloc::vec::Vec;

use memlink_core::Encoder;

use crate::{Key, Ttl, Version, number, opaque::Opaque};

/// One flag of the meta protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// How it is written.
    pub letter: char,
    /// What it means.
    pub meaning: &'static str,
    /// Which of `mg`, `ms`, `md`, `ma` give it a meaning, by their second letter. The server accepts and ignores it
    /// elsewhere.
    pub commands: &'static str,
    /// What stands behind the letter, if anything.
    pub token: Token,
    /// The first version in which it works in at least one of the commands.
    pub since: Version,
}

/// What stands behind the letter of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Token {
    /// Nothing.
    None,
    /// A decimal number of 64 bits, without sign.
    Number,
    /// A decimal number of 32 bits, without sign.
    Number32,
    /// A time: see [`Ttl`].
    Time,
    /// One letter, the mode.
    Mode,
    /// Text without spaces.
    Text,
}

/// Every flag that is ever written, in the order in which they are written.
pub const FLAGS: &[Flag] = &[
    flag('O', "opaque: echoed by the reply", "gsda", Token::Text, 10),
    flag('b', "the key is base64", "gsda", Token::None, 10),
    flag('R', "elect a refresher when less time to live is left", "g", Token::Time, 10),
    flag('T', "set the time to live", "gsda", Token::Time, 10),
    flag('N', "create on a miss, with this time to live", "gsa", Token::Time, 10),
    flag('M', "mode", "sa", Token::Mode, 10),
    flag('D', "delta", "a", Token::Number, 10),
    flag('J', "initial value of what N creates", "a", Token::Number, 10),
    flag('F', "client flags to store", "sd", Token::Number32, 10),
    flag('C', "compare with this CAS id", "gsda", Token::Number, 10),
    flag('E', "store this CAS id", "gsda", Token::Number, 27),
    flag('I', "invalidate: mark stale (md), store although the CAS id is older (ms)", "sd", Token::None, 10),
    flag('x', "drop the value, keep the item", "d", Token::None, 27),
    flag('q', "quiet: hide the usual reply", "gsda", Token::None, 10),
    flag('u', "do not count as an access", "g", Token::None, 10),
    flag('P', "hint for a proxy: path", "gsda", Token::Text, 14),
    flag('L', "hint for a proxy: location", "gsda", Token::Text, 14),
    flag('s', "return the size of the value", "gs", Token::None, 10),
    flag('f', "return the client flags", "g", Token::None, 10),
    flag('c', "return the CAS id", "gsa", Token::None, 10),
    flag('h', "return whether it was fetched before", "g", Token::None, 10),
    flag('l', "return the seconds since the last access", "g", Token::None, 10),
    flag('v', "return the value", "ga", Token::None, 10),
    flag('t', "return the time to live left", "ga", Token::None, 10),
];

const fn flag(letter: char, meaning: &'static str, commands: &'static str, token: Token, patch: u16) -> Flag {
    Flag { letter, meaning, commands, token, since: Version::new(1, 6, patch) }
}

/// Writes the name, the key and whatever stands between them and the flags, then the flags that every command has.
/// `len` is the length of the value of an `ms`.
///
/// Always inline: with a length that is known to be none, a fifth of the instructions of a line go.
#[inline(always)]
pub(crate) fn begin<'a>(
    name: &[u8; 3],
    key: &Key,
    len: Option<usize>,
    opaque: Option<Opaque>,
    out: &'a mut Encoder<'_>,
) -> Line<'a> {
    let buf = out.buffer();
    buf.reserve(key.room() + 64);
    buf.extend_from_slice(name);
    key.put(buf);
    if let Some(len) = len {
        buf.push(b' ');
        number::put(buf, len as u64);
    }
    if let Some(opaque) = opaque {
        let [space, letter, a, b, c, d, ..] = opaque.flag([0; 2]);
        buf.extend_from_slice(&[space, letter, a, b, c, d]);
    }
    if key.is_binary() {
        buf.extend_from_slice(b" b");
    }
    Line { buf }
}

/// Writes the commonest line of all, `mg <key> O<opaque> v` or without opaques `mg <key> v`: the same as [`begin`] and the flag
/// `v` write, at a third of the instructions. `false`, and nothing is written, when the key is not short and plain or the
/// buffer has no room.
///
/// Room for the longest key is taken at once, all pieces are put in with copies of constant length (the key with the zeros
/// behind it, which the rest overwrites), and what was too much is given back. So there is one check of the buffer's capacity,
/// where an append of each piece has a check for each. And nothing is called, so nothing has to be kept across a call.
#[inline]
#[must_use]
pub(crate) fn put_plain_get(key: &Key, opaque: Option<Opaque>, out: &mut Encoder<'_>) -> bool {
    const NAME: &[u8; 3] = b"mg ";
    const LINE_MAX: usize = NAME.len() + Key::SHORT_MAX + 16;
    let buf = out.buffer();
    let Some((bytes, len)) = key.as_short() else { return false };
    if buf.capacity() - buf.len() < LINE_MAX {
        return false;
    }
    let (flags, flags_len) = match opaque {
        Some(opaque) => (opaque.flag(*b" v"), 8),
        None => (*b" v\0\0\0\0\0\0", 2),
    };
    let line_len = NAME.len() + len + flags_len + 2;
    let end = buf.len() + line_len;
    buf.extend_from_slice(&[0; LINE_MAX]);
    if let Some(line) = buf.last_chunk_mut::<LINE_MAX>()
        && let Some((name, rest)) = line.split_first_chunk_mut::<{ NAME.len() }>()
        && let Some(room) = rest.first_chunk_mut::<{ Key::SHORT_MAX }>()
    {
        *name = *NAME;
        *room = *bytes;
        if let Some(room) = rest.get_mut(len..).and_then(<[u8]>::first_chunk_mut::<8>) {
            *room = flags;
        }
        if let Some(room) = rest.get_mut(len + flags_len..).and_then(<[u8]>::first_chunk_mut::<2>) {
            *room = *b"\r\n";
        }
    }
    buf.truncate(end);
    true
}

/// A line under construction: the flags behind the opaque.
pub(crate) struct Line<'a> {
    buf: &'a mut Vec<u8>,
}

impl Line<'_> {
    /// A flag that stands alone, if `on`.
    #[inline]
    pub(crate) fn flag(&mut self, letter: u8, on: bool) {
        if on {
            self.buf.extend_from_slice(&[b' ', letter]);
        }
    }

    /// A flag with a letter behind it.
    pub(crate) fn mode(&mut self, mode: u8) {
        self.buf.extend_from_slice(&[b' ', b'M', mode]);
    }

    /// A flag with a number behind it, if there is one.
    #[inline]
    pub(crate) fn number(&mut self, letter: u8, n: Option<u64>) {
        if let Some(n) = n {
            self.buf.extend_from_slice(&[b' ', letter]);
            number::put(self.buf, n);
        }
    }

    /// A flag with a time behind it, if there is one.
    #[inline]
    pub(crate) fn time(&mut self, letter: u8, ttl: Option<Ttl>) {
        if let Some(ttl) = ttl {
            self.buf.extend_from_slice(&[b' ', letter]);
            number::put_signed(self.buf, ttl.wire());
        }
    }

    /// The hints for proxies.
    #[inline]
    pub(crate) fn hints(&mut self, hints: &Hints) {
        if let Some(texts) = &hints.0 {
            for (letter, text) in [(b'P', &texts.path), (b'L', &texts.location)] {
                if let Some(text) = text {
                    self.buf.extend_from_slice(&[b' ', letter]);
                    self.buf.extend_from_slice(text);
                }
            }
        }
    }

    /// Whether nothing was written since the line had `len` bytes.
    pub(crate) fn is_bare(&self, len: usize) -> bool {
        self.buf.len() == len
    }

    /// Ends the line.
    #[inline]
    pub(crate) fn end(self) {
        self.buf.extend_from_slice(b"\r\n");
    }
}

/// Hints for proxies, flags `P` and `L`. Rare, so they cost one word in a command that has none.
#[derive(Debug, Clone)]
pub(crate) struct Hints(Option<alloc::boxed::Box<HintTexts>>);

#[derive(Clone, Default)]
struct HintTexts {
    path: Option<Vec<u8>>,
    location: Option<Vec<u8>>,
    /// One was given that cannot stand in a line. It was not kept, so it can never be written.
    unsound: bool,
}

/// Hints may hold parts of keys, so they are not shown.
impl core::fmt::Debug for HintTexts {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("HintTexts")
    }
}

impl Hints {
    pub(crate) const fn none() -> Hints {
        Hints(None)
    }

    /// Longest hint in bytes. With it every line stays below the 500 bytes that memcached's own proxy reads.
    pub(crate) const LEN_MAX: usize = 32;

    pub(crate) fn set_path(&mut self, text: &[u8]) {
        let texts = self.0.get_or_insert_default();
        texts.path = sound(text);
        texts.unsound |= texts.path.is_none();
    }

    pub(crate) fn set_location(&mut self, text: &[u8]) {
        let texts = self.0.get_or_insert_default();
        texts.location = sound(text);
        texts.unsound |= texts.location.is_none();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether every hint that was given can stand in a line.
    pub(crate) fn are_sound(&self) -> bool {
        self.0.as_ref().is_none_or(|texts| !texts.unsound)
    }
}

/// The text, if it neither ends a line nor divides it.
fn sound(text: &[u8]) -> Option<Vec<u8>> {
    let sound = text.len() <= Hints::LEN_MAX && text.iter().all(|b| *b > b' ' && *b != 0x7f);
    sound.then(|| text.into())
}

#[cfg(test)]
mod tests {
    use memlink_core::Command;

    use super::*;
    use crate::testing::*;
    use crate::{Arithmetic, Delete, Get, Set, SetMode};

    #[test]
    fn no_letter_stands_twice_and_times_stand_in_the_right_order() {
        let place = |letter| FLAGS.iter().position(|f| f.letter == letter).unwrap();
        for (i, flag) in FLAGS.iter().enumerate() {
            assert_eq!(place(flag.letter), i);
        }
        assert_eq!(place('O'), 0);
        assert!(place('R') < place('T') && place('T') < place('N'));
        assert!(FLAGS.iter().all(|f| f.letter == 't' || place(f.letter) < place('t')));
        assert!(FLAGS.iter().all(|f| f.letter != 'k'));
    }

    /// The lines of commands with as many options as go together. What each option writes is tested with its command.
    #[test]
    fn every_command_keeps_to_the_order_and_to_its_own_flags() {
        let ttl = || Ttl::seconds(60);
        let lines = [
            wire(
                Set::with_mode(SetMode::Append, key("a b"), "")
                    .vivify(ttl())
                    .client_flags(1)
                    .compare_cas(2)
                    .with_size(),
            ),
            wire(
                Set::new(key("a b"), "")
                    .with_cas()
                    .invalidate()
                    .override_cas(1)
                    .compare_cas(2)
                    .client_flags(3)
                    .ttl(ttl()),
            ),
            wire(Set::new(key("k"), "").proxy_location("l").proxy_path("p").quiet().mode(SetMode::Add)),
            wire(Delete::new(key("k")).quiet().drop_value().mark_stale().override_cas(1).client_flags(2).ttl(ttl())),
            wire(Delete::new(key("a b")).proxy_location("l").proxy_path("p").compare_cas(1)),
            wire(
                Arithmetic::decrement(key("k"))
                    .with_ttl()
                    .with_value()
                    .with_cas()
                    .touch(ttl())
                    .vivify(ttl())
                    .initial(1),
            ),
            wire(Arithmetic::increment(key("a b")).proxy_path("p").quiet().override_cas(1).compare_cas(2).delta(3)),
            wire(Get::new(key("k")).with_ttl().no_bump().with_cas().touch(ttl()).recache(ttl()).vivify(ttl())),
        ];
        for line in lines {
            let words: Vec<&str> = line.lines().next().unwrap().split(' ').collect();
            let command = words[0].chars().nth(1).unwrap();
            let first = words.iter().position(|word| *word == "OAAAA").unwrap();
            let places: Vec<usize> = words[first..]
                .iter()
                .map(|word| {
                    FLAGS.iter().position(|f| word.starts_with(f.letter) && f.commands.contains(command)).unwrap()
                })
                .collect();
            assert!(places.is_sorted_by(|a, b| a < b), "{line}");
        }
    }

    #[test]
    fn a_hint_that_would_divide_the_line_is_never_written() {
        let get = Get::new(key("k")).proxy_path("a\r\nmn").proxy_location("a b");
        let bytes = memlink_core::encode_to_vec(|out| drop(get.encode(&peer(45), 0, out)));
        assert_eq!(bytes, b"mg k OAAAA v\r\n");
    }

    #[test]
    fn a_command_with_every_flag_is_within_the_server_s_limits() {
        // Before 1.6.40 `mg` has no C, and the limit is one lower; `ms` has one token more in front of its flags.
        for (command, most) in [('g', 18), ('s', 17), ('d', 18), ('a', 18)] {
            let count = FLAGS.iter().filter(|f| f.commands.contains(command)).count();
            assert!(count <= most, "{command}: {count}");
        }
    }
}
