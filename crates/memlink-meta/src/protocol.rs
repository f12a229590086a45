use alloc::sync::Arc;

use memchr::memchr;
use memlink_core::{Ask, Broken, Encoder, Frame, Limits, Protocol, Refusal, Step, Verdict};

use crate::{
    Expect, Key, Peer, Version,
    expect::{LineShape, Shape, ValuesShape},
    number,
    opaque::Opaque,
    opening::{Credentials, CredentialsSource, Opening, refuse},
    reply::{Status, Words, is_error, may_be_error},
};

/// memcached's meta protocol: how a connection opens and where a reply ends.
///
/// # Where a reply ends, and what makes a stream broken
///
/// A reply is a line, or a line and a value of announced length. The line's first word must be one that the command can
/// get, its opaque the one that was sent, the value no larger than the limit and followed by a line end. Anything else
/// breaks the connection: what comes next would be somebody else's.
///
/// Bytes while nothing is owed belong to nobody and break the connection. An error line before the server has said
/// what it is, is its refusal: it has no room.
///
/// Error lines carry no opaque, so they belong to the command whose turn it is:
///
/// * to a command of one line, an error line is its reply and the connection goes on;
/// * to a command with a value, `SERVER_ERROR` is its reply and the connection goes on (the server has taken the
///   value); after `ERROR` and `CLIENT_ERROR` nobody knows whether the value was taken for a value or for commands, so
///   it is the last reply of the connection;
/// * while a quiet command is at the head, an error may be its own or that of a later one: the connection is broken.
///
/// The text of an error decides nothing; it differs between versions.
///
/// A forged error line is believed by the command at the head, since nothing confirms its place; the next reply then
/// shows the slip.
///
/// Source: meta protocol, status words of each command, and which error lines follow a swallowed value.
#[derive(Debug, Clone)]
pub struct Meta {
    pub(crate) opaque: bool,
    pub(crate) version: Option<Version>,
    pub(crate) credentials: Option<CredentialsSource>,
}

impl Meta {
    /// Opaques on, the version as the server says, no credentials.
    #[must_use]
    pub fn new() -> Meta {
        Meta { opaque: true, version: None, credentials: None }
    }

    /// Whether every command carries an opaque, by which the place of its reply is confirmed. On by default; switched
    /// off, a stream that has slipped by one reply of the same kind is not found out, and quiet commands are refused.
    #[must_use]
    pub fn with_opaque(self, on: bool) -> Meta {
        Meta { opaque: on, ..self }
    }

    /// Relies on the features of `version`, whatever the server says of itself.
    ///
    /// Without it a server whose answer to `version` cannot be understood (a proxy's own numbering) is treated as
    /// [`Version::OLDEST`]: what came later is refused or replaced before it is sent.
    #[must_use]
    pub fn with_version(self, version: Version) -> Meta {
        Meta { version: Some(version), ..self }
    }

    /// Signs in before anything else.
    #[must_use]
    pub fn with_credentials(self, credentials: Credentials) -> Meta {
        self.with_credentials_from(move || Some(credentials.clone()))
    }

    /// Signs in before anything else with what `source` gives for each new connection; `None` does not sign in. It may be called
    /// where a lock is held, so it must answer from memory.
    #[must_use]
    pub fn with_credentials_from(self, source: impl Fn() -> Option<Credentials> + Send + Sync + 'static) -> Meta {
        Meta { credentials: Some(CredentialsSource(Arc::new(source))), ..self }
    }
}

impl Default for Meta {
    fn default() -> Meta {
        Meta::new()
    }
}

/// What one connection remembers between two calls.
#[derive(Debug, Default)]
pub struct State {
    /// Up to here the input holds no line end that was not dealt with.
    scanned: usize,
    /// Where the line that is being looked for begins: only statistics have more than one.
    line_start: usize,
    /// Length of the reply or part whose header has been read, 0 when it has not.
    total: usize,
    /// How many of the asked keys lie behind the parts that have been handed out.
    keys_passed: usize,
    /// How far the opening exchange is.
    pub(crate) opening: Opening,
    /// An error line has begun before anything was asked. The first command may leave before it ends.
    has_banner: bool,
}

