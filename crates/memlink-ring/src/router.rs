/// Chooses the server of a key.
///
/// [`Ring`](crate::Ring) is the default. Implement this to route in another way: by a prefix of the key, like another
/// client in the same fleet, or by [`Ring`](crate::Ring) over a part of the key.
///
/// ```
/// use memlink_ring::{Ring, Router};
///
/// /// Keeps `user:1:name` and `user:1:mail` on one server.
/// struct ByUser(Ring);
///
/// impl Router for ByUser {
///     fn route(&self, key: &[u8]) -> usize {
///         let end = key.iter().rposition(|byte| *byte == b':').unwrap_or(key.len());
///         self.0.route(&key[..end])
///     }
/// }
///
/// let router = ByUser(Ring::new([("cache-1", 1), ("cache-2", 1)])?);
/// assert_eq!(router.route(b"user:1:name"), router.route(b"user:1:mail"));
/// # Ok::<(), memlink_ring::RingError>(())
/// ```
pub trait Router: Send + Sync {
    /// The server of `key`, as an index into the list of servers this router was made for, hence below its length.
    ///
    /// Called for every command, so it must not block, and must give the same answer to the same key for as long as
    /// the router lives: the answer says where a value was stored.
    fn route(&self, key: &[u8]) -> usize;

    /// Another server for `key`, for users who have chosen that another server stands in for one that is down; `attempt` counts from
    /// 0 and gives another answer each time, most of the time.
    ///
    /// Unless told otherwise it is the server of the attempt's digits with the key behind them, as dalli has it: the keys of a
    /// server that is down are spread over all others.
    fn route_again(&self, key: &[u8], attempt: u32) -> usize {
        with_attempt(key, attempt, |text| self.route(text))
    }
}

/// Calls `then` with the digits of an attempt and a key behind them.
pub(crate) fn with_attempt<R>(key: &[u8], attempt: u32, then: impl FnOnce(&[u8]) -> R) -> R {
    let mut short = [0; SHORT_LEN];
    let mut digits = [0; 10];
    let digits = decimal(attempt, &mut digits);
    match short.get_mut(..digits.len() + key.len()) {
        Some(text) => {
            let (head, tail) = text.split_at_mut(digits.len());
            head.copy_from_slice(digits);
            tail.copy_from_slice(key);
            then(text)
        }
        None => then(&[digits, key].concat()),
    }
}

/// Keys that memcached takes need no memory for another attempt.
const SHORT_LEN: usize = 260;

fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A router whose answer is what it was asked: the length, and the first byte.
    struct Echo;

    impl Router for Echo {
        fn route(&self, key: &[u8]) -> usize {
            key.len() * 1_000 + usize::from(key.first().copied().unwrap_or(0))
        }
    }

    #[test]
    fn another_attempt_is_the_key_behind_a_number() {
        for (key, attempt, asked) in [
            (&b"key"[..], 0, 4_000 + usize::from(b'0')),
            (b"key", 19, 5_000 + usize::from(b'1')),
            (b"", u32::MAX, 10_000 + usize::from(b'4')),
            (&[b'k'; 250], u32::MAX, 260_000 + usize::from(b'4')),
            (&[b'k'; 5_000], 7, 5_001_000 + usize::from(b'7')),
        ] {
            assert_eq!(Echo.route_again(key, attempt), asked);
        }
    }
}
