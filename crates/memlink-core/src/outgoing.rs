use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::encoder::{Body, Encoder};
use crate::pending::Entry;
use crate::waiters::Token;

/// Encoded and not yet taken: many commands become one write.
///
/// Commands are appended to the last chunk. A chunk that has reached [`CHUNK_LEN`] is closed and another one begun, so that
/// what the writer holds in its hands is bounded: only commands that still lie here can be taken back without a trace.
#[derive(Debug)]
pub(crate) struct Outgoing<E> {
    chunks: VecDeque<Chunk<E>>,
    spare: Option<Chunk<E>>,
    len: usize,
}

/// Length from which a chunk takes no further command: about what a socket buffer takes in one call.
pub(crate) const CHUNK_LEN: usize = 64 * 1024;

/// A chunk that had to grow beyond this is not kept for reuse.
const SPARE_MAX: usize = 2 * CHUNK_LEN;

#[derive(Debug)]
struct Chunk<E> {
    bytes: Vec<u8>,
    bodies: Vec<Body>,
    entries: VecDeque<Entry<E>>,
    len: usize,
}

impl<E> Chunk<E> {
    fn new() -> Chunk<E> {
        Chunk { bytes: Vec::new(), bodies: Vec::new(), entries: VecDeque::new(), len: 0 }
    }
}

impl<E> Outgoing<E> {
    pub(crate) fn new() -> Outgoing<E> {
        Outgoing { chunks: VecDeque::new(), spare: None, len: 0 }
    }

