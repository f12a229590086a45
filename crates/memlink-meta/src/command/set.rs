use bytes::Bytes;
use memlink_core::{Command, Encoder, Malformed, Reply, Unsupported};

use super::{CAS_ZERO, Operands, Rare, Verb, refuse, settle, settle_rare, unsound_hints};
use crate::{
    Expect, Fault, Feature, Invalid, Key, Meta, Peer, Ttl, flags, number,
    opaque::Opaque,
    reply::{Answer, Status, Statuses, malformed},
};

/// `ms <key> <length> <flag>*\r\n<value>\r\n`: stores a value.
///
/// ```text
/// HD <flag>*\r\n    stored; hidden when quiet
/// NS <flag>*\r\n    not stored: add found an item, replace or append found none
/// EX <flag>*\r\n    the item has another CAS id
/// NF <flag>*\r\n    a CAS id was given and there is no item
/// ```
///
/// | method | flag | |
/// | --- | --- | --- |
/// | [`Set::new`], [`Set::with_mode`] | `M` | set, add, replace, append, prepend |
/// | [`ttl`](Set::ttl) | `T` | time to live; never expires without it |
/// | [`client_flags`](Set::client_flags) | `F` | a number to store with the value; 0 without it |
/// | [`compare_cas`](Set::compare_cas) | `C` | only if the item has this id |
/// | [`override_cas`](Set::override_cas) | `E` | the id of what is stored; 1.6.27 |
/// | [`invalidate`](Set::invalidate) | `I` | store also over an item with a newer id, as stale |
/// | [`vivify`](Set::vivify) | `N` | append, prepend: create a missing item; 1.6.20 |
/// | [`with_cas`](Set::with_cas) | `c` | the id of what was stored; 1.6.13 |
/// | [`with_size`](Set::with_size) | `s` | the length of what was stored; 1.6.20 |
/// | [`quiet`](Set::quiet) | `q` | say nothing when stored |
///
/// A value that is too large for the server is a [`Fault`], and **the item that was there before is gone**: the server
/// deletes it rather than keep a value that its writer believes replaced.
#[derive(Debug, Clone)]
pub struct Set {
    key: Key,
    value: Value,
    /// `vivify`, `compare_cas`, `override_cas`, `hints`.
    rare: Rare,
    client_flags: Option<u32>,
    ttl: Option<Ttl>,
    mode: SetMode,
    invalidate: bool,
    quiet: bool,
    cas: bool,
    size: bool,
}

/// Moved from hand to hand on its way to the wire.
const _: () = assert!(core::mem::size_of::<Set>() <= 128);

impl Set {
    /// Longest value that the protocol can announce. A server's own limit (`-I`, by default 1 MiB for the whole item)
    /// is usually far lower and answers with a [`Fault`].
    pub const VALUE_LEN_MAX: usize = 2_147_483_645;

    /// Stores `value`, whatever was there before.
    #[must_use]
    pub fn new(key: Key, value: impl Into<Bytes>) -> Set {
        Set::with_mode(SetMode::Set, key, value)
    }

    /// Stores `value` as `mode` says.
    #[must_use]
    pub fn with_mode(mode: SetMode, key: Key, value: impl Into<Bytes>) -> Set {
        Set {
            key,
            value: Value(value.into()),
            mode,
            invalidate: false,
            quiet: false,
            cas: false,
            size: false,
            client_flags: None,
            ttl: None,
            rare: Rare::none(),
        }
    }

    fn adding(mut self, add: impl FnOnce(&mut Operands)) -> Set {
        add(self.rare.add());
        self
    }

    /// How it is stored.
    #[must_use]
    pub fn mode(self, mode: SetMode) -> Set {
        Set { mode, ..self }
    }

    /// How long it lives. Append and prepend keep the time of the item and refuse this.
    #[must_use]
    pub fn ttl(self, ttl: impl Into<Ttl>) -> Set {
        Set { ttl: Some(ttl.into()), ..self }
    }

    /// A number to store with the value. Append and prepend keep the one of the item; they take this for an item they
    /// create.
    #[must_use]
    pub fn client_flags(self, client_flags: u32) -> Set {
        Set { client_flags: Some(client_flags), ..self }
    }

