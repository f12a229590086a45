//! Values that say whose they are: `<key>=<number>:<length>;` and so many bytes that nothing else would write.

use std::fmt::Write;
use std::sync::OnceLock;

use bytes::Bytes;
use memlink_meta::counter_value;

use memlink_history::Item;

/// The value that operation `number` stores under `key`, with `len` bytes of filling.
pub(crate) fn value(key: &[u8], number: u64, len: usize) -> Bytes {
    let mut head = String::from_utf8_lossy(key).into_owned();
    // Writing to a string cannot fail.
    let _ = write!(head, "={number}:{len};");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(filling(number, len).unwrap_or_default());
    bytes.into()
}

/// The first bytes of an operation's filling, which no neighbour's begins with. Letters only: a line end in a value would look like the
/// end of a reply that was cut.
fn filling(number: u64, len: usize) -> Option<&'static [u8]> {
    static LETTERS: OnceLock<Vec<u8>> = OnceLock::new();
    let letters = LETTERS.get_or_init(|| (b'a'..=b'z').cycle().take(FILLING_MAX + 26).collect());
    let start = (number.wrapping_mul(7) % 26) as usize;
    letters.get(start..start.checked_add(len)?)
}

/// Longest filling, a little beyond what servers take.
const FILLING_MAX: usize = 70_000;

/// What was stored under `key`, if every byte of it is what some operations have written.
pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<Item> {
    if value.first().is_some_and(u8::is_ascii_digit) {
        return counter_value(value).map(Item::Count);
    }
    let (mut rest, mut parts) = (value, Vec::new());
    while !rest.is_empty() {
        let (number, filled, behind) = read_head(key, rest)?;
        rest = behind.strip_prefix(filling(number, usize::try_from(filled).ok()?)?)?;
        parts.push(number);
    }
    (!parts.is_empty()).then_some(Item::Parts(parts))
}

fn read_head<'a>(key: &[u8], bytes: &'a [u8]) -> Option<(u64, u64, &'a [u8])> {
    let rest = bytes.strip_prefix(key)?.strip_prefix(b"=")?;
    let (number, rest) = read_number(rest)?;
    let (len, rest) = read_number(rest.strip_prefix(b":")?)?;
    Some((number, len, rest.strip_prefix(b";")?))
}

/// The number at the start, and what is behind it.
pub(crate) fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    let (digits, rest) = bytes.split_at(len);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_whole_and_for_its_key_or_not_at_all() {
        let (one, two) = (value(b"k1", 12, 40), value(b"k1", 13, 0));
        assert_eq!(read(b"k1", &one), Some(Item::Parts(vec![12])));
        assert_eq!(read(b"k1", &[one.clone(), two].concat()), Some(Item::Parts(vec![12, 13])));
        assert_eq!(read(b"k2", &one), None);
        assert_eq!(read(b"k1", b"41"), Some(Item::Count(41)));
        for at in 0..one.len() {
            assert_eq!(read(b"k1", &one[..at]), None, "cut at {at}");
            let mut wrong = one.to_vec();
            wrong[at] ^= 1;
            assert_ne!(read(b"k1", &wrong), Some(Item::Parts(vec![12])), "a wrong byte at {at}");
        }
    }
}
