//! Lines and the numbers in them.

use memchr::memchr;

/// What the first line of a value announces behind its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Announced {
    /// So many bytes or values.
    Len(u64),
    /// RESP2's way to say that there is nothing: `-1`.
    Nothing,
}

/// The number of a line such as `$5` or `*-1`, without its type and its end. `None` when it is none: a sign other than that of
/// `-1`, no digit, or more than eighteen.
pub(crate) fn announced(digits: &[u8]) -> Option<Announced> {
    if digits == b"-1" {
        return Some(Announced::Nothing);
    }
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut n = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        n = n * 10 + u64::from(digit - b'0');
    }
    Some(Announced::Len(n))
}

/// The first line of `bytes` without its end, and where the next one begins. `None` when there is no whole line, or one that does not end
/// with both characters.
pub(crate) fn first(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = memchr(b'\n', bytes)?;
    Some((bytes.get(..end)?.strip_suffix(b"\r")?, end + 1))
}

/// Appends a number in decimal digits.
pub(crate) fn put_number(out: &mut Vec<u8>, mut n: u64) {
    // Lengths, mostly.
    if n < 10 {
        return out.push(b'0' + n as u8);
    }
    if n < 100 {
        return out.extend_from_slice(&[b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]);
    }
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A digit fits.
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_digits_or_nothing() {
        assert_eq!(announced(b"0"), Some(Announced::Len(0)));
        assert_eq!(announced(b"1048576"), Some(Announced::Len(1 << 20)));
        assert_eq!(announced(b"-1"), Some(Announced::Nothing));
        for text in ["", "-", "-2", "+1", "1 ", "?", "0x1", "1234567890123456789"] {
            assert_eq!(announced(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        for n in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX] {
            let mut out = Vec::new();
            put_number(&mut out, n);
            assert_eq!(out, n.to_string().as_bytes());
        }
    }
}
