//! The flags of a meta command, read once before anything is done.
//!
//! All four commands accept every letter that any of them knows, and ignore
//! those they have no use for; a bad *token* of an ignored flag is still an
//! error. The order of the flags matters later, when replies are built, so this
//! only collects what must be known beforehand.

use super::base64;
use super::number::{signed_32, unsigned_32, unsigned_64};
use super::{BAD_FORMAT, Request};
use crate::limits::{KEY_LEN_MAX, META_TOKENS_MAX, OPAQUE_LEN_MAX};
use crate::version::Version;
use std::borrow::Cow;

/// What the flags of one meta command ask for.
#[derive(Debug)]
pub(crate) struct MetaFlags<'a> {
    /// The key, decoded if `b` was given.
    pub(crate) key: Cow<'a, [u8]>,
    /// `b`: the key came as base64.
    pub(crate) binary: bool,
    /// `q`: leave out the usual reply.
    pub(crate) quiet: bool,
    /// `v`: show the value.
    pub(crate) value: bool,
    /// `u`: leave no trace of the fetch.
    pub(crate) no_update: bool,
    /// `x`: take the value away.
    pub(crate) remove_value: bool,
    /// `I`: mark stale, or store although the CAS id is older.
    pub(crate) invalidate: bool,
    /// `T`, as it was sent.
    pub(crate) ttl: Option<i32>,
    /// `N`: create on a miss, with this TTL.
    pub(crate) vivify: Option<i32>,
    /// `R`: a win if less than this is left.
    pub(crate) recache: Option<i32>,
    /// `F`, or 0.
    pub(crate) client_flags: u32,
    /// `C`: the CAS id to compare.
    pub(crate) cas: Option<u64>,
    /// `E`: the CAS id to give.
    pub(crate) cas_new: Option<u64>,
    /// `M`: the first byte of its token; 0 stands for none.
    pub(crate) mode: u8,
    /// `D`, or 1.
    pub(crate) delta: u64,
    /// `J`, or 0.
    pub(crate) initial: u64,
}

pub(crate) const OPAQUE_TOO_LONG: &str = "CLIENT_ERROR opaque token too long";
const BAD_TOKEN: &str = "CLIENT_ERROR bad token in command line format";

/// Reads the flags that stand from token `start` on.
///
/// A bad token does not end the reading, an unknown or repeated letter does;
/// the mistake found last is the one that is told.
pub(crate) fn read<'a>(version: Version, request: &Request<'a>, start: usize) -> Result<MetaFlags<'a>, &'static str> {
    if request.key.len() > KEY_LEN_MAX {
        return Err(BAD_FORMAT);
    }
    if request.tokens.len() > META_TOKENS_MAX {
        return Err("CLIENT_ERROR options flags are too long");
    }
    let mut flags = MetaFlags::new(request.key);
    let mut seen = [false; 127];
    let mut mistake = Mistake { found: false, text: BAD_FORMAT };
    for token in request.tokens.from(start) {
        let Some((letter, argument)) = token.split_first() else { continue };
        match seen.get_mut(usize::from(*letter)) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err("CLIENT_ERROR duplicate flag"),
        }
        flags.take(version, *letter, argument, &mut mistake)?;
    }
    if mistake.found { Err(mistake.text) } else { Ok(flags) }
}

/// The opaque token of a reply, letter included, or the error it deserves.
pub(crate) fn opaque(token: &[u8]) -> Result<&[u8], &'static str> {
    if token.len() > OPAQUE_LEN_MAX { Err(OPAQUE_TOO_LONG) } else { Ok(token) }
}

struct Mistake {
    found: bool,
    text: &'static str,
}

impl Mistake {
    fn note<T>(&mut self, text: &'static str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.found = true;
            self.text = text;
        }
        value
    }
}

impl<'a> MetaFlags<'a> {
    fn new(key: &'a [u8]) -> MetaFlags<'a> {
        MetaFlags {
            key: Cow::Borrowed(key),
            binary: false,
            quiet: false,
            value: false,
            no_update: false,
            remove_value: false,
            invalidate: false,
            ttl: None,
            vivify: None,
            recache: None,
            client_flags: 0,
            cas: None,
            cas_new: None,
            mode: 0,
            delta: 1,
            initial: 0,
        }
    }

    fn take(
        &mut self,
        version: Version,
        letter: u8,
        argument: &[u8],
        mistake: &mut Mistake,
    ) -> Result<(), &'static str> {
        match letter {
            b'b' => {
                let decoded = base64::decode(&self.key);
                let decoded = mistake.note("CLIENT_ERROR error decoding key", decoded);
                self.key = Cow::Owned(decoded.unwrap_or_default());
                self.binary = true;
            }
            b'T' => self.ttl = mistake.note(BAD_TOKEN, signed_32(version, nonempty(argument))),
            b'N' => self.vivify = mistake.note(BAD_TOKEN, signed_32(version, nonempty(argument))),
            b'R' => self.recache = mistake.note(BAD_TOKEN, signed_32(version, nonempty(argument))),
            b'C' => self.cas = mistake.note(BAD_TOKEN, unsigned_64(version, nonempty(argument))),
            b'E' if version.is_modern() => {
                self.cas_new = mistake.note(BAD_TOKEN, unsigned_64(version, nonempty(argument)));
            }
            b'x' if version.is_modern() => self.remove_value = true,
            b'F' => match unsigned_32(version, nonempty(argument)) {
                Some(client_flags) => self.client_flags = client_flags,
                // Here alone the text of an earlier mistake stays.
                None => mistake.found = true,
            },
            b'D' => {
                let delta = unsigned_64(version, nonempty(argument));
                self.delta = mistake.note("CLIENT_ERROR invalid numeric delta value", delta).unwrap_or_default();
            }
            b'J' => {
                let initial = unsigned_64(version, nonempty(argument));
                self.initial = mistake.note("CLIENT_ERROR invalid numeric initial value", initial).unwrap_or_default();
            }
            b'M' => self.take_mode(version, argument, mistake),
            b'v' => self.value = true,
            b'u' => self.no_update = true,
            b'q' => self.quiet = true,
            b'I' => self.invalidate = true,
            b'O' | b'P' | b'L' | b'c' | b'f' | b'h' | b'k' | b'l' | b's' | b't' => {}
            _ => return Err("CLIENT_ERROR invalid flag"),
        }
        Ok(())
    }

    fn take_mode(&mut self, version: Version, argument: &[u8], mistake: &mut Mistake) {
        if version.is_modern() {
            // Where the token is empty, the byte behind it is read: a space or
            // the line's end, neither of which is a mode.
            self.mode = argument.first().copied().unwrap_or(b' ');
        } else if let [mode] = argument {
            self.mode = *mode;
        } else {
            mistake.note::<()>("CLIENT_ERROR incorrect length for M token", None);
        }
    }
}

/// The strict readers take an empty text for zero; a flag may not be empty.
fn nonempty(argument: &[u8]) -> &[u8] {
    if argument.is_empty() { b"?" } else { argument }
}
