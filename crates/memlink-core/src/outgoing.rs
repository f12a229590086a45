use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::encoder::{Body, Encoder, Trash};
use crate::pending::Entry;
use crate::waiters::Token;

/// Encoded and not yet taken: many commands become one write.
///
/// Commands are appended to the open chunk. When it has reached [`CHUNK_LEN`] it is full and another one is begun, so that
/// what the writer holds in its hands is bounded: only commands that still lie here can be taken back without a trace.
///
/// ```text
///   full: [ 64 KiB ][ 64 KiB ]   open: [ 12 KiB |<- commands ]   spare: buffers of what was written last
/// ```
#[derive(Debug)]
pub(crate) struct Outgoing<E> {
    full: VecDeque<Chunk<E>>,
    open: Chunk<E>,
    spare: Option<Chunk<E>>,
    len: usize,
}

/// Length from which a chunk takes no further command: about what a socket buffer takes in one call.
pub(crate) const CHUNK_LEN: usize = 64 * 1024;

/// A chunk that had to grow beyond this is not kept for reuse.
const SPARE_MAX: usize = 2 * CHUNK_LEN;

struct Chunk<E> {
    bytes: Vec<u8>,
    bodies: Vec<Body>,
    entries: VecDeque<Entry<E>>,
    len: usize,
}

/// How much there is, and nothing of it: keys, values and passwords do not belong into logs.
impl<E: fmt::Debug> fmt::Debug for Chunk<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Chunk { bytes: _, bodies, entries, len } = self;
        let mut shown = f.debug_struct("Chunk");
        shown.field("len", len).field("bodies", &bodies.len()).field("entries", entries).finish_non_exhaustive()
    }
}

impl<E> Chunk<E> {
    fn new() -> Chunk<E> {
        Chunk { bytes: Vec::new(), bodies: Vec::new(), entries: VecDeque::new(), len: 0 }
    }
}

impl<E> Outgoing<E> {
    pub(crate) fn new() -> Outgoing<E> {
        Outgoing { full: VecDeque::new(), open: Chunk::new(), spare: None, len: 0 }
    }

    /// Appends one command: its bytes and its place in the order, in one step. `encode` writes and gives what is awaited;
    /// `token` names who waits and is asked only when the command is whole, so that an encoder that panics leaves nothing
    /// behind, neither half a command nor a waiter. `None`, and nothing is appended, when the command has no bytes or nobody waits.
    #[inline]
    pub(crate) fn push(
        &mut self,
        serial: u64,
        encode: impl FnOnce(&mut Encoder<'_>) -> E,
        token: impl FnOnce() -> Option<Token>,
    ) -> Option<Token> {
        if self.open.len >= CHUNK_LEN {
            let full = self.reopen();
            self.full.push_back(full);
        }
        let mut half = Half::begin(&mut self.open);
        let start = half.chunk.len;
        let mut encoder = Encoder::new(&mut half.chunk.bytes, &mut half.chunk.bodies);
        let expect = encode(&mut encoder);
        let len = encoder.len();
        if len == 0 {
            return None;
        }
        let token = token()?;
        let chunk = half.finish();
        chunk.len += len;
        self.len += len;
        chunk.entries.push_back(Entry { token, serial, expect, start, end: chunk.len, is_placed: false });
        Some(token)
    }

    /// Appends bytes that belong to the entries added by [`push_awaited`](Outgoing::push_awaited): an opening exchange may
    /// write several commands in one step.
    pub(crate) fn push_bytes<R>(&mut self, encode: impl FnOnce(&mut Encoder<'_>) -> R) -> R {
        let mut encoder = Encoder::new(&mut self.open.bytes, &mut self.open.bodies);
        let result = encode(&mut encoder);
        let len = encoder.len();
        self.open.len += len;
        self.len += len;
        result
    }

    /// Adds an entry without bytes of its own: it counts as begun with the first byte of the chunk.
    pub(crate) fn push_awaited(&mut self, token: Token, serial: u64, expect: E) {
        let end = self.open.len;
        self.open.entries.push_back(Entry { token, serial, expect, start: 0, end, is_placed: false });
    }

    /// Bytes queued.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Exchanges a transmit that is finished for the next chunk, whose first byte is number `base` of the connection.
    pub(crate) fn take(&mut self, base: u64, transmit: &mut Transmit<E>) {
        debug_assert!(transmit.is_done(), "an unfinished transmit must not be exchanged");
        if self.len == 0 {
            return;
        }
        let trash = core::mem::take(&mut transmit.trash);
        self.recycle(core::mem::take(transmit));
        let chunk = self.full.pop_front().unwrap_or_else(|| self.reopen());
        self.len -= chunk.len;
        *transmit = Transmit { chunk, base, at: 0, trash };
    }

    /// Begins another chunk and gives the one that was open.
    fn reopen(&mut self) -> Chunk<E> {
        core::mem::replace(&mut self.open, self.spare.take().unwrap_or_else(Chunk::new))
    }

    /// Keeps the buffers of a finished transmit for the next chunk.
    pub(crate) fn recycle(&mut self, transmit: Transmit<E>) {
        let mut chunk = transmit.chunk;
        debug_assert!(chunk.bodies.is_empty() && transmit.trash.is_empty(), "users' values are dropped without a lock");
        // An inline write begins with an empty transmit, which must not take the place of real buffers.
        if !(1..=SPARE_MAX).contains(&chunk.bytes.capacity()) {
            return;
        }
        chunk.bytes.clear();
        chunk.entries.clear();
        chunk.len = 0;
        if self.open.bytes.capacity() == 0 && self.open.len == 0 {
            self.open = chunk;
        } else {
            self.spare.get_or_insert(chunk);
        }
    }

    /// Lets go of memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        self.spare = None;
        if self.len == 0 {
            self.open = Chunk::new();
        }
    }
}

/// A chunk that a command is being appended to. Dropped before the command is whole, it takes the bytes back.
struct Half<'a, E> {
    chunk: &'a mut Chunk<E>,
    bytes_len: usize,
    bodies_len: usize,
}

