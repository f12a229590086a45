use alloc::{sync::Arc, vec::Vec};

use bytes::Bytes;
use memchr::memchr;
use memlink_core::{Command, Encoder, Malformed, Reply};

use super::{Verb, get::large_client_flags, refuse};
use crate::{
    Expect, Fault, Invalid, Key, Meta, Peer,
    expect::{Shape, ValuesShape},
    protocol::ValueHead,
    reply::{is_error, malformed, parts},
};

/// `get <key>*\r\n`, or `gets` for CAS ids, too: many values by one line of the classic protocol.
///
/// ```text
/// VALUE <key> <client flags> <size> [<cas>]\r\n<value>\r\n    for every hit, in the order of the keys
/// END\r\n
/// ```
///
/// It costs the server less than as many `mg`, and carries no opaque. Every value is confirmed to be of a key that was
/// asked for, in the order of asking; that the answer as a whole is in its place is not, so a [`Noop`](super::Noop)
/// belongs behind it as a fence. It cannot say `W`, `X` or `Z`: stale items and placeholders look like plain hits.
#[derive(Debug, Clone)]
pub struct MultiGet {
    keys: Arc<Vec<Key>>,
    cas: bool,
    line_len: usize,
}

impl MultiGet {
    /// Longest line in bytes. memcached itself reads a `get` of any length, but gathers it in a buffer that starts with
    /// 16 KiB, and some managed caches refuse lines of more than that: half of it is safe for both, and long enough
    /// that more would save nothing.
    pub const LINE_LEN_MAX: usize = 8 * 1024;

    /// Asks for all `keys`, each of which must be plain ([`Key::is_binary`] is false). A key may stand twice.
    #[must_use]
    pub fn new(keys: Vec<Key>) -> MultiGet {
        let line_len = FRAME_LEN + keys.iter().map(|key| 1 + key.wire_len()).sum::<usize>();
        MultiGet { keys: Arc::new(keys), cas: false, line_len }
    }

    /// Asks for the CAS ids, too.
    #[must_use]
    pub fn with_cas(self) -> MultiGet {
        MultiGet { cas: true, ..self }
    }

    /// How many of the first of `keys` fit one line. Binary keys cannot stand in a line, and end it.
    #[must_use]
    pub fn fitting<'a>(keys: impl IntoIterator<Item = &'a Key>) -> usize {
        let mut len = FRAME_LEN;
        keys.into_iter()
            .take_while(|key| {
                len += 1 + key.wire_len();
                len <= MultiGet::LINE_LEN_MAX && !key.is_binary()
            })
            .count()
    }

    /// The keys, in the order of asking.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// Gives the keys back. They are copied only while a reply is still owed to a clone of this.
    #[must_use]
    pub fn into_keys(self) -> Vec<Key> {
        Arc::try_unwrap(self.keys).unwrap_or_else(|shared| shared.to_vec())
    }

    /// As [`decode`](Command::decode), and makes something of each key and its value while it is at hand.
    ///
    /// # Errors
    ///
    /// As [`decode`](Command::decode).
    pub fn decode_with<T>(
        &self,
        reply: Reply,
        mut make: impl FnMut(&Key, Option<Found>) -> T,
    ) -> Result<Result<Vec<T>, Fault>, Malformed> {
        let mut frames = parts(reply)?;
        let end = frames.pop().ok_or(malformed("values without an end"))?;
        if is_error(end.as_slice()) {
            return Ok(Err(Fault::read(end.as_slice(), &self.keys)));
        }
        if end.as_slice() != b"END" {
            return Err(malformed("values without an end"));
        }
        let (mut keys, mut made) = (self.keys.iter(), Vec::with_capacity(self.keys.len()));
        for frame in frames {
            let part = frame.into_bytes_from(0);
            let mut start = 0;
            // Values of the very next keys, with a line end between them.
            while let Some((found, end)) = keys.as_slice().first().and_then(|key| self.read_next(key, &part, start)) {
                made.extend(keys.next().map(|key| make(key, Some(found))));
                start = end + 2;
            }
            if start >= part.len() {
                continue;
            }
            match self.read(made.len(), part.slice(start..))? {
                Ok((at, found)) => {
                    let missed = at.saturating_sub(made.len());
                    made.extend(keys.by_ref().take(missed).map(|key| make(key, None)));
                    made.extend(keys.next().map(|key| make(key, Some(found))));
                }
                Err(fault) => return Ok(Err(fault)),
            }
        }
        made.extend(keys.map(|key| make(key, None)));
        Ok(Ok(made))
    }

    /// The value at `start` of a part and where it ends, if it is of this key and its header is short: most are. The part ends there,
    /// or goes on behind a line end.
    #[inline]
    fn read_next(&self, key: &Key, part: &Bytes, start: usize) -> Option<(Found, usize)> {
        let rest = part.get(start..)?;
        let (head, line_len) = ValueHead::read_ahead(rest, key, self.cas)?;
        let client_flags = u32::try_from(head.client_flags).ok()?;
        let end = line_len.checked_add(usize::try_from(head.size).ok()?)?;
        match rest.get(end..)? {
            [] | [b'\r', b'\n', ..] => {}
            _ => return None,
        }
        Some((Found { value: part.slice(start + line_len..start + end), client_flags, cas: None }, start + end))
    }

    /// One value, and which of the keys it belongs to. `Ok(Err(_))` when it cannot be told as this crate tells values.
    #[inline(never)]
    fn read(&self, from: usize, part: Bytes) -> Result<Result<(usize, Found), Fault>, Malformed> {
        let bytes = &part[..];
        let line_len = memchr(b'\r', bytes).unwrap_or(bytes.len());
        let head = ValueHead::read(bytes.get(..line_len).unwrap_or_default(), self.cas)
            .ok_or(malformed("a part that is no value"))?;
        let at = head.place_in(&self.keys, from).ok_or(malformed("a value of a key that was not asked for"))?;
        if bytes.len().checked_sub(line_len + 2).map(|len| len as u64) != Some(head.size) {
            return Err(malformed("a value of another length than announced"));
        }
        let Ok(client_flags) = u32::try_from(head.client_flags) else { return Ok(Err(large_client_flags())) };
        let cas = head.cas;
        Ok(Ok((at, Found { value: part.slice(line_len + 2..), client_flags, cas })))
    }
}

