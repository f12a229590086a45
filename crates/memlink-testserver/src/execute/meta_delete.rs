//! `md <key> <flag>*\r\n`: delete, mark stale (`I`) or empty (`x`).
//!
//! Replies `HD`, `NF`, `EX` the CAS id differs; with `O k` echoed.

use super::Context;
use super::reply::MetaReply;
use crate::parse::Request;
use crate::parse::flags::{self, MetaFlags};
use crate::store::item::{Item, weight};
use bytes::Bytes;

const FIRST_FLAG: usize = 2;

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    let modern = context.is_modern();
    let answer = flags::read(context.cache.settings.version, request, FIRST_FLAG)
        .map_err(|text| if modern { text } else { "CLIENT_ERROR invalid or duplicate flag" })
        .and_then(|flags| delete(context, request, &flags));
    if let Err(text) = answer {
        context.line(text);
    }
}

fn delete(context: &mut Context<'_>, request: &Request<'_>, flags: &MetaFlags<'_>) -> Result<(), &'static str> {
    // The echo comes first: with too long an opaque nothing is deleted.
    let mut echo = MetaReply::new("");
    echo.echo(request.tokens.from(FIRST_FLAG), flags)?;
    let code = act(context, flags)?;
    if !(flags.quiet && code == "HD") {
        context.replies.extend_from_slice(code.as_bytes());
        echo.finish(context.replies);
    }
    Ok(())
}

fn act(context: &mut Context<'_>, flags: &MetaFlags<'_>) -> Result<&'static str, &'static str> {
    let now = context.moment.now;
    let cache = &mut *context.cache;
    let Some(item) = cache.store.find(&flags.key, now) else {
        cache.counts.delete_misses += 1;
        return Ok("NF");
    };
    let old_cas = item.cas;
    if flags.cas.is_some_and(|cas| cas != old_cas) {
        cache.counts.delete_misses += 1;
        return Ok("EX");
    }
    if flags.remove_value {
        // The empty item takes over the CAS id and nothing else, so it never
        // expires unless `T` says so.
        let weight = weight(flags.key.len(), 0, flags.client_flags);
        if cache.store.reserve(weight).is_err() {
            return Err("SERVER_ERROR out of memory");
        }
        let expires = context.moment.deadline(flags.ttl.unwrap_or(0));
        let empty = Item::new(&flags.key, Bytes::new(), flags.client_flags, expires);
        cache.store.link(empty, flags.cas_new.unwrap_or(old_cas), now);
    }
    if flags.invalidate {
        invalidate(context, flags);
        return Ok("HD");
    }
    cache.counts.delete_hits += 1;
    if !flags.remove_value {
        cache.store.unlink(&flags.key);
    }
    Ok("HD")
}

fn invalidate(context: &mut Context<'_>, flags: &MetaFlags<'_>) {
    let store = &mut context.cache.store;
    let cas = store.cas_or_next(flags.cas_new);
    let Some(item) = store.found(&flags.key) else { return };
    if let Some(ttl) = flags.ttl {
        item.expires = context.moment.deadline(ttl);
    }
    item.stale = true;
    item.win_sent = false;
    item.cas = cas;
}
