use bytes::Bytes;
use memlink_core::{Command, Encoder, Malformed, Reply, Unsupported};

use super::{CAS_ZERO, Operands, Rare, Verb, refuse, settle, settle_rare, unsound_hints};
use crate::{
    Expect, Fault, FaultKind, Feature, Invalid, Key, Meta, Peer, Ttl, flags, number,
    opaque::Opaque,
    reply::{Answer, Line, Status, Statuses, malformed},
};

/// `mg <key> <flag>*\r\n`: fetches an item, or what is known of it.
///
/// ```text
/// VA <size> <flag>*\r\n<value>\r\n    a hit, with its value
/// HD <flag>*\r\n                      a hit without its value
/// EN [O<opaque>]\r\n                  a miss; hidden when quiet
/// ```
///
/// | method | flag | |
/// | --- | --- | --- |
/// | [`Get::new`] | `v` | the value |
/// | [`with_size`](Get::with_size) | `s` | its length |
/// | [`with_client_flags`](Get::with_client_flags) | `f` | the number that was stored with it |
/// | [`with_cas`](Get::with_cas) | `c` | the id of this state of the item |
/// | [`with_ttl`](Get::with_ttl) | `t` | the time it has left, as it is after this command |
/// | [`with_hit_before`](Get::with_hit_before) | `h` | whether it was fetched before this command |
/// | [`with_last_access`](Get::with_last_access) | `l` | seconds since the last access before this command |
/// | [`no_bump`](Get::no_bump) | `u` | do not count this as an access |
/// | [`touch`](Get::touch) | `T` | set the time to live |
/// | [`vivify`](Get::vivify) | `N` | on a miss create an empty item and win |
/// | [`recache`](Get::recache) | `R` | win when less time than this is left |
/// | [`override_cas`](Get::override_cas) | `E` | the id of an item that `vivify` creates; 1.6.27 |
/// | [`unless_cas`](Get::unless_cas) | `C` | leave out the value of an item that still has this id; 1.6.40, else replaced |
/// | [`quiet`](Get::quiet) | `q` | say nothing on a miss |
///
/// **A plain get can win.** When the item is stale and nobody has won it yet, whoever fetches it next is told so
/// ([`Got::won`]), asked for or not, and everybody else is told that someone has won. A winner that does nothing about
/// it leaves the item stale until it expires.
#[derive(Debug, Clone)]
pub struct Get {
    key: Key,
    /// `vivify`, `recache`, `override_cas`, `compare_cas` (the one of `unless_cas`), `hints`.
    rare: Rare,
    touch: Option<Ttl>,
    asked: Asked,
}

/// Moved from hand to hand on its way to the wire.
const _: () = assert!(core::mem::size_of::<Get>() <= 88);

const VALUE: Statuses = Statuses::of(&[Status::Va, Status::En]);

/// What is asked for, one bit each, so that a plain get is told from all others by one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked(u16);

impl Asked {
    const NOTHING: Asked = Asked(0);
    const VALUE: Asked = Asked(1);
    const SIZE: Asked = Asked(1 << 1);
    const CLIENT_FLAGS: Asked = Asked(1 << 2);
    const CAS: Asked = Asked(1 << 3);
    const TTL: Asked = Asked(1 << 4);
    const HIT_BEFORE: Asked = Asked(1 << 5);
    const LAST_ACCESS: Asked = Asked(1 << 6);
    const NO_BUMP: Asked = Asked(1 << 7);
    const QUIET: Asked = Asked(1 << 8);
    /// At least one option with a token.
    const TOKEN: Asked = Asked(1 << 9);

    #[inline]
    fn has(self, other: Asked) -> bool {
        self.0 & other.0 != 0
    }

    fn and(self, other: Asked) -> Asked {
        Asked(self.0 | other.0)
    }
}

impl Get {
    /// Fetches the value and nothing else.
    #[must_use]
    pub fn new(key: Key) -> Get {
        Get { asked: Asked::VALUE, ..Get::without_value(key) }
    }

    /// Fetches only what is asked for by further methods; with none, whether the item exists. Like a get with the value
    /// it counts as an access, unless [`no_bump`](Get::no_bump) is set.
    #[must_use]
    pub fn without_value(key: Key) -> Get {
        Get { key, rare: Rare::none(), touch: None, asked: Asked::NOTHING }
    }

    fn adding(mut self, add: impl FnOnce(&mut Operands)) -> Get {
        add(self.rare.add());
        self.asking(Asked::TOKEN)
    }

    fn asking(self, more: Asked) -> Get {
        Get { asked: self.asked.and(more), ..self }
    }

    /// Asks for the length of the value.
    #[must_use]
    pub fn with_size(self) -> Get {
        self.asking(Asked::SIZE)
    }