/// Length of `gets` and the line end.
const FRAME_LEN: usize = 6;

/// A hit of a [`MultiGet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The value. Those of one line may share memory: one that is kept may keep up to 16 KiB of others and one more alive.
    pub value: Bytes,
    /// The number that was stored with it.
    pub client_flags: u32,
    /// Its CAS id, when asked for.
    pub cas: Option<u64>,
}

impl Command<Meta> for MultiGet {
    /// One element for every key, in the order of asking: `None` is a miss.
    type Output = Result<Vec<Option<Found>>, Fault>;

    fn size_hint(&self) -> usize {
        self.line_len
    }

    fn encode(&self, _peer: &Peer, _serial: u64, out: &mut Encoder<'_>) -> Expect {
        // A short key is put with the zeros behind it, which need room for a moment.
        out.reserve(self.line_len + Key::SHORT_MAX);
        out.put(if self.cas { b"gets" } else { b"get" });
        for key in self.keys.iter() {
            out.put_u8(b' ');
            key.put(out.buffer());
        }
        out.put(b"\r\n");
        Expect(Shape::Values(ValuesShape { keys: Arc::clone(&self.keys), cas: self.cas }))
    }

    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        self.decode_with(reply, |_, found| found)
    }
}

impl Verb for MultiGet {
    fn prepare(&mut self, _now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        let (len, len_max) = (self.line_len, MultiGet::LINE_LEN_MAX);
        refuse(&[
            (self.keys.is_empty(), "a get of many keys needs one"),
            (
                self.keys.iter().any(Key::is_binary),
                "the classic get cannot carry a binary key: ask for it by a get of its own",
            ),
        ])?;
        match len > len_max {
            true => Err(Invalid::TooLong { what: "a line of keys", len, len_max }),
            false => Ok(()),
        }
    }

    fn key(&self) -> Option<&Key> {
        None
    }

    fn name(&self) -> &'static str {
        "multi_get"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn get(keys: &[&str]) -> MultiGet {
        MultiGet::new(keys.iter().map(|k| key(k)).collect())
    }

    #[test]
    fn one_line_asks_for_all() {
        assert_eq!(wire(get(&["a", "b", "a"])), "get a b a\r\n");
        assert_eq!(wire(get(&["a"]).with_cas()), "gets a\r\n");
    }

    #[test]
    fn what_cannot_stand_in_a_line_is_refused() {
        assert!(invalid(get(&[])).to_string().contains("needs one"));
        assert!(invalid(get(&["a", "b c"])).to_string().contains("binary"));
        let keys: Vec<Key> = (0..200).map(|i| key(&format!("{i:050}"))).collect();
        let fitting = MultiGet::fitting(&keys);
        assert_eq!(fitting, (MultiGet::LINE_LEN_MAX - 6) / 51);
        assert!(wire(MultiGet::new(keys[..fitting].to_vec())).len() <= MultiGet::LINE_LEN_MAX);
        assert!(matches!(invalid(MultiGet::new(keys[..=fitting].to_vec())), Invalid::TooLong { .. }));
        assert_eq!(MultiGet::fitting(&[key("a"), key("b c"), key("d")]), 1);
    }

    #[test]
    fn every_key_has_its_answer() {
        let found = |text: &'static str| Some(Found { value: text.into(), client_flags: 7, cas: None });
        type Case<'a> = (&'a [&'a str], &'a str, Vec<Option<Found>>);
        let cases: &[Case<'_>] = &[
            (&["a", "b"], "END\r\n", vec![None, None]),
            (&["a", "b"], "VALUE b 7 1\r\nx\r\nEND\r\n", vec![None, found("x")]),
            (&["a", "b"], "VALUE a 7 0\r\n\r\nVALUE b 7 5\r\nEND\r\n\r\nEND\r\n", vec![found(""), found("END\r\n")]),
            (&["a", "a"], "VALUE a 7 1\r\nx\r\nVALUE a 7 1\r\ny\r\nEND\r\n", vec![found("x"), found("y")]),
            (&["a", "b", "a"], "VALUE a 7 1\r\nx\r\nEND\r\n", vec![found("x"), None, None]),
        ];
        for (keys, input, want) in cases {
            assert_eq!(answer(&get(keys), input).unwrap(), *want, "{input:?}");
        }
        let with_cas = answer(&get(&["a"]).with_cas(), "VALUE a 7 1 99\r\nx\r\nEND\r\n").unwrap();
        assert_eq!(with_cas, [Some(Found { value: "x".into(), client_flags: 7, cas: Some(99) })]);
    }

    #[test]
    fn an_error_line_is_a_fault() {
        let fault = answer(&get(&["a"]), "SERVER_ERROR out of memory writing get response\r\n").unwrap_err();
        assert_eq!(fault.kind(), crate::FaultKind::OutOfMemory);
        let large = answer(&get(&["a"]), "VALUE a 4294967296 1\r\nx\r\nEND\r\n").unwrap_err();
        assert_eq!(large.kind(), crate::FaultKind::LargeClientFlags);
    }
}
