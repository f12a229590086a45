use alloc::{borrow::Cow, boxed::Box, format, string::String, sync::Arc, vec};
use core::fmt;

use memlink_core::{Encoder, Frame, Refusal, Step};

use crate::{Expect, Invalid, Meta, Peer, Version, error::printable, expect::Shape, number, reply::is_error};

/// How far the opening exchange is: which answer is awaited.
///
/// ```text
///  (credentials)  version                      ->  CLIENT_ERROR unauthenticated
///  (credentials)  set memlink_auth 0 -1 <n>    ->  STORED
///                 version                      ->  VERSION 1.6.45
///                 mg memlink:probe s Oprobe    ->  EN Oprobe, or HD s0 Oprobe
/// ```
///
/// The last one asks for an item, which needs not be there: a server is ready when it answers what users ask, and not when it can say
/// its name. A proxy whose own server is away answers with an error, and is ready too: it speaks, and others of its servers may be
/// there.
///
/// Each step waits for the one before. A server that wants credentials and gets none answers `version` with an error,
/// and a short line behind it with closing the connection (1.6.44 and newer), which may take the first
/// answer with it. One more round trip per connection is a small price for an operator who reads "wants credentials"
/// instead of "connection closed".
#[derive(Debug, Default)]
pub(crate) enum Opening {
    /// Nothing was sent.
    #[default]
    Start,
    /// Whether the server wants the credentials that are there: one that does not would take them for a value.
    Unsigned(Credentials),
    Credentials,
    Version,
    /// A get, of a server that named itself so.
    Probe {
        version: Version,
        text: Box<str>,
    },
    Done,
}

impl Opening {
    /// Whether the server has not said yet what it is.
    pub(crate) fn is_early(&self) -> bool {
        matches!(self, Opening::Start | Opening::Unsigned(_) | Opening::Credentials | Opening::Version)
    }
}

/// A user and a password for memcached's own sign-in (`-Y`). They go over the wire as they are: use TLS.
///
/// Source: classic protocol, sign-in by a `set` of any key whose value is "user password". The `set` is sent with a
/// time to live that is over, so that nothing keeps it. Before that the server is asked whether it wants a sign-in at all: to one that
/// does not the password is never sent, and it counts as one that refuses.
#[derive(Clone)]
pub struct Credentials {
    token: Box<[u8]>,
}

impl Credentials {
    /// Longest "user password" in bytes, as of 1.6.42.
    const LEN_MAX: usize = 16_384;

    /// Puts them together.
    ///
    /// # Errors
    ///
    /// [`Invalid`] when the user is empty or holds a space (the server divides what it is sent at the first one) or a colon (it divides
    /// the lines of its file there), when either holds a line end (that file has one line for each user) or a NUL (the server reads
    /// no further), or when both together are longer than 16,383 bytes.
    pub fn new(user: &str, password: &str) -> Result<Credentials, Invalid> {
        if user.is_empty() || user.contains([' ', ':']) {
            return Err(Invalid::Options("a user name is not empty and holds neither a space nor a colon"));
        }
        if user.contains(['\r', '\n', '\0']) || password.contains(['\r', '\n', '\0']) {
            return Err(Invalid::Options("a user name and a password hold no line ends and no NUL"));
        }
        let token = format!("{user} {password}").into_bytes();
        if token.len() > Credentials::LEN_MAX {
            let (what, len, len_max) = ("a user name with its password", token.len(), Credentials::LEN_MAX);
            return Err(Invalid::TooLong { what, len, len_max });
        }
        Ok(Credentials { token: token.into() })
    }

