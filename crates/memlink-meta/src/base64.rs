use alloc::vec::Vec;

/// The standard alphabet: the one that the server's flag `b` means.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Length of the text for `len` bytes, padding included.
pub(crate) const fn encoded_len(len: usize) -> usize {
    len.div_ceil(3) * 4
}

/// Appends `bytes` as padded base64.
///
/// The server wants the padding, and it is lax about everything else (it skips foreign characters), so that many texts
/// name one key; this one is the canonical one.
pub(crate) fn put(buf: &mut Vec<u8>, bytes: &[u8]) {
    buf.reserve(encoded_len(bytes.len()));
    let (groups, rest) = bytes.as_chunks::<3>();
    for &[a, b, c] in groups {
        let bits = u32::from_be_bytes([0, a, b, c]);
        buf.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), digit(bits)]);
    }
    match *rest {
        [a] => {
            let bits = u32::from_be_bytes([0, a, 0, 0]);
            buf.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), b'=', b'=']);
        }
        [a, b] => {
            let bits = u32::from_be_bytes([0, a, b, 0]);
            buf.extend_from_slice(&[digit(bits >> 18), digit(bits >> 12), digit(bits >> 6), b'=']);
        }
        _ => {}
    }
}

/// The character of the low six bits.
fn digit(bits: u32) -> u8 {
    ALPHABET[(bits & 63) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_vectors_of_rfc_4648() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, text) in cases {
            let mut buf = Vec::new();
            put(&mut buf, plain.as_bytes());
            assert_eq!(buf, text.as_bytes());
            assert_eq!(buf.len(), encoded_len(plain.len()));
        }
    }

    #[test]
    fn uses_the_standard_alphabet_not_that_of_urls() {
        let mut buf = Vec::new();
        put(&mut buf, &[0xfb, 0xff, 0xbf]);
        assert_eq!(buf, b"+/+/");
    }
}
