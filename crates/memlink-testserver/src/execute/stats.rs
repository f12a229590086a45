//! `stats [reset|settings|items|slabs|sizes|conns|detail …|cachedump …]\r\n`.
//!
//! The names are memcached's, so that what reads them finds them. What this
//! server does not have is shown as it looks in an idle memcached.

use super::Context;
use super::admin::is_word;
use crate::cache::Cache;
use crate::limits::{CACHEDUMP_BYTES_MAX, UPTIME_HIDDEN_S};
use crate::parse::{BAD_FORMAT, ERROR, Request, number};
use crate::store::item::{Item, slab_chunk_bytes, slab_class};
use bytes::BytesMut;
use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

/// One more than the largest slab class that may be asked for.
const SLAB_CLASSES_MAX: u32 = 64;

pub(super) fn execute(context: &mut Context<'_>, request: &Request<'_>) {
    let topic = request.tokens.at(1);
    let modern = context.is_modern();
    // The new parser takes a topic by its first letters, and the first topic
    // in this order that begins with them.
    let is = |name: &str| is_word(modern, topic, name);
    if request.tokens.len() == 1 {
        return general(context);
    }
    match () {
        () if is("reset") => {
            context.cache.reset_counts();
            context.line("RESET");
        }
        () if is("detail") => detail(context, request),
        () if is("settings") => settings(context),
        () if is("cachedump") => cachedump(context, request),
        () if is("conns") => connections(context),
        () if is("extstore") => context.line("END"),
        // These three are never abbreviated.
        () if topic == b"items" => items(context),
        () if topic == b"slabs" => slabs(context),
        () if topic == b"sizes" => {
            let mut list = List::new(context.replies);
            list.stat("sizes_status", "disabled");
            list.end();
        }
        () => context.line(ERROR),
    }
}

/// `STAT <name> <value>` lines.
struct List<'a> {
    out: &'a mut BytesMut,
}

