//! Counters: values that are read as numbers.

use super::Store;
use super::item::Item;
use crate::parse::number::lax_u64;
use bytes::{Bytes, BytesMut};

/// What to do to a counter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arithmetic {
    pub(crate) increment: bool,
    pub(crate) delta: u64,
    /// Compared unless it is 0.
    pub(crate) cas_compared: u64,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Counted {
    /// There is no item.
    Missing,
    /// The item's CAS id differs.
    Exists,
    /// The value is no number.
    NotNumeric,
    /// The longer number needs a new item, for which there is no room.
    NoRoom,
    /// The item was changed in place.
    InPlace { number: u64, cas: u64 },
    /// A new item took its place. `old` is what the rest of the command works
    /// on, to no effect but on its reply: the original does the same.
    Replaced { number: u64, cas: u64, old: Item },
}

impl Store {
    /// Adds to or takes from the number that an item holds.
    pub(crate) fn count(&mut self, key: &[u8], asked: Arithmetic, now: u32) -> Counted {
        let Some(item) = self.find(key, now) else { return Counted::Missing };
        if item.value.is_empty() || item.is_chunked() {
            return Counted::NotNumeric;
        }
        if asked.cas_compared != 0 && asked.cas_compared != item.cas {
            return Counted::Exists;
        }
        let Some(number) = lax_u64(&item.value) else { return Counted::NotNumeric };
        let number =
            if asked.increment { number.wrapping_add(asked.delta) } else { number.saturating_sub(asked.delta) };
        let text = number.to_string();
        if text.len() <= item.value.len() && item.held == 0 {
            self.count_in_place(key, &text, now).map_or(Counted::Missing, |cas| Counted::InPlace { number, cas })
        } else {
            self.count_anew(key, number, text, now)
        }
    }

    /// The value keeps its length, spaces fill what the number leaves over.
    fn count_in_place(&mut self, key: &[u8], text: &str, now: u32) -> Option<u64> {
        let cas = self.next_cas();
        let item = self.found(key)?;
        let mut padded = BytesMut::with_capacity(item.value.len());
        padded.extend_from_slice(text.as_bytes());
        padded.resize(item.value.len(), b' ');
        item.value = padded.freeze();
        item.cas = cas;
        item.used = now;
        Some(cas)
    }

    fn count_anew(&mut self, key: &[u8], number: u64, text: String, now: u32) -> Counted {
        let Some(old) = self.found(key).cloned() else { return Counted::Missing };
        let new = Item::new(key, Bytes::from(text), old.client_flags, old.expires);
        if self.reserve(new.weight()).is_err() {
            return Counted::NoRoom;
        }
        let cas = self.next_cas();
        self.link(new, cas, now);
        Counted::Replaced { number, cas, old: Item { cas, ..old } }
    }
}
