//! `touch <key> <time> [noreply]\r\n` → `TOUCHED` or `NOT_FOUND`.

use super::Context;
use crate::limits::KEY_LEN_MAX;
use crate::parse::{BAD_FORMAT, Request, number};

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    let text = touch(context, request).unwrap_or_else(|text| text);
    context.classic(request).line(text);
}

fn touch(context: &mut Context<'_>, request: &Request<'_>) -> Result<&'static str, &'static str> {
    if request.key.len() > KEY_LEN_MAX {
        return Err(BAD_FORMAT);
    }
    let time = number::signed_32(context.cache.settings.version, request.tokens.at(2))
        .ok_or("CLIENT_ERROR invalid exptime argument")?;
    let now = context.moment.now;
    let hit = match context.cache.store.find(request.key, now) {
        Some(item) => {
            item.expires = context.moment.deadline(time);
            true
        }
        None => false,
    };
    let counts = &mut context.cache.counts;
    counts.touch += 1;
    counts.touch_hits += u64::from(hit);
    counts.touch_misses += u64::from(!hit);
    if hit {
        context.cache.store.bump(request.key, now);
        Ok("TOUCHED")
    } else {
        Ok("NOT_FOUND")
    }
}
