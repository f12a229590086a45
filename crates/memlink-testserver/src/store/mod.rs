//! The items: finding, storing, counting, evicting. No socket and no clock; the
//! present moment is always an argument.
//!
//! ```text
//!  key --table--> Item { value, CAS id, deadline, stale, win sent, ... }
//!                   |
//!                 place --order--> key     oldest place first: next to be evicted
//! ```

mod arithmetic;
pub(crate) mod item;
mod replace;
pub(crate) mod time;

pub(crate) use arithmetic::{Arithmetic, Counted};
pub(crate) use replace::{CasNew, Mode, Stored};

use crate::settings::Settings;
use crate::version::Version;
use item::{Item, Key};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// All items of one server.
#[derive(Debug)]
pub(crate) struct Store {
    version: Version,
    cas_enabled: bool,
    items: HashMap<Key, Item>,
    order: BTreeMap<u64, Key>,
    bytes: usize,
    bytes_max: usize,
    item_bytes_max: usize,
    evicts: bool,
    next_place: u64,
    last_id: u64,
    last_cas: u64,
    /// Items last used at or before this moment are gone, from that moment on.
    flushed_until: u32,
    /// 1.6.18: items with a CAS id below this are gone as well.
    flushed_below_cas: u64,
    pub(crate) counts: StoreCounts,
}

/// What happened to items, for `stats`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StoreCounts {
    pub(crate) linked: u64,
    pub(crate) evicted: u64,
    pub(crate) expired: u64,
    pub(crate) flushed: u64,
}

/// Why there is no room for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// It is larger than any item may be.
    TooLarge,
    /// The memory is full and nothing may be evicted.
    Full,
}

impl Store {
    pub(crate) fn new(settings: &Settings) -> Store {
        let version = settings.version;
        Store {
            version,
            cas_enabled: settings.cas_enabled,
            items: HashMap::new(),
            order: BTreeMap::new(),
            bytes: 0,
            bytes_max: settings.memory_bytes_max,
            item_bytes_max: settings.item_bytes_max,
            evicts: settings.evicts,
            next_place: 0,
            last_id: 0,
            // The new server happens to begin at 2.
            last_cas: u64::from(version.is_modern()),
            flushed_until: 0,
            flushed_below_cas: 0,
            counts: StoreCounts::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// `cache_memlimit`. Items above the new bound go when room is next needed.
    pub(crate) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
    }

    /// The most recently used items first.
    pub(crate) fn items_by_use(&self) -> impl Iterator<Item = &Item> {
        self.order.values().rev().filter_map(|key| self.items.get(key))
    }

    /// A fresh CAS id. Ids are used up even by stores that fail, at the same
    /// points as in the original, so that both count alike.
    pub(crate) fn next_cas(&mut self) -> u64 {
        if !self.cas_enabled {
            return 0;
        }
        self.last_cas = self.last_cas.wrapping_add(1);
        self.last_cas
    }

    /// The id for an item: the one that `E` gives, or a fresh one.
    pub(crate) fn cas_or_next(&mut self, given: Option<u64>) -> u64 {
        match given {
            Some(cas) if self.cas_enabled => cas,
            _ => self.next_cas(),
        }
    }

    /// The live item of this key. One that has expired or was flushed is
    /// removed when it is found to be so, not before.
    pub(crate) fn find(&mut self, key: &[u8], now: u32) -> Option<&mut Item> {
        let item = self.items.get(key)?;
        let flushed = self.is_flushed(item, now);
        if flushed || (item.expires != 0 && item.expires <= now) {
            if flushed {
                self.counts.flushed += 1;
            } else {
                self.counts.expired += 1;
            }
            self.unlink(key);
            return None;
        }
        self.items.get_mut(key)
    }

    /// The item of this key that a `find` just returned, without another check.
    pub(crate) fn found(&mut self, key: &[u8]) -> Option<&mut Item> {
        self.items.get_mut(key)
    }

    /// Notes a fetch: the first sets the hit bit, later ones move the time.
    pub(crate) fn bump(&mut self, key: &[u8], now: u32) {
        let place = self.take_place();
        let Some(item) = self.items.get_mut(key) else { return };
        if item.fetched {
            item.used = now;
        } else {
            item.fetched = true;
        }
        if let Some(shared) = self.order.remove(&item.place) {
            item.place = place;
            self.order.insert(place, shared);
        }
    }

    /// Makes room for an item of this weight, by evicting if need be.
    pub(crate) fn reserve(&mut self, weight: usize) -> Result<(), NoRoom> {
        if weight > self.item_bytes_max {
            return Err(NoRoom::TooLarge);
        }
        while self.bytes.saturating_add(weight) > self.bytes_max {
            let oldest = self.order.first_key_value().map(|(_, key)| Arc::clone(key));
            match oldest {
                Some(key) if self.evicts => {
                    self.counts.evicted += 1;
                    self.unlink(&key);
                }
                _ => return Err(NoRoom::Full),
            }
        }
        Ok(())
    }

    /// Puts an item in, in place of any other of its key.
    pub(crate) fn link(&mut self, mut item: Item, cas: u64, now: u32) {
        let key = Arc::clone(&item.key);
        self.unlink(&key);
        self.last_id += 1;
        item.id = self.last_id;
        item.place = self.take_place();
        item.used = now;
        item.cas = if self.cas_enabled { cas } else { 0 };
        item.held = 0;
        self.bytes += item.weight();
        self.counts.linked += 1;
        self.order.insert(item.place, Arc::clone(&key));
        self.items.insert(key, item);
    }

    pub(crate) fn unlink(&mut self, key: &[u8]) -> Option<Item> {
        let item = self.items.remove(key)?;
        self.order.remove(&item.place);
        self.bytes = self.bytes.saturating_sub(item.weight());
        Some(item)
    }

    /// Notes that an unwritten reply refers to the item of this key.
    pub(crate) fn hold(&mut self, key: &[u8]) -> Option<Held> {
        let item = self.items.get_mut(key)?;
        item.held += 1;
        Some(Held { key: Arc::clone(&item.key), id: item.id })
    }

    /// The reply was written, or will never be.
    pub(crate) fn release(&mut self, held: &Held) {
        if let Some(item) = self.items.get_mut(&held.key)
            && item.id == held.id
        {
            item.held = item.held.saturating_sub(1);
        }
    }

    /// `flush_all`: everything used up to `until` goes once that moment has
    /// come. With `until` in the past everything stored so far goes at once.
    pub(crate) fn flush(&mut self, until: u32, now: u32) {
        self.flushed_until = until;
        if self.version.is_modern() {
            if until != 0 {
                let gone: Vec<Key> =
                    self.items.values().filter(|item| item.used >= until).map(|item| Arc::clone(&item.key)).collect();
                for key in gone {
                    self.unlink(&key);
                }
            }
        } else if !self.cas_enabled {
            // Nothing tells what came before it in the same second.
            self.flushed_until = until + 1;
        } else if until <= now {
            self.flushed_below_cas = self.next_cas();
        }
    }

    fn is_flushed(&self, item: &Item, now: u32) -> bool {
        if self.flushed_until > now {
            return false;
        }
        if self.version.is_modern() {
            return item.used <= self.flushed_until;
        }
        self.flushed_until != 0
            && (item.used <= self.flushed_until || (item.cas != 0 && item.cas < self.flushed_below_cas))
    }

    fn take_place(&mut self) -> u64 {
        self.next_place += 1;
        self.next_place
    }
}

/// An item that an unwritten reply refers to.
#[derive(Debug)]
pub(crate) struct Held {
    key: Key,
    id: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn store(bytes_max: usize, evicts: bool) -> Store {
        Store::new(&Settings { memory_bytes_max: bytes_max, evicts, ..Settings::default() })
    }