    /// Appends one command: its bytes and its place in the order, in one step. `encode` writes and gives what is awaited.
    #[inline]
    pub(crate) fn push(&mut self, token: Token, serial: u64, encode: impl FnOnce(&mut Encoder<'_>) -> E) {
        if self.chunks.back().is_none_or(|chunk| chunk.len >= CHUNK_LEN) {
            let chunk = self.spare.take().unwrap_or_else(Chunk::new);
            self.chunks.push_back(chunk);
        }
        let Some(chunk) = self.chunks.back_mut() else { return };
        let start = chunk.len;
        let mut encoder = Encoder::new(&mut chunk.bytes, &mut chunk.bodies);
        let expect = encode(&mut encoder);
        let len = encoder.len();
        chunk.len += len;
        self.len += len;
        chunk.entries.push_back(Entry { token, serial, expect, start, end: chunk.len });
    }

    /// Appends bytes that belong to the entries added by [`push_awaited`](Outgoing::push_awaited): an opening exchange may
    /// write several commands in one step.
    pub(crate) fn push_bytes<R>(&mut self, encode: impl FnOnce(&mut Encoder<'_>) -> R) -> R {
        let mut chunk = self.chunks.pop_back().unwrap_or_else(Chunk::new);
        let mut encoder = Encoder::new(&mut chunk.bytes, &mut chunk.bodies);
        let result = encode(&mut encoder);
        let len = encoder.len();
        chunk.len += len;
        self.len += len;
        if chunk.len > 0 {
            self.chunks.push_back(chunk);
        }
        result
    }

    /// Adds an entry without bytes of its own: it counts as begun with the first byte of the chunk.
    pub(crate) fn push_awaited(&mut self, token: Token, serial: u64, expect: E) {
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.entries.push_back(Entry { token, serial, expect, start: 0, end: chunk.len });
        }
    }

    /// Bytes queued.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Exchanges a transmit that is finished for the next chunk, whose first byte is number `base` of the connection.
    pub(crate) fn take(&mut self, base: u64, transmit: &mut Transmit<E>) {
        debug_assert!(transmit.is_done(), "an unfinished transmit must not be exchanged");
        let Some(chunk) = self.chunks.pop_front() else { return };
        self.len -= chunk.len;
        let trash = core::mem::take(&mut transmit.trash);
        let old = core::mem::replace(transmit, Transmit { chunk, base, at: 0, trash });
        self.recycle(old);
    }

    /// Keeps the buffers of a finished transmit for the next chunk.
    pub(crate) fn recycle(&mut self, transmit: Transmit<E>) {
        let mut chunk = transmit.chunk;
        debug_assert!(chunk.bodies.is_empty(), "users' values are dropped where no lock is held");
        if self.spare.is_none() && chunk.bytes.capacity() <= SPARE_MAX {
            chunk.bytes.clear();
            chunk.entries.clear();
            chunk.len = 0;
            self.spare = Some(chunk);
        }
    }

    /// Lets go of memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        self.spare = None;
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
    /// Values that were cut out, to be dropped where no lock is held: dropping a `Bytes` may run a user's code.
    trash: Vec<Bytes>,
}

impl<E> Default for Transmit<E> {
    fn default() -> Self {
        Transmit { chunk: Chunk::new(), base: 0, at: 0, trash: Vec::new() }
    }
}

impl<E> Transmit<E> {
    /// Drops the values of commands that were cut out. To be called where no lock is held.
    pub fn drop_cut(&mut self) {
        self.trash.clear();
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
            return &self.chunk.bytes[self.at..];
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
        self.at = (self.at + n).min(self.chunk.len);
        if self.is_done() {
            self.chunk.bodies.clear();
        }
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

    /// The entries of which no byte was written, with the offset in the stream to which their own offsets count.
    pub(crate) fn unstarted(&self) -> (u64, impl Iterator<Item = &Entry<E>>) {
        (self.base, self.chunk.entries.iter())
    }

    /// Cuts out, bytes and all, every entry that no byte was written of and for which `stays` says no. Started entries must
    /// have been popped. Returns how many were cut.
    pub(crate) fn cut(&mut self, mut stays: impl FnMut(&Entry<E>) -> bool) -> usize {
        if self.chunk.entries.iter().all(&mut stays) {
            return 0;
        }
        let mut old = core::mem::replace(&mut self.chunk, Chunk::new());
        let mut copy =
            Copy { bytes: &old.bytes, at: 0, bodies: core::mem::take(&mut old.bodies).into_iter().peekable() };
        let kept = old.entries.front().map_or(old.len, |entry| entry.start);
        copy.segment(kept, Some(&mut self.chunk), &mut self.trash);
        let mut cut = 0;
        for mut entry in old.entries {
            let len = entry.end - entry.start;
            if stays(&entry) {
                entry.start = self.chunk.len;
                copy.segment(len, Some(&mut self.chunk), &mut self.trash);
                entry.end = self.chunk.len;
                self.chunk.entries.push_back(entry);
            } else {
                copy.segment::<E>(len, None, &mut self.trash);
                cut += 1;
            }
        }
        cut
    }
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
mod tests {
    use super::*;

    fn outgoing(commands: &[(&str, Option<&'static [u8]>)]) -> Outgoing<usize> {
        let mut outgoing = Outgoing::new();
        for (n, (line, value)) in commands.iter().enumerate() {
            outgoing.push(Token::OPENING, n as u64, |out| {
                out.put(line.as_bytes());
                if let Some(value) = value {
                    out.put_value(&Bytes::from_static(value));
                    out.put(b"\r\n");
                }
                n
            });
        }
        outgoing
    }

    fn rest(transmit: &Transmit<usize>) -> Vec<u8> {
        let mut slices = [&[][..]; 64];
        let filled = transmit.slices(&mut slices);
        slices[..filled].concat()
    }

    static LARGE: [u8; Encoder::SHARED_MIN] = [b'v'; Encoder::SHARED_MIN];

    #[test]
    fn large_values_are_written_in_their_place() {
        let mut outgoing = outgoing(&[("a ", Some(&LARGE)), ("b\r\n", None), ("c ", Some(&LARGE))]);
        let mut transmit = Transmit::default();
        outgoing.take(0, &mut transmit);
        let whole = [b"a ", &LARGE[..], b"\r\nb\r\nc ", &LARGE[..], b"\r\n"].concat();
        assert_eq!(rest(&transmit), whole);
        for cut in [1, 2, 3, LARGE.len() + 1, LARGE.len() + 5, whole.len() - 1] {
            let mut outgoing = self::outgoing(&[("a ", Some(&LARGE)), ("b\r\n", None), ("c ", Some(&LARGE))]);
            let mut transmit = Transmit::default();
            outgoing.take(0, &mut transmit);
            transmit.advance(cut);
            assert_eq!(rest(&transmit), whole[cut..], "after {cut} bytes");
        }
    }

    #[test]
    fn an_entry_is_started_with_its_first_byte() {
        let mut outgoing = outgoing(&[("aa", None), ("bb", None), ("cc", None)]);
        let mut transmit = Transmit::default();
        outgoing.take(0, &mut transmit);
        assert!(transmit.pop_started().is_none());
        transmit.advance(3);
        let started: Vec<_> = core::iter::from_fn(|| transmit.pop_started()).map(|entry| entry.expect).collect();
        assert_eq!(started, [0, 1]);
        assert_eq!(transmit.unstarted().1.count(), 1);
    }

    #[test]
    fn what_nobody_waits_for_is_cut_and_the_rest_stays() {
        for drop in 0..3 {
            let mut outgoing = outgoing(&[("a ", Some(&LARGE)), ("b\r\n", None), ("c ", Some(&LARGE))]);
            let mut transmit = Transmit::default();
            outgoing.take(0, &mut transmit);
            assert_eq!(transmit.cut(|entry| entry.expect != drop), 1);
            let parts =
                [[b"a ", &LARGE[..], b"\r\n"].concat(), b"b\r\n".to_vec(), [b"c ", &LARGE[..], b"\r\n"].concat()];
            let left: Vec<_> = (0..3).filter(|n| *n != drop).collect();
            assert_eq!(rest(&transmit), left.iter().flat_map(|n| parts[*n].clone()).collect::<Vec<_>>());
            let mut end = 0;
            for (entry, n) in transmit.unstarted().1.zip(left) {
                assert_eq!((entry.expect, entry.start, entry.end), (n, end, end + parts[n].len()));
                end = entry.end;
            }
        }
    }

    #[test]
    fn a_chunk_is_closed_when_it_is_long_enough() {
        let line = "x".repeat(CHUNK_LEN - 1);
        let mut outgoing = outgoing(&[(&line, None), ("y", None), ("z", None)]);
        let mut transmit = Transmit::default();
        outgoing.take(0, &mut transmit);
        assert_eq!(transmit.remaining(), CHUNK_LEN);
        assert_eq!(outgoing.len(), 1);
        transmit.advance(CHUNK_LEN);
        while transmit.pop_entry().is_some() {}
        outgoing.take(transmit.written(), &mut transmit);
        assert_eq!((rest(&transmit), transmit.written()), (b"z".to_vec(), CHUNK_LEN as u64));
    }
}
