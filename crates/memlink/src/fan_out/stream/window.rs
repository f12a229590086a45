use memlink_core::Limits;

/// How much of a stream one server may have at one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) keys: usize,
    /// Of commands on their way, and of values on their way back or waiting for the caller.
    pub(super) bytes: usize,
    /// Keys that one command may ask for.
    pub(super) line_max: usize,
}

/// Keys of one stream that one server has at one time, unless told otherwise: what fills a connection and leaves room for its other
/// users, as with the bulks that are awaited. Five lines of a hundred.
pub(super) const WINDOW_KEYS: usize = 512;

/// Bytes of one stream on their way to or from one server, unless told otherwise: more than a connection of 1 Gbit/s holds within
/// 8 ms, and a quarter of what may be queued on it.
pub(super) const WINDOW_BYTES: usize = 1 << 20;

/// More than any memory, and so little that sums of it are numbers, too.
const BYTES_MAX: usize = usize::MAX >> 16;

/// Keys that are asked for before anything is known about the lengths of their values: so many values of 1 MiB are borne.
const FIRST_KEYS: usize = 16;

/// Lines that share a window: the server works on one, one is on its way there, one on its way back, one is being read.
const LINES: usize = 4;

impl Window {
    /// Never so much that dropping the stream could close the connection, where what is abandoned is bounded.
    pub(super) fn within(self, limits: &Limits) -> Window {
        let keys_max = (limits.in_flight_max.min(limits.abandoned_max) / 2).max(1);
        Window {
            keys: self.keys.clamp(1, keys_max),
            bytes: self.bytes.clamp(1, BYTES_MAX),
            line_max: self.line_max.max(1),
        }
    }

    /// How many keys make a whole line while each costs so many bytes.
    pub(super) fn line(&self, each: usize) -> usize {
        let keys = self.keys.min(self.bytes / each.max(1));
        (keys / LINES).clamp(1, self.line_max)
    }
}

/// How long the next value will be, by those that came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    len: usize,
    is_guess: bool,
}

impl Expected {
    /// For commands that fetch values; of others none is expected.
    pub(super) fn new(window: &Window, fetches: bool) -> Expected {
        let len = if fetches { (window.bytes / FIRST_KEYS).max(1) } else { 0 };
        Expected { len, is_guess: true }
    }

    /// Bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Of `keys` that were asked for, `hits` values of `bytes` in all have come. A line counts at once, single values by an eighth. Misses
    /// alone say little: they halve it.
    pub(super) fn learn(&mut self, keys: usize, hits: usize, bytes: usize) {
        let seen = bytes.checked_div(hits).unwrap_or(self.len / 2);
        let weight = if self.is_guess && hits > 0 { EIGHTHS } else { keys.min(EIGHTHS) };
        self.is_guess &= hits == 0;
        self.len = (self.len.saturating_mul(EIGHTHS - weight).saturating_add(seen.saturating_mul(weight))) / EIGHTHS;
    }
}

/// Keys from which a reply says as much as all before it.
const EIGHTHS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        Window { keys: WINDOW_KEYS, bytes: WINDOW_BYTES, line_max: 100 }
    }

    #[test]
    fn a_window_is_never_nothing_and_never_all() {
        let tight = Window { keys: 0, bytes: 0, line_max: 0 }.within(&Limits::default());
        assert_eq!((tight.keys, tight.bytes, tight.line_max), (1, 1, 1));
        let wide = Window { keys: usize::MAX, bytes: usize::MAX, line_max: 100 }.within(&Limits::default());
        assert_eq!(wide.keys, Limits::default().abandoned_max / 2);
        assert!(wide.bytes.checked_mul(wide.keys).is_some());
    }

    #[test]
    fn lines_are_as_long_as_values_allow() {
        let mut expected = Expected::new(&window(), true);
        assert_eq!((expected.len(), window().line(expected.len())), (65_536, 4));
        for (keys, hits, bytes, len, line) in [
            (4, 4, 400, 100, 100),
            (100, 100, 1 << 20, 10_485, 25),
            (8, 1, 1 << 20, 1 << 20, 1),
            (8, 0, 0, 1 << 19, 1),
            (100, 2, 0, 0, 100),
        ] {
            expected.learn(keys, hits, bytes);
            assert_eq!((expected.len(), window().line(expected.len())), (len, line));
        }
        assert_eq!(window().line(Expected::new(&window(), false).len()), 100);
    }

    #[test]
    fn one_long_value_among_short_ones_is_no_rule() {
        let mut expected = Expected::new(&window(), true);
        expected.learn(1, 1, 100);
        assert_eq!(expected.len(), 100);
        expected.learn(1, 1, 1 << 20);
        assert_eq!(expected.len(), (7 * 100 + (1 << 20)) / 8);
    }
}
