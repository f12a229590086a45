//! A command line cut at its spaces.

use crate::limits::TOKENS_MAX;

/// The tokens of one line. What lies beyond the last one that fits is not seen;
/// the `get` family, which may name any number of keys, reads the line itself.
#[derive(Debug, Clone)]
pub(crate) struct Tokens<'a> {
    tokens: [&'a [u8]; TOKENS_MAX],
    len: usize,
}

impl<'a> Tokens<'a> {
    /// Cuts `body`, a line without its end, at single or repeated spaces.
    pub(crate) fn split(body: &'a [u8]) -> Tokens<'a> {
        let mut split = Tokens { tokens: [&[]; TOKENS_MAX], len: 0 };
        for token in body.split(|byte| *byte == b' ').filter(|token| !token.is_empty()) {
            let Some(place) = split.tokens.get_mut(split.len) else { break };
            *place = token;
            split.len += 1;
        }
        split
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The token at `index`, or an empty one beyond the end.
    pub(crate) fn at(&self, index: usize) -> &'a [u8] {
        self.tokens.get(index).copied().unwrap_or_default()
    }

    pub(crate) fn last(&self) -> &'a [u8] {
        self.len.checked_sub(1).map(|index| self.at(index)).unwrap_or_default()
    }

    /// The tokens from `index` on.
    pub(crate) fn from(&self, index: usize) -> &[&'a [u8]] {
        self.tokens.get(index..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_spaces_divide() {
        let tokens = Tokens::split(b"  mg  a\tb   v ");
        assert_eq!(tokens.from(0), [&b"mg"[..], b"a\tb", b"v"]);
        assert_eq!(tokens.last(), b"v");
        assert_eq!(tokens.at(9), b"");
    }

    #[test]
    fn what_does_not_fit_is_not_seen() {
        let line = "x ".repeat(TOKENS_MAX + 1);
        assert_eq!(Tokens::split(line.as_bytes()).len(), TOKENS_MAX);
    }
}
