//! `get|gets <key>*\r\n` and `gat|gats <time> <key>*\r\n`.
//!
//! Replies `VALUE <key> <flags> <length>[ <cas>]\r\n<value>\r\n` per hit, then
//! `END`. A line may name thousands of large items, so it is worked off in
//! steps: the session writes what has gathered and comes back.

use super::{Context, Then};
use crate::limits::{KEY_LEN_MAX, REPLY_BYTES_HIGH};
use crate::parse::{BAD_FORMAT, Request, Verb, number};
use bytes::Bytes;
use std::fmt::Write as _;

/// A `get` with keys left to look up.
#[derive(Debug)]
pub(crate) struct GetProgress {
    /// What is left of the line.
    keys: Bytes,
    with_cas: bool,
    /// `gat`: the time that every hit is given.
    touch: Option<i32>,
}

pub(super) fn start(context: &mut Context<'_>, request: &Request<'_>) -> Then {
    let touch = if matches!(request.verb, Verb::GetAndTouch | Verb::GetsAndTouch) {
        match number::signed_32(context.cache.settings.version, request.tokens.at(1)) {
            Some(time) => Some(time),
            None => {
                context.line("CLIENT_ERROR invalid exptime argument");
                return Then::Done;
            }
        }
    } else {
        None
    };
    let words_before = if touch.is_some() { 2 } else { 1 };
    let progress = GetProgress {
        keys: Bytes::copy_from_slice(after_words(request.body, words_before)),
        with_cas: matches!(request.verb, Verb::Gets | Verb::GetsAndTouch),
        touch,
    };
    progress.proceed(context)
}

/// What stands behind the first `count` words of `body`.
fn after_words(mut body: &[u8], count: usize) -> &[u8] {
    for _ in 0..count {
        let spaces = body.iter().take_while(|byte| **byte == b' ').count();
        let len = body.iter().skip(spaces).take_while(|byte| **byte != b' ').count();
        body = body.get(spaces + len..).unwrap_or_default();
    }
    body
}

impl GetProgress {
    /// Looks up keys until the line is used up or many bytes have gathered.
    pub(crate) fn proceed(mut self, context: &mut Context<'_>) -> Then {
        // Where a key is too long, the whole answer gives way to an error, as
        // far as it was not written yet.
        let begun = context.replies.len();
        while let Some(key) = self.next_key() {
            if key.len() > KEY_LEN_MAX {
                context.replies.truncate(begun);
                context.line(BAD_FORMAT);
                return Then::Done;
            }
            self.look_up(context, &key);
            if context.replies.len() > REPLY_BYTES_HIGH {
                return Then::Get(self);
            }
        }
        context.replies.extend_from_slice(b"END\r\n");
        if context.is_modern() { Then::Done } else { Then::Flush }
    }

    fn next_key(&mut self) -> Option<Bytes> {
        let spaces = self.keys.iter().take_while(|byte| **byte == b' ').count();
        let rest = self.keys.slice(spaces..);
        let len = rest.iter().take_while(|byte| **byte != b' ').count();
        self.keys = rest.slice(len..);
        (len > 0).then(|| rest.slice(..len))
    }

    fn look_up(&self, context: &mut Context<'_>, key: &[u8]) {
        let now = context.moment.now;
        let hit = context.cache.store.find(key, now).is_some();
        if let Some(counts) = context.cache.prefixes.of(key) {
            counts.gets += 1;
            counts.hits += u64::from(hit);
        }
        self.count(context, hit);
        if !hit {
            return;
        }
        context.cache.store.bump(key, now);
        let Some(item) = context.cache.store.found(key) else { return };
        if let Some(time) = self.touch {
            item.expires = context.moment.deadline(time);
        }
        let replies = &mut *context.replies;
        replies.extend_from_slice(b"VALUE ");
        replies.extend_from_slice(&item.key);
        // Writing to a `BytesMut` cannot fail.
        let _ = write!(replies, " {} {}", item.client_flags, item.value.len());
        if self.with_cas {
            let _ = write!(replies, " {}", item.cas);
        }
        replies.extend_from_slice(b"\r\n");
        replies.extend_from_slice(&item.value);
        replies.extend_from_slice(b"\r\n");
        context.hold(key);
    }

    fn count(&self, context: &mut Context<'_>, hit: bool) {
        let counts = &mut context.cache.counts;
        if self.touch.is_some() {
            counts.touch += 1;
            counts.touch_hits += u64::from(hit);
            counts.touch_misses += u64::from(!hit);
        } else {
            counts.get += 1;
            counts.get_hits += u64::from(hit);
            counts.get_misses += u64::from(!hit);
        }
    }
}
