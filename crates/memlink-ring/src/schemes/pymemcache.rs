//! The Python client pymemcache: rendezvous hashing over text.

use alloc::{borrow::Cow, boxed::Box, format, string::String, vec::Vec};

use super::{Kind, Scheme, Server, ring::Locate};
use crate::hash::murmur3::Murmur3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pymemcache {
    Text,
    Bytes,
}

/// # pymemcache 4.0 (Python)
impl Scheme {
    /// pymemcache's `HashClient` with keys of type `str`: the server with the greatest MurmurHash3 of `host:port-key`.
    ///
    /// A lookup takes time in proportion to the servers. **Traps**: the original hashes *characters*, of each its lowest eight
    /// bits, not the bytes of UTF-8; a key given as `bytes` lands elsewhere ([`Scheme::pymemcache_rendezvous_bytes_key`]); a
    /// `key_prefix` is not hashed ([`Scheme::prefix_skipped`]). Golden file: `pymemcache_rendezvous`.
    pub fn pymemcache_rendezvous() -> Self {
        Self::of(Kind::Pymemcache(Pymemcache::Text))
    }

    /// The same with keys of type `bytes`: what is hashed is how Python *prints* such a key, `b'key'`, with its escapes. A fleet
    /// that uses both types has every key twice. Golden file: `pymemcache_rendezvous_bytes_key`.
    pub fn pymemcache_rendezvous_bytes_key() -> Self {
        Self::of(Kind::Pymemcache(Pymemcache::Bytes))
    }
}

impl Pymemcache {
    pub(super) fn locate(self, servers: &[Server]) -> Box<dyn Locate> {
        let mut names: Vec<(String, u16)> = servers.iter().map(Server::host_port).zip(0..=u16::MAX).collect();
        // Of equal scores the greater name wins, so it comes later.
        names.sort();
        let started = |(name, place): (String, u16)| {
            let name = characters(name.as_bytes()).into_owned();
            (Murmur3::new(0).write(&name).write(b"-"), place)
        };
        Box::new(Rendezvous { key: self, started: names.into_iter().map(started).collect() })
    }
}

/// The hashes of names, to be continued with a key.
struct Rendezvous {
    key: Pymemcache,
    started: Box<[(Murmur3, u16)]>,
}

impl Locate for Rendezvous {
    fn locate(&self, key: &[u8]) -> u16 {
        let text = match self.key {
            Pymemcache::Text => characters(key),
            Pymemcache::Bytes => Cow::Owned(printed(key)),
        };
        let score = |(started, place): &(Murmur3, u16)| (started.write(&text).finish(), *place);
        // The last of equal ones.
        self.started.iter().map(score).max_by_key(|(score, _)| *score).map_or(0, |(_, place)| place)
    }

    fn bytes(&self) -> usize {
        size_of_val(self.started.as_ref())
    }
}

/// The lowest eight bits of every character. What is no UTF-8 is taken as it is.
fn characters(text: &[u8]) -> Cow<'_, [u8]> {
    match core::str::from_utf8(text) {
        Ok(letters) if !text.is_ascii() => Cow::Owned(letters.chars().map(|letter| u32::from(letter) as u8).collect()),
        _ => Cow::Borrowed(text),
    }
}

/// What Python's `repr` prints of a `bytes`.
fn printed(key: &[u8]) -> Vec<u8> {
    let quote = if key.contains(&b'\'') && !key.contains(&b'"') { b'"' } else { b'\'' };
    let mut text = Vec::with_capacity(key.len() + 3);
    text.extend([b'b', quote]);
    for byte in key {
        match *byte {
            b'\t' => text.extend(b"\\t"),
            b'\n' => text.extend(b"\\n"),
            b'\r' => text.extend(b"\\r"),
            byte if byte == b'\\' || byte == quote => text.extend([b'\\', byte]),
            b' '..=b'~' => text.push(*byte),
            _ => text.extend(format!("\\x{byte:02x}").bytes()),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_print_as_in_python() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "b''"),
            (b"plain key", "b'plain key'"),
            (b"it's", "b\"it's\""),
            (b"it's \"", "b'it\\'s \"'"),
            (b"\\\t\n\r\0\x1f\x7f\xff", "b'\\\\\\t\\n\\r\\x00\\x1f\\x7f\\xff'"),
            ("é".as_bytes(), "b'\\xc3\\xa9'"),
        ];
        for (key, text) in cases {
            assert_eq!(printed(key), text.as_bytes());
        }
    }
}