    /// Asks for the client flags.
    #[must_use]
    pub fn with_client_flags(self) -> Get {
        self.asking(Asked::CLIENT_FLAGS)
    }

    /// Asks for the CAS id.
    #[must_use]
    pub fn with_cas(self) -> Get {
        self.asking(Asked::CAS)
    }

    /// Asks for the time that is left, as it is after this command: a touch is seen in it.
    #[must_use]
    pub fn with_ttl(self) -> Get {
        self.asking(Asked::TTL)
    }

    /// Asks whether the item was fetched before, this command excluded.
    #[must_use]
    pub fn with_hit_before(self) -> Get {
        self.asking(Asked::HIT_BEFORE)
    }

    /// Asks how long ago the last access was, this command excluded. Not exact: the server does not note every access.
    #[must_use]
    pub fn with_last_access(self) -> Get {
        self.asking(Asked::LAST_ACCESS)
    }

    /// Does not count this as an access: neither the order of eviction nor what
    /// [`with_hit_before`](Get::with_hit_before) and [`with_last_access`](Get::with_last_access) report is changed.
    #[must_use]
    pub fn no_bump(self) -> Get {
        self.asking(Asked::NO_BUMP)
    }

    /// Sets the time to live of an item that is there. Its CAS id stays.
    #[must_use]
    pub fn touch(self, ttl: impl Into<Ttl>) -> Get {
        Get { touch: Some(ttl.into()), ..self.asking(Asked::TOKEN) }
    }

    /// On a miss creates an empty item that lives for `ttl`, and reports a hit that has won. Whoever fetches it until
    /// it is stored sees that someone has won. Nothing happens on a hit.
    #[must_use]
    pub fn vivify(self, ttl: impl Into<Ttl>) -> Get {
        self.adding(|rare| rare.vivify = Some(ttl.into()))
    }

    /// Wins once when less than `ttl` is left to live. Items that never expire are never won this way.
    #[must_use]
    pub fn recache(self, ttl: impl Into<Ttl>) -> Get {
        self.adding(|rare| rare.recache = Some(ttl.into()))
    }

    /// The CAS id of an item that [`vivify`](Get::vivify) creates. memcached 1.6.27 or newer.
    #[must_use]
    pub fn override_cas(self, cas: u64) -> Get {
        self.adding(|rare| rare.override_cas = Some(cas))
    }

    /// Leaves out the value when the item still has this CAS id: [`Got::unchanged`]. Everything else happens as ever.
    ///
    /// Before memcached 1.6.40 the server cannot do that; the CAS id is then asked for, and the value, which has come
    /// over the wire, is dropped here. The result is the same.
    #[must_use]
    pub fn unless_cas(self, cas: u64) -> Get {
        self.adding(|rare| rare.compare_cas = Some(cas))
    }

    /// Says nothing on a miss. Something that is answered must follow on the same connection, or the miss is never
    /// known.
    #[must_use]
    pub fn quiet(self) -> Get {
        self.asking(Asked::QUIET)
    }

    /// A path for proxies (flag `P`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_path(self, text: impl AsRef<[u8]>) -> Get {
        self.adding(|rare| rare.hints.set_path(text.as_ref()))
    }

    /// A location for proxies (flag `L`), at most 32 bytes. memcached 1.6.14 or newer; it ignores it.
    #[must_use]
    pub fn proxy_location(self, text: impl AsRef<[u8]>) -> Get {
        self.adding(|rare| rare.hints.set_location(text.as_ref()))
    }

    /// Whether a miss says nothing.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.asked.has(Asked::QUIET)
    }

    /// Whether the server itself is asked to compare; otherwise the CAS id is asked for and compared here.
    fn compares_there(&self, peer: &Peer) -> bool {
        self.rare.get().compare_cas.is_some() && peer.has(Feature::ConditionalGet)
    }

    fn statuses(&self, peer: &Peer) -> Statuses {
        const MAYBE_VALUE: Statuses = Statuses::of(&[Status::Va, Status::Hd, Status::En]);
        const NO_VALUE: Statuses = Statuses::of(&[Status::Hd, Status::En]);
        match self.asked.has(Asked::VALUE) {
            false => NO_VALUE,
            true if self.compares_there(peer) => MAYBE_VALUE,
            true => VALUE,
        }
    }
}

impl Command<Meta> for Get {
    type Output = Result<Option<Got>, Fault>;

    fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
        if self.asked.has(Asked::QUIET) {
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
        if self.asked == Asked::VALUE {
            let opaque = Opaque::for_peer(peer, serial);
            if flags::put_plain_get(&self.key, opaque, out) {
                return Expect::meta(VALUE, false, opaque, peer);
            }
        }
        self.encode_all(peer, serial, out)
    }