impl<'a, E> Half<'a, E> {
    #[inline]
    fn begin(chunk: &'a mut Chunk<E>) -> Half<'a, E> {
        Half { bytes_len: chunk.bytes.len(), bodies_len: chunk.bodies.len(), chunk }
    }

    /// The command is whole: its bytes stay.
    #[inline]
    fn finish(&mut self) -> &mut Chunk<E> {
        self.bytes_len = self.chunk.bytes.len();
        self.bodies_len = self.chunk.bodies.len();
        self.chunk
    }
}

impl<E> Drop for Half<'_, E> {
    #[inline]
    fn drop(&mut self) {
        self.chunk.bytes.truncate(self.bytes_len);
        self.chunk.bodies.truncate(self.bodies_len);
    }
}

/// Bytes on their way to the socket, in the hands of whoever writes.
///
/// Offsets count the bytes of a connection from 0: [`written`](Transmit::written) of them were handed to the operating
/// system.
#[derive(Debug)]
pub struct Transmit<E> {
    chunk: Chunk<E>,
    /// Offset of the chunk's first byte in the stream.
    base: u64,
    /// How many bytes of the chunk were written.
    at: usize,
    /// Values that are no longer needed, to be dropped where no lock is held: dropping a `Bytes` may run a user's code.
    trash: Trash,
}

impl<E> Default for Transmit<E> {
    fn default() -> Self {
        Transmit { chunk: Chunk::new(), base: 0, at: 0, trash: Trash::default() }
    }
}

impl<E> Transmit<E> {
    /// Drops the values of commands that were cut out or written by callers. To be called where no lock is held, after
    /// every [`Connection::poll_transmit`](crate::Connection::poll_transmit).
    pub fn drop_cut(&mut self) {
        self.trash.clear();
    }

    /// Lets go of its buffers, if everything in them was written and nobody waits for any of it.
    pub fn shrink(&mut self) {
        if self.is_done() {
            let trash = core::mem::take(&mut self.trash);
            *self = Transmit { chunk: Chunk::new(), base: self.written(), at: 0, trash };
        }
    }