impl State {
    /// Forgets the progress through one reply or part: the next begins at the first byte of the next input.
    fn next(&mut self) {
        (self.scanned, self.line_start, self.total) = (0, 0, 0);
    }
}

impl Protocol for Meta {
    type Expect = Expect;
    type State = State;
    type Peer = Peer;

    fn open(
        &self,
        state: &mut State,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        self.step(&mut state.opening, reply, out)
    }

    #[inline]
    fn frame(&self, state: &mut State, ask: Option<Ask<'_, Expect>>, input: &[u8], limits: &Limits) -> Verdict {
        let Some(ask) = ask else { return unasked(state, input, limits) };
        match &ask.expect.0 {
            Shape::Line(shape) => {
                if let Some(len) = usual(shape, input, limits) {
                    state.next();
                    return Verdict::Reply { len, tail: 2 };
                }
            }
            Shape::Values(shape) => {
                let len = usual_values(state, shape, input, limits);
                if len > 0 {
                    state.next();
                    return Verdict::Part { len, tail: 2 };
                }
            }
            Shape::Stats | Shape::Opening => {}
        }
        read(state, ask, input, limits)
    }
}

/// Looks at the input without a guess at what it is.
#[inline(never)]
fn read(state: &mut State, ask: Ask<'_, Expect>, input: &[u8], limits: &Limits) -> Verdict {
    if input.len() < state.total {
        return Verdict::More { total: state.total };
    }
    let verdict = match &ask.expect.0 {
        Shape::Line(shape) => line(state, *shape, input, limits),
        Shape::Values(shape) => values(state, shape, input, limits),
        Shape::Stats => stats(state, input, limits),
        Shape::Opening if state.has_banner => unasked(state, input, limits),
        Shape::Opening => opening(state, input, limits),
    };
    match verdict {
        Verdict::More { .. } | Verdict::Silence => {}
        _ => state.next(),
    }
    verdict
}

/// The length of a reply that is in its place, carries nothing but its opaque (or nothing at all where opaques are off), and
/// has wholly arrived: `HD O<opaque>\r\n`, or `VA <size> O<opaque>\r\n` and the value. That is most of them.
///
/// `None` for all others, right or wrong. [`line`] would say the same of the reply, at three times the instructions: it
/// has to look for the end of the line and for the opaque, and here both are compared where they usually are.
#[inline]
fn usual(shape: &LineShape, input: &[u8], limits: &Limits) -> Option<usize> {
    let (word, rest) = input.split_first_chunk::<2>()?;
    if word != b"VA" {
        let status = match word {
            b"HD" => Status::Hd,
            b"EN" => Status::En,
            b"NF" => Status::Nf,
            _ => return None,
        };
        let line_len = input.len() - behind_opaque(shape, rest)?.len();
        return (line_len <= limits.line_len_max && shape.statuses.have(status)).then_some(line_len);
    }
    let (size, rest) = number::read_ahead(rest.strip_prefix(b" ")?)?;
    let rest = behind_opaque(shape, rest)?;
    let line_len = input.len() - rest.len();
    if line_len > limits.line_len_max || !shape.statuses.have(Status::Va) || size > limits.value_len_max {
        return None;
    }
    (rest.get(size..)?.first_chunk::<2>()? == b"\r\n").then_some(line_len + size + 2)
}

/// What stands behind the end of the line, if nothing but the opaque that was sent stands in front of it.
#[inline]
fn behind_opaque<'a>(shape: &LineShape, rest: &'a [u8]) -> Option<&'a [u8]> {
    let Some(own) = shape.opaque() else { return rest.strip_prefix(b"\r\n") };
    let (end, rest) = rest.split_first_chunk::<8>()?;
    (*end == own.flag(*b"\r\n")).then_some(rest)
}

