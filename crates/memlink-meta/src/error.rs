use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use memchr::memmem;

use crate::{Key, KeyError, TtlError};

/// Longest text of a fault that is kept, in bytes. The server's own texts are all shorter than 64.
const TEXT_LEN_MAX: usize = 200;

/// The server answered a command with an error line.
///
/// It has been answered: nothing is in doubt but, for a store, what became of the old item (a value that is too large
/// deletes it). Whether the connection can go on is decided apart from this and never by the text, which differs
/// between versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    class: FaultClass,
    kind: FaultKind,
    text: Box<str>,
}

impl Fault {
    /// Reads an error line. A text that names one of `keys` is withheld, so that no key reaches a log.
    pub(crate) fn read(line: &[u8], keys: &[Key]) -> Fault {
        let (class, rest) = if let Some(rest) = line.strip_prefix(b"SERVER_ERROR") {
            (FaultClass::Server, rest)
        } else if let Some(rest) = line.strip_prefix(b"CLIENT_ERROR") {
            (FaultClass::Client, rest)
        } else {
            (FaultClass::Error, line.strip_prefix(b"ERROR").unwrap_or(line))
        };
        let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii();
        let (kind, known_len) = FaultKind::of(class, rest);
        let foreign = rest.get(known_len..).unwrap_or_default();
        let text = match keys.iter().any(|key| names(foreign, key)) {
            true => "(text withheld: it names the key)".into(),
            false => printable(rest),
        };
        Fault { class, kind, text }
    }

    /// A fault that this side found in a reply that is in order.
    pub(crate) fn found(kind: FaultKind, text: &str) -> Fault {
        Fault { class: FaultClass::Client, kind, text: text.into() }
    }

    /// The class of the line.
    #[must_use]
    pub fn class(&self) -> FaultClass {
        self.class
    }

    /// What it was about, as far as the text tells.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// The server's text, printable, at most 200 bytes, without the key of the command.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let class = match self.class {
            FaultClass::Error => "ERROR",
            FaultClass::Client => "CLIENT_ERROR",
            FaultClass::Server => "SERVER_ERROR",
        };
        match &*self.text {
            "" => write!(f, "the server answered {class}"),
            text => write!(f, "the server answered {class} {text}"),
        }
    }
}

impl core::error::Error for Fault {}

/// The first word of an error line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultClass {
    /// `ERROR`: the server does not know the command, or will not have it.
    Error,
    /// `CLIENT_ERROR`: the server does not like how the command was written, or what it was applied to.
    Client,
    /// `SERVER_ERROR`: the server could not do it.
    Server,
}

/// What an error line is about. For people and for metrics: texts differ between versions, so nothing that keeps a
/// connection safe may depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The item is larger than the server's limit (`-I`). The old item is gone.
    TooLarge,
    /// The server is out of memory.
    OutOfMemory,
    /// An increment or decrement of a value that is not a number.
    NonNumeric,
    /// The line could not be read: among others, a key that is too long.
    BadFormat,
    /// A flag that this server does not know, or one that stands twice.
    InvalidFlag,
    /// What stands behind a flag could not be read.
    BadToken,
    /// The base64 of a key could not be read.
    BadKey,
    /// Too many flags.
    TooManyFlags,
    /// The opaque is too long.
    OpaqueTooLong,
    /// A mode that the server does not know.
    InvalidMode,
    /// The value was not followed by a line end.
    BadDataChunk,
    /// The server does not know the command.
    UnknownCommand,
    /// The server wants credentials first.
    Unauthenticated,
    /// The server was started with this command switched off.
    NotAllowed,
    /// The server has as many connections as it was allowed to have.
    TooManyConnections,
    /// A proxy could not reach, or not understand, the server behind it.
    Backend,
    /// The client flags of the item need more than 32 bits. Reported by this side: the server was built with large
    /// client flags and another client made use of them.
    LargeClientFlags,
    /// Anything else. See the text.
    Other,
}

impl FaultKind {
    /// The kind, and how many bytes of the text are known to be the server's own.
    fn of(class: FaultClass, text: &[u8]) -> (FaultKind, usize) {
        if class == FaultClass::Error && text.is_empty() {
            return (FaultKind::UnknownCommand, 0);
        }
        let known =
            |start: &str| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()));
        TEXTS.iter().find(|(start, _)| known(start)).map_or((FaultKind::Other, 0), |(start, kind)| (*kind, start.len()))
    }
}