    #[inline]
    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed> {
        if let Reply::One(frame) = &reply {
            if self.asked == Asked::VALUE
                && let Some(start) = usual_value(frame.as_slice())
            {
                // Taken apart only here: the reply is not moved before it is known what it is.
                let Reply::One(frame) = reply else { return self.decode_any(reply) };
                return Ok(Ok(Some(Got { value: Some(frame.into_bytes_from(start)), ..Got::default() })));
            }
            if matches!(frame.as_slice(), [b'E', b'N'] | [b'E', b'N', b' ', ..]) {
                return Ok(Ok(None));
            }
        }
        self.decode_any(reply)
    }
}

impl Get {
    /// Reads whatever can come back.
    #[inline(never)]
    fn decode_any(&self, reply: Reply) -> Result<<Get as Command<Meta>>::Output, Malformed> {
        let line = match Answer::read(reply, core::slice::from_ref(&self.key))? {
            Answer::Status(line) => line,
            Answer::Fault(fault) => return Ok(Err(fault)),
            Answer::Silence if self.asked.has(Asked::QUIET) => return Ok(Ok(None)),
            Answer::Silence => return Err(malformed("silence to a get that is not quiet")),
        };
        match line.status {
            Status::Va | Status::Hd => self.read(line),
            _ => Err(malformed("a status that a get cannot have")),
        }
    }

    /// Writes every flag that is asked for.
    #[inline(never)]
    fn encode_all(&self, peer: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
        let compares_there = self.compares_there(peer);
        let start = out.buffer().len();
        let opaque = Opaque::for_peer(peer, serial);
        let mut line = flags::begin(b"mg ", &self.key, None, opaque, out);
        let rare = self.rare.get();
        line.time(b'R', rare.recache);
        line.time(b'T', self.touch);
        line.time(b'N', rare.vivify);
        line.number(b'C', rare.compare_cas.filter(|_| compares_there));
        line.number(b'E', rare.override_cas);
        line.flag(b'q', self.asked.has(Asked::QUIET));
        line.flag(b'u', self.asked.has(Asked::NO_BUMP));
        line.hints(&rare.hints);
        line.flag(b's', self.asked.has(Asked::SIZE));
        line.flag(b'f', self.asked.has(Asked::CLIENT_FLAGS));
        line.flag(b'c', self.asked.has(Asked::CAS) || (rare.compare_cas.is_some() && !compares_there));
        line.flag(b'h', self.asked.has(Asked::HIT_BEFORE));
        line.flag(b'l', self.asked.has(Asked::LAST_ACCESS));
        line.flag(b'v', self.asked.has(Asked::VALUE));
        line.flag(b't', self.asked.has(Asked::TTL));
        // Before 1.6.18 the server refuses a line without any flag; the size costs it nothing.
        line.flag(b's', !peer.has(Feature::OpaqueOnMiss) && line.is_bare(start + 3 + self.key.wire_len()));
        line.end();
        Expect::meta(self.statuses(peer), self.asked.has(Asked::QUIET), opaque, peer)
    }

    #[inline]
    fn read(&self, line: Line) -> Result<<Get as Command<Meta>>::Output, Malformed> {
        let mut got = Got::default();
        for (letter, token) in line.flags() {
            match letter {
                b's' => got.size = Some(number::read(token).ok_or(malformed("a size that is no number"))?),
                b'f' => {
                    let flags = number::read(token).ok_or(malformed("client flags that are no number"))?;
                    let Ok(flags) = u32::try_from(flags) else { return Ok(Err(large_client_flags())) };
                    got.client_flags = Some(flags);
                }
                b'c' => got.cas = Some(number::read(token).ok_or(malformed("a CAS id that is no number"))?),
                b't' => got.ttl = Some(TtlLeft::read(token).ok_or(malformed("a time to live that is no number"))?),
                b'h' => got.hit_before = Some(read_bit(token)?),
                b'l' => {
                    got.last_access =
                        Some(number::read_u32(token).ok_or(malformed("a last access that is no number"))?);
                }
                b'W' => got.won = true,
                b'X' => got.stale = true,
                b'Z' => got.already_won = true,
                // The opaque has done its work. What a later server may add concerns nobody who did not ask for it.
                _ => {}
            }
        }
        got.unchanged =
            self.rare.get().compare_cas.is_some_and(|cas| line.status == Status::Hd || got.cas == Some(cas));
        if !self.asked.has(Asked::CAS) {
            got.cas = None;
        }
        if !self.asked.has(Asked::SIZE) {
            got.size = None;
        }
        if line.status == Status::Va && !got.unchanged {
            got.value = Some(line.into_value());
        }
        Ok(Ok(Some(got)))
    }
}

