use memlink_core::{Command, Encoder, Malformed, Reply, Unsupported};

use super::{CAS_ZERO, Operands, Rare, Verb, refuse, settle_rare, unsound_hints};
use crate::{
    Expect, Fault, Feature, Invalid, Key, Meta, Peer, Ttl, flags,
    opaque::Opaque,
    reply::{Answer, Status, Statuses, malformed},
};

/// `md <key> <flag>*\r\n`: deletes an item, marks it stale, or empties it.
///
/// ```text
/// HD [O<opaque>]\r\n    done; hidden when quiet
/// NF [O<opaque>]\r\n    there is no item
/// EX [O<opaque>]\r\n    the item has another CAS id
/// NS [O<opaque>]\r\n    drop_value found no room for the empty item
/// ```
///
/// | method | flag | |
/// | --- | --- | --- |
/// | [`Delete::new`] | | the item is gone |
/// | [`compare_cas`](Delete::compare_cas) | `C` | only if the item has this id |
/// | [`mark_stale`](Delete::mark_stale) | `I` | the item stays, marked stale, with a new id: the next to fetch it is elected to refresh it |
/// | [`drop_value`](Delete::drop_value) | `x` | the item stays, empty; 1.6.27 |
/// | [`ttl`](Delete::ttl) | `T` | with the two above: how long what stays lives |
/// | [`override_cas`](Delete::override_cas) | `E` | with the two above: its id; 1.6.27 |
/// | [`client_flags`](Delete::client_flags) | `F` | with `drop_value`: its client flags, else 0 |
/// | [`quiet`](Delete::quiet) | `q` | say nothing when done |
///
/// **Both `mark_stale` and `drop_value` leave something behind.** A stale item keeps its time to live unless one is
/// given. An item whose value was dropped **never expires** unless one is given, and keeps its CAS id unless one is
/// given or it is marked stale, too.
#[derive(Debug, Clone)]
pub struct Delete {
    key: Key,
    /// `ttl`, `client_flags`, `compare_cas`, `override_cas`, `hints`.
    rare: Rare,
    mark_stale: bool,
    drop_value: bool,
    quiet: bool,
}

/// Moved from hand to hand on its way to the wire.
const _: () = assert!(core::mem::size_of::<Delete>() <= 80);

impl Delete {
    /// Deletes the item.
    #[must_use]
    pub fn new(key: Key) -> Delete {
        Delete { key, mark_stale: false, drop_value: false, quiet: false, rare: Rare::none() }
    }

    fn adding(mut self, add: impl FnOnce(&mut Operands)) -> Delete {
        add(self.rare.add());
        self
    }

    /// Only if the item has this CAS id.
    #[must_use]
    pub fn compare_cas(self, cas: u64) -> Delete {
        self.adding(|rare| rare.compare_cas = Some(cas))
    }

    /// Does not delete the item but marks it stale, and gives it a new CAS id: it is still served, and whoever fetches
    /// it next is elected to refresh it.
    #[must_use]
    pub fn mark_stale(self) -> Delete {
        Delete { mark_stale: true, ..self }
    }

    /// Does not delete the item but empties it. It never expires unless [`ttl`](Delete::ttl) is given. With
    /// [`mark_stale`](Delete::mark_stale), a stale tombstone. memcached 1.6.27 or newer.
    #[must_use]
    pub fn drop_value(self) -> Delete {
        Delete { drop_value: true, ..self }
    }

    /// How long what stays lives.
    #[must_use]
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Delete {
        self.adding(|rare| rare.ttl = Some(ttl.into()))
    }

    /// The client flags of an item whose value is dropped.
    #[must_use]
    pub fn client_flags(self, client_flags: u32) -> Delete {
        self.adding(|rare| rare.client_flags = Some(client_flags))
    }

    /// The CAS id of what stays. memcached 1.6.27 or newer.
    #[must_use]
    pub fn override_cas(self, cas: u64) -> Delete {
        self.adding(|rare| rare.override_cas = Some(cas))
    }