impl<'a> List<'a> {
    fn new(out: &'a mut BytesMut) -> List<'a> {
        List { out }
    }

    fn stat(&mut self, name: impl Display, value: impl Display) {
        // Writing to a `BytesMut` cannot fail.
        let _ = write!(self.out, "STAT {name} {value}\r\n");
    }

    fn stats(&mut self, values: &[(&str, u64)]) {
        for (name, value) in values {
            self.stat(name, value);
        }
    }

    fn end(self) {
        self.out.extend_from_slice(b"END\r\n");
    }
}

fn general(context: &mut Context<'_>) {
    let cache = &*context.cache;
    let mut list = List::new(context.replies);
    list.stat("pid", std::process::id());
    list.stat("uptime", context.moment.now.saturating_sub(UPTIME_HIDDEN_S));
    list.stat("time", context.moment.zero.saturating_add(i64::from(context.moment.now)));
    list.stat("version", cache.settings.version.text());
    list.stat("pointer_size", usize::BITS);
    list.stat("max_connections", cache.settings.connections_max);
    list.stats(&counted(cache));
    list.end();
}

fn counted(cache: &Cache) -> Vec<(&'static str, u64)> {
    let counts = &cache.counts;
    let store = &cache.store.counts;
    vec![
        ("curr_connections", counts.connections_open),
        ("total_connections", counts.connections_total),
        ("rejected_connections", counts.connections_refused),
        ("cmd_get", counts.get),
        ("cmd_set", counts.set),
        ("cmd_flush", counts.flush),
        ("cmd_touch", counts.touch),
        ("cmd_meta", counts.meta),
        ("get_hits", counts.get_hits),
        ("get_misses", counts.get_misses),
        ("get_expired", store.expired),
        ("get_flushed", store.flushed),
        ("delete_misses", counts.delete_misses),
        ("delete_hits", counts.delete_hits),
        ("incr_misses", counts.increment_misses),
        ("incr_hits", counts.increment_hits),
        ("decr_misses", counts.decrement_misses),
        ("decr_hits", counts.decrement_hits),
        ("cas_misses", counts.cas_misses),
        ("cas_hits", counts.cas_hits),
        ("cas_badval", counts.cas_differs),
        ("touch_hits", counts.touch_hits),
        ("touch_misses", counts.touch_misses),
        ("store_too_large", counts.too_large),
        ("store_no_memory", counts.no_memory),
        ("auth_cmds", counts.auth),
        ("auth_errors", counts.auth_errors),
        ("idle_kicks", counts.idle_kicks),
        ("bytes_read", counts.bytes_read),
        ("bytes_written", counts.bytes_written),
        ("limit_maxbytes", cache.store.bytes_max() as u64),
        ("accepting_conns", 1),
        ("listen_disabled_num", 0),
        ("threads", cache.settings.threads as u64),
        ("conn_yields", 0),
        ("slab_reassign_running", 0),
        ("bytes", cache.store.bytes() as u64),
        ("curr_items", cache.store.len() as u64),
        ("total_items", store.linked),
        ("expired_unfetched", 0),
        ("evicted_unfetched", 0),
        ("evictions", store.evicted),
        ("reclaimed", 0),
    ]
}

fn settings(context: &mut Context<'_>) {
    let settings = &context.cache.settings;
    let on = |yes: bool| if yes { "yes" } else { "no" };
    let idle = settings.idle_timeout.map_or(0, |idle| idle.as_secs());
    let mut list = List::new(context.replies);
    list.stat("maxbytes", context.cache.store.bytes_max());
    list.stat("maxconns", settings.connections_max);
    list.stat("verbosity", settings.verbosity);
    list.stat("evictions", if settings.evicts { "on" } else { "off" });
    list.stat("shutdown_command", on(settings.shutdown_allowed));
    list.stat("growth_factor", "1.25");
    list.stat("chunk_size", 48);
    list.stat("num_threads", settings.threads);
    list.stat("stat_key_prefix", ":");
    list.stat("detail_enabled", on(context.cache.prefixes.on));
    list.stat("reqs_per_event", crate::limits::COMMANDS_PER_WRITE);
    list.stat("cas_enabled", on(settings.cas_enabled));
    list.stat("binding_protocol", "ascii");
    list.stat("auth_enabled_sasl", "no");
    list.stat("auth_enabled_ascii", on(!settings.users.is_empty()));
    list.stat("item_size_max", settings.item_bytes_max);
    list.stat("maxconns_fast", "yes");
    list.stat("flush_enabled", on(settings.flush_allowed));
    list.stat("dump_enabled", "yes");
    list.stat("idle_timeout", idle);
    list.stat("track_sizes", "no");
    list.stat("ssl_enabled", "no");
    if settings.version.is_modern() {
        list.stat("client_flags_size", 4);
    }
    list.end();
}

/// The session knows of no other, so only the number of connections is told.
fn connections(context: &mut Context<'_>) {
    let mut list = List::new(context.replies);
    list.stat(format_args!("{}:state", context.session), "conn_parse_cmd");
    list.stat(format_args!("{}:secs_since_last_cmd", context.session), 0);
    list.end();
}

#[derive(Default)]
struct ClassTotals {
    items: usize,
    bytes: usize,
}

fn by_class(cache: &Cache) -> BTreeMap<usize, ClassTotals> {
    let mut classes: BTreeMap<usize, ClassTotals> = BTreeMap::new();
    for item in cache.store.items_by_use() {
        let totals = classes.entry(slab_class(item.weight())).or_default();
        totals.items += 1;
        totals.bytes += item.weight();
    }
    classes
}

fn items(context: &mut Context<'_>) {
    let mut list = List::new(context.replies);
    for (class, totals) in by_class(context.cache) {
        list.stat(format_args!("items:{class}:number"), totals.items);
        list.stat(format_args!("items:{class}:mem_requested"), totals.bytes);
        for zero in ["evicted", "evicted_time", "outofmemory", "tailrepairs", "reclaimed"] {
            list.stat(format_args!("items:{class}:{zero}"), 0);
        }
    }
    list.end();
}

fn slabs(context: &mut Context<'_>) {
    const PAGE_BYTES: usize = 1024 * 1024;
    let classes = by_class(context.cache);
    let mut list = List::new(context.replies);
    let mut pages_total = 0;
    for (class, totals) in &classes {
        let chunk = slab_chunk_bytes(*class);
        let per_page = (PAGE_BYTES / chunk).max(1);
        let pages = totals.items.div_ceil(per_page);
        pages_total += pages;
        list.stat(format_args!("{class}:chunk_size"), chunk);
        list.stat(format_args!("{class}:chunks_per_page"), per_page);
        list.stat(format_args!("{class}:total_pages"), pages);
        list.stat(format_args!("{class}:total_chunks"), pages * per_page);
        list.stat(format_args!("{class}:used_chunks"), totals.items);
        list.stat(format_args!("{class}:free_chunks"), pages * per_page - totals.items);
    }
    list.stat("active_slabs", classes.len());
    list.stat("total_malloced", pages_total * PAGE_BYTES);
    list.end();
}

fn detail(context: &mut Context<'_>, request: &Request<'_>) {
    let asked = request.tokens.at(2);
    let modern = context.is_modern();
    let is = |name: &str| is_word(modern, asked, name);
    let given = request.tokens.len() > 2;
    if given && is("on") {
        context.cache.prefixes.on = true;
        context.line("OK");
    } else if given && is("off") {
        context.cache.prefixes.on = false;
        context.line("OK");
    } else if given && is("dump") {
        for (name, counts) in context.cache.prefixes.iter() {
            context.replies.extend_from_slice(b"PREFIX ");
            context.replies.extend_from_slice(name);
            let _ = write!(
                context.replies,
                " get {} hit {} set {} del {}\r\n",
                counts.gets, counts.hits, counts.sets, counts.deletes
            );
        }
        context.line("END");
    } else {
        context.line("CLIENT_ERROR usage: stats detail on|off|dump");
    }
}

/// `stats cachedump <class> <limit>`: keys that came as base64 are left out.
fn cachedump(context: &mut Context<'_>, request: &Request<'_>) {
    let version = context.cache.settings.version;
    if request.tokens.len() < 4 {
        return context.line("CLIENT_ERROR bad command line");
    }
    let class = number::unsigned_32(version, request.tokens.at(2));
    let limit = number::unsigned_32(version, request.tokens.at(3));
    let (Some(class), Some(limit)) = (class, limit) else { return context.line(BAD_FORMAT) };
    if class >= SLAB_CLASSES_MAX {
        return context.line("CLIENT_ERROR Illegal slab id");
    }
    let limit = if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let shown = |item: &&Item| !item.binary && u32::try_from(slab_class(item.weight())).is_ok_and(|of| of == class);
    let mut dump = BytesMut::new();
    for item in context.cache.store.items_by_use().filter(shown).take(limit) {
        if dump.len() > CACHEDUMP_BYTES_MAX {
            break;
        }
        dump.extend_from_slice(b"ITEM ");
        dump.extend_from_slice(&item.key);
        let expires = context.moment.unix_time(item.expires);
        let _ = write!(dump, " [{} b; {expires} s]\r\n", item.value.len());
    }
    context.replies.extend_from_slice(&dump);
    context.line("END");
}
