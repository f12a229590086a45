use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    RingError, Router,
    claim::{self, Claimant},
};

/// memlink's default scheme: the earliest claim keeps the slot.
///
/// See the [crate documentation](crate) for how it works, what it costs and what it promises.
#[derive(Clone)]
pub struct Ring {
    /// The server of every slot. Invariant: holds [`Ring::SLOTS`] entries, or none if one server takes all keys.
    slots: Box<[u16]>,

    /// The server of every slot that `slots` does not hold: the only one with a weight.
    sole: u16,
}

impl Ring {
    /// How many slots the keys are spread over. Part of the mapping, hence fixed for ever.
    pub const SLOTS: usize = 1 << claim::SLOT_BITS;

    /// The longest list of servers. Far below it, at some thousands of servers, shares become uneven.
    pub const SERVERS_MAX: usize = u16::MAX as usize;

    /// Makes the ring of `servers`, given as names and weights.
    ///
    /// A name is the server's identity and is compared byte for byte: `cache-1` and `cache-1:11211` are two servers,
    /// wherever they lead. Clients that are to agree must spell the names alike.
    ///
    /// A server's share of the keys is its weight over the sum of all weights, so weights of 2 and 4 mean the same as 1
    /// and 2. Changing a weight moves keys only to that server (heavier) or only away from it (lighter). A server of
    /// **weight 0** takes no keys but keeps its index, which makes it a way to drain one. Shares below one slot
    /// (1/262,144) come out as one slot or none.
    ///
    /// This is the expensive call of the crate; see the [crate documentation](crate) for its cost.
    ///
    /// # Errors
    ///
    /// [`RingError`], if the list is empty or too long, names a server twice, or gives no server a weight.
    pub fn new<N: AsRef<[u8]>>(servers: impl IntoIterator<Item = (N, u32)>) -> Result<Self, RingError> {
        // One more than allowed is enough to know, and an endless iterator ends.
        let list: Vec<(N, u32)> = servers.into_iter().take(Self::SERVERS_MAX + 1).collect();
        if list.len() > Self::SERVERS_MAX {
            return Err(RingError::TooManyServers);
        }
        let servers = (0..=u16::MAX).zip(&list).map(|(place, (name, weight))| Server {
            name: name.as_ref(),
            weight: *weight,
            place,
        });
        Self::from_servers(servers.collect())
    }

    /// The server of `key`, as an index into the list the ring was made from.
    ///
    /// Any bytes are a key here, whether or not memcached would take them.
    #[inline]
    #[must_use]
    pub fn route(&self, key: &[u8]) -> usize {
        // The top bits choose the slot. A memcached told to use XXH3 files keys by the low bits of the same hash, and
        // would find its table unevenly used if all its keys agreed in those.
        let slot = xxh3_64(key) >> (u64::BITS - claim::SLOT_BITS);
        self.server_of(slot as usize)
    }

    /// The server of every slot, in the order of the slots: the whole mapping.
    ///
    /// Count a server's entries to learn its share of the key space; compare two rings entry by entry to learn which
    /// share of the keys a change of the list moves.
    ///
    /// ```
    /// # use memlink_ring::Ring;
    /// let before = Ring::new([("cache-1", 1), ("cache-2", 1)])?;
    /// let after = Ring::new([("cache-1", 1), ("cache-2", 1), ("cache-3", 1)])?;
    /// let moved = before.slots().zip(after.slots()).filter(|(old, new)| old != new).count();
    /// assert!(moved > Ring::SLOTS * 32 / 100 && moved < Ring::SLOTS * 34 / 100);
    /// # Ok::<(), memlink_ring::RingError>(())
    /// ```
    pub fn slots(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        (0..Self::SLOTS).map(|slot| self.server_of(slot))
    }

    /// The part of [`Ring::new`] that does not depend on the type of the names.
    fn from_servers(mut servers: Vec<Server<'_>>) -> Result<Self, RingError> {
        if servers.is_empty() {
            return Err(RingError::NoServers);
        }
        // The order of the list must not matter. Sorting by name also lets the lesser name win a tie, and brings equal
        // names together; among those the sort is stable, so the earlier one of the list comes first.
        servers.sort_by_key(|server| server.name);
        for pair in servers.windows(2) {
            if let [one, other] = pair
                && one.name == other.name
            {
                return Err(RingError::DuplicateName {
                    first: usize::from(one.place),
                    second: usize::from(other.place),
                });
            }
        }
        servers.retain(|server| server.weight > 0);

        match servers.as_slice() {
            [] => Err(RingError::NoWeight),
            [only] => Ok(Self { slots: Box::default(), sole: only.place }),
            [first, ..] => {
                let sole = first.place;
                let claimants = servers.iter().map(|server| Claimant::new(xxh3_64(server.name), server.weight));
                let owners = claim::fill(claimants.collect());
                // Places in the sorted list become places in the caller's.
                let place = |owner| servers.get(usize::from(owner)).map_or(sole, |server| server.place);
                Ok(Self { slots: owners.into_iter().map(place).collect(), sole })
            }
        }
    }

    fn server_of(&self, slot: usize) -> usize {
        usize::from(self.slots.get(slot).copied().unwrap_or(self.sole))
    }
}

impl Router for Ring {
    fn route(&self, key: &[u8]) -> usize {
        Ring::route(self, key)
    }
}

/// Leaves out the table, which would fill a log.
impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

struct Server<'a> {
    name: &'a [u8],
    weight: u32,
    /// Where the caller's list has it.
    place: u16,
}
