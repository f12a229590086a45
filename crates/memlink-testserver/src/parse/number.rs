//! Numbers as the two parsers read them.
//!
//! 1.6.45 takes digits, bounded in length and range. 1.6.18 hands the token to
//! C's `strtol` and its kin, then cuts the result to the type it wants; that is
//! where its silent truncation comes from. The classic `set` still does so in
//! 1.6.45, and so does the reading of a counter's value.

use crate::version::Version;

/// A token of more than this many characters is no 32-bit number.
const STRICT_32_LEN_MAX: usize = 11;

/// A token of more than this many characters is no 64-bit number.
const STRICT_64_LEN_MAX: usize = 22;

/// Reads a signed 32-bit number by the rules of `version`.
pub(crate) fn signed_32(version: Version, token: &[u8]) -> Option<i32> {
    if version.is_modern() { strict_i32(token) } else { lax_i32(token) }
}

/// Reads an unsigned 32-bit number by the rules of `version`.
pub(crate) fn unsigned_32(version: Version, token: &[u8]) -> Option<u32> {
    if version.is_modern() { strict_u32(token) } else { lax_u32(token) }
}

/// Reads an unsigned 64-bit number by the rules of `version`.
pub(crate) fn unsigned_64(version: Version, token: &[u8]) -> Option<u64> {
    if version.is_modern() { strict_u64(token) } else { lax_u64(token) }
}

/// Digits with an optional minus sign. A minus sign alone counts as zero, as
/// it does in the original.
pub(crate) fn strict_i32(token: &[u8]) -> Option<i32> {
    if token.len() > STRICT_32_LEN_MAX {
        return None;
    }
    let (negative, digits) = match token.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, token),
    };
    let magnitude = i64::try_from(digits_value(digits)?).ok()?;
    i32::try_from(if negative { -magnitude } else { magnitude }).ok()
}

pub(crate) fn strict_u32(token: &[u8]) -> Option<u32> {
    if token.len() > STRICT_32_LEN_MAX {
        return None;
    }
    u32::try_from(digits_value(token)?).ok()
}

pub(crate) fn strict_u64(token: &[u8]) -> Option<u64> {
    if token.len() > STRICT_64_LEN_MAX {
        return None;
    }
    digits_value(token)
}

/// `strtol`, then cut to 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the silent truncation is the behaviour being modelled")]
pub(crate) fn lax_i32(text: &[u8]) -> Option<i32> {
    let number = c_number(text)?;
    let wide = if number.negative {
        0i64.checked_sub_unsigned(number.magnitude)?
    } else {
        i64::try_from(number.magnitude).ok()?
    };
    Some(wide as i32)
}

/// `strtoul`, then cut to 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "the silent truncation is the behaviour being modelled")]
pub(crate) fn lax_u32(text: &[u8]) -> Option<u32> {
    lax_u64(text).map(|wide| wide as u32)
}

/// `strtoull`. It accepts a minus sign and negates in 64 bits; the original
/// refuses that only where the result has its top bit set.
pub(crate) fn lax_u64(text: &[u8]) -> Option<u64> {
    let number = c_number(text)?;
    if !number.negative {
        return Some(number.magnitude);
    }
    let wrapped = number.magnitude.wrapping_neg();
    (wrapped >> 63 == 0).then_some(wrapped)
}

fn digits_value(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        sum.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

struct CNumber {
    negative: bool,
    magnitude: u64,
}

/// What C's number readers take: white space, a sign, digits, and then the end,
/// white space or a NUL.
fn c_number(text: &[u8]) -> Option<CNumber> {
    let text = text.get(text.iter().position(|byte| !is_c_space(*byte))?..)?;
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 {
        return None;
    }
    let ends_well = text.get(len).is_none_or(|byte| *byte == 0 || is_c_space(*byte));
    if !ends_well {
        return None;
    }
    let magnitude = digits_value(text.get(..len)?)?;
    Some(CNumber { negative, magnitude })
}

/// C's `isspace`, which knows the vertical tab that Rust's ASCII does not.
fn is_c_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_numbers_take_digits_only() {
        assert_eq!(strict_i32(b"-1"), Some(-1));
        assert_eq!(strict_i32(b"-"), Some(0));
        assert_eq!(strict_i32(b"2147483647"), Some(i32::MAX));
        assert_eq!(strict_i32(b"-2147483648"), Some(i32::MIN));
        assert_eq!(strict_i32(b"2147483648"), None);
        assert_eq!(strict_i32(b"+1"), None);
        assert_eq!(strict_i32(b"000000000001"), None);
        assert_eq!(strict_u32(b"4294967296"), None);
        assert_eq!(strict_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(strict_u64(b"18446744073709551616"), None);
    }

    #[test]
    fn lax_numbers_are_cut_to_size() {
        assert_eq!(lax_u32(b"4294967296"), Some(0));
        assert_eq!(lax_i32(b"4294967297"), Some(1));
        assert_eq!(lax_i32(b"2147483648"), Some(i32::MIN));
        assert_eq!(lax_i32(b"+7"), Some(7));
        assert_eq!(lax_i32(b"7x"), None);
        assert_eq!(lax_i32(b"99999999999999999999"), None);
        assert_eq!(lax_u64(b"-5"), None);
        assert_eq!(lax_u64(b"-0"), Some(0));
        assert_eq!(lax_u64(b"-18446744073709551615"), Some(1));
        assert_eq!(lax_u64(b"  12\tab"), Some(12));
        assert_eq!(lax_u64(b""), None);
    }
}
