//! Whether a fault strikes this time.

use super::chance::{Draw, Purpose};
use bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};

/// The conditions of a fault; by default it always strikes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct When {
    pub(super) verb: Option<Bytes>,
    pub(super) key_prefix: Option<Bytes>,
    pub(super) after: u64,
    /// At least 1.
    pub(super) every: u64,
    pub(super) chance: f64,
    pub(super) times: u64,
}

/// How often a fault could have struck, and has.
#[derive(Debug, Default)]
pub(super) struct Count {
    chances: AtomicU64,
    injected: AtomicU64,
}

impl Default for When {
    fn default() -> When {
        When { verb: None, key_prefix: None, after: 0, every: 1, chance: 1.0, times: u64::MAX }
    }
}

impl When {
    /// Whether a command is meant at all.
    pub(super) fn is_about(&self, verb: &[u8], key: &[u8]) -> bool {
        self.verb.as_ref().is_none_or(|wanted| wanted == verb)
            && self.key_prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix))
    }

    /// Counts one more that is meant, and says whether this is one to strike.
    pub(super) fn strikes(&self, count: &Count, draw: Draw) -> bool {
        let nth = count.chances.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(past) = nth.checked_sub(self.after).filter(|past| *past > 0) else { return false };
        past.is_multiple_of(self.every)
            && (self.chance >= 1.0 || draw.unit(Purpose::Whether) < self.chance)
            && count.raise_below(self.times)
    }
}

impl Count {
    pub(super) fn injected(&self) -> u64 {
        self.injected.load(Ordering::SeqCst)
    }

    /// Counts what has no conditions.
    pub(super) fn raise(&self) {
        self.injected.fetch_add(1, Ordering::SeqCst);
    }

    fn raise_below(&self, bound: u64) -> bool {
        let raise = |injected: u64| (injected < bound).then(|| injected + 1);
        self.injected.fetch_update(Ordering::SeqCst, Ordering::SeqCst, raise).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the first twelve are struck.
    fn struck(when: &When) -> Vec<u64> {
        let count = Count::default();
        let struck: Vec<u64> = (1..=12).filter(|n| when.strikes(&count, Draw::new(7, 0, 1, *n))).collect();
        assert_eq!(count.injected(), struck.len() as u64);
        struck
    }

    #[test]
    fn conditions_are_combined() {
        let all = When::default();
        assert_eq!(struck(&all), (1..=12).collect::<Vec<_>>());
        assert_eq!(struck(&When { after: 9, ..all.clone() }), [10, 11, 12]);
        assert_eq!(struck(&When { every: 5, ..all.clone() }), [5, 10]);
        assert_eq!(struck(&When { times: 1, ..all.clone() }), [1]);
        assert_eq!(struck(&When { times: 2, every: 3, after: 1, ..all.clone() }), [4, 7]);
        assert_eq!(struck(&When { chance: 0.0, ..all.clone() }), [0; 0]);
        let half = struck(&When { chance: 0.5, ..all.clone() });
        assert!(!half.is_empty() && half.len() < 12, "{half:?}");
        assert_eq!(struck(&When { chance: 0.5, ..all }), half, "the same seed, the same fate");
    }

    #[test]
    fn commands_are_told_apart_by_verb_and_key() {
        let when = When { verb: Some("mg".into()), key_prefix: Some("user:".into()), ..When::default() };
        assert!(when.is_about(b"mg", b"user:1"));
        assert!(!when.is_about(b"mg", b"page:1"));
        assert!(!when.is_about(b"ms", b"user:1"));
    }
}
