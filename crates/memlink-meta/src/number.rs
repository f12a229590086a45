use alloc::vec::Vec;

/// Most digits that a 64-bit number has.
const DIGITS_MAX: usize = 20;

/// Most digits that cannot overflow 64 bits.
const DIGITS_SAFE: usize = 19;

/// Reads a counter from a value that was fetched with a get.
///
/// A decrement that makes the number shorter leaves it padded with spaces on the server (`9 ` after ten minus one), so
/// trailing spaces are trimmed. `None` for anything else than 1 to 20 digits that fit 64 bits; the server's own reading
/// is laxer (leading spaces, text behind the number), but such a value was not written by a counter.
///
/// Source: meta protocol, `ma`, "the value is stored as decimal text and may be padded with spaces".
#[must_use]
pub fn counter_value(value: &[u8]) -> Option<u64> {
    read(value.trim_ascii_end_spaces())
}

/// Appends `n` in decimal.
///
/// Most numbers are short (lengths, times), and an append of constant length is a move where one of any length is a call.
#[inline]
pub(crate) fn put(buf: &mut Vec<u8>, n: u64) {
    // Remainders are below ten, so the cast loses nothing.
    let digit = |unit: u64| b'0' + (n / unit % 10) as u8;
    match n {
        0..=9 => buf.push(digit(1)),
        10..=99 => buf.extend_from_slice(&[digit(10), digit(1)]),
        100..=999 => buf.extend_from_slice(&[digit(100), digit(10), digit(1)]),
        1_000..=9_999 => buf.extend_from_slice(&[digit(1_000), digit(100), digit(10), digit(1)]),
        _ => put_long(buf, n),
    }
}

#[inline(never)]
fn put_long(buf: &mut Vec<u8>, mut n: u64) {
    let mut digits = [b'0'; DIGITS_MAX];
    let mut len = 0;
    for slot in digits.iter_mut().rev() {
        // The remainder is below ten, so the cast loses nothing.
        *slot = b'0' + (n % 10) as u8;
        n /= 10;
        len += 1;
        if n == 0 {
            break;
        }
    }
    buf.extend_from_slice(digits.get(DIGITS_MAX - len..).unwrap_or_default());
}

/// Appends `n` in decimal, with a sign when negative.
pub(crate) fn put_signed(buf: &mut Vec<u8>, n: i32) {
    if n < 0 {
        buf.push(b'-');
    }
    put(buf, u64::from(n.unsigned_abs()));
}

/// Reads 1 to 20 decimal digits and nothing else. No sign, no space; leading zeros are harmless and allowed.
pub(crate) fn read(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return None;
    }
    let (safe, last) = digits.split_at(digits.len().min(DIGITS_SAFE));
    let mut n: u64 = 0;
    for &byte in safe {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n = n * 10 + u64::from(digit);
    }
    match last.first() {
        None => Some(n),
        Some(byte @ b'0'..=b'9') => n.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        Some(_) => None,
    }
}

/// Reads the digits at the start of `bytes`, one to four of them, and gives back what follows, be it another digit. `None` when
/// there is none, or `bytes` are fewer than four.
///
/// All four bytes are looked at together, first byte lowest. With `0` taken off, a digit is 0 to 9, and adding 0x76 sets the
/// top bit of whatever is no digit; a carry can spoil only bytes behind one that was found already. The digits are then
/// pushed to the top, so that zeros stand in front of them, and joined to pairs and to the whole by a multiplication each, by 10
/// and 1, and by 100 and 1 in two halves: fifteen instructions for any length.
#[inline]
pub(crate) fn read_ahead(bytes: &[u8]) -> Option<(usize, &[u8])> {
    const ONES: u32 = 0x0101_0101;
    let digits = u32::from_le_bytes(*bytes.first_chunk::<4>()?) ^ (ONES * 0x30);
    let foreign = (digits.wrapping_add(ONES * 0x76) | digits) & (ONES * 0x80);
    let bits = foreign.trailing_zeros() & !7;
    if bits == 0 {
        return None;
    }
    let ones = digits << (32 - bits);
    let pairs = (ones.wrapping_mul(0x0a01) >> 8) & 0x00ff_00ff;
    let whole = pairs.wrapping_mul(0x0064_0001) >> 16;
    Some((whole as usize, bytes.get(bits as usize / 8..)?))
}

/// As [`read_ahead`], for one to seven digits, all eight bytes at once: `None` for others, and where fewer than eight bytes are left.
///
/// The first byte is the lowest. With `0` taken off a digit is 0 to 9, and adding 0x76 sets the top bit of whatever is none; a
/// carry spoils only bytes behind one that was found. The digits are pushed to the top, so that zeros stand in front of them,
/// and joined to pairs, fours and the whole by a multiplication each.
#[inline]
pub(crate) fn read_short(bytes: &[u8]) -> Option<(u64, &[u8])> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let digits = u64::from_le_bytes(*bytes.first_chunk::<8>()?) ^ (ONES * 0x30);
    let foreign = (digits.wrapping_add(ONES * 0x76) | digits) & (ONES * 0x80);
    let bits = foreign.trailing_zeros() & !7;
    if bits == 0 || bits == 64 {
        return None;
    }
    let ones = digits << (64 - bits);
    let pairs = (ones.wrapping_mul(0x0a01) >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(0x0064_0001) >> 16) & 0x0000_ffff_0000_ffff;
    let whole = fours.wrapping_mul(0x2710_0000_0001) >> 32;
    Some((whole, bytes.get(bits as usize / 8..)?))
}

