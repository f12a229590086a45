//! `me <key> [b]\r\n`: an item's inner state, for people to read.
//!
//! Replies `ME <key> exp=… la=… cas=… fetch=… cls=… size=…` or `EN`.

use super::Context;
use crate::limits::KEY_LEN_MAX;
use crate::parse::base64;
use crate::parse::{BAD_FORMAT, Request};
use crate::store::item::slab_class;
use bytes::BytesMut;
use std::borrow::Cow;

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    if request.key.len() > KEY_LEN_MAX {
        return context.line(BAD_FORMAT);
    }
    let key = if request.tokens.at(2) == b"b" {
        match base64::decode(request.key) {
            Some(key) => Cow::Owned(key),
            None => return context.line(BAD_FORMAT),
        }
    } else {
        Cow::Borrowed(request.key)
    };
    context.cache.counts.meta += 1;
    let modern = context.is_modern();
    let now = context.moment.now;
    let Some(item) = context.cache.store.find(&key, now) else {
        return context.line("EN");
    };
    let left = if modern { item.expires.wrapping_sub(now) } else { now.wrapping_sub(item.expires) };
    let exp = if item.expires == 0 { -1 } else { left.cast_signed() };
    let details = format!(
        " exp={exp} la={} cas={} fetch={} cls={} size={}\r\n",
        now.wrapping_sub(item.used),
        item.cas,
        if item.fetched { "yes" } else { "no" },
        slab_class(item.weight()),
        item.weight(),
    );
    let mut shown = BytesMut::from("ME ");
    if item.binary {
        base64::encode(&item.key, &mut shown);
    } else {
        shown.extend_from_slice(&item.key);
    }
    context.replies.extend_from_slice(&shown);
    context.replies.extend_from_slice(details.as_bytes());
}
