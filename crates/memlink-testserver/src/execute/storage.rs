//! `set|add|replace|append|prepend <key> <flags> <time> <length> [noreply]` and
//! `cas … <length> <id> [noreply]`, each with `\r\n<value>\r\n` behind it; and
//! the second half of every command that carries a value.

use super::meta_set::MetaSetReply;
use super::reply::Reply;
use super::{Context, Then};
use crate::limits::KEY_LEN_MAX;
use crate::parse::number;
use crate::parse::{BAD_FORMAT, Request, Verb};
use crate::store::CasNew;
use crate::store::item::{Item, weight};
use crate::store::{Mode, NoRoom, Stored};
use bytes::{Bytes, BytesMut};

/// A command whose value is on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(super) line: Bytes,
    pub(super) item: Item,
    pub(super) mode: Mode,
    pub(super) cas_compared: u64,
    pub(super) value_len: usize,
    pub(super) value: BytesMut,
    pub(super) answer: Answer,
}

/// In which words the outcome is told.
#[derive(Debug)]
pub(super) enum Answer {
    Meta(MetaSetReply),
    Classic { noreply: bool },
}

pub(super) fn start(context: &mut Context<'_>, request: &Request<'_>) -> Then {
    match begin(context, request) {
        Ok(pending) => Then::Value(pending),
        Err(text) => {
            context.classic(request).line(text);
            Then::Swallow(request.value_len.saturating_add(2))
        }
    }
}

fn begin(context: &mut Context<'_>, request: &Request<'_>) -> Result<Pending, &'static str> {
    if request.key.len() > KEY_LEN_MAX {
        return Err(BAD_FORMAT);
    }
    let tokens = &request.tokens;
    // These two are cut to 32 bits in both versions, unlike any other number.
    let client_flags = number::lax_u32(tokens.at(2)).ok_or(BAD_FORMAT)?;
    let time = number::lax_i32(tokens.at(3)).ok_or(BAD_FORMAT)?;
    let mut cas_compared = 0;
    let mode = match request.verb {
        Verb::Add => Mode::Add,
        Verb::Replace => Mode::Replace,
        Verb::Append => Mode::Append { vivify: false },
        Verb::Prepend => Mode::Prepend { vivify: false },
        Verb::Cas => {
            cas_compared = number::unsigned_64(context.cache.settings.version, tokens.at(5))
                .filter(|_| tokens.len() > 5)
                .ok_or(BAD_FORMAT)?;
            Mode::Cas { stale_allowed: false }
        }
        _ => Mode::Set,
    };
    if let Some(counts) = context.cache.prefixes.of(request.key) {
        counts.sets += 1;
    }
    let expires = context.moment.deadline(time);
    let item = Item::new(request.key, Bytes::new(), client_flags, expires);
    if let Err(full) = make_room(context, &item, request.value_len) {
        // A set that fails must not leave the old value; the others may.
        if mode == Mode::Set && context.cache.store.find(request.key, context.moment.now).is_some() {
            context.cache.store.unlink(request.key);
        }
        return Err(match full {
            NoRoom::TooLarge => "SERVER_ERROR object too large for cache",
            NoRoom::Full => "SERVER_ERROR out of memory storing object",
        });
    }
    context.cache.counts.set += 1;
    Ok(Pending {
        line: Bytes::copy_from_slice(request.body),
        item,
        mode,
        cas_compared,
        value_len: request.value_len,
        value: BytesMut::new(),
        answer: Answer::Classic { noreply: request.noreply },
    })
}

/// Makes room for an item whose value is still to come.
pub(super) fn make_room(context: &mut Context<'_>, item: &Item, value_len: usize) -> Result<(), NoRoom> {
    let weight = weight(item.key.len(), value_len, item.client_flags);
    let made = context.cache.store.reserve(weight);
    match made {
        Ok(()) => {}
        Err(NoRoom::TooLarge) => context.cache.counts.too_large += 1,
        Err(NoRoom::Full) => context.cache.counts.no_memory += 1,
    }
    made
}

impl Pending {
    /// How many bytes of the value and its line end have not come yet.
    fn missing(&self) -> usize {
        self.value_len.saturating_add(2).saturating_sub(self.value.len())
    }

    /// Takes what belongs to the value from the front of `input`. True once it
    /// is whole.
    pub(crate) fn take(&mut self, input: &mut BytesMut) -> bool {
        let taken = self.missing().min(input.len());
        // Copied, so that a small item does not keep a large read buffer alive.
        self.value.extend_from_slice(&input.split_to(taken));
        self.missing() == 0
    }

    /// Stores the whole value and answers.
    ///
    /// A `ms` of the new server draws its CAS id when its line is read and, if
    /// the value turns out badly framed, leaves it for the next command that
    /// carries a value. An id of 0, which `E0` gives, counts as none.
    pub(crate) fn finish(mut self, context: &mut Context<'_>) {
        if !self.value.ends_with(b"\r\n") {
            let silent = matches!(self.answer, Answer::Classic { noreply: true });
            Reply::new(context.replies, silent).line("CLIENT_ERROR bad data chunk");
            return;
        }
        self.value.truncate(self.value_len);
        self.item.value = self.value.freeze();
        context.cache.note_executed(context.session, &self.line);
        let cas_new = if !context.is_modern() {
            CasNew::OnSuccess
        } else {
            match std::mem::take(context.left_cas) {
                0 => CasNew::Known(context.cache.store.next_cas()),
                cas => CasNew::Known(cas),
            }
        };
        let item = self.item.clone();
        let now = context.moment.now;
        let stored = context.cache.store.store(self.item, self.mode, self.cas_compared, cas_new, now);
        count(context, self.mode, stored);
        match self.answer {
            Answer::Meta(reply) => reply.write(&item, stored, context.replies),
            Answer::Classic { noreply } => Reply::new(context.replies, noreply).line(match stored {
                Stored::Yes { .. } => "STORED",
                Stored::No => "NOT_STORED",
                Stored::Exists => "EXISTS",
                Stored::NotFound => "NOT_FOUND",
            }),
        }
    }
}

fn count(context: &mut Context<'_>, mode: Mode, stored: Stored) {
    if !matches!(mode, Mode::Cas { .. }) {
        return;
    }
    let counts = &mut context.cache.counts;
    match stored {
        Stored::Yes { .. } => counts.cas_hits += 1,
        Stored::NotFound => counts.cas_misses += 1,
        Stored::Exists | Stored::No => counts.cas_differs += 1,
    }
}
