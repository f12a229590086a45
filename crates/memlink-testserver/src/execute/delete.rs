//! `delete <key> [noreply]\r\n` → `DELETED` or `NOT_FOUND`.

use super::Context;
use crate::limits::KEY_LEN_MAX;
use crate::parse::{BAD_FORMAT, Request};

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    if request.key.len() > KEY_LEN_MAX {
        return context.classic(request).line(BAD_FORMAT);
    }
    let cache = &mut *context.cache;
    if let Some(counts) = cache.prefixes.of(request.key) {
        counts.deletes += 1;
    }
    let hit = cache.store.find(request.key, context.moment.now).is_some();
    if hit {
        cache.store.unlink(request.key);
        cache.counts.delete_hits += 1;
    } else {
        cache.counts.delete_misses += 1;
    }
    context.classic(request).line(if hit { "DELETED" } else { "NOT_FOUND" });
}