impl Verb for Get {
    #[inline]
    fn prepare(&mut self, now_unix: impl Fn() -> u64) -> Result<(), Invalid> {
        if !self.asked.has(Asked::TOKEN) {
            return Ok(());
        }
        settle(&now_unix, [&mut self.touch])?;
        settle_rare(&now_unix, &mut self.rare)?;
        let rare = self.rare.get();
        refuse(&[
            (
                rare.recache.is_some_and(|ttl| ttl.wire() <= 0),
                "a recache time of never or expired elects nobody: give a duration",
            ),
            (
                rare.override_cas.is_some() && rare.vivify.is_none(),
                "a get sets a CAS id only on an item that it creates: add vivify",
            ),
            (
                rare.compare_cas.is_some() && !self.asked.has(Asked::VALUE),
                "a get that is conditional on a CAS id leaves out the value, and this one does not ask for it",
            ),
            (rare.compare_cas == Some(0), CAS_ZERO),
            unsound_hints(&self.rare),
        ])
    }

    fn key(&self) -> Option<&Key> {
        Some(&self.key)
    }

    fn name(&self) -> &'static str {
        "get"
    }
}

/// A hit: what was asked for, and what the server said of its own accord.
///
/// | [`won`](Got::won) | [`stale`](Got::stale) | [`already_won`](Got::already_won) | means |
/// | --- | --- | --- | --- |
/// | | | | a plain hit |
/// | yes | | | it was created by this get (then it is empty), or little time is left: you are the one to refresh it |
/// | yes | yes | | it was invalidated: you are the one to refresh it |
/// | | | yes | somebody else refreshes it; an empty value may be a placeholder |
/// | | yes | yes | it was invalidated and somebody else refreshes it |
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Got {
    /// The value, when it was asked for and is not [`unchanged`](Got::unchanged).
    pub value: Option<Bytes>,
    /// The length of the value, when asked for.
    pub size: Option<u64>,
    /// The number that was stored with the value, when asked for.
    pub client_flags: Option<u32>,
    /// The CAS id, when asked for.
    pub cas: Option<u64>,
    /// The time that is left to live, when asked for.
    pub ttl: Option<TtlLeft>,
    /// Whether it was fetched before, when asked for.
    pub hit_before: Option<bool>,
    /// Seconds since the last access, when asked for.
    pub last_access: Option<u32>,
    /// This caller and nobody else was elected to refresh the item (`W`).
    pub won: bool,
    /// The item was invalidated (`X`).
    pub stale: bool,
    /// Somebody else was elected to refresh the item and has not stored it yet (`Z`).
    pub already_won: bool,
    /// The item still has the CAS id of [`Get::unless_cas`]; its value is left out.
    pub unchanged: bool,
}

/// The time that an item has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TtlLeft {
    /// It never expires.
    Never,
    /// Seconds, by the server's clock, which ticks once a second. 0: it has just expired.
    Seconds(u32),
}

impl TtlLeft {
    /// The server prints the time without a sign, so one that is over comes as four thousand million and something.
    pub(crate) fn read(token: &[u8]) -> Option<TtlLeft> {
        if token == b"-1" {
            return Some(TtlLeft::Never);
        }
        let seconds = number::read_u32(token)?;
        Some(TtlLeft::Seconds(if i32::try_from(seconds).is_ok() { seconds } else { 0 }))
    }
}

fn read_bit(token: &[u8]) -> Result<bool, Malformed> {
    match token {
        b"0" => Ok(false),
        b"1" => Ok(true),
        _ => Err(malformed("a yes or no that is neither 0 nor 1")),
    }
}

/// Where the value begins in a reply that has no flag, or an opaque and no other flag, which is most of them:
/// `VA <size> O<opaque>`. `None` for all others, right or wrong: they are read by [`Get::decode_any`], which would read this
/// one to the same result, at twice the instructions.
#[inline]
fn usual_value(bytes: &[u8]) -> Option<usize> {
    let (size, rest) = number::read_ahead(bytes.strip_prefix(b"VA ")?)?;
    let value = match rest {
        [b'\r', b'\n', value @ ..] => value,
        _ => {
            let (end, value) = rest.split_first_chunk::<8>()?;
            Opaque::is_line_end(*end).then_some(value)?
        }
    };
    (value.len() == size).then_some(bytes.len() - value.len())
}

/// One item that another client stored must not cost the connection, so this is a fault and not a malformed reply.
#[cold]
pub(crate) fn large_client_flags() -> Fault {
    Fault::found(FaultKind::LargeClientFlags, "the client flags of the item need more than 32 bits")
}

#[cfg(test)]
mod tests;
