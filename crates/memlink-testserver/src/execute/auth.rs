//! ASCII authentication: `set <any> <any> <any> <length>\r\n<name> <password>\r\n`.
//!
//! Until it succeeds nothing else is understood, and it follows rules of its
//! own: no `noreply`, no flags, and every failure leaves the connection open.

use crate::cache::Cache;
use crate::limits::{AUTH_LEN_MAX, AUTH_LINE_LEN_MIN};
use crate::parse::number;
use crate::parse::tokens::Tokens;

/// What a line before authentication leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AuthLine {
    /// A payload of so many bytes, line end included, is awaited.
    Payload(usize),
    Refused(&'static str),
    Close,
}

/// With fewer bytes than this nothing is looked at, not even a line end.
pub(crate) fn auth_bytes_min(cache: &Cache) -> usize {
    if cache.settings.version.is_modern() { 3 } else { 2 }
}

/// Reads a line, its LF included, of a session that is not authenticated.
pub(crate) fn read_auth_line(cache: &Cache, line: &[u8]) -> AuthLine {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let size = if cache.settings.version.is_modern() {
        if body.len() < AUTH_LINE_LEN_MIN {
            return AuthLine::Close;
        }
        // The tokenizer expects a line end of two bytes and takes the last byte
        // of a line that has but one, so such a line is never understood.
        let tokens = Tokens::split(body.get(..body.len() - 1).unwrap_or_default());
        number::strict_u32(tokens.at(4)).filter(|_| tokens.len() >= 5 && body.starts_with(b"set"))
    } else {
        let body = body.split(|byte| *byte == 0).next().unwrap_or_default();
        let tokens = Tokens::split(body);
        number::lax_u32(tokens.at(4)).filter(|_| tokens.len() >= 5 && tokens.at(0) == b"set")
    };
    match size {
        None => AuthLine::Refused("CLIENT_ERROR unauthenticated"),
        // The old server had no bound; waiting for 4 GB would serve nobody.
        Some(size) if size > AUTH_LEN_MAX => AuthLine::Refused("CLIENT_ERROR auth token too long"),
        Some(size) => AuthLine::Payload(usize::try_from(size).unwrap_or_default() + 2),
    }
}

/// Checks a whole payload. `Ok` is success; either text is the reply.
pub(crate) fn check_auth(cache: &mut Cache, payload: &[u8]) -> Result<&'static str, &'static str> {
    let Some(text) = payload.strip_suffix(b"\r\n") else {
        return Err("CLIENT_ERROR bad command line termination");
    };
    let modern = cache.settings.version.is_modern();
    let (name, password) = if modern {
        let space = text.iter().position(|byte| *byte == b' ');
        let Some((name, rest)) = space.and_then(|space| text.split_at_checked(space)) else {
            return Err("CLIENT_ERROR bad authentication token format");
        };
        (name, rest.get(1..).unwrap_or_default())
    } else {
        let tokens = Tokens::split(text);
        if tokens.len() < 2 {
            return Err("CLIENT_ERROR bad authentication token format");
        }
        (tokens.at(0), tokens.at(1))
    };
    cache.counts.auth += 1;
    let known =
        cache.settings.users.iter().any(|user| user.name.as_bytes() == name && user.password.as_bytes() == password);
    if known {
        Ok("STORED")
    } else {
        cache.counts.auth_errors += 1;
        Err("CLIENT_ERROR authentication failure")
    }
}