    /// Whether everything in it was written.
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        self.at >= self.chunk.len
    }

    /// Bytes not yet written.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.chunk.len - self.at
    }

    /// Offset in the stream up to which bytes were handed over.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The bytes to write next, as slices in order; returns how many slices were filled.
    pub fn slices<'a>(&'a self, slices: &mut [&'a [u8]]) -> usize {
        let mut filled = 0;
        let mut skip = self.at;
        let mut from = 0;
        for body in &self.chunk.bodies {
            fill(slices, &mut filled, &mut skip, &self.chunk.bytes[from..body.at]);
            fill(slices, &mut filled, &mut skip, &body.bytes);
            from = body.at;
        }
        fill(slices, &mut filled, &mut skip, &self.chunk.bytes[from..]);
        filled
    }

    /// The first slice of what is to be written next: all of it where [`is_contiguous`](Transmit::is_contiguous).
    #[must_use]
    pub fn first(&self) -> &[u8] {
        if self.chunk.bodies.is_empty() {
            return self.chunk.bytes.get(self.at..).unwrap_or_default();
        }
        let mut slices = [&[][..]];
        self.slices(&mut slices);
        slices[0]
    }

    /// Whether the bytes lie in one piece.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.chunk.bodies.is_empty()
    }

    /// Says that `n` more bytes were handed to the operating system.
    pub(crate) fn advance(&mut self, n: usize) {
        self.at = self.at.saturating_add(n).min(self.chunk.len);
        if self.is_done() {
            self.discard_bodies();
        }
    }

    /// Nothing of this is going to be written any more.
    pub(crate) fn discard_bodies(&mut self) {
        self.trash.extend(self.chunk.bodies.drain(..).map(|body| body.bytes));
    }

    /// The values that are no longer needed.
    pub(crate) fn trash(&mut self) -> &mut Trash {
        &mut self.trash
    }

    /// How many bytes of it, counted from its first one, were written.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Offset in the stream behind its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.base + self.chunk.len as u64
    }

    /// Where the last entry ends, counted from the first byte.
    pub(crate) fn last_entry_end(&self) -> Option<usize> {
        self.chunk.entries.back().map(|entry| entry.end)
    }

    /// All entries, in their order.
    pub(crate) fn drain_entries(&mut self) -> impl Iterator<Item = Entry<E>> + '_ {
        self.chunk.entries.drain(..)
    }

    /// The next entry of which at least one byte was written.
    #[inline]
    pub(crate) fn pop_started(&mut self) -> Option<Entry<E>> {
        if self.chunk.entries.front()?.start >= self.at {
            return None;
        }
        self.chunk.entries.pop_front()
    }

    /// The next entry, written or not.
    pub(crate) fn pop_entry(&mut self) -> Option<Entry<E>> {
        self.chunk.entries.pop_front()
    }

    /// Puts an entry back in front of those that are still here.
    pub(crate) fn unpop_entry(&mut self, entry: Entry<E>) {
        self.chunk.entries.push_front(entry);
    }

    /// The entries of which no byte was written, with the offset in the stream to which their own offsets count.
    pub(crate) fn unstarted(&mut self) -> (u64, impl Iterator<Item = &mut Entry<E>>) {
        (self.base, self.chunk.entries.iter_mut())
    }

    /// Cuts out, bytes and all, every entry that no byte was written of and for which `stays` says no. Started entries must
    /// have been popped.
    pub(crate) fn cut(&mut self, mut stays: impl FnMut(&Entry<E>) -> bool) -> Cut {
        let mut cut = Cut::default();
        if self.chunk.entries.iter().all(&mut stays) {
            return cut;
        }
        let mut old = core::mem::replace(&mut self.chunk, Chunk::new());
        let mut copy =
            Copy { bytes: &old.bytes, at: 0, bodies: core::mem::take(&mut old.bodies).into_iter().peekable() };
        let kept = old.entries.front().map_or(old.len, |entry| entry.start);
        copy.segment(kept, Some(&mut self.chunk), &mut self.trash);
        for mut entry in old.entries {
            let len = entry.end - entry.start;
            if stays(&entry) {
                entry.start = self.chunk.len;
                copy.segment(len, Some(&mut self.chunk), &mut self.trash);
                entry.end = self.chunk.len;
                self.chunk.entries.push_back(entry);
            } else {
                copy.segment::<E>(len, None, &mut self.trash);
                cut.entries += 1;
                cut.placed += usize::from(entry.is_placed);
            }
        }
        if self.is_done() {
            // What is left was written; its values would be taken for those of the next chunk.
            self.discard_bodies();
        }
        cut
    }
}

/// How many entries were cut out.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) entries: usize,
    /// Those of them that had been in somebody's hands for writing when their caller left.
    pub(crate) placed: usize,
}

/// Walks over the bytes and values of a chunk.
struct Copy<'a> {
    bytes: &'a [u8],
    at: usize,
    bodies: core::iter::Peekable<alloc::vec::IntoIter<Body>>,
}

impl Copy<'_> {
    /// Moves the next `len` bytes, which hold values whole or not at all, to the end of `to`, or throws them away.
    fn segment<E>(&mut self, mut len: usize, mut to: Option<&mut Chunk<E>>, trash: &mut Vec<Bytes>) {
        while len > 0 {
            let until = self.bodies.peek().map_or(self.bytes.len(), |body| body.at);
            let step = if self.at < until {
                let step = len.min(until - self.at);
                if let Some(chunk) = &mut to {
                    chunk.bytes.extend_from_slice(&self.bytes[self.at..self.at + step]);
                }
                self.at += step;
                step
            } else {
                let Some(body) = self.bodies.next() else { return };
                let step = body.bytes.len();
                match &mut to {
                    Some(chunk) => chunk.bodies.push(Body { at: chunk.bytes.len(), bytes: body.bytes }),
                    None => trash.push(body.bytes),
                }
                step
            };
            len = len.saturating_sub(step);
            if let Some(chunk) = &mut to {
                chunk.len += step;
            }
        }
    }
}

/// Puts `slice`, less the bytes still to be skipped, into the next free place.
fn fill<'a>(slices: &mut [&'a [u8]], filled: &mut usize, skip: &mut usize, slice: &'a [u8]) {
    let skipped = (*skip).min(slice.len());
    *skip -= skipped;
    if let Some(place) = slices.get_mut(*filled)
        && skipped < slice.len()
    {
        *place = &slice[skipped..];
        *filled += 1;
    }
}

#[cfg(test)]
mod tests;
