use memlink_core::{Command, Encoder, Malformed, Reply, Unsupported};

use super::{CAS_ZERO, Operands, Rare, TtlLeft, Verb, refuse, settle, settle_rare, unsound_hints};
use crate::{
    Expect, Fault, Feature, Invalid, Key, Meta, Peer, Ttl, counter_value, flags, number,
    opaque::Opaque,
    reply::{Answer, Status, Statuses, malformed},
};

/// `ma <key> <flag>*\r\n`: adds to a decimal number, or takes from it.
///
/// ```text
/// HD <flag>*\r\n                       done; hidden when quiet
/// VA <length> <flag>*\r\n<number>\r\n  done, and the new number; hidden when quiet
/// NF [O<opaque>]\r\n                   there is no item
/// EX [O<opaque>]\r\n                   the item has another CAS id
/// NS [O<opaque>]\r\n                   there was no room for the item
/// ```
///
/// | method | flag | |
/// | --- | --- | --- |
/// | [`increment`](Arithmetic::increment), [`decrement`](Arithmetic::decrement) | `MD` | up wraps at 2^64, down stops at 0 |
/// | [`delta`](Arithmetic::delta) | `D` | by how much; 1 without it |
/// | [`vivify`](Arithmetic::vivify) | `N` | create a missing item, which lives for this time; the delta is not applied to it |
/// | [`initial`](Arithmetic::initial) | `J` | the number a missing item is created with; 0 with `vivify` alone |
/// | [`touch`](Arithmetic::touch) | `T` | set the time to live |
/// | [`compare_cas`](Arithmetic::compare_cas) | `C` | only if the item has this id; an item that is created has none to compare |
/// | [`override_cas`](Arithmetic::override_cas) | `E` | the id of the item afterwards; 1.6.27 |
/// | [`with_value`](Arithmetic::with_value) | `v` | the number afterwards |
/// | [`with_ttl`](Arithmetic::with_ttl) | `t` | the time it has left |
/// | [`with_cas`](Arithmetic::with_cas) | `c` | its id |
/// | [`quiet`](Arithmetic::quiet) | `q` | say nothing when done |
///
/// **A number that grows by a digit loses `T` and `E`.** The server copies the item then and applies both to the old
/// copy; the reply does not show it. A counter whose life must be extended is touched by a get of its own.
///
/// Whether the item was there or was created the server does not say. A value that is not a number is a [`Fault`].
#[derive(Debug, Clone)]
pub struct Arithmetic {
    key: Key,
    /// `ttl` (the one of `touch`), `compare_cas`, `override_cas`, `hints`.
    rare: Rare,
    delta: u64,
    initial: Option<u64>,
    vivify: Option<Ttl>,
    down: bool,
    value: bool,
    ttl: bool,
    cas: bool,
    quiet: bool,
}

/// Moved from hand to hand on its way to the wire.
const _: () = assert!(core::mem::size_of::<Arithmetic>() <= 120);

impl Arithmetic {
    /// Adds 1. A number beyond 2^64 - 1 begins again at 0.
    #[must_use]
    pub fn increment(key: Key) -> Arithmetic {
        Arithmetic {
            key,
            down: false,
            value: false,
            ttl: false,
            cas: false,
            quiet: false,
            delta: 1,
            initial: None,
            vivify: None,
            rare: Rare::none(),
        }
    }

    fn adding(mut self, add: impl FnOnce(&mut Operands)) -> Arithmetic {
        add(self.rare.add());
        self
    }

    /// Takes 1 away. A number below 0 becomes 0.
    ///
    /// The stored text keeps its length: ten minus one is stored as `9` and a space. Read such values with
    /// [`counter_value`](crate::counter_value).
    #[must_use]
    pub fn decrement(key: Key) -> Arithmetic {
        Arithmetic { down: true, ..Arithmetic::increment(key) }
    }

    /// By how much. 0 is allowed: it reads the number, and changes the CAS id.
    #[must_use]
    pub fn delta(self, delta: u64) -> Arithmetic {
        Arithmetic { delta, ..self }
    }

    /// Creates a missing item, which lives for `ttl`, with 0 or what [`initial`](Arithmetic::initial) says. The delta
    /// is not applied to it.
    #[must_use]
    pub fn vivify(self, ttl: impl Into<Ttl>) -> Arithmetic {
        Arithmetic { vivify: Some(ttl.into()), ..self }
    }

    /// Creates a missing item with this number. It lives as long as [`vivify`](Arithmetic::vivify) says, else as long as
    /// [`touch`](Arithmetic::touch) says, else for ever.
    #[must_use]
    pub fn initial(self, initial: u64) -> Arithmetic {
        Arithmetic { initial: Some(initial), ..self }
    }

    /// Sets the time to live of an item that is there. Lost when the number grows by a digit: see [`Arithmetic`].
    #[must_use]
    pub fn touch(self, ttl: impl Into<Ttl>) -> Arithmetic {
        self.adding(|rare| rare.ttl = Some(ttl.into()))
    }

    /// Only if the item has this CAS id.
    #[must_use]
    pub fn compare_cas(self, cas: u64) -> Arithmetic {
        self.adding(|rare| rare.compare_cas = Some(cas))
    }

    /// The CAS id of the item afterwards. Lost when the number grows by a digit: see [`Arithmetic`]. memcached 1.6.27
    /// or newer.
    #[must_use]
    pub fn override_cas(self, cas: u64) -> Arithmetic {
        self.adding(|rare| rare.override_cas = Some(cas))
    }

    /// Asks for the number afterwards.
    #[must_use]
    pub fn with_value(self) -> Arithmetic {
        Arithmetic { value: true, ..self }
    }