/// A reply of one line, and a value where the status says so.
fn line(state: &mut State, shape: LineShape, input: &[u8], limits: &Limits) -> Verdict {
    let line_len = match line_end(state, input, limits) {
        Ok(end) => end,
        Err(verdict) => return verdict,
    };
    let line = input.get(..line_len - 2).unwrap_or_default();
    let Some((status, mut rest)) = Status::read(line) else {
        return match is_error(line) {
            true => error(shape, line, line_len),
            false => Verdict::Broken(Broken::Syntax("an unknown status")),
        };
    };
    let mut value_len = None;
    if status == Status::Va {
        let mut words = Words(rest);
        let Some(size) = words.next().and_then(number::read) else {
            return Verdict::Broken(Broken::Syntax("a value without a length"));
        };
        value_len = Some(size);
        rest = words.0;
    }
    if let Some(own) = shape.opaque()
        && let Err(verdict) = place(shape, status, rest, own)
    {
        return verdict;
    }
    if !shape.statuses.have(status) {
        return Verdict::Broken(Broken::OutOfPlace("a status that the command cannot get"));
    }
    match value_len {
        None => Verdict::Reply { len: line_len, tail: 2 },
        Some(size) => match value_end(state, line_len, size, input, limits) {
            Ok(len) => Verdict::Reply { len, tail: 2 },
            Err(verdict) => verdict,
        },
    }
}

/// Whether a line that is not an error is in its place: its opaque is the one that was sent.
#[inline]
fn place(shape: LineShape, status: Status, flags: &[u8], own: Opaque) -> Result<(), Verdict> {
    let found = Words(flags).find_map(|word| word.strip_prefix(b"O"));
    match found {
        Some(token) if token == own.characters() => Ok(()),
        Some(token) if shape.quiet() && own.is_before(token) => Err(Verdict::Silence),
        Some(_) => Err(Verdict::Broken(Broken::OutOfPlace("the opaque of another command"))),
        None if shape.quiet() => match status {
            // None of these can be a quiet command's own: the first five know no opaque, and a quiet miss says nothing.
            Status::Mn | Status::Me | Status::Ok | Status::Version | Status::Classic | Status::En => {
                Err(Verdict::Silence)
            }
            _ => Err(Verdict::Broken(Broken::OutOfPlace("a reply without the opaque that was sent"))),
        },
        None if shape.bare_miss() && status == Status::En => Ok(()),
        None => Err(Verdict::Broken(Broken::OutOfPlace("a reply without the opaque that was sent"))),
    }
}

/// An error line: see the rules at [`Meta`].
#[cold]
fn error(shape: LineShape, line: &[u8], len: usize) -> Verdict {
    if shape.quiet() {
        return Verdict::Broken(Broken::ServerError(
            "an error that cannot be attributed to one of several quiet commands",
        ));
    }
    if shape.payload() && !line.starts_with(b"SERVER_ERROR") {
        let why = Broken::ServerError("an error to a command with a value, which it may have taken for commands");
        return Verdict::Last { len, tail: 2, why };
    }
    Verdict::Reply { len, tail: 2 }
}

/// One value of the classic answer to a get of many keys, or its end.
fn values(state: &mut State, shape: &ValuesShape, input: &[u8], limits: &Limits) -> Verdict {
    let line_len = match line_end(state, input, limits) {
        Ok(end) => end,
        Err(verdict) => return verdict,
    };
    let line = input.get(..line_len - 2).unwrap_or_default();
    if line == b"END" {
        state.keys_passed = 0;
        return Verdict::Reply { len: line_len, tail: 2 };
    }
    if is_error(line) {
        // In front of the first value it is the answer. Behind one nobody has said whether the answer goes on.
        let begun = core::mem::take(&mut state.keys_passed) > 0;
        let why = Broken::ServerError("an error in the middle of an answer");
        return match begun {
            true => Verdict::Last { len: line_len, tail: 2, why },
            false => Verdict::Reply { len: line_len, tail: 2 },
        };
    }
    let Some(head) = ValueHead::read(line, shape.cas) else {
        return Verdict::Broken(Broken::Syntax("neither a value nor the end of values"));
    };
    let Some(ahead) = head.place_in(&shape.keys, state.keys_passed) else {
        return Verdict::Broken(Broken::OutOfPlace("a value of a key that was not asked for"));
    };
    match value_end(state, line_len, head.size, input, limits) {
        Ok(len) => {
            state.keys_passed = ahead + 1;
            Verdict::Part { len, tail: 2 }
        }
        Err(verdict) => verdict,
    }
}

