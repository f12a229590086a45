//! `version`, `verbosity`, `cache_memlimit`, `shutdown`, and the commands that
//! tune what this server does not have.

use super::{Context, Then};
use crate::parse::{BAD_FORMAT, ERROR, Request, Verb, number};

/// More verbose than this nothing becomes.
const VERBOSITY_MAX: u32 = 100;

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    let text = match request.verb {
        Verb::Version => {
            let text = format!("VERSION {}", context.cache.settings.version.text());
            return context.classic(request).line(&text);
        }
        Verb::Verbosity => verbosity(context, request),
        Verb::CacheMemlimit => cache_memlimit(context, request),
        Verb::LruCrawler => lru_crawler(request),
        Verb::Slabs if request.tokens.at(1) == b"automove" && request.tokens.len() >= 3 => "OK",
        Verb::Lru if request.tokens.len() >= 3 => "OK",
        Verb::Watch => "CLIENT_ERROR watch commands not allowed",
        _ => ERROR,
    };
    context.classic(request).line(text);
}

/// `shutdown [graceful]\r\n`.
pub(super) fn shutdown(context: &mut Context<'_>, request: &Request<'_>) -> Then {
    let graceful = request.tokens.at(1);
    let is_graceful = is_word(context.is_modern(), graceful, "graceful");
    if !context.cache.settings.shutdown_allowed {
        let text =
            if context.is_modern() { "SERVER_ERROR: shutdown not enabled" } else { "ERROR: shutdown not enabled" };
        context.classic(request).line(text);
        return Then::Done;
    }
    match request.tokens.len() {
        1 => Then::Shutdown { graceful: false },
        2 if is_graceful => Then::Shutdown { graceful: true },
        _ => {
            context.classic(request).line("CLIENT_ERROR invalid shutdown mode");
            Then::Done
        }
    }
}

/// Whether a token is one of the words that commands take as arguments. The new
/// parser is content with the beginning of the word, but compares as C does: a
/// NUL ends the token, and then it must be the whole word.
pub(super) fn is_word(modern: bool, token: &[u8], word: &str) -> bool {
    match token.iter().position(|byte| *byte == 0) {
        None if modern => word.as_bytes().starts_with(token),
        Some(end) if modern => token.get(..end) == Some(word.as_bytes()),
        _ => token == word.as_bytes(),
    }
}

fn verbosity(context: &mut Context<'_>, request: &Request<'_>) -> &'static str {
    let version = context.cache.settings.version;
    let level = number::unsigned_32(version, request.tokens.at(1)).filter(|_| request.tokens.len() > 1);
    match level {
        Some(level) => {
            context.cache.settings.verbosity = level.min(VERBOSITY_MAX);
            "OK"
        }
        None => BAD_FORMAT,
    }
}

fn cache_memlimit(context: &mut Context<'_>, request: &Request<'_>) -> &'static str {
    let version = context.cache.settings.version;
    let megabytes = number::unsigned_32(version, request.tokens.at(1)).filter(|_| request.tokens.len() > 1);
    match megabytes {
        None => ERROR,
        Some(..8) => "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m",
        Some(1_000_000_001..) => "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes",
        Some(megabytes) => {
            let bytes = usize::try_from(megabytes).unwrap_or(usize::MAX).saturating_mul(1024 * 1024);
            context.cache.store.set_bytes_max(bytes);
            "OK"
        }
    }
}

/// There is no crawler; what it would be told is answered as if there were.
fn lru_crawler(request: &Request<'_>) -> &'static str {
    match (request.tokens.at(1), request.tokens.len()) {
        (b"enable", 2) => "ERROR failed to start lru crawler thread",
        (b"disable", 2) | (b"sleep" | b"tocrawl" | b"crawl", 3) => "OK",
        _ => ERROR,
    }
}
