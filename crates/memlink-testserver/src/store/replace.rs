//! Storing a value: which modes need an item, which refuse one, and what a
//! compared CAS id does to either.
//!
//! ```text
//!  mode      missing      there, no C   C equal   C differs        C0
//!  Set       stored       stored        (a C turns Set and Replace into Cas)
//!  Add       stored       not stored    not stored in every case
//!  Replace   not stored   stored
//!  Append    not stored   stored        stored    exists           stored
//!  Cas       not found    -             stored    exists, or stale exists
//! ```

use super::Store;
use super::item::Item;
use bytes::{Bytes, BytesMut};

/// How a value is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Set,
    Add,
    Replace,
    Append {
        vivify: bool,
    },
    Prepend {
        vivify: bool,
    },
    /// Only over an item of the given CAS id. `stale_allowed` lets a *lower*
    /// id store too, and the item is then stale.
    Cas {
        stale_allowed: bool,
    },
}

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is in. `joined_len` is the length of the whole after append or prepend.
    Yes { cas: u64, joined_len: Option<usize> },
    /// The mode asked for an item that is not there, or for none.
    No,
    /// The CAS ids differ.
    Exists,
    /// There is no item to compare a CAS id with.
    NotFound,
}

enum Comparison {
    NotAsked,
    Equal,
    Lower,
    Differs,
}

impl Store {
    /// Stores `item` by the rules of `mode`. `cas_compared` is 0 where none was
    /// sent, which the original cannot tell from an id of 0 either.
    pub(crate) fn store(&mut self, mut item: Item, mode: Mode, cas_compared: u64, cas_new: CasNew, now: u32) -> Stored {
        let key = std::sync::Arc::clone(&item.key);
        let Some(old) = self.find(&key, now) else {
            return self.store_on_miss(item, mode, cas_new, now);
        };
        let comparison = compare(cas_compared, old.cas, mode);
        let joined = match (mode, comparison) {
            (Mode::Set | Mode::Replace, _) | (Mode::Cas { .. }, Comparison::Equal) => None,
            (Mode::Add, _) => {
                old.used = now;
                return Stored::No;
            }
            (Mode::Cas { .. }, Comparison::Lower) => {
                item.expires = old.expires;
                item.stale = true;
                item.win_sent = old.win_sent;
                None
            }
            (Mode::Append { .. }, Comparison::NotAsked | Comparison::Equal) => {
                Some(joined(old, &old.value, &item.value))
            }
            (Mode::Prepend { .. }, Comparison::NotAsked | Comparison::Equal) => {
                Some(joined(old, &item.value, &old.value))
            }
            (Mode::Cas { .. } | Mode::Append { .. } | Mode::Prepend { .. }, _) => return Stored::Exists,
        };
        let joined_len = joined.as_ref().map(|joined| joined.value.len());
        if let Some(joined) = joined {
            // A whole that does not fit is not stored; the old value stays.
            if self.reserve(joined.weight()).is_err() {
                return Stored::No;
            }
            item = joined;
        }
        let cas = cas_new.take(self);
        self.link(item, cas, now);
        Stored::Yes { cas, joined_len }
    }

    fn store_on_miss(&mut self, item: Item, mode: Mode, cas_new: CasNew, now: u32) -> Stored {
        match mode {
            Mode::Set | Mode::Add | Mode::Append { vivify: true } | Mode::Prepend { vivify: true } => {
                let cas = cas_new.take(self);
                self.link(item, cas, now);
                Stored::Yes { cas, joined_len: None }
            }
            Mode::Cas { .. } => Stored::NotFound,
            Mode::Replace | Mode::Append { .. } | Mode::Prepend { .. } => Stored::No,
        }
    }
}

/// Where the id of a stored item comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CasNew {
    /// It was drawn or given before the outcome was known.
    Known(u64),
    /// It is drawn only if the item is stored, as 1.6.18 does.
    OnSuccess,
}

impl CasNew {
    fn take(self, store: &mut Store) -> u64 {
        match self {
            CasNew::Known(cas) => cas,
            CasNew::OnSuccess => store.next_cas(),
        }
    }
}

fn compare(sent: u64, there: u64, mode: Mode) -> Comparison {
    if sent == 0 {
        // For Cas this is a difference, for append and prepend it is no question.
        Comparison::NotAsked
    } else if sent == there {
        Comparison::Equal
    } else if sent < there && mode == (Mode::Cas { stale_allowed: true }) {
        Comparison::Lower
    } else {
        Comparison::Differs
    }
}

/// The item that append and prepend make: TTL and client flags of the old one,
/// and none of its marks.
fn joined(old: &Item, first: &Bytes, second: &Bytes) -> Item {
    let mut value = BytesMut::with_capacity(first.len() + second.len());
    value.extend_from_slice(first);
    value.extend_from_slice(second);
    Item::new(&old.key, value.freeze(), old.client_flags, old.expires)
}
