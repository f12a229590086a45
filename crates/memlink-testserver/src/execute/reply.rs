//! Writing replies.

use crate::parse::base64;
use crate::parse::flags::{self, MetaFlags};
use bytes::BytesMut;
use std::fmt::Write as _;

/// The reply of a classic command, which may be silenced.
pub(super) struct Reply<'a> {
    out: &'a mut BytesMut,
    silent: bool,
}

impl<'a> Reply<'a> {
    pub(super) fn new(out: &'a mut BytesMut, silent: bool) -> Reply<'a> {
        Reply { out, silent }
    }

    pub(super) fn line(self, text: &str) {
        if !self.silent {
            self.out.extend_from_slice(text.as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
    }
}

/// A meta reply under construction. It is kept apart from the output until it
/// is whole, since a bad opaque in its last flag turns it into an error.
pub(super) struct MetaReply {
    text: BytesMut,
}

impl MetaReply {
    pub(super) fn new(code: &str) -> MetaReply {
        MetaReply { text: BytesMut::from(code) }
    }

    /// Appends a flag with a number.
    pub(super) fn number(&mut self, letter: char, number: impl std::fmt::Display) {
        // Writing to a `BytesMut` cannot fail.
        let _ = write!(self.text, " {letter}{number}");
    }

    pub(super) fn letter(&mut self, letter: char) {
        let _ = write!(self.text, " {letter}");
    }

    /// The time left, unsigned and therefore wrapping for a deadline that has
    /// passed; -1 for none.
    pub(super) fn ttl(&mut self, expires: u32, now: u32) {
        if expires == 0 {
            self.number('t', -1);
        } else {
            self.number('t', expires.wrapping_sub(now));
        }
    }

    /// The key, and a ` b` behind it where it is given as base64.
    pub(super) fn key(&mut self, key: &[u8], binary: bool) {
        self.text.extend_from_slice(b" k");
        if binary {
            base64::encode(key, &mut self.text);
            self.text.extend_from_slice(b" b");
        } else {
            self.text.extend_from_slice(key);
        }
    }

    pub(super) fn opaque(&mut self, token: &[u8]) -> Result<(), &'static str> {
        let token = flags::opaque(token)?;
        self.text.extend_from_slice(b" ");
        self.text.extend_from_slice(token);
        Ok(())
    }

    /// Echoes `O` and `k`, as every command does where it has no item to tell
    /// of.
    pub(super) fn echo(&mut self, tokens: &[&[u8]], flags: &MetaFlags<'_>) -> Result<(), &'static str> {
        for token in tokens {
            match token.first() {
                Some(b'O') => self.opaque(token)?,
                Some(b'k') => self.key(&flags.key, flags.binary),
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends the header line and hands it over.
    pub(super) fn finish(self, out: &mut BytesMut) {
        out.extend_from_slice(&self.text);
        out.extend_from_slice(b"\r\n");
    }

    /// Ends the header line and hands it over with a value.
    pub(super) fn finish_with(self, value: &[u8], out: &mut BytesMut) {
        self.finish(out);
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}
