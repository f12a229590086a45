//! `ms <key> <length> <flag>*\r\n<value>\r\n`: store in one of five modes.
//!
//! Replies `HD` stored, `NS` not stored, `EX` the CAS id differs, `NF` nothing
//! to compare it with; with `O k c s` echoed on all four.

use super::reply::MetaReply;
use super::storage::{self, Answer, Pending};
use super::{Context, Then};
use crate::parse::Request;
use crate::parse::flags::{self, MetaFlags};
use crate::store::item::Item;
use crate::store::{Mode, NoRoom, Stored};
use bytes::{Bytes, BytesMut};

const FIRST_FLAG: usize = 3;

/// What the reply will hold, kept until the value has come.
#[derive(Debug)]
pub(super) struct MetaSetReply {
    echoes: Vec<Echo>,
    quiet: bool,
}

#[derive(Debug)]
enum Echo {
    Opaque(Vec<u8>),
    Key,
    Cas,
    Size,
}

/// Reads the line and makes room. An error costs the value too, from here on.
pub(super) fn start(context: &mut Context<'_>, request: &Request<'_>) -> Then {
    let begun = flags::read(context.cache.settings.version, request, FIRST_FLAG)
        .and_then(|flags| begin(context, request, &flags));
    match begun {
        Ok(pending) => Then::Value(pending),
        Err(text) => {
            context.line(text);
            Then::Swallow(request.value_len.saturating_add(2))
        }
    }
}

fn begin(context: &mut Context<'_>, request: &Request<'_>, flags: &MetaFlags<'_>) -> Result<Pending, &'static str> {
    let modern = context.is_modern();
    let tokens = request.tokens.from(FIRST_FLAG);
    let mode = mode(flags, modern)?;
    // The old server looks at the opaque before it makes room, the new one after.
    let early = if modern { Vec::new() } else { echoes(tokens, modern)? };
    let vivify = matches!(mode, Mode::Append { vivify: true } | Mode::Prepend { vivify: true });
    let time = if vivify { flags.vivify } else { flags.ttl };
    let expires = context.moment.deadline(time.unwrap_or(0));
    let mut item = Item::new(&flags.key, Bytes::new(), flags.client_flags, expires);
    item.binary = flags.binary;
    if let Err(full) = storage::make_room(context, &item, request.value_len) {
        // Whatever the mode, the old value must not outlive the refused one.
        if context.cache.store.find(&flags.key, context.moment.now).is_some() {
            context.cache.store.unlink(&flags.key);
        }
        return Err(match full {
            NoRoom::TooLarge => "SERVER_ERROR object too large for cache",
            NoRoom::Full => "SERVER_ERROR out of memory storing object",
        });
    }
    if modern {
        *context.left_cas = context.cache.store.cas_or_next(flags.cas_new);
    }
    context.cache.counts.set += 1;
    Ok(Pending {
        line: Bytes::copy_from_slice(request.body),
        item,
        mode,
        cas_compared: flags.cas.unwrap_or(0),
        value_len: request.value_len,
        value: BytesMut::new(),
        answer: Answer::Meta(MetaSetReply {
            echoes: if modern { echoes(tokens, modern)? } else { early },
            quiet: flags.quiet,
        }),
    })
}

/// The letter of `M`, turned into the store's terms: with `C`, a set or replace
/// is a compare-and-swap.
fn mode(flags: &MetaFlags<'_>, modern: bool) -> Result<Mode, &'static str> {
    let vivify = modern && flags.vivify.is_some();
    let mode = match flags.mode {
        0 | b'S' => Mode::Set,
        b'E' => Mode::Add,
        b'R' => Mode::Replace,
        b'A' => Mode::Append { vivify },
        b'P' => Mode::Prepend { vivify },
        _ => return Err("CLIENT_ERROR invalid mode for ms M token"),
    };
    Ok(match mode {
        Mode::Set | Mode::Replace if flags.cas.is_some() => Mode::Cas { stale_allowed: flags.invalidate },
        mode => mode,
    })
}

fn echoes(tokens: &[&[u8]], modern: bool) -> Result<Vec<Echo>, &'static str> {
    let mut echoes = Vec::new();
    for token in tokens {
        match token.first() {
            Some(b'O') => echoes.push(Echo::Opaque(flags::opaque(token)?.to_vec())),
            Some(b'k') => echoes.push(Echo::Key),
            Some(b'c') => echoes.push(Echo::Cas),
            Some(b's') if modern => echoes.push(Echo::Size),
            _ => {}
        }
    }
    Ok(echoes)
}

impl MetaSetReply {
    pub(super) fn write(&self, item: &Item, stored: Stored, out: &mut BytesMut) {
        let (code, cas, size) = match stored {
            Stored::Yes { .. } if self.quiet => return,
            Stored::Yes { cas, joined_len } => ("HD", cas, joined_len),
            Stored::Exists => ("EX", 0, None),
            Stored::NotFound => ("NF", 0, None),
            Stored::No => ("NS", 0, None),
        };
        let mut reply = MetaReply::new(code);
        for echo in &self.echoes {
            match echo {
                // Its length was checked when it was read.
                Echo::Opaque(token) => reply.opaque(token).unwrap_or_default(),
                Echo::Key => reply.key(&item.key, item.binary),
                Echo::Cas => reply.number('c', cas),
                Echo::Size => reply.number('s', size.unwrap_or(item.value.len())),
            }
        }
        reply.finish(out);
    }
}
