use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use memlink_meta::{Got, Key, TtlLeft};

/// A value that was found, and what else was asked for.
///
/// It reads like its bytes: `&value[..]`, `value.len()`. The bytes of a value of a single get are its own; keeping them keeps nothing
/// else alive. Small values of one [`get_many`](crate::Client::get_many) share memory, 16 KiB and one value at the most: whoever keeps one
/// of them for long and the others not [detaches](Value::detach) it.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    key: Key,
    bytes: Bytes,
    /// All but the bytes. Most values come alone: they are not to carry the room for what nobody asked for.
    more: Option<Box<Got>>,
}

/// What is known of a value that came alone.
static ALONE: Got = Got {
    value: None,
    size: None,
    client_flags: None,
    cas: None,
    ttl: None,
    hit_before: None,
    last_access: None,
    won: false,
    stale: false,
    already_won: false,
    unchanged: false,
};

impl Value {
    #[inline]
    pub(crate) fn new(key: Key, mut got: Got) -> Value {
        let bytes = got.value.take().unwrap_or_default();
        let is_marked = got.won || got.stale || got.already_won || got.unchanged;
        let is_alone = !is_marked
            && got.size.is_none()
            && got.client_flags.is_none()
            && got.cas.is_none()
            && got.ttl.is_none()
            && got.hit_before.is_none()
            && got.last_access.is_none();
        let more = if is_alone { None } else { Some(Box::new(got)) };
        Value { key, bytes, more }
    }

    /// With nothing but its bytes.
    #[inline]
    pub(crate) fn plain(key: Key, bytes: Bytes) -> Value {
        Value { key, bytes, more: None }
    }

    /// The same with its bytes copied into memory of their own, so that keeping it keeps nothing else alive.
    #[must_use]
    pub fn detach(self) -> Value {
        Value { bytes: Bytes::copy_from_slice(&self.bytes), ..self }
    }

    fn got(&self) -> &Got {
        self.more.as_deref().unwrap_or(&ALONE)
    }

    /// The key it was asked for with, as it was given.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// The bytes; empty if the value was not asked for, or is [unchanged](Value::is_unchanged).
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The bytes as text.
    ///
    /// # Errors
    ///
    /// When they are not UTF-8.
    pub fn to_str(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(self.bytes())
    }

    /// The bytes as a counter that was made by increment or decrement, which may leave spaces behind the digits; `None` if they
    /// are no number.
    #[must_use]
    pub fn to_counter(&self) -> Option<u64> {
        memlink_meta::counter_value(self.bytes())
    }

    /// The client flags, if asked for.
    #[must_use]
    pub fn client_flags(&self) -> Option<u32> {
        self.got().client_flags
    }

    /// The CAS id, if asked for.
    #[must_use]
    pub fn cas(&self) -> Option<u64> {
        self.got().cas
    }

    /// The time it has left, if asked for.
    #[must_use]
    pub fn ttl(&self) -> Option<TtlLeft> {
        self.got().ttl
    }

    /// The length of the value on the server, if asked for.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.got().size
    }

    /// Whether it had been fetched before, if asked for.
    #[must_use]
    pub fn hit_before(&self) -> Option<bool> {
        self.got().hit_before
    }

    /// Seconds since it was last accessed, if asked for.
    #[must_use]
    pub fn last_access(&self) -> Option<u32> {
        self.got().last_access
    }

    /// Whether **this caller and nobody else** was elected to refresh the item. Whoever asks for that
    /// ([`vivify`](crate::Request::vivify), [`recache`](crate::Request::recache), [`take_win`](crate::Request::take_win)) has to store a
    /// new value. Never true otherwise: a plain get that wins by accident gives the win back.
    #[must_use]
    pub fn is_won(&self) -> bool {
        self.got().won
    }

    /// Whether the item was marked stale.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.got().stale
    }

    /// Whether somebody else was elected to refresh it and has not done so yet; with an empty value it may be a placeholder.
    #[must_use]
    pub fn is_won_by_another(&self) -> bool {
        self.got().already_won
    }

    /// Whether it still has the CAS id given to [`unless_cas`](crate::Request::unless_cas); its bytes are left out then.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.got().unchanged
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}

impl PartialEq<[u8]> for Value {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl PartialEq<&[u8]> for Value {
    fn eq(&self, other: &&[u8]) -> bool {
        **self == **other
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        **self == *other.as_bytes()
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        **self == *other.as_bytes()
    }
}

impl From<Value> for Bytes {
    fn from(value: Value) -> Bytes {
        value.into_bytes()
    }
}

/// Says how much there is, not what: values are users' data.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("len", &self.bytes().len())
            .field("client_flags", &self.got().client_flags)
            .field("cas", &self.got().cas)
            .field("ttl", &self.got().ttl)
            .field("won", &self.got().won)
            .field("stale", &self.got().stale)
            .field("won_by_another", &self.got().already_won)
            .field("unchanged", &self.got().unchanged)
            .finish_non_exhaustive()
    }
}
