//! `flush_all [delay] [noreply]\r\n` → `OK`.

use super::Context;
use crate::parse::{Request, number};

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    context.cache.counts.flush += 1;
    if !context.cache.settings.flush_allowed {
        return context.classic(request).line("CLIENT_ERROR flush_all not allowed");
    }
    let words_without_time = if request.noreply { 2 } else { 1 };
    let mut time = 0;
    if request.tokens.len() != words_without_time {
        match number::signed_32(context.cache.settings.version, request.tokens.at(1)) {
            Some(given) => time = given,
            None => {
                return context.classic(request).line("CLIENT_ERROR invalid exptime argument");
            }
        }
    }
    let now = context.moment.now;
    let from = if time > 0 { context.moment.deadline(time) } else { now };
    context.cache.store.flush(from.saturating_sub(1), now);
    context.classic(request).line("OK");
}
