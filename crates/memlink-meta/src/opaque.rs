use crate::Peer;

/// Four characters that tell one command from its neighbours: the low 24 bits of its number on the connection.
///
/// The reply echoes them behind the flag `O`, so a stream that has slipped by one reply is found at the first reply, at
/// the price of seven bytes each way and a comparison of four. Sixteen million commands lie between two with the same
/// characters, far more than can be in flight.
///
/// Held as a number, first character lowest, so that it is written and compared at once.
///
/// Source: meta protocol, `O`: up to 31 bytes, echoed on every reply but error lines (and misses before 1.6.18).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opaque(u32);

/// How many different opaques there are.
const COUNT: u32 = 1 << 24;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Opaque {
    /// The opaque of the command with this number.
    #[inline]
    pub(crate) fn of(serial: u64) -> Opaque {
        let digit = |shift: u32| u32::from(ALPHABET[((serial >> shift) & 63) as usize]);
        Opaque(digit(18) | digit(12) << 8 | digit(6) << 16 | digit(0) << 24)
    }

    /// None at all, for where there has to be one.
    pub(crate) const NONE: Opaque = Opaque(0);

    /// The four characters.
    pub(crate) fn characters(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }

    /// As it stands in a line: ` O<opaque>`, and two bytes behind it.
    #[inline]
    pub(crate) fn flag(self, behind: [u8; 2]) -> [u8; 8] {
        let [y, z] = behind;
        let ends = u64::from_le_bytes([b' ', b'O', 0, 0, 0, 0, y, z]);
        (ends | u64::from(self.0) << 16).to_le_bytes()
    }

    /// Whether `end` is the end of a line that has nothing behind its opaque, whichever that is: four characters that are no
    /// space, which would make two words of them.
    #[inline]
    pub(crate) fn is_line_end(end: [u8; 8]) -> bool {
        const ONES: u32 = 0x0101_0101;
        let [space, letter, a, b, c, d, cr, lf] = end;
        // Zero where there is a space; the lowest zero byte is the first whose top bit is set by taking one off.
        let token = u32::from_le_bytes([a, b, c, d]) ^ (ONES * 0x20);
        let spaces = token.wrapping_sub(ONES) & !token & (ONES * 0x80);
        [space, letter, cr, lf] == *b" O\r\n" && spaces == 0
    }

    /// The opaque of the command with this number, on a connection where commands carry one.
    #[inline]
    pub(crate) fn for_peer(peer: &Peer, serial: u64) -> Option<Opaque> {
        peer.opaque().then(|| Opaque::of(serial))
    }

    /// Whether `token` (behind the `O` of a reply) belongs to a command after this one: less than half a turn ahead.
    pub(crate) fn is_before(self, token: &[u8]) -> bool {
        let (Some(own), Some(other)) = (number(&self.characters()), number(token)) else { return false };
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
        for serial in (0..=64).chain([4_095, 4_096, 0xff_ffff, 0x12_3456]) {
            assert_eq!(number(&Opaque::of(serial).characters()), u32::try_from(serial).ok());
        }
        assert_eq!(Opaque::of(0).characters(), *b"AAAA");
        assert_eq!(Opaque::of(1 << 24).characters(), *b"AAAA");
        assert_eq!(Opaque::of(0xff_ffff).characters(), *b"____");
    }

    #[test]
    fn the_end_of_a_line_is_told_from_two_words() {
        assert!(Opaque::is_line_end(*b" OAAAA\r\n"));
        for place in 0..8 {
            for byte in 0..=u8::MAX {
                let mut end = *b" OAAAA\r\n";
                end[place] = byte;
                let want = match place {
                    2..6 => byte != b' ',
                    _ => byte == b" OAAAA\r\n"[place],
                };
                assert_eq!(Opaque::is_line_end(end), want, "{end:?}");
            }
        }
    }

    #[test]
    fn later_is_less_than_half_a_turn_ahead() {
        let at = |serial| Opaque::of(serial);
        assert!(at(0).is_before(&at(1).characters()));
        assert!(!at(1).is_before(&at(1).characters()));
        assert!(!at(1).is_before(&at(0).characters()));
        assert!(at(0xff_ffff).is_before(&at(0x100_0000).characters()));
        assert!(!at(0).is_before(&at(1 << 23).characters()));
        assert!(!at(0).is_before(b"AAA"));
        assert!(!at(0).is_before(b"AAA!"));
        assert!(!at(0).is_before(b"AAAAA"));
    }
}
