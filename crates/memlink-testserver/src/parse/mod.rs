//! Bytes to commands. Nothing here looks at an item or at a clock.
//!
//! Two parsers live side by side, because 1.6.40 replaced the old one and with
//! it changed which mistakes are noticed, when, and in which words. Both end in
//! the same [`Request`], so what a command *does* is written once.

pub(crate) mod base64;
pub(crate) mod flags;
mod modern;
pub(crate) mod number;
mod old;
pub(crate) mod tokens;

use crate::version::Version;
use tokens::Tokens;

/// What a command is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    MetaGet,
    MetaSet,
    MetaDelete,
    MetaArithmetic,
    MetaNoop,
    MetaDebug,
    Get,
    Gets,
    GetAndTouch,
    GetsAndTouch,
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
    Touch,
    Increment,
    Decrement,
    Delete,
    FlushAll,
    Version,
    Verbosity,
    Stats,
    CacheMemlimit,
    LruCrawler,
    Lru,
    Slabs,
    Extstore,
    Watch,
    Shutdown,
    Quit,
}

/// A line that names a command and has the arguments it cannot do without.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) verb: Verb,
    /// The whole line without its end.
    pub(crate) body: &'a [u8],
    pub(crate) tokens: Tokens<'a>,
    /// The key, where the verb has one. Not yet checked for its length.
    pub(crate) key: &'a [u8],
    /// The last word was `noreply`, and the verb heeds it.
    pub(crate) noreply: bool,
    /// The length of the value that follows, without its line end.
    pub(crate) value_len: usize,
}

/// Why a line is no [`Request`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is answered with this line; any value behind it is not swallowed.
    Answer(&'static str),
    /// It goes unanswered, since its last word is `noreply`.
    Silent,
    /// It looks like HTTP: the connection is closed.
    Close,
}

pub(crate) const ERROR: &str = "ERROR";
pub(crate) const BAD_FORMAT: &str = "CLIENT_ERROR bad command line format";

/// Reads one line, line end included, by the rules of `version`.
pub(crate) fn parse(version: Version, line: &[u8]) -> Result<Request<'_>, Refusal> {
    if version.is_modern() { modern::parse(line) } else { old::parse(line) }
}

/// Whether `line`, which has no end yet, may grow beyond the usual bound.
pub(crate) fn may_be_long(line: &[u8]) -> bool {
    let spaces = line.iter().take_while(|byte| **byte == b' ').count();
    let text = line.get(spaces..).unwrap_or_default();
    spaces <= 100 && (text.starts_with(b"get ") || text.starts_with(b"gets "))
}

impl<'a> Request<'a> {
    fn new(verb: Verb, body: &'a [u8], tokens: Tokens<'a>, key_index: usize) -> Request<'a> {
        let key = tokens.at(key_index);
        Request { verb, body, tokens, key, noreply: false, value_len: 0 }
    }
}

impl Verb {
    /// Whether a value follows the line.
    pub(crate) const fn has_value(self) -> bool {
        matches!(self, Verb::MetaSet | Verb::Set | Verb::Add | Verb::Replace | Verb::Append | Verb::Prepend | Verb::Cas)
    }

    /// Whether there is no connection behind it.
    pub(crate) const fn ends_the_connection(self) -> bool {
        matches!(self, Verb::Quit | Verb::Shutdown)
    }
}

fn is_noreply(token: &[u8]) -> bool {
    token == b"noreply"
}
