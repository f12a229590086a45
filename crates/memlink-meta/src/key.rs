use alloc::{string::String, vec::Vec};
use core::{borrow::Borrow, cmp::Ordering, fmt, hash};

use bytes::Bytes;
use memlink_core::padded;

use crate::base64;

/// A key that has been checked: it can be sent, and it can neither end a line nor divide it.
///
/// Any bytes will do. Keys without spaces, control characters and DEL go over the wire as they are, up to 250 bytes;
/// all others go as base64 with the flag `b`, which leaves room for 186 bytes. Which of the two is found out once,
/// here. The server keeps the decoded bytes, so both forms name the same item.
///
/// A short key is held in place; a longer one in [`Bytes`], so that a clone never copies much. Debug output says how
/// long it is, not what it is: keys stay out of logs.
///
/// Source: meta protocol, keys: at most 250 bytes on the wire, no space, CR or LF; base64 counts in its encoded form.
/// Control characters, which newer servers take, cut a line short in servers before 1.6.40, and are therefore never
/// sent plain.
#[derive(Clone)]
pub struct Key(Repr);

#[derive(Clone)]
enum Repr {
    Short { len: u8, binary: bool, bytes: [u8; Key::SHORT_MAX] },
    Long { binary: bool, bytes: Bytes },
}

impl Key {
    /// Longest key that goes over the wire as it is, in bytes.
    pub const LEN_MAX: usize = 250;

    /// Longest key that goes over the wire as base64, in bytes before encoding: 248 characters.
    pub const BINARY_LEN_MAX: usize = 186;

    /// Longest key held in place: with the length, the form and the tag a key is 64 bytes, one cache line.
    pub(crate) const SHORT_MAX: usize = 61;

    /// Checks `key` and copies it.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is empty or too long for the form it needs.
    #[inline]
    pub fn new(key: impl AsRef<[u8]>) -> Result<Key, KeyError> {
        Key::copy_from(key.as_ref())
    }

    #[inline]
    fn copy_from(key: &[u8]) -> Result<Key, KeyError> {
        let binary = check(key)?;
        Ok(match u8::try_from(key.len()) {
            Ok(len) if key.len() <= Key::SHORT_MAX => Key(Repr::Short { len, binary, bytes: padded(key) }),
            _ => Key::long(binary, key),
        })
    }

    #[inline(never)]
    fn long(binary: bool, key: &[u8]) -> Key {
        Key(Repr::Long { binary, bytes: Bytes::copy_from_slice(key) })
    }

    /// The key as it was given, never its base64 form.
    #[must_use]
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes, .. } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Repr::Long { bytes, .. } => bytes,
        }
    }

    /// Whether it goes over the wire as base64.
    #[must_use]
    #[inline]
    pub fn is_binary(&self) -> bool {
        match self.0 {
            Repr::Short { binary, .. } | Repr::Long { binary, .. } => binary,
        }
    }

    /// Length on the wire in bytes: of the base64 form if that is what is sent.
    #[must_use]
    #[inline]
    pub fn wire_len(&self) -> usize {
        let len = self.as_bytes().len();
        if self.is_binary() { base64::encoded_len(len) } else { len }
    }

    /// Appends the key as it goes over the wire.
    ///
    /// A short one is appended with the zeros behind it, which are then cut off: a copy of constant length is four moves, one of
    /// any length a call.
    #[inline]
    pub(crate) fn put(&self, buf: &mut Vec<u8>) {
        if let Some((bytes, len)) = self.as_short() {
            let end = buf.len() + len;
            buf.extend_from_slice(bytes);
            buf.truncate(end);
        } else if self.is_binary() {
            base64::put(buf, self.as_bytes());
        } else {
            buf.extend_from_slice(self.as_bytes());
        }
    }

    /// At least as many bytes as [`put`](Key::put) needs in a buffer that is not to grow.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        if self.as_short().is_some() { Key::SHORT_MAX } else { Key::LEN_MAX }
    }

    /// A short key that goes as it is, and how many of these bytes it has. Most keys are such.
    #[inline]
    pub(crate) fn as_short(&self) -> Option<(&[u8; Key::SHORT_MAX], usize)> {
        match &self.0 {
            Repr::Short { len, binary: false, bytes } => Some((bytes, usize::from(*len))),
            Repr::Short { .. } | Repr::Long { .. } => None,
        }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

/// A map of keys can be asked with plain bytes: a key is equal, ordered and hashed as its bytes are.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl TryFrom<&[u8]> for Key {
    type Error = KeyError;

    fn try_from(key: &[u8]) -> Result<Key, KeyError> {
        Key::new(key)
    }
}

