//! Base64 as memcached decodes it: forgiving, and therefore not canonical.
//!
//! Characters outside the alphabet are skipped, padding ends the text, unused
//! bits are ignored; only the count of known characters must be a multiple of
//! four. So several texts name the same key, which a strict decoder would hide.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes `text`; `None` where memcached says it cannot.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let known: Vec<u8> = text.iter().copied().filter(|byte| sextet(*byte).is_some()).collect();
    if known.is_empty() || !known.len().is_multiple_of(4) {
        return None;
    }
    let mut decoded = Vec::with_capacity(known.len() / 4 * 3);
    for block in known.chunks_exact(4) {
        let bits = block.iter().fold(0u32, |bits, byte| (bits << 6) | u32::from(sextet(*byte).unwrap_or(0)));
        let [_, first, second, third] = bits.to_be_bytes();
        let padding = block.iter().filter(|byte| **byte == b'=').count();
        let bytes = [first, second, third];
        // More than two padding characters in a block make the whole invalid.
        decoded.extend_from_slice(bytes.get(..3usize.checked_sub(padding).filter(|kept| *kept > 0)?)?);
        if padding > 0 {
            break;
        }
    }
    Some(decoded)
}

/// Encodes with the standard alphabet and padding, appending to `out`.
pub(crate) fn encode(bytes: &[u8], out: &mut bytes::BytesMut) {
    for block in bytes.chunks(3) {
        let mut padded = [0u8; 3];
        for (to, from) in padded.iter_mut().zip(block) {
            *to = *from;
        }
        let [first, second, third] = padded;
        let bits = u32::from_be_bytes([0, first, second, third]);
        for place in 0..4usize {
            if place > block.len() {
                out.extend_from_slice(b"=");
                continue;
            }
            let index = (bits >> (18 - 6 * place)) & 0x3f;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'A');
            out.extend_from_slice(&[letter]);
        }
    }
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        // Padding counts as a known character of value zero.
        b'=' => Some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_texts_name_one_key() {
        for text in [&b"Zg=="[..], b"Zh==", b"Z!g==", b"Zg==Zm9v"] {
            assert_eq!(decode(text).as_deref(), Some(&b"f"[..]), "{text:?}");
        }
    }

    #[test]
    fn bad_texts_are_refused() {
        for text in [&b""[..], b"Zg=", b"Z===", b"====", b"!!!!"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    #[test]
    fn encoding_is_the_inverse() {
        for len in 0..40u8 {
            let bytes: Vec<u8> = (0..len).map(|n| n.wrapping_mul(37)).collect();
            let mut text = bytes::BytesMut::new();
            encode(&bytes, &mut text);
            if len > 0 {
                assert_eq!(decode(&text), Some(bytes));
            }
        }
    }
}
