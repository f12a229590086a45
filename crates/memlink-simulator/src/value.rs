//! Values that say whose they are: `<key>=<number>:<length>;` and so many bytes that nothing else would write.

use std::fmt::Write;

use bytes::Bytes;
use memlink_meta::counter_value;

use crate::history::Item;

/// The value that operation `number` stores under `key`, with `len` bytes of filling.
pub(crate) fn value(key: &[u8], number: u64, len: usize) -> Bytes {
    let mut head = String::from_utf8_lossy(key).into_owned();
    // Writing to a string cannot fail.
    let _ = write!(head, "={number}:{len};");
    let mut bytes = head.into_bytes();
    bytes.reserve_exact(len);
    bytes.extend((0..len as u64).map(|at| filling(number, at)));
    bytes.into()
}

/// Letters only: a line end in a value would look like the end of a reply that was cut.
fn filling(number: u64, at: u64) -> u8 {
    b'a' + ((number.wrapping_mul(7) + at) % 26) as u8
}

/// What was stored under `key`, if every byte of it is what some operations have written.
pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<Item> {
    if value.first().is_some_and(u8::is_ascii_digit) {
        return counter_value(value).map(Item::Count);
    }
    let (mut rest, mut parts) = (value, Vec::new());
    while !rest.is_empty() {
        let (number, filled, behind) = read_head(key, rest)?;
        let filled = filled.min(usize::MAX as u64) as usize;
        let (filling_bytes, behind) = behind.split_at_checked(filled)?;
        if !filling_bytes.iter().zip(0..).all(|(byte, at)| *byte == filling(number, at)) {
            return None;
        }
        parts.push(number);
        rest = behind;
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