/// From this length on a part takes no further value: values of one part share memory.
const RUN_LEN: usize = 16 * 1024;

/// The length of all values at the start of the input that are of the very next keys and have wholly arrived; 0 when there is none.
/// They make one part: most of the work for a part does not depend on how many values it has.
#[inline]
fn usual_values(state: &mut State, shape: &ValuesShape, input: &[u8], limits: &Limits) -> usize {
    let mut len = 0;
    while len < RUN_LEN
        && let Some(next) = usual_value(state, shape, input.get(len..).unwrap_or_default(), limits)
    {
        state.keys_passed += 1;
        len += next;
    }
    len
}

/// The length of a value that is of the very next key and has wholly arrived; `None` for all others, right or wrong.
#[inline]
fn usual_value(state: &State, shape: &ValuesShape, input: &[u8], limits: &Limits) -> Option<usize> {
    let (head, line_len) = ValueHead::read_ahead(input, shape.keys.get(state.keys_passed)?, shape.cas)?;
    let size = usize::try_from(head.size).ok().filter(|size| *size <= limits.value_len_max)?;
    let total = line_len.checked_add(size)?.checked_add(2)?;
    (line_len <= limits.line_len_max && input.get(total - 2..total)? == b"\r\n").then_some(total)
}

/// The header of one value of a classic get: `VALUE <key> <client flags> <size> [<cas>]`.
#[derive(Debug)]
pub(crate) struct ValueHead<'a> {
    key: &'a [u8],
    pub(crate) client_flags: u64,
    pub(crate) size: u64,
    pub(crate) cas: Option<u64>,
}

impl<'a> ValueHead<'a> {
    pub(crate) fn read(line: &'a [u8], with_cas: bool) -> Option<ValueHead<'a>> {
        let mut words = Words(line.strip_prefix(b"VALUE ")?);
        let key = words.next()?;
        let (client_flags, size) = (number::read(words.next()?)?, number::read(words.next()?)?);
        let cas = match with_cas {
            true => Some(number::read(words.next()?)?),
            false => None,
        };
        words.next().is_none().then_some(ValueHead { key, client_flags, size, cas })
    }

    /// The header at the start of `bytes` and the length of its line, if it is of `key` and all in it is short: most are. `None` says
    /// nothing.
    #[inline]
    pub(crate) fn read_ahead<'k>(bytes: &[u8], key: &'k Key, with_cas: bool) -> Option<(ValueHead<'k>, usize)> {
        let key = key.as_bytes();
        let rest = bytes.strip_prefix(b"VALUE ")?.strip_prefix(key)?.strip_prefix(b" ")?;
        let (client_flags, rest) = number::read_short(rest)?;
        let (size, rest) = number::read_short(rest.strip_prefix(b" ")?)?;
        let rest = rest.strip_prefix(b"\r\n")?;
        (!with_cas).then_some((ValueHead { key, client_flags, size, cas: None }, bytes.len() - rest.len()))
    }

    /// Which of the asked keys this is, those before `from` excluded: values come in the order of the keys, with some
    /// left out.
    pub(crate) fn place_in(&self, keys: &[Key], from: usize) -> Option<usize> {
        let ahead = keys.get(from..)?.iter().position(|key| key.as_bytes() == self.key)?;
        Some(from + ahead)
    }
}