impl TryFrom<&str> for Key {
    type Error = KeyError;

    fn try_from(key: &str) -> Result<Key, KeyError> {
        Key::new(key)
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;

    fn try_from(key: String) -> Result<Key, KeyError> {
        Key::new(key)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl hash::Hash for Key {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = if self.is_binary() { "binary, " } else { "" };
        write!(f, "Key({form}{} bytes)", self.as_bytes().len())
    }
}

/// Why bytes cannot be a key. Says nothing of their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// No bytes at all. Sent as it is, an empty key would make the server read the next word of the line as the key.
    Empty,
    /// More than 250 bytes.
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// More than 186 bytes, some of which can only be sent as base64: a space, a control character or DEL.
    BinaryTooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::Empty => f.write_str("a key cannot be empty"),
            KeyError::TooLong { len } => {
                write!(f, "a key of {len} bytes is too long: at most {} are allowed", Key::LEN_MAX)
            }
            KeyError::BinaryTooLong { len } => write!(
                f,
                "a key of {len} bytes that holds spaces or control characters is too long: it goes as base64, which leaves \
                 room for {}",
                Key::BINARY_LEN_MAX
            ),
        }
    }
}

impl core::error::Error for KeyError {}

/// Whether the key needs base64.
#[inline]
fn check(key: &[u8]) -> Result<bool, KeyError> {
    let len = key.len();
    if len == 0 {
        return Err(KeyError::Empty);
    }
    if len > Key::LEN_MAX {
        return Err(KeyError::TooLong { len });
    }
    let binary = !is_plain(key);
    if binary && len > Key::BINARY_LEN_MAX {
        return Err(KeyError::BinaryTooLong { len });
    }
    Ok(binary)
}

/// Whether no byte needs base64.
///
/// Eight bytes are looked at together, and all of them without a branch: a key that is not plain is rare, so there is
/// nothing to gain from stopping early. The last eight may overlap those before; only a key of less than eight bytes is
/// read byte by byte.
#[inline]
fn is_plain(key: &[u8]) -> bool {
    let (words, _) = key.as_chunks::<8>();
    let Some(last) = key.last_chunk::<8>() else {
        return !key.iter().fold(false, |bad, &byte| bad | (byte <= b' ' || byte == 0x7f));
    };
    words.iter().fold(foreign_bits(last), |bad, word| bad | foreign_bits(word)) == 0
}

