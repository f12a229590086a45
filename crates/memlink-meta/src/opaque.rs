/// Four characters that tell one command from its neighbours: the low 24 bits of its number on the connection.
///
/// The reply echoes them behind the flag `O`, so a stream that has slipped by one reply is found at the first reply, at
/// the price of seven bytes each way and a comparison of four. Sixteen million commands lie between two with the same
/// characters, far more than can be in flight.
///
/// Source: meta protocol, `O`: up to 31 bytes, echoed on every reply but error lines (and misses before 1.6.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opaque(pub(crate) [u8; 4]);

/// How many different opaques there are.
const COUNT: u32 = 1 << 24;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Opaque {
    /// The opaque of the command with this number.
    #[inline]
    pub(crate) fn of(serial: u64) -> Opaque {
        let digit = |shift: u32| ALPHABET[((serial >> shift) & 63) as usize];
        Opaque([digit(18), digit(12), digit(6), digit(0)])
    }

    /// Whether `token` (behind the `O` of a reply) belongs to a command after this one: less than half a turn ahead.
    pub(crate) fn is_before(self, token: &[u8]) -> bool {
        let (Some(own), Some(other)) = (number(&self.0), number(token)) else { return false };
        let ahead = other.wrapping_sub(own) % COUNT;
        ahead != 0 && ahead < COUNT / 2
    }
}

/// The 24 bits that a token stands for; `None` when this crate cannot have written it.
fn number(token: &[u8]) -> Option<u32> {
    if token.len() != 4 {
        return None;
    }
    token.iter().try_fold(0, |bits, byte| {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        Some((bits << 6) | u32::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_and_numbers_agree() {
        for serial in [0, 1, 63, 64, 4_095, 4_096, 0xff_ffff, 0x12_3456] {
            assert_eq!(number(&Opaque::of(serial).0), u32::try_from(serial).ok());
        }
        assert_eq!(Opaque::of(0).0, *b"AAAA");
        assert_eq!(Opaque::of(1 << 24).0, *b"AAAA");
        assert_eq!(Opaque::of(0xff_ffff).0, *b"____");
    }

    #[test]
    fn later_is_less_than_half_a_turn_ahead() {
        let at = |serial| Opaque::of(serial);
        assert!(at(0).is_before(&at(1).0));
        assert!(!at(1).is_before(&at(1).0));
        assert!(!at(1).is_before(&at(0).0));
        assert!(at(0xff_ffff).is_before(&at(0x100_0000).0));
        assert!(!at(0).is_before(&at(1 << 23).0));
        assert!(!at(0).is_before(b"AAA"));
        assert!(!at(0).is_before(b"AAA!"));
        assert!(!at(0).is_before(b"AAAAA"));
    }
}