    /// Asks for the time that is left afterwards.
    #[must_use]
    pub fn with_ttl(self) -> Arithmetic {
        Arithmetic { ttl: true, ..self }
    }

    /// Asks for the CAS id afterwards.
    #[must_use]
    pub fn with_cas(self) -> Arithmetic {
        Arithmetic { cas: true, ..self }
    }

    /// Says nothing when done. A missing item is reported all the same. Something that is answered must follow on the
    /// same connection, or the success is never known. (Before memcached 1.6.40 a creation is answered all the same.)
    #[must_use]
    pub fn quiet(self) -> Arithmetic {
        Arithmetic { quiet: true, ..self }
    }

    /// A path for proxies (flag `P`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_path(self, text: impl AsRef<[u8]>) -> Arithmetic {
        self.adding(|rare| rare.hints.set_path(text.as_ref()))
    }

    /// A location for proxies (flag `L`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_location(self, text: impl AsRef<[u8]>) -> Arithmetic {
        self.adding(|rare| rare.hints.set_location(text.as_ref()))
    }

    /// Whether a success says nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }
}

/// What became of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum CountedOutcome {
    /// It was changed, or created.
    Done,
    /// There is no such item.
    NotFound,
    /// The item has another CAS id.
    Exists,
    /// There was no room for the item.
    NotStored,
}

/// The answer to an [`Arithmetic`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Counted {
    /// What became of the number.
    pub outcome: CountedOutcome,
    /// The number afterwards, when asked for and done.
    pub value: Option<u64>,
    /// The time that is left, when asked for and done.
    pub ttl: Option<TtlLeft>,
    /// The CAS id afterwards, when asked for and done.
    pub cas: Option<u64>,
}

impl Command<Meta> for Arithmetic {
    type Output = Result<Counted, Fault>;

    fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
        if self.quiet {
            peer.need_opaque()?;
        }
        if self.rare.get().override_cas.is_some() {
            peer.need(Feature::CasOverride)?;
        }
        if !self.rare.get().hints.is_empty() {
            peer.need(Feature::ProxyHints)?;
        }
        Ok(())
    }

    fn size_hint(&self) -> usize {
        self.key.wire_len() + 64
    }

    #[inline]
    fn encode(&self, peer: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
        const VALUE: Statuses = Statuses::of(&[Status::Va, Status::Nf, Status::Ex, Status::Ns]);
        const NO_VALUE: Statuses = Statuses::of(&[Status::Hd, Status::Nf, Status::Ex, Status::Ns]);
        let opaque = Opaque::for_peer(peer, serial);
        let mut line = flags::begin(b"ma ", &self.key, None, opaque, out);
        let rare = self.rare.get();
        line.time(b'T', rare.ttl);
        line.time(b'N', self.vivify);
        if self.down {
            line.mode(b'D');
        }
        line.number(b'D', Some(self.delta).filter(|delta| *delta != 1));
        line.number(b'J', self.initial);
        line.number(b'C', rare.compare_cas);
        line.number(b'E', rare.override_cas);
        line.flag(b'q', self.quiet);
        line.hints(&rare.hints);
        line.flag(b'c', self.cas);
        line.flag(b'v', self.value);
        line.flag(b't', self.ttl);
        line.end();
        Expect::meta(if self.value { VALUE } else { NO_VALUE }, self.quiet, opaque, peer)
    }

    #[inline]
    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        let mut counted = Counted { outcome: CountedOutcome::Done, value: None, ttl: None, cas: None };
        let line = match Answer::read(reply, core::slice::from_ref(&self.key))? {
            Answer::Status(line) => line,
            Answer::Fault(fault) => return Ok(Err(fault)),
            Answer::Silence if self.quiet => return Ok(Ok(counted)),
            Answer::Silence => return Err(malformed("silence to an arithmetic that is not quiet")),
        };
        counted.outcome = match line.status {
            Status::Hd | Status::Va => CountedOutcome::Done,
            Status::Nf => CountedOutcome::NotFound,
            Status::Ex => CountedOutcome::Exists,
            Status::Ns => CountedOutcome::NotStored,
            _ => return Err(malformed("a status that an arithmetic cannot have")),
        };
        for (letter, token) in line.flags() {
            match letter {
                b'c' => counted.cas = Some(number::read(token).ok_or(malformed("a CAS id that is no number"))?),
                b't' => counted.ttl = Some(TtlLeft::read(token).ok_or(malformed("a time to live that is no number"))?),
                _ => {}
            }
        }
        if line.status == Status::Va {
            counted.value = Some(counter_value(line.value()).ok_or(malformed("a counter that is no number"))?);
        }
        if counted.outcome != CountedOutcome::Done {
            counted = Counted { outcome: counted.outcome, value: None, ttl: None, cas: None };
        }
        Ok(Ok(counted))
    }
}

impl Verb for Arithmetic {
    fn prepare(&mut self, now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        // Whoever names a number to begin with wants it created; the server only does so if it is told for how long.
        if self.initial.is_some() && self.vivify.is_none() {
            self.vivify = Some(self.rare.get().ttl.unwrap_or(Ttl::NEVER));
        }
        settle_rare(&now_unix, &mut self.rare)?;
        settle(&now_unix, [&mut self.vivify])?;
        refuse(&[
            (self.rare.get().compare_cas == Some(0), CAS_ZERO),
            (
                self.quiet && (self.value || self.cas || self.ttl),
                "a quiet increment or decrement says nothing when done, so nothing can be returned with it",
            ),
            unsound_hints(&self.rare),
        ])
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn name(&self) -> &'static str {
        if self.down { "decrement" } else { "increment" }
    }
}

#[cfg(test)]
mod tests;
