//! `ma <key> <flag>*\r\n`: count up or down, or create a counter.
//!
//! Replies `HD <flag>*`, with `v` `VA <length> <flag>*\r\n<number>\r\n`, `NF`
//! or `EX`. All mistakes in the flags share one text.

use super::Context;
use super::reply::MetaReply;
use crate::parse::Request;
use crate::parse::flags::{self, MetaFlags};
use crate::store::item::Item;
use crate::store::{Arithmetic, Counted};
use bytes::Bytes;

const FIRST_FLAG: usize = 2;

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    let answer = flags::read(context.cache.settings.version, request, FIRST_FLAG)
        .map_err(|_| "CLIENT_ERROR invalid or duplicate flag")
        .and_then(|flags| count(context, request, &flags));
    if let Err(text) = answer {
        context.line(text);
    }
}

/// What the reply tells of: the counter, or the copy of it that a longer
/// number has just replaced.
struct Shown {
    number: u64,
    cas: u64,
    created: bool,
    replaced: Option<Item>,
}

fn count(context: &mut Context<'_>, request: &Request<'_>, flags: &MetaFlags<'_>) -> Result<(), &'static str> {
    let increment = match flags.mode {
        0 | b'I' | b'+' => true,
        b'D' | b'-' => false,
        _ => return Err("CLIENT_ERROR invalid mode for ma M token"),
    };
    let asked = Arithmetic { increment, delta: flags.delta, cas_compared: flags.cas.unwrap_or(0) };
    let counted = context.cache.store.count(&flags.key, asked, context.moment.now);
    note(context, increment, &counted);
    let shown = match counted {
        Counted::NotNumeric => {
            return Err("CLIENT_ERROR cannot increment or decrement non-numeric value");
        }
        Counted::NoRoom => return Err("SERVER_ERROR out of memory"),
        Counted::Exists => return absent(context, request, flags, "EX"),
        Counted::Missing if flags.vivify.is_some() => create(context, flags)?,
        Counted::Missing => return absent(context, request, flags, "NF"),
        Counted::InPlace { number, cas } => Shown { number, cas, created: false, replaced: None },
        Counted::Replaced { number, cas, old } => Shown { number, cas, created: false, replaced: Some(old) },
    };
    answer(context, request, flags, shown)
}

fn create(context: &mut Context<'_>, flags: &MetaFlags<'_>) -> Result<Shown, &'static str> {
    let store = &mut context.cache.store;
    let item = Item::new(&flags.key, Bytes::from(flags.initial.to_string()), 0, 0);
    if store.reserve(item.weight()).is_err() {
        return Err("SERVER_ERROR Out of memory allocating new item");
    }
    let cas = store.cas_or_next(flags.cas_new);
    store.link(item, cas, context.moment.now);
    Ok(Shown { number: flags.initial, cas, created: true, replaced: None })
}

fn answer(
    context: &mut Context<'_>,
    request: &Request<'_>,
    flags: &MetaFlags<'_>,
    mut shown: Shown,
) -> Result<(), &'static str> {
    let modern = context.is_modern();
    let moment = context.moment;
    let cas_given = flags.cas_new.filter(|_| context.cache.settings.cas_enabled && !shown.created);
    let replaced = &mut shown.replaced;
    let Some(item) = replaced.as_mut().or_else(|| context.cache.store.found(&flags.key)) else {
        return Ok(());
    };
    if let Some(cas) = cas_given {
        item.cas = cas;
        shown.cas = cas;
    }
    let text = shown.number.to_string();
    let mut reply = if flags.value { MetaReply::new(&format!("VA {}", text.len())) } else { MetaReply::new("HD") };
    for token in request.tokens.from(FIRST_FLAG) {
        match token.first() {
            Some(b'c') => reply.number('c', shown.cas),
            Some(b't') => reply.ttl(item.expires, moment.now),
            Some(b'T') => item.expires = moment.deadline(flags.ttl.unwrap_or(0)),
            Some(b'N') if shown.created => {
                item.expires = moment.deadline(flags.vivify.unwrap_or(0));
            }
            Some(b'O') => reply.opaque(token)?,
            Some(b'k') => reply.key(&flags.key, flags.binary),
            _ => {}
        }
    }
    // Before 1.6.40 a creation was shown even with `q`.
    if flags.quiet && (modern || !shown.created) {
        return Ok(());
    }
    if flags.value {
        reply.finish_with(text.as_bytes(), context.replies);
    } else {
        reply.finish(context.replies);
    }
    Ok(())
}

fn absent(
    context: &mut Context<'_>,
    request: &Request<'_>,
    flags: &MetaFlags<'_>,
    code: &str,
) -> Result<(), &'static str> {
    let mut reply = MetaReply::new(code);
    reply.echo(request.tokens.from(FIRST_FLAG), flags)?;
    reply.finish(context.replies);
    Ok(())
}

/// Counts a hit or a miss, for `stats`; shared with `incr` and `decr`.
pub(super) fn note(context: &mut Context<'_>, increment: bool, counted: &Counted) {
    let counts = &mut context.cache.counts;
    let (hits, misses) = if increment {
        (&mut counts.increment_hits, &mut counts.increment_misses)
    } else {
        (&mut counts.decrement_hits, &mut counts.decrement_misses)
    };
    match counted {
        Counted::InPlace { .. } | Counted::Replaced { .. } => *hits += 1,
        Counted::Missing => *misses += 1,
        Counted::Exists | Counted::NotNumeric | Counted::NoRoom => {}
    }
}
