//! `incr|decr <key> <delta> [noreply]\r\n` → the number, or `NOT_FOUND`.

use super::{Context, meta_arithmetic};
use crate::limits::KEY_LEN_MAX;
use crate::parse::{BAD_FORMAT, Request, Verb, number};
use crate::store::{Arithmetic, Counted};

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    if request.key.len() > KEY_LEN_MAX {
        return context.classic(request).line(BAD_FORMAT);
    }
    let delta = number::unsigned_64(context.cache.settings.version, request.tokens.at(2));
    let Some(delta) = delta else {
        return context.classic(request).line("CLIENT_ERROR invalid numeric delta argument");
    };
    let increment = request.verb == Verb::Increment;
    let asked = Arithmetic { increment, delta, cas_compared: 0 };
    let counted = context.cache.store.count(request.key, asked, context.moment.now);
    meta_arithmetic::note(context, increment, &counted);
    let reply = context.classic(request);
    match counted {
        Counted::InPlace { number, .. } | Counted::Replaced { number, .. } => {
            reply.line(&number.to_string());
        }
        Counted::Missing | Counted::Exists => reply.line("NOT_FOUND"),
        Counted::NotNumeric => {
            reply.line("CLIENT_ERROR cannot increment or decrement non-numeric value");
        }
        Counted::NoRoom => reply.line("SERVER_ERROR out of memory"),
    }
}