/// Statistics: lines up to `END`, or the one line that says they were reset.
fn stats(state: &mut State, input: &[u8], limits: &Limits) -> Verdict {
    loop {
        let end = match line_end(state, input, limits) {
            Ok(end) => end,
            Err(verdict) => return verdict,
        };
        if end > limits.value_len_max {
            return Verdict::Broken(Broken::ReplyTooLarge { len: end as u64 });
        }
        let line = input.get(state.line_start..end - 2).unwrap_or_default();
        match line {
            b"END" | b"RESET" | b"OK" => return Verdict::Reply { len: end, tail: 2 },
            _ if line.starts_with(b"STAT ") => {}
            _ if is_error(line) && state.line_start == 0 => return Verdict::Reply { len: end, tail: 2 },
            _ if is_error(line) => {
                let why = Broken::ServerError("an error in the middle of an answer");
                return Verdict::Last { len: end, tail: 2, why };
            }
            _ => return Verdict::Broken(Broken::Syntax("neither a statistic nor the end of statistics")),
        }
        (state.scanned, state.line_start) = (end, end);
    }
}

/// A line of the opening exchange, or one byte that no text protocol begins a line with: then there is no line to wait
/// for.
fn opening(state: &mut State, input: &[u8], limits: &Limits) -> Verdict {
    match input.first() {
        Some(b' '..=b'~') => {}
        _ => return Verdict::Reply { len: 1, tail: 0 },
    }
    match line_end(state, input, limits) {
        Ok(len) => Verdict::Reply { len, tail: 2 },
        Err(verdict) => verdict,
    }
}

/// Bytes that came while nothing was owed. A server without room says so as soon as it is connected to, and that may be before
/// the first command has left: until it has said what it is, an error line is its refusal. Anything else is nobody's.
#[cold]
fn unasked(state: &mut State, input: &[u8], limits: &Limits) -> Verdict {
    if !state.opening.is_early() || !may_be_error(input) {
        return Verdict::Broken(Broken::Unsolicited);
    }
    state.has_banner = true;
    match line_end(state, input, limits) {
        Ok(len) => match input.get(..len - 2) {
            Some(line) if is_error(line) => Verdict::Broken(Broken::Refused(refuse(line))),
            _ => Verdict::Broken(Broken::Unsolicited),
        },
        Err(verdict) => verdict,
    }
}

/// Where the line that begins at `state.line_start` ends, its CRLF included. Every byte is looked at once, however the
/// input is cut.
#[inline]
fn line_end(state: &mut State, input: &[u8], limits: &Limits) -> Result<usize, Verdict> {
    let longest = state.line_start.saturating_add(limits.line_len_max);
    let stop = input.len().min(longest);
    let from = state.scanned.min(stop);
    let Some(at) = memchr(b'\n', input.get(from..stop).unwrap_or_default()) else {
        if stop == longest {
            return Err(Verdict::Broken(Broken::LineTooLong));
        }
        state.scanned = stop;
        return Err(Verdict::More { total: input.len() + 1 });
    };
    let lf = from + at;
    // The line end stays unscanned: a later call for the same line finds it at the first byte.
    state.scanned = lf;
    if lf == state.line_start || input.get(lf - 1) != Some(&b'\r') {
        return Err(Verdict::Broken(Broken::Syntax("a line that does not end in CRLF")));
    }
    Ok(lf + 1)
}

/// Where the value of `size` bytes behind a header line ends, its CRLF included. The size is judged before the value is
/// waited for.
#[inline]
fn value_end(state: &mut State, line_len: usize, size: u64, input: &[u8], limits: &Limits) -> Result<usize, Verdict> {
    let total = match usize::try_from(size) {
        Ok(len) if len <= limits.value_len_max => len.checked_add(line_len + 2),
        _ => None,
    };
    let Some(total) = total else { return Err(Verdict::Broken(Broken::ReplyTooLarge { len: size })) };
    if input.len() < total {
        state.total = total;
        return Err(Verdict::More { total });
    }
    match input.get(total - 2..total) {
        Some(b"\r\n") => Ok(total),
        _ => Err(Verdict::Broken(Broken::Syntax("a value that is not followed by CRLF"))),
    }
}

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
