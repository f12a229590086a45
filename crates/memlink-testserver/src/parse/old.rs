//! The parser up to 1.6.39.
//!
//! It works on C strings: a NUL ends the line. It counts tokens before it looks
//! at any of them, answers `ERROR` where the count is wrong, and finds a bad
//! `set` before it has taken note of the value, which then runs as commands.

use super::number;
use super::tokens::Tokens;
use super::{BAD_FORMAT, ERROR, Refusal, Request, Verb, is_noreply};
use crate::limits::{KEY_LEN_MAX, META_TOKENS_MAX, VALUE_LEN_MAX};

pub(super) fn parse(line: &[u8]) -> Result<Request<'_>, Refusal> {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    // A carriage return alone on its line is kept, as a token.
    let body = if body.len() > 1 { body.strip_suffix(b"\r").unwrap_or(body) } else { body };
    let body = body.split(|byte| *byte == 0).next().unwrap_or_default();
    let tokens = Tokens::split(body);
    if tokens.at(0).len() < 2 {
        return Err(Refusal::Answer(ERROR));
    }
    match tokens.at(0) {
        b"mn" => Ok(Request::new(Verb::MetaNoop, body, tokens, 1)),
        b"mg" => meta(Verb::MetaGet, body, tokens),
        b"md" => meta(Verb::MetaDelete, body, tokens),
        b"ma" => meta(Verb::MetaArithmetic, body, tokens),
        b"me" if tokens.len() < 2 => Err(Refusal::Answer(BAD_FORMAT)),
        b"me" => Ok(Request::new(Verb::MetaDebug, body, tokens, 1)),
        b"ms" => meta_set(body, tokens),
        b"get" | b"bget" => with_tokens(Verb::Get, body, tokens, 2..=usize::MAX),
        b"gets" => with_tokens(Verb::Gets, body, tokens, 2..=usize::MAX),
        b"gat" => get_and_touch(Verb::GetAndTouch, body, tokens),
        b"gats" => get_and_touch(Verb::GetsAndTouch, body, tokens),
        b"set" => storage(Verb::Set, body, tokens),
        b"add" => storage(Verb::Add, body, tokens),
        b"replace" => storage(Verb::Replace, body, tokens),
        b"append" => storage(Verb::Append, body, tokens),
        b"prepend" => storage(Verb::Prepend, body, tokens),
        b"cas" => storage(Verb::Cas, body, tokens),
        b"incr" => with_tokens(Verb::Increment, body, tokens, 3..=4),
        b"decr" => with_tokens(Verb::Decrement, body, tokens, 3..=4),
        b"touch" => with_tokens(Verb::Touch, body, tokens, 3..=4),
        b"delete" => delete(body, tokens),
        b"verbosity" => with_tokens(Verb::Verbosity, body, tokens, 2..=3),
        b"cache_memlimit" => with_tokens(Verb::CacheMemlimit, body, tokens, 2..=3),
        b"flush_all" => with_tokens(Verb::FlushAll, body, tokens, 1..=3),
        b"lru" => with_tokens(Verb::Lru, body, tokens, 2..=usize::MAX),
        b"extstore" => with_tokens(Verb::Extstore, body, tokens, 2..=usize::MAX),
        b"version" => Ok(Request::new(Verb::Version, body, tokens, 1)),
        b"quit" => Ok(Request::new(Verb::Quit, body, tokens, 1)),
        b"stats" => Ok(Request::new(Verb::Stats, body, tokens, 1)),
        b"shutdown" => Ok(Request::new(Verb::Shutdown, body, tokens, 1)),
        b"slabs" => Ok(Request::new(Verb::Slabs, body, tokens, 1)),
        b"lru_crawler" => Ok(Request::new(Verb::LruCrawler, body, tokens, 1)),
        b"watch" => Ok(Request::new(Verb::Watch, body, tokens, 1)),
        name => Err(unknown(name, &tokens)),
    }
}

/// The lookup goes by the first letter; only words whose letter names no
/// command reach the check for HTTP.
fn unknown(name: &[u8], tokens: &Tokens<'_>) -> Refusal {
    let by_letter = matches!(name.first(), Some(b'g' | b's' | b'a' | b'c' | b'i' | b'd' | b't'));
    let meta = name.len() == 2 && name.first() == Some(&b'm');
    if !by_letter && !meta && tokens.last().starts_with(b"HTTP/") { Refusal::Close } else { Refusal::Answer(ERROR) }
}

fn with_tokens<'a>(
    verb: Verb,
    body: &'a [u8],
    tokens: Tokens<'a>,
    count: std::ops::RangeInclusive<usize>,
) -> Result<Request<'a>, Refusal> {
    if !count.contains(&tokens.len()) {
        return Err(Refusal::Answer(ERROR));
    }
    let noreply = is_noreply(tokens.last());
    Ok(Request { noreply, ..Request::new(verb, body, tokens, 1) })
}

fn get_and_touch<'a>(verb: Verb, body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    if tokens.len() < 2 {
        return Err(Refusal::Answer(ERROR));
    }
    Ok(Request::new(verb, body, tokens, 2))
}

fn meta<'a>(verb: Verb, body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    if tokens.len() < 2 {
        return Err(Refusal::Answer(ERROR));
    }
    if tokens.at(1).len() > KEY_LEN_MAX {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    // The end of the line is counted as one more token.
    if tokens.len() + 1 > META_TOKENS_MAX {
        return Err(Refusal::Answer(if verb == Verb::MetaGet {
            "CLIENT_ERROR options flags are too long"
        } else {
            "CLIENT_ERROR options flags too long"
        }));
    }
    Ok(Request::new(verb, body, tokens, 1))
}

fn meta_set<'a>(body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    if tokens.len() == 2 {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    let request = meta(Verb::MetaSet, body, tokens)?;
    let value_len = value_len(request.tokens.at(2)).ok_or(Refusal::Answer(BAD_FORMAT))?;
    Ok(Request { value_len, ..request })
}

fn storage<'a>(verb: Verb, body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    let extra = usize::from(verb == Verb::Cas);
    let request = with_tokens(verb, body, tokens, 5 + extra..=6 + extra)?;
    let tokens = &request.tokens;
    let numbers_are_right = number::lax_u32(tokens.at(2)).is_some()
        && number::lax_i32(tokens.at(3)).is_some()
        && (verb != Verb::Cas || number::lax_u64(tokens.at(5)).is_some());
    let value_len = value_len(tokens.at(4)).filter(|_| numbers_are_right && tokens.at(1).len() <= KEY_LEN_MAX);
    match value_len {
        Some(value_len) => Ok(Request { value_len, ..request }),
        None if request.noreply => Err(Refusal::Silent),
        None => Err(Refusal::Answer(BAD_FORMAT)),
    }
}

/// An ancient client sends a `0` behind the key; nothing else may stand there.
fn delete<'a>(body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    let request = with_tokens(Verb::Delete, body, tokens, 2..=4)?;
    let zero = request.tokens.at(2) == b"0";
    let allowed = match request.tokens.len() {
        2 => return Ok(Request { noreply: false, ..request }),
        3 => zero || request.noreply,
        _ => zero && request.noreply,
    };
    match (allowed, request.noreply) {
        (true, _) => Ok(request),
        (false, true) => Err(Refusal::Silent),
        (false, false) => Err(Refusal::Answer("CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]")),
    }
}

fn value_len(token: &[u8]) -> Option<usize> {
    let len = number::lax_i32(token).filter(|len| (0..=VALUE_LEN_MAX).contains(len))?;
    usize::try_from(len).ok()
}
