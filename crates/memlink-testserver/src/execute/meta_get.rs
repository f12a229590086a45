//! `mg <key> <flag>*\r\n`: fetch, and touch, create or win on the way.
//!
//! Replies `VA <size> <flag>*\r\n<value>\r\n` with `v`, else `HD <flag>*`; `EN`
//! on a miss. The flags act and answer in the order they stand.

use super::Context;
use super::reply::MetaReply;
use crate::parse::Request;
use crate::parse::flags::{self, MetaFlags};
use crate::store::item::{Item, weight};
use bytes::Bytes;

const FIRST_FLAG: usize = 2;

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    let answer = flags::read(context.cache.settings.version, request, FIRST_FLAG)
        .and_then(|flags| fetch(context, request, &flags));
    if let Err(text) = answer {
        context.line(text);
    }
}

fn fetch(context: &mut Context<'_>, request: &Request<'_>, flags: &MetaFlags<'_>) -> Result<(), &'static str> {
    let now = context.moment.now;
    let there = context.cache.store.find(&flags.key, now).is_some();
    let created = !there && flags.vivify.is_some() && create(context, flags);
    if !there && !created {
        return miss(context, request, flags);
    }
    let tokens = request.tokens.from(FIRST_FLAG);
    let moment = context.moment;
    let value_wanted = {
        let modern = context.is_modern();
        move |item: &Item| flags.value && !(modern && flags.cas == Some(item.cas))
    };
    let deadlines = Deadlines {
        touched: moment.deadline(flags.ttl.unwrap_or(0)),
        created: moment.deadline(flags.vivify.unwrap_or(0)),
        recached: moment.deadline(flags.recache.unwrap_or(0)),
    };
    // The bump comes before the flags act, unless one of them asks for what it
    // changes. It shows where a bad opaque ends the command halfway.
    let bump_late = tokens.iter().any(|token| matches!(token.first(), Some(b'T' | b'N' | b'R' | b'l' | b'h')));
    if !bump_late && !flags.no_update {
        context.cache.store.bump(&flags.key, now);
    }
    let Some(item) = context.cache.store.found(&flags.key) else { return Ok(()) };
    let with_value = value_wanted(item);
    let mut reply = if with_value { MetaReply::new(&format!("VA {}", item.value.len())) } else { MetaReply::new("HD") };
    describe(&mut reply, item, tokens, &deadlines, created, now)?;
    let value = item.value.clone();
    if with_value {
        reply.finish_with(&value, context.replies);
    } else {
        reply.finish(context.replies);
    }
    if bump_late && !flags.no_update {
        context.cache.store.bump(&flags.key, now);
    }
    context.hold(&flags.key);
    count_fetch(context, flags, true);
    Ok(())
}

/// The deadlines that `T`, `N` and `R` name.
struct Deadlines {
    touched: u32,
    created: u32,
    recached: u32,
}

/// Lets the flags act on the item and answers them, left to right.
fn describe(
    reply: &mut MetaReply,
    item: &mut Item,
    tokens: &[&[u8]],
    deadlines: &Deadlines,
    created: bool,
    now: u32,
) -> Result<(), &'static str> {
    let mut won = false;
    for token in tokens {
        match token.first() {
            Some(b'T') => item.expires = deadlines.touched,
            Some(b'N') if created => {
                item.expires = deadlines.created;
                won = true;
            }
            Some(b'R') => {
                let due = item.expires != 0 && item.expires < deadlines.recached;
                won |= due && !item.win_sent && !created;
            }
            Some(b's') => reply.number('s', item.value.len()),
            Some(b't') => reply.ttl(item.expires, now),
            Some(b'c') => reply.number('c', item.cas),
            Some(b'f') => reply.number('f', item.client_flags),
            Some(b'l') => reply.number('l', now.wrapping_sub(item.used)),
            Some(b'h') => reply.number('h', u8::from(item.fetched)),
            Some(b'O') => reply.opaque(token)?,
            Some(b'k') => reply.key(&item.key, item.binary),
            _ => {}
        }
    }
    if item.win_sent {
        reply.letter('Z');
    }
    if item.stale {
        reply.letter('X');
        won |= !item.win_sent;
    }
    if won {
        reply.letter('W');
        item.win_sent = true;
    }
    Ok(())
}

/// `N` on a miss: an empty item, whose TTL is set when its flag is reached.
fn create(context: &mut Context<'_>, flags: &MetaFlags<'_>) -> bool {
    let store = &mut context.cache.store;
    if store.reserve(weight(flags.key.len(), 0, 0)).is_err() {
        return false;
    }
    let cas = store.cas_or_next(flags.cas_new);
    store.link(Item::new(&flags.key, Bytes::new(), 0, 0), cas, context.moment.now);
    true
}

fn miss(context: &mut Context<'_>, request: &Request<'_>, flags: &MetaFlags<'_>) -> Result<(), &'static str> {
    count_fetch(context, flags, false);
    let mut reply = MetaReply::new("EN");
    reply.echo(request.tokens.from(FIRST_FLAG), flags)?;
    if !flags.quiet {
        reply.finish(context.replies);
    }
    Ok(())
}

fn count_fetch(context: &mut Context<'_>, flags: &MetaFlags<'_>, hit: bool) {
    let counts = &mut context.cache.counts;
    // A miss never reaches the `T` in its flags, so it counts as a get.
    if flags.ttl.is_some() && hit {
        counts.touch += 1;
        counts.touch_hits += 1;
    } else {
        counts.get += 1;
        counts.get_hits += u64::from(hit);
        counts.get_misses += u64::from(!hit);
    }
}