/// Not zero if one of the bytes is 0x20 or less, or 0x7f.
///
/// For a byte `b` below 0x80, `b - 0x21` borrows into its top bit exactly when `b` is 0x20 or less, and `(b ^ 0x7f) - 1`
/// when `b` is 0x7f. A borrow out of one byte can spoil the next higher one, but only where the lower one was found
/// already. Bytes from 0x80 on are masked out by their own top bit.
#[inline]
fn foreign_bits(bytes: &[u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(*bytes);
    let del = word ^ (ONES * 0x7f);
    ((word.wrapping_sub(ONES * 0x21) & !word) | (del.wrapping_sub(ONES) & !del & !word)) & (ONES * 0x80)
}

const _: () = assert!(core::mem::size_of::<Key>() == 64);
const _: () = assert!(base64::encoded_len(Key::BINARY_LEN_MAX) <= Key::LEN_MAX);
const _: () = assert!(base64::encoded_len(Key::BINARY_LEN_MAX + 1) > Key::LEN_MAX);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wire(key: &Key) -> Vec<u8> {
        let mut buf = Vec::new();
        key.put(&mut buf);
        assert_eq!(buf.len(), key.wire_len());
        buf
    }

    /// Maps of keys are asked with plain bytes.
    #[test]
    fn a_key_is_to_others_what_its_bytes_are() {
        let texts = [
            "a",
            "b",
            "ab",
            "a b",
            "a key of more bytes than are held in place: it lies somewhere else, where there is room",
        ];
        for one in texts {
            let key = Key::new(one).unwrap();
            let bytes: &[u8] = key.borrow();
            assert!(bytes == one.as_bytes() && key.as_ref() == one.as_bytes());
            assert!(key.room() >= wire(&key).len());
            for other in texts {
                let other_key = Key::new(other).unwrap();
                assert_eq!(key == other_key, one == other);
                assert_eq!(key.cmp(&other_key), one.as_bytes().cmp(other.as_bytes()));
                assert_eq!(key.partial_cmp(&other_key), one.as_bytes().partial_cmp(other.as_bytes()));
            }
        }
        let map: std::collections::HashMap<Key, usize> =
            texts.iter().map(|text| (Key::new(text).unwrap(), text.len())).collect();
        assert!(texts.iter().all(|text| map.get(text.as_bytes()) == Some(&text.len())));
        assert_eq!(map.get(&b"c"[..]), None);
    }

    #[test]
    fn short_keys_are_held_in_place() {
        let is_held = |len| matches!(Key::new(vec![b'k'; len]).unwrap().0, Repr::Short { .. });
        assert_eq!([1, Key::SHORT_MAX, Key::SHORT_MAX + 1, Key::LEN_MAX].map(is_held), [true, true, false, false]);
        assert!(Key::new("k").unwrap().as_short().is_some() && Key::new("a b").unwrap().as_short().is_none());
    }

    #[test]
    fn errors_say_what_is_allowed() {
        let told = |len, byte| Key::new(vec![byte; len]).unwrap_err().to_string();
        assert!(told(0, b'a').contains("empty"));
        assert!(told(251, b'a').contains("251 bytes is too long: at most 250"));
        assert!(told(187, b' ').contains("187 bytes") && told(187, b' ').contains("room for 186"));
    }

    #[test]
    fn lengths_are_bounded_on_the_wire() {
        let cases: &[(usize, u8, Result<bool, KeyError>)] = &[
            (0, b'a', Err(KeyError::Empty)),
            (1, b'a', Ok(false)),
            (60, b'a', Ok(false)),
            (61, b'a', Ok(false)),
            (62, b'a', Ok(false)),
            (250, b'a', Ok(false)),
            (250, 0xff, Ok(false)),
            (251, b'a', Err(KeyError::TooLong { len: 251 })),
            (251, b' ', Err(KeyError::TooLong { len: 251 })),
            (1, b' ', Ok(true)),
            (61, 0, Ok(true)),
            (62, 0, Ok(true)),
            (186, b' ', Ok(true)),
            (187, b' ', Err(KeyError::BinaryTooLong { len: 187 })),
        ];
        for (len, byte, want) in cases {
            let bytes = vec![*byte; *len];
            let got = Key::new(&bytes);
            assert_eq!(got.as_ref().map(Key::is_binary).map_err(|e| *e), *want, "{len} times {byte:#x}");
            if let Ok(key) = got {
                assert_eq!(key.as_bytes(), bytes);
                assert!(wire(&key).len() <= 250);
            }
        }
    }

    #[test]
    fn every_byte_is_plain_or_goes_as_base64() {
        for byte in 0..=u8::MAX {
            let key = Key::new([b'k', byte]).unwrap();
            assert_eq!(key.is_binary(), byte <= 0x20 || byte == 0x7f, "{byte:#x}");
            assert!(wire(&key).iter().all(|b| *b > b' ' && *b != 0x7f));
            assert_eq!(key.as_bytes(), [b'k', byte]);
        }
    }

    #[test]
    fn a_byte_that_is_not_plain_is_found_wherever_it_stands() {
        for len in 1..=40 {
            for place in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![0xff; len];
                    bytes[place] = byte;
                    assert_eq!(is_plain(&bytes), byte > 0x20 && byte != 0x7f, "{byte:#x} at {place} of {len}");
                    bytes.fill(b'!');
                    bytes[place] = byte;
                    assert_eq!(is_plain(&bytes), byte > 0x20 && byte != 0x7f, "{byte:#x} at {place} of {len}");
                }
            }
        }
    }

    /// Two of them do not make up for each other.
    #[test]
    fn bytes_that_are_not_plain_are_found_together() {
        for len in 2..=20 {
            for (one, other) in (0..len).flat_map(|one| (0..one).map(move |other| (one, other))) {
                for (a, b) in [(0x7f, 0x7f), (0x7f, b' '), (b' ', 0x7f), (b' ', b' '), (0, 0x7f)] {
                    let mut bytes = vec![b'k'; len];
                    (bytes[one], bytes[other]) = (a, b);
                    assert!(!is_plain(&bytes), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn debug_does_not_show_the_key() {
        assert_eq!(format!("{:?}", Key::new("secret").unwrap()), "Key(6 bytes)");
        assert_eq!(format!("{:?}", Key::new("a secret").unwrap()), "Key(binary, 8 bytes)");
    }

    proptest! {
        #[test]
        fn the_wire_form_never_ends_or_divides_a_line(bytes in proptest::collection::vec(any::<u8>(), 0..260)) {
            if let Ok(key) = Key::new(&bytes) {
                let form = wire(&key);
                prop_assert!(!form.is_empty() && form.len() <= 250);
                prop_assert!(form.iter().all(|b| *b > b' ' && *b != 0x7f));
                prop_assert_eq!(key.as_bytes(), &bytes[..]);
            }
        }
    }
}