    fn put(&self, out: &mut Encoder<'_>) {
        out.put(b"set memlink_auth 0 -1 ");
        number::put(out.buffer(), self.token.len() as u64);
        out.put(b"\r\n");
        out.put(&self.token);
        out.put(b"\r\n");
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

/// Where a connection's credentials come from.
#[derive(Clone)]
pub(crate) struct CredentialsSource(pub(crate) Arc<dyn Fn() -> Option<Credentials> + Send + Sync>);

impl fmt::Debug for CredentialsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Meta {
    /// One step of the opening exchange.
    pub(crate) fn step(
        &self,
        opening: &mut Opening,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Expect, Peer>, Refusal> {
        let line = reply.map(Frame::as_slice);
        let next = match (core::mem::replace(opening, Opening::Done), line) {
            (Opening::Start, None) => match self.credentials.as_ref().and_then(|source| source.0()) {
                Some(credentials) => {
                    ask_version(out);
                    Opening::Unsigned(credentials)
                }
                None => ask_version(out),
            },
            (Opening::Unsigned(credentials), Some(line)) if line.starts_with(UNAUTHENTICATED) => {
                credentials.put(out);
                Opening::Credentials
            }
            (Opening::Unsigned(_), Some(line)) if line.starts_with(b"VERSION ") => return Err(wants_none()),
            (Opening::Credentials, Some(b"STORED")) => ask_version(out),
            (Opening::Credentials, Some(line)) => return Err(refuse_credentials(line)),
            (Opening::Version, Some(line)) => {
                let text = line.strip_prefix(b"VERSION ").ok_or_else(|| refuse(line))?;
                let (version, text) = self.judge(text)?;
                out.put(b"mg memlink:probe s Oprobe\r\n");
                Opening::Probe { version, text }
            }
            (Opening::Probe { version, text }, Some(line)) if is_of_probe(line, version) => {
                return Ok(Step::Ready(Peer::named(version, &text, self.opaque)));
            }
            (Opening::Probe { text, .. }, Some(line)) if is_error(line) => return Err(too_old(&text)),
            (_, Some(line)) => return Err(refuse(line)),
            (_, None) => return Err(incompatible("the opening exchange was begun twice")),
        };
        *opening = next;
        Ok(Step::Send(vec![Expect(Shape::Opening)]))
    }

    /// Which features a server that names itself `text` is taken to have.
    fn judge(&self, text: &[u8]) -> Result<(Version, Box<str>), Refusal> {
        let text = printable(text.trim_ascii());
        let said = Version::parse(&text).filter(|version| version.is_of_memcached());
        let version = self.version.or(said).unwrap_or(Version::OLDEST);
        if version < Version::OLDEST {
            return Err(too_old(&text));
        }
        Ok((version, text))
    }
}

/// Whether a line answers the get, by the opaque that no user's command has. Servers before 1.6.18 leave it out of a miss, and error
/// lines have none.
fn is_of_probe(line: &[u8], version: Version) -> bool {
    let line = line.trim_ascii_end();
    let is_status = line.starts_with(b"EN ") || line.starts_with(b"HD ");
    let is_old = version < Version::new(1, 6, 18) && line == b"EN";
    is_status && line.ends_with(b" Oprobe") || is_old || line.starts_with(b"SERVER_ERROR")
}

fn ask_version(out: &mut Encoder<'_>) -> Opening {
    out.put(b"version\r\n");
    Opening::Version
}

fn too_old(text: &str) -> Refusal {
    let oldest = Version::OLDEST;
    incompatible(format!(
        "this server has no meta commands (memcached {oldest} or newer is needed); it says its version is {text}"
    ))
}

/// What a server answers to everything before the sign-in.
const UNAUTHENTICATED: &[u8] = b"CLIENT_ERROR unauthenticated";

/// Whoever has given credentials wants a server that asks for them: one that does not may be another's.
fn wants_none() -> Refusal {
    let text =
        "the server asks for no authentication (its option -Y), and credentials are configured: they were not sent";
    Refusal::Denied(text.into())
}

fn refuse_credentials(line: &[u8]) -> Refusal {
    if line.starts_with(b"CLIENT_ERROR authentication failure") {
        return Refusal::Denied("the server refused the user name or the password".into());
    }
    refuse(line)
}

/// What to make of a line that was not expected: the guess that helps most whoever must repair it.
pub(crate) fn refuse(line: &[u8]) -> Refusal {
    let text = printable(line);
    if line.starts_with(UNAUTHENTICATED) {
        return Refusal::Denied("the server requires authentication: configure a user name and a password".into());
    }
    if line.starts_with(b"ERROR Too many open connections") {
        return Refusal::Denied("the server has no room for another connection (its option -c)".into());
    }
    if line.starts_with(b"SERVER_ERROR") {
        return Refusal::Denied(format!("the server answered {text}"));
    }
    if is_error(line) {
        return incompatible(format!("this is no memcached that can be used: it answered {text}"));
    }
    let guess = match line {
        [0x15 | 0x16, ..] => "this looks like a TLS port, and the connection is not encrypted",
        [0x80 | 0x81, ..] => "this looks like memcached's binary protocol, which is not supported",
        [b'H', b'T', b'T', b'P', b'/', ..] => "this is no memcached: it answered like an HTTP server",
        [b'-' | b'+', ..] => "this is no memcached: it answered like a Redis server",
        [b'S', b'S', b'H', b'-', ..] => "this is no memcached: it answered like an SSH server",
        [b'2', b'2', b'0', ..] => "this is no memcached: it answered like a mail or FTP server",
        [] | [0..=0x1f | 0x7f..=0xff, ..] => "this is no memcached: it answered with bytes that are no text",
        _ => return incompatible(format!("this is no memcached: it answered {text}")),
    };
    incompatible(guess)
}

fn incompatible(text: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::Incompatible(String::from(text.into()))
}

#[cfg(test)]
mod tests;
