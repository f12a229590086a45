//! How long the keys of a connection may be used.

use rustls::SupportedCipherSuite;

/// Counts the records of a connection, because a key is good for so many: 2^24 with AES-GCM. With TLS 1.3 rustls takes a new key by
/// then; with TLS 1.2 there is no way to, and whoever has sent so many ends the connection. Both sides may, so both directions count,
/// each by what this side's own limit is: another connection is asked for at half of it, and again at half of what is left, should it
/// not come about.
///
/// ```text
///   0 .................. asked for | .......... again | ..... again | ...   limit: the connection ends
/// ```
pub(super) struct Wear {
    pub(super) sent: Records,
    pub(super) received: Records,
    limit: u64,
    asks_at: u64,
}

impl Wear {
    /// Unlimited, until the suite is known.
    pub(super) fn new() -> Wear {
        Wear { sent: Records::default(), received: Records::default(), limit: u64::MAX, asks_at: u64::MAX }
    }

    /// The handshake has agreed on this.
    pub(super) fn limit(&mut self, suite: Option<SupportedCipherSuite>) {
        if let Some(SupportedCipherSuite::Tls12(suite)) = suite {
            self.limit = suite.common.confidentiality_limit;
            self.asks_at = self.limit / 2;
        }
    }

    /// Whether another connection should take the place of this one.
    pub(super) fn is_much(&self) -> bool {
        self.count() > self.asks_at
    }

    /// No other connection has come about.
    pub(super) fn bear(&mut self) {
        let count = self.count();
        self.asks_at = match self.limit.saturating_sub(count) / 2 {
            0 => u64::MAX,
            half => count.saturating_add(half),
        };
    }

    fn count(&self) -> u64 {
        self.sent.count.max(self.received.count)
    }
}

/// The records that have gone in one direction: their headers are followed, however the bytes are cut.
///
/// ```text
///   [ type | version | version | length | length | ... so many bytes ... ] [ type | ...
/// ```
#[derive(Default)]
pub(super) struct Records {
    count: u64,
    /// How many bytes of a header have gone by.
    header: u8,
    /// What is left of the record at hand.
    left: usize,
}

impl Records {
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.header == HEADER_LEN {
                let body = self.left.min(bytes.len());
                self.left -= body;
                bytes = bytes.get(body..).unwrap_or_default();
            } else {
                self.header += 1;
                match self.header {
                    4 => self.left = usize::from(*byte) << 8,
                    HEADER_LEN => {
                        self.left |= usize::from(*byte);
                        self.count += 1;
                    }
                    _ => {}
                }
                bytes = rest;
            }
            if self.header == HEADER_LEN && self.left == 0 {
                self.header = 0;
            }
        }
    }
}

const HEADER_LEN: u8 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_however_they_are_cut() {
        let mut bytes = Vec::new();
        for len in [0_usize, 1, 2, 300, 0, 16_384, 5] {
            bytes.extend([23, 3, 3, (len >> 8) as u8, len as u8]);
            bytes.extend(std::iter::repeat_n(23, len));
        }
        for piece_len in [1, 2, 3, 4, 5, 6, 7, 100, 16_389, bytes.len()] {
            let mut records = Records::default();
            bytes.chunks(piece_len).for_each(|piece| records.follow(piece));
            assert_eq!((records.count, records.header, records.left), (7, 0, 0), "{piece_len}");
        }
        let mut records = Records::default();
        records.follow(&bytes[..bytes.len() - 1]);
        assert_eq!((records.count, records.left), (7, 1));
    }

    #[test]
    fn it_is_asked_for_at_half_of_the_limit_and_again_at_half_of_what_is_left() {
        let mut wear = Wear { limit: 1 << 24, asks_at: 1 << 23, ..Wear::new() };
        let mut asked = Vec::new();
        for count in 0..=(1 << 24) + 5 {
            wear.received.count = count;
            if wear.is_much() {
                asked.push(count);
                wear.bear();
            }
        }
        assert_eq!(asked.first(), Some(&((1 << 23) + 1)));
        assert_eq!(asked.get(1), Some(&((1 << 23) + (1 << 22) + 1)));
        assert!(asked.len() <= 24, "{asked:?}");
        assert!(!Wear::new().is_much());
    }
}