    /// Stores only if the item has this CAS id. Without an item set and replace answer [`SetOutcome::NotFound`], append
    /// and prepend [`SetOutcome::NotStored`] (and create it all the same when [`vivify`](Set::vivify) is asked for).
    #[must_use]
    pub fn compare_cas(self, cas: u64) -> Set {
        self.adding(|rare| rare.compare_cas = Some(cas))
    }

    /// The CAS id of what is stored. It does not move the server's own counter, so the next store without it may get a
    /// smaller id. memcached 1.6.27 or newer.
    #[must_use]
    pub fn override_cas(self, cas: u64) -> Set {
        self.adding(|rare| rare.override_cas = Some(cas))
    }

    /// With [`compare_cas`](Set::compare_cas): when the item has a newer id than that, stores all the same and marks
    /// the item stale, with the time to live it had. For a writer that was overtaken and whose value is still better
    /// than none.
    #[must_use]
    pub fn invalidate(self) -> Set {
        Set { invalidate: true, ..self }
    }

    /// Append and prepend create a missing item, which lives for `ttl`. memcached 1.6.20 or newer.
    #[must_use]
    pub fn vivify(self, ttl: impl Into<Ttl>) -> Set {
        self.adding(|rare| rare.vivify = Some(ttl.into()))
    }

    /// Asks for the CAS id of what was stored. memcached 1.6.13 or newer.
    #[must_use]
    pub fn with_cas(self) -> Set {
        Set { cas: true, ..self }
    }

    /// Asks for the length of what was stored. memcached 1.6.20 or newer.
    #[must_use]
    pub fn with_size(self) -> Set {
        Set { size: true, ..self }
    }

    /// Says nothing when stored. Something that is answered must follow on the same connection, or the success is never
    /// known.
    #[must_use]
    pub fn quiet(self) -> Set {
        Set { quiet: true, ..self }
    }

    /// A path for proxies (flag `P`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_path(self, text: impl AsRef<[u8]>) -> Set {
        self.adding(|rare| rare.hints.set_path(text.as_ref()))
    }

    /// A location for proxies (flag `L`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_location(self, text: impl AsRef<[u8]>) -> Set {
        self.adding(|rare| rare.hints.set_location(text.as_ref()))
    }

    /// Whether a success says nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SetMode {
    /// Whatever was there before.
    #[default]
    Set,
    /// Only if there is no item.
    Add,
    /// Only if there is an item.
    Replace,
    /// Behind the value of the item.
    Append,
    /// In front of the value of the item.
    Prepend,
}

impl SetMode {
    fn extends(self) -> bool {
        matches!(self, SetMode::Append | SetMode::Prepend)
    }
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum SetOutcome {
    /// It was stored.
    Stored,
    /// It was not: add found an item; replace, append or prepend found none, or the sum would be too large.
    NotStored,
    /// The item has another CAS id.
    Exists,
    /// A CAS id was given and there is no item.
    NotFound,
}

/// The answer to a [`Set`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Stored {
    /// What became of the value.
    pub outcome: SetOutcome,
    /// The CAS id of what was stored, when asked for. `None` when nothing was.
    pub cas: Option<u64>,
    /// The length of the item's value, when asked for. `None` when nothing was stored.
    pub size: Option<u64>,
}

/// A value that is not shown: it is the user's data.
#[derive(Clone)]
struct Value(Bytes);

impl core::fmt::Debug for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Command<Meta> for Set {
    type Output = Result<Stored, Fault>;

    fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
        if self.quiet {
            peer.need_opaque()?;
        }
        if !self.cas && !self.size && self.rare.is_none() {
            return Ok(());
        }
        let rare = self.rare.get();
        let needs = [
            (self.cas, Feature::SetReturnsCas),
            (self.size, Feature::SetReturnsSize),
            (rare.vivify.is_some(), Feature::VivifyOnAppend),
            (rare.override_cas.is_some(), Feature::CasOverride),
            (!rare.hints.is_empty(), Feature::ProxyHints),
        ];
        needs.into_iter().filter(|(used, _)| *used).try_for_each(|(_, feature)| peer.need(feature))
    }

    fn size_hint(&self) -> usize {
        self.key.wire_len() + self.value.0.len() + 64
    }

    #[inline]
    fn encode(&self, peer: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
        const STATUSES: Statuses = Statuses::of(&[Status::Hd, Status::Ns, Status::Ex, Status::Nf]);
        let opaque = Opaque::for_peer(peer, serial);
        let mut line = flags::begin(b"ms ", &self.key, Some(self.value.0.len()), opaque, out);
        let rare = self.rare.get();
        line.time(b'T', self.ttl);
        line.time(b'N', rare.vivify);
        match self.mode {
            SetMode::Set => {}
            SetMode::Add => line.mode(b'E'),
            SetMode::Replace => line.mode(b'R'),
            SetMode::Append => line.mode(b'A'),
            SetMode::Prepend => line.mode(b'P'),
        }
        line.number(b'F', self.client_flags.map(u64::from));
        line.number(b'C', rare.compare_cas);
        line.number(b'E', rare.override_cas);
        line.flag(b'I', self.invalidate);
        line.flag(b'q', self.quiet);
        line.hints(&rare.hints);
        line.flag(b's', self.size);
        line.flag(b'c', self.cas);
        line.end();
        out.put_value(&self.value.0);
        out.put(b"\r\n");
        Expect::meta_with_payload(STATUSES, self.quiet, opaque)
    }

    #[inline]
    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        let line = match Answer::read(reply, core::slice::from_ref(&self.key))? {
            Answer::Status(line) => line,
            Answer::Fault(fault) => return Ok(Err(fault)),
            Answer::Silence if self.quiet => {
                return Ok(Ok(Stored { outcome: SetOutcome::Stored, cas: None, size: None }));
            }
            Answer::Silence => return Err(malformed("silence to a set that is not quiet")),
        };
        let outcome = match line.status {
            Status::Hd => SetOutcome::Stored,
            Status::Ns => SetOutcome::NotStored,
            Status::Ex => SetOutcome::Exists,
            Status::Nf => SetOutcome::NotFound,
            _ => return Err(malformed("a status that a set cannot have")),
        };
        let mut stored = Stored { outcome, cas: None, size: None };
        for (letter, token) in line.flags() {
            match letter {
                b'c' => stored.cas = Some(number::read(token).ok_or(malformed("a CAS id that is no number"))?),
                b's' => stored.size = Some(number::read(token).ok_or(malformed("a size that is no number"))?),
                _ => {}
            }
        }
        // On a failure the server says 0 for the id and the submitted length for the size; neither is of the item.
        if outcome != SetOutcome::Stored || !self.cas {
            stored.cas = None;
        }
        if outcome != SetOutcome::Stored || !self.size {
            stored.size = None;
        }
        Ok(Ok(stored))
    }
}

impl Verb for Set {
    fn prepare(&mut self, now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        let (len, len_max) = (self.value.0.len(), Set::VALUE_LEN_MAX);
        if len > len_max {
            return Err(Invalid::TooLong { what: "a value", len, len_max });
        }
        settle(&now_unix, [&mut self.ttl])?;
        settle_rare(&now_unix, &mut self.rare)?;
        let rare = self.rare.get();
        refuse(&[
            (
                self.invalidate && rare.compare_cas.is_none(),
                "invalidate stores over an item with a newer CAS id, and none is given to compare with: add compare_cas",
            ),
            (
                self.invalidate && !matches!(self.mode, SetMode::Set | SetMode::Replace),
                "invalidate has an effect on set and replace only",
            ),
            (
                self.mode == SetMode::Add && rare.compare_cas.is_some(),
                "add stores only where there is no item, so there is no CAS id to compare with",
            ),
            (
                rare.vivify.is_some() && !self.mode.extends(),
                "vivify is for append and prepend: set and add create the item anyway, replace never does",
            ),
            (
                self.ttl.is_some() && self.mode.extends(),
                "append and prepend keep the time to live of the item; an item that they create takes that of vivify",
            ),
            (
                self.client_flags.is_some() && self.mode.extends() && rare.vivify.is_none(),
                "append and prepend keep the client flags of the item",
            ),
            (rare.compare_cas == Some(0), CAS_ZERO),
            (rare.override_cas == Some(0), "a set takes a CAS id of 0 for none given"),
            (
                self.quiet && (self.cas || self.size),
                "a quiet set says nothing when stored, so nothing can be returned with it",
            ),
            unsound_hints(&self.rare),
        ])
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn name(&self) -> &'static str {
        match self.mode {
            SetMode::Set => "set",
            SetMode::Add => "add",
            SetMode::Replace => "replace",
            SetMode::Append => "append",
            SetMode::Prepend => "prepend",
        }
    }
}

#[cfg(test)]
mod tests;