/// Reads a number that must fit 32 bits.
pub(crate) fn read_u32(digits: &[u8]) -> Option<u32> {
    read(digits).and_then(|n| u32::try_from(n).ok())
}

trait TrimSpaces {
    fn trim_ascii_end_spaces(&self) -> &Self;
}

impl TrimSpaces for [u8] {
    /// Trims 0x20 only: the server pads with nothing else.
    fn trim_ascii_end_spaces(&self) -> &[u8] {
        let mut rest = self;
        while let [head @ .., b' '] = rest {
            rest = head;
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_digits_and_nothing_else() {
        let cases: &[(&[u8], Option<u64>)] = &[
            (b"0", Some(0)),
            (b"01", Some(1)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"99999999999999999999", None),
            (b"000000000000000000001", None),
            (b"9223372036854775807", Some(i64::MAX as u64)),
            (b"", None),
            (b"-1", None),
            (b"+1", None),
            (b" 1", None),
            (b"1 ", None),
            (b"1a", None),
            (b"1:", None),
            (b"1234567890123456789/", None),
            (b"\xb2", None),
        ];
        for (digits, want) in cases {
            assert_eq!(read(digits), *want, "{digits:?}");
        }
    }

    #[test]
    fn counters_may_be_padded_behind() {
        assert_eq!(counter_value(b"9  "), Some(9));
        assert_eq!(counter_value(b" 9"), None);
        assert_eq!(counter_value(b"  "), None);
        assert_eq!(counter_value(b""), None);
    }

    #[test]
    fn a_short_number_is_what_its_digits_say() {
        for text in ["0", "7", "42", "100", "9999", "12345", "000123", "9999999", "12345678", "", "-1", "1a", "a1"] {
            for behind in [" 1234567", "\r\nxxxxxx", "/0000000", ":0000000", "\u{ff}\u{0}00000000"] {
                let bytes = [text.as_bytes(), behind.as_bytes()].concat();
                let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
                let want = (1..=7).contains(&len).then(|| (read(&bytes[..len]).unwrap(), &bytes[len..]));
                assert_eq!(read_short(&bytes), want, "{bytes:?}");
                assert_eq!(read_short(&bytes[..bytes.len().min(7)]), None);
            }
        }
    }

    /// Each byte behind, between and in front of digits.
    #[test]
    fn no_other_byte_is_taken_for_a_digit() {
        for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_digit()) {
            for len in 0..4 {
                let mut bytes = *b"12345678";
                bytes[len] = byte;
                let want = (len > 0).then(|| (read(&bytes[..len]).unwrap(), &bytes[len..]));
                assert_eq!(read_short(&bytes), want, "{bytes:?}");
                assert_eq!(read_ahead(&bytes).map(|(n, rest)| (n as u64, rest)), want, "{bytes:?}");
            }
        }
    }

    #[test]
    fn reading_ahead_stops_behind_the_digits() {
        type Case<'a> = (&'a [u8], Option<(usize, &'a [u8])>);
        let cases: &[Case<'_>] = &[
            (b"100 ", Some((100, b" "))),
            (b"100 OAAAA", Some((100, b" OAAAA"))),
            (b"0\r\n\r\nVA ", Some((0, b"\r\n\r\nVA "))),
            (b"0007 ", Some((7, b" "))),
            (b"9999\r\n", Some((9_999, b"\r\n"))),
            (b"99999\r\n", Some((9_999, b"9\r\n"))),
            (b"100", None),
            (b"", None),
            (b" 123", None),
            (b"-123", None),
            (b"12:4", Some((12, b":4"))),
            (b"12/4", Some((12, b"/4"))),
            (b"1\xff34", Some((1, b"\xff34"))),
            (b"\xb0\xb934", None),
        ];
        for (bytes, want) in cases {
            assert_eq!(read_ahead(bytes), *want, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(n: u64) {
            let mut buf = Vec::new();
            put(&mut buf, n);
            prop_assert_eq!(core::str::from_utf8(&buf), Ok(&*n.to_string()));
            prop_assert_eq!(read(&buf), Some(n));
        }

        #[test]
        fn reading_ahead_is_reading_digit_by_digit(bytes in proptest::collection::vec(prop_oneof![b'.'..=b';', any::<u8>()], 0..8)) {
            let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let want = match len {
                0 => None,
                _ if bytes.len() < 4 => None,
                _ => read(&bytes[..len.min(4)]).map(|n| (n as usize, &bytes[len.min(4)..])),
            };
            prop_assert_eq!(read_ahead(&bytes), want);
        }

        #[test]
        fn signed_is_written_as_text_has_it(n: i32) {
            let mut buf = Vec::new();
            put_signed(&mut buf, n);
            prop_assert_eq!(core::str::from_utf8(&buf), Ok(&*n.to_string()));
        }
    }
}