    fn put(store: &mut Store, key: &str) {
        let item = Item::new(key.as_bytes(), Bytes::from_static(b"value"), 0, 0);
        store.reserve(item.weight()).unwrap();
        let cas = store.next_cas();
        store.link(item, cas, 10);
    }

    #[test]
    fn the_item_used_longest_ago_is_evicted() {
        let weight = item::weight(1, 5, 0);
        let mut store = store(weight * 2, true);
        put(&mut store, "a");
        put(&mut store, "b");
        store.bump(b"a", 10);
        put(&mut store, "c");
        assert!(store.find(b"a", 10).is_some());
        assert!(store.find(b"b", 10).is_none());
        assert_eq!(store.bytes(), weight * 2);
        assert_eq!(store.counts.evicted, 1);
    }

    #[test]
    fn without_eviction_a_full_store_says_so() {
        let mut store = store(item::weight(1, 5, 0), false);
        put(&mut store, "a");
        assert_eq!(store.reserve(64), Err(NoRoom::Full));
        assert_eq!(store.reserve(2 << 20), Err(NoRoom::TooLarge));
    }

    #[test]
    fn a_flush_takes_what_was_there_and_nothing_later() {
        let mut store = store(1 << 20, true);
        put(&mut store, "a");
        store.flush(9, 10);
        assert!(store.find(b"a", 10).is_none());
        put(&mut store, "a");
        assert!(store.find(b"a", 10).is_some());
    }

    #[test]
    fn a_delayed_flush_waits() {
        let mut store = store(1 << 20, true);
        put(&mut store, "a");
        store.flush(19, 10);
        assert!(store.find(b"a", 18).is_some());
        assert!(store.find(b"a", 19).is_none());
    }
}