/// How the known texts begin, longer ones before shorter ones. The built-in proxy has its own.
const TEXTS: &[(&str, FaultKind)] = &[
    ("object too large for cache", FaultKind::TooLarge),
    ("out of memory storing object", FaultKind::OutOfMemory),
    ("out of memory allocating new item", FaultKind::OutOfMemory),
    ("out of memory writing get response", FaultKind::OutOfMemory),
    ("out of memory during read", FaultKind::OutOfMemory),
    ("out of memory", FaultKind::OutOfMemory),
    ("cannot increment or decrement non-numeric value", FaultKind::NonNumeric),
    ("bad command line format", FaultKind::BadFormat),
    ("parsing request", FaultKind::BadFormat),
    ("request too long", FaultKind::BadFormat),
    ("key too long", FaultKind::BadFormat),
    ("invalid flag", FaultKind::InvalidFlag),
    ("duplicate flag", FaultKind::InvalidFlag),
    ("invalid or duplicate flag", FaultKind::InvalidFlag),
    ("bad token in command line format", FaultKind::BadToken),
    ("invalid numeric", FaultKind::BadToken),
    ("invalid exptime argument", FaultKind::BadToken),
    ("error decoding key", FaultKind::BadKey),
    ("options flags are too long", FaultKind::TooManyFlags),
    ("options flags too long", FaultKind::TooManyFlags),
    ("opaque token too long", FaultKind::OpaqueTooLong),
    ("invalid mode for", FaultKind::InvalidMode),
    ("incorrect length for M token", FaultKind::InvalidMode),
    ("bad data chunk", FaultKind::BadDataChunk),
    ("unauthenticated", FaultKind::Unauthenticated),
    ("authentication failure", FaultKind::Unauthenticated),
    ("flush_all not allowed", FaultKind::NotAllowed),
    ("too many open connections", FaultKind::TooManyConnections),
    ("backend failure", FaultKind::Backend),
    ("bad response", FaultKind::Backend),
    ("lua failure", FaultKind::Backend),
    ("active request limit reached", FaultKind::Backend),
];

/// Why a command was refused before anything was written. A mistake in the program, or in its input: asking again
/// cannot help.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// The key cannot be sent.
    Key(KeyError),
    /// A time cannot be sent.
    Ttl(TtlError),
    /// The options do not go together: the server would ignore one of them, or do something else than they say. The
    /// text says which and why.
    Options(&'static str),
    /// Something is longer than can be sent.
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The longest that is allowed.
        len_max: usize,
    },
}

impl From<KeyError> for Invalid {
    fn from(error: KeyError) -> Invalid {
        Invalid::Key(error)
    }
}

impl From<TtlError> for Invalid {
    fn from(error: TtlError) -> Invalid {
        Invalid::Ttl(error)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Invalid::Key(error) => error.fmt(f),
            Invalid::Ttl(error) => error.fmt(f),
            Invalid::Options(why) => f.write_str(why),
            Invalid::TooLong { what, len, len_max } => {
                write!(f, "{what} of {len} bytes is too long: at most {len_max} are allowed")
            }
        }
    }
}

impl core::error::Error for Invalid {}

/// The text for people: what is not printable becomes `?`, what is too long is cut.
pub(crate) fn printable(text: &[u8]) -> Box<str> {
    let text = text.get(..TEXT_LEN_MAX.min(text.len())).unwrap_or_default();
    let text: String = String::from_utf8_lossy(text).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    text.into()
}

/// Whether `text` holds the key, as it is or as it went over the wire.
fn names(text: &[u8], key: &Key) -> bool {
    let mut wire = Vec::new();
    key.put(&mut wire);
    memmem::find(text, key.as_bytes()).is_some() || memmem::find(text, &wire).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts_have_a_kind() {
        let cases: &[(&str, FaultClass, FaultKind, &str)] = &[
            ("ERROR", FaultClass::Error, FaultKind::UnknownCommand, ""),
            (
                "ERROR Too many open connections",
                FaultClass::Error,
                FaultKind::TooManyConnections,
                "Too many open connections",
            ),
            (
                "SERVER_ERROR object too large for cache",
                FaultClass::Server,
                FaultKind::TooLarge,
                "object too large for cache",
            ),
            (
                "SERVER_ERROR Out of memory during read",
                FaultClass::Server,
                FaultKind::OutOfMemory,
                "Out of memory during read",
            ),
            ("SERVER_ERROR: shutdown not enabled", FaultClass::Server, FaultKind::Other, "shutdown not enabled"),
            ("CLIENT_ERROR", FaultClass::Client, FaultKind::Other, ""),
            ("CLIENT_ERROR bad data chunk", FaultClass::Client, FaultKind::BadDataChunk, "bad data chunk"),
        ];
        for (line, class, kind, text) in cases {
            let fault = Fault::read(line.as_bytes(), &[]);
            assert_eq!((fault.class(), fault.kind(), fault.text()), (*class, *kind, *text), "{line}");
        }
    }

    #[test]
    fn a_text_is_printable_bounded_and_without_the_key() {
        let mut line = b"SERVER_ERROR \x1b[2Jno \xff".to_vec();
        line.extend_from_slice(&[b'x'; 4_000]);
        let fault = Fault::read(&line, &[]);
        assert!(fault.text().starts_with("?[2Jno \u{fffd}x"));
        assert!(fault.text().len() <= TEXT_LEN_MAX + 3);
        let named = |line: &[u8], key: &str| Fault::read(line, &[Key::new(key).unwrap()]).text().to_string();
        let withheld = "(text withheld: it names the key)";
        assert_eq!(named(b"SERVER_ERROR no route for user:42", "user:42"), withheld);
        assert_eq!(named(b"SERVER_ERROR no route for YSBi", "a b"), withheld);
        assert_eq!(named(b"SERVER_ERROR backend failure user:42", "user:42"), withheld);
        assert_eq!(named(b"SERVER_ERROR object too large for cache", "e"), "object too large for cache");
        let mut line = b"SERVER_ERROR ".to_vec();
        line.extend_from_slice(&[b'x'; 198]);
        line.extend_from_slice(b"user:42");
        assert_eq!(named(&line, "user:42"), withheld);
    }
}
