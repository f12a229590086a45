//! The parser of 1.6.40 and later.
//!
//! Only the common commands are looked up by the letters before the first
//! space. The rare ones are found by their first *token*, which is why they,
//! unlike the common ones, work behind leading spaces.

use super::number;
use super::tokens::Tokens;
use super::{BAD_FORMAT, ERROR, Refusal, Request, Verb, is_noreply};
use crate::limits::VALUE_LEN_MAX;

/// The shortest line, its end included: two letters, CR and LF. A bare LF after
/// two letters falls below it.
const LINE_LEN_MIN: usize = 4;

/// The index tokens behind the command, its key and perhaps a length have:
/// from there on every token must begin with a letter or a digit.
const FLAGS_AFTER_KEY: usize = 2;
const FLAGS_AFTER_LEN: usize = 3;

/// The tokenizer's offsets are 16 bits wide.
const TOKENIZED_LEN_MAX: usize = u16::MAX as usize - 2;

pub(super) fn parse(line: &[u8]) -> Result<Request<'_>, Refusal> {
    if line.len() < LINE_LEN_MIN {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    let tokens = Tokens::split(body.get(..TOKENIZED_LEN_MAX).unwrap_or(body));
    let name = body.split(|byte| *byte == b' ').next().unwrap_or_default();
    match name {
        b"mg" => meta(Verb::MetaGet, body, tokens),
        b"md" => meta(Verb::MetaDelete, body, tokens),
        b"ma" => meta(Verb::MetaArithmetic, body, tokens),
        b"me" => meta(Verb::MetaDebug, body, tokens),
        b"mn" => Ok(Request::new(Verb::MetaNoop, body, tokens, 1)),
        b"ms" => meta_set(body, tokens),
        b"get" => simple(Verb::Get, body, tokens, 2),
        b"gets" => simple(Verb::Gets, body, tokens, 2),
        b"gat" => get_and_touch(Verb::GetAndTouch, body, tokens),
        b"gats" => get_and_touch(Verb::GetsAndTouch, body, tokens),
        b"set" => storage(Verb::Set, body, tokens),
        b"add" => storage(Verb::Add, body, tokens),
        b"replace" => storage(Verb::Replace, body, tokens),
        b"append" => storage(Verb::Append, body, tokens),
        b"prepend" => storage(Verb::Prepend, body, tokens),
        b"cas" => storage(Verb::Cas, body, tokens),
        b"incr" => simple(Verb::Increment, body, tokens, 3),
        b"decr" => simple(Verb::Decrement, body, tokens, 3),
        b"touch" => simple(Verb::Touch, body, tokens, 3),
        b"delete" => simple(Verb::Delete, body, tokens, 2),
        b"quit" => Ok(Request::new(Verb::Quit, body, tokens, 1)),
        b"version" => Ok(Request::new(Verb::Version, body, tokens, 1)),
        b"stats" => Ok(Request::new(Verb::Stats, body, tokens, 1)),
        b"watch" => Ok(Request::new(Verb::Watch, body, tokens, 1)),
        _ => rare(body, tokens),
    }
}

fn meta<'a>(verb: Verb, body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    if tokens.len() < 2 || !flags_look_right(&tokens, FLAGS_AFTER_KEY) {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    Ok(Request::new(verb, body, tokens, 1))
}

fn meta_set<'a>(body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    if tokens.len() < 3 || !flags_look_right(&tokens, FLAGS_AFTER_LEN) {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    let value_len = value_len(tokens.at(2))?;
    Ok(Request { value_len, ..Request::new(Verb::MetaSet, body, tokens, 1) })
}

fn storage<'a>(verb: Verb, body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    if tokens.len() < 5 {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    let value_len = value_len(tokens.at(4))?;
    let noreply = is_noreply(tokens.last());
    Ok(Request { value_len, noreply, ..Request::new(verb, body, tokens, 1) })
}

fn simple<'a>(verb: Verb, body: &'a [u8], tokens: Tokens<'a>, tokens_min: usize) -> Result<Request<'a>, Refusal> {
    if tokens.len() < tokens_min {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    let noreply = is_noreply(tokens.last());
    Ok(Request { noreply, ..Request::new(verb, body, tokens, 1) })
}

fn get_and_touch<'a>(verb: Verb, body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    if tokens.len() < 3 {
        return Err(Refusal::Answer(BAD_FORMAT));
    }
    Ok(Request::new(verb, body, tokens, 2))
}

fn rare<'a>(body: &'a [u8], tokens: Tokens<'a>) -> Result<Request<'a>, Refusal> {
    let noreply = is_noreply(tokens.last());
    let verb = match tokens.at(0) {
        b"shutdown" => Verb::Shutdown,
        b"slabs" => Verb::Slabs,
        b"cache_memlimit" => Verb::CacheMemlimit,
        b"flush_all" => Verb::FlushAll,
        b"lru_crawler" => Verb::LruCrawler,
        b"verbosity" => Verb::Verbosity,
        b"lru" => Verb::Lru,
        b"extstore" => Verb::Extstore,
        _ if tokens.len() > 1 && tokens.last().starts_with(b"HTTP/") => return Err(Refusal::Close),
        _ if noreply => return Err(Refusal::Silent),
        _ => return Err(Refusal::Answer(ERROR)),
    };
    Ok(Request { noreply, ..Request::new(verb, body, tokens, 1) })
}

fn value_len(token: &[u8]) -> Result<usize, Refusal> {
    number::strict_i32(token)
        .filter(|len| (0..=VALUE_LEN_MAX).contains(len))
        .and_then(|len| usize::try_from(len).ok())
        .ok_or(Refusal::Answer(BAD_FORMAT))
}

fn flags_look_right(tokens: &Tokens<'_>, index: usize) -> bool {
    tokens.from(index).iter().all(|token| matches!(token.first(), Some(b'A'..=b'z' | b'0'..=b'9')))
}