    /// Says nothing when done. A missing item is reported all the same. Something that is answered must follow on the
    /// same connection, or the success is never known.
    #[must_use]
    pub fn quiet(self) -> Delete {
        Delete { quiet: true, ..self }
    }

    /// A path for proxies (flag `P`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_path(self, text: impl AsRef<[u8]>) -> Delete {
        self.adding(|rare| rare.hints.set_path(text.as_ref()))
    }

    /// A location for proxies (flag `L`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_location(self, text: impl AsRef<[u8]>) -> Delete {
        self.adding(|rare| rare.hints.set_location(text.as_ref()))
    }

    /// Whether a success says nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// What became of an item that was to be deleted, marked stale or emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum DeleteOutcome {
    /// It was done.
    Deleted,
    /// There is no such item.
    NotFound,
    /// The item has another CAS id.
    Exists,
    /// The empty item of [`Delete::drop_value`] could not be stored.
    NotStored,
}

impl Command<Meta> for Delete {
    type Output = Result<DeleteOutcome, Fault>;

    fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
        if self.quiet {
            peer.need_opaque()?;
        }
        if !self.drop_value && self.rare.is_none() {
            return Ok(());
        }
        let needs = [
            (self.drop_value, Feature::DropValue),
            (self.rare.get().override_cas.is_some(), Feature::CasOverride),
            (!self.rare.get().hints.is_empty(), Feature::ProxyHints),
        ];
        needs.into_iter().filter(|(used, _)| *used).try_for_each(|(_, feature)| peer.need(feature))
    }

    fn size_hint(&self) -> usize {
        self.key.wire_len() + 64
    }

    #[inline]
    fn encode(&self, peer: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
        const STATUSES: Statuses = Statuses::of(&[Status::Hd, Status::Nf, Status::Ex, Status::Ns]);
        let opaque = Opaque::for_peer(peer, serial);
        let mut line = flags::begin(b"md ", &self.key, None, opaque, out);
        let rare = self.rare.get();
        line.time(b'T', rare.ttl);
        line.number(b'F', rare.client_flags.map(u64::from));
        line.number(b'C', rare.compare_cas);
        line.number(b'E', rare.override_cas);
        line.flag(b'I', self.mark_stale);
        line.flag(b'x', self.drop_value);
        line.flag(b'q', self.quiet);
        line.hints(&rare.hints);
        line.end();
        Expect::meta(STATUSES, self.quiet, opaque, peer)
    }

    #[inline]
    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        match Answer::read(reply, core::slice::from_ref(&self.key))? {
            Answer::Fault(fault) => Ok(Err(fault)),
            Answer::Silence if self.quiet => Ok(Ok(DeleteOutcome::Deleted)),
            Answer::Silence => Err(malformed("silence to a delete that is not quiet")),
            Answer::Status(line) => match line.status {
                Status::Hd => Ok(Ok(DeleteOutcome::Deleted)),
                Status::Nf => Ok(Ok(DeleteOutcome::NotFound)),
                Status::Ex => Ok(Ok(DeleteOutcome::Exists)),
                Status::Ns => Ok(Ok(DeleteOutcome::NotStored)),
                _ => Err(malformed("a status that a delete cannot have")),
            },
        }
    }
}

impl Verb for Delete {
    fn prepare(&mut self, now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        if self.rare.is_none() {
            return Ok(());
        }
        settle_rare(now_unix, &mut self.rare)?;
        let rare = self.rare.get();
        let stays = self.mark_stale || self.drop_value;
        refuse(&[
            (
                rare.ttl.is_some() && !stays,
                "a plain delete leaves nothing that could have a time to live: add mark_stale or drop_value",
            ),
            (
                rare.override_cas.is_some() && !stays,
                "a plain delete leaves nothing that could have a CAS id: add mark_stale or drop_value",
            ),
            (
                rare.client_flags.is_some() && !self.drop_value,
                "a delete sets client flags only when it empties the item: add drop_value",
            ),
            (rare.compare_cas == Some(0), CAS_ZERO),
            unsound_hints(&self.rare),
        ])
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn name(&self) -> &'static str {
        "delete"
    }
}

#[cfg(test)]
mod tests;
