//! One item and what it weighs.

use bytes::Bytes;
use std::sync::Arc;

/// A key shared between the table, the order of use and replies under way.
pub(crate) type Key = Arc<[u8]>;

/// An item. Times are in seconds on the server's own scale, see [`super::time`].
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) key: Key,
    pub(crate) value: Bytes,
    pub(crate) client_flags: u32,
    /// When it expires; 0 is never.
    pub(crate) expires: u32,
    /// When it was linked or last found, as the original counts it.
    pub(crate) used: u32,
    pub(crate) cas: u64,
    /// It was fetched at least once.
    pub(crate) fetched: bool,
    /// Invalidated and not stored since (`X`).
    pub(crate) stale: bool,
    /// A client was told to recache it (`Z`).
    pub(crate) win_sent: bool,
    /// The key was sent as base64 by whoever stored it.
    pub(crate) binary: bool,
    /// How many unwritten replies refer to it. While there are any, a counter
    /// is not changed in place, which can be seen from outside.
    pub(crate) held: u32,
    /// Told apart from an earlier item of the same key by this number.
    pub(crate) id: u64,
    /// Its place in the order of use.
    pub(crate) place: u64,
}

/// The fixed part of an item's weight: the original's header and its CAS id.
const HEADER_BYTES: usize = 48 + 8;

/// What nonzero client flags take.
const CLIENT_FLAGS_BYTES: usize = 4;

/// An item whose weight is above this is kept in chunks, and such an item is
/// never a counter.
const CHUNK_BYTES_MAX: usize = 512 * 1024;

/// The weight of an item in bytes; the limits count this, not the value alone.
pub(crate) fn weight(key_len: usize, value_len: usize, client_flags: u32) -> usize {
    let flags = if client_flags == 0 { 0 } else { CLIENT_FLAGS_BYTES };
    HEADER_BYTES + key_len + 1 + flags + value_len + 2
}

impl Item {
    pub(crate) fn new(key: &[u8], value: Bytes, client_flags: u32, expires: u32) -> Item {
        Item {
            key: Arc::from(key),
            value,
            client_flags,
            expires,
            used: 0,
            cas: 0,
            fetched: false,
            stale: false,
            win_sent: false,
            binary: false,
            held: 0,
            id: 0,
            place: 0,
        }
    }

    pub(crate) fn weight(&self) -> usize {
        weight(self.key.len(), self.value.len(), self.client_flags)
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.weight() > CHUNK_BYTES_MAX
    }
}

/// The sizes of the slab classes, as the original lays them out by default:
/// growing by a quarter, rounded up to eight bytes. They are shown by `me` and
/// `stats` and decide nothing here.
pub(crate) fn slab_chunk_bytes(class: usize) -> usize {
    slab_sizes().nth(class.saturating_sub(1)).unwrap_or(CHUNK_BYTES_MAX)
}

/// The class of an item of this weight, counted from 1.
pub(crate) fn slab_class(weight: usize) -> usize {
    let small = slab_sizes().take_while(|size| *size < weight).count();
    1 + small.min(slab_sizes().count())
}

fn slab_sizes() -> impl Iterator<Item = usize> {
    let first: usize = 96;
    std::iter::successors(Some(first), |size: &usize| {
        let grown = size + size / 4;
        Some(grown.next_multiple_of(8))
    })
    // The last regular class stays below four fifths of a chunk.
    .take_while(|size| size * 5 < CHUNK_BYTES_MAX * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slab_classes_are_the_originals() {
        let sizes: Vec<usize> = slab_sizes().take(6).collect();
        assert_eq!(sizes, [96, 120, 152, 192, 240, 304]);
        assert_eq!(slab_class(61), 1);
        assert_eq!(slab_class(96), 1);
        assert_eq!(slab_class(97), 2);
        assert_eq!(slab_class(1 << 20), 39);
        assert_eq!(slab_chunk_bytes(39), CHUNK_BYTES_MAX);
    }

    #[test]
    fn the_weight_counts_flags_only_when_set() {
        assert_eq!(weight(1, 1, 0), 61);
        assert_eq!(weight(1, 1, 7), 65);
        assert_eq!(weight(10, 1_048_507, 0), 1 << 20);
    }
}
