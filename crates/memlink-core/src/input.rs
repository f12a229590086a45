use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::{Frame, Reply};

/// The bytes that one connection has read and not yet handed over, and the room for the next read.
///
/// ```text
///   buffer   [ handed over | parts of the reply at hand, held | not yet framed | free ]
///   large    [ one reply or part, as far as it has come | free ]            what follows it goes to the buffer
///   parts    those of the reply at hand that have left the buffer
/// ```
///
/// Parts stay in the buffer until their reply is whole, or until there are many bytes of them; then they are copied out at once,
/// into memory of exactly their length that they share. So a reply of a hundred small parts costs one allocation, and a part that is
/// kept keeps at most its neighbours alive, never a read buffer.
///
/// Memory of a large reply comes back when all who had it have let go of it, and serves the next one: allocating and freeing large
/// values again and again makes an allocator give pages back to the system and ask for them anew.
pub(crate) struct Input {
    buffer: BytesMut,
    /// How many bytes at the start of the buffer were handed over; they go before the next read.
    done: usize,
    /// The parts behind them, each without its terminator, by their offsets from there.
    held: Vec<Range<usize>>,
    /// How much of the buffer they take.
    held_len: usize,
    /// The reply that is too large for the buffer, and its whole length.
    large: Option<(BytesMut, usize)>,
    /// The memory of the last large reply, which its readers may still have.
    spare: Option<Spare>,
    read_len: usize,
    received: u64,
    /// Memory that the list of replies takes beside this.
    beside: usize,
    parts: Vec<Frame>,
    /// Memory that all parts of the reply at hand hold.
    parts_len: usize,
    /// They are too many to be kept; they are counted as they come and thrown away.
    parts_dropped: bool,
}

/// How much there is, and nothing of it: replies hold users' data.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input")
            .field("buffer_len", &self.buffer.len())
            .field("large", &self.large.as_ref().map(|(bytes, whole)| (bytes.len(), whole)))
            .field("parts", &self.parts)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

/// Memory that is taken again once nobody reads it any more.
struct Spare {
    handle: BytesMut,
    capacity: usize,
    /// What the connection had received when it was last used.
    used_at: u64,
}

/// Replies from this length on are read into a buffer of their own.
const LARGE_MIN: usize = 16 * 1024;

/// A buffer of its own is allocated whole up to this length, or up to as many bytes as the connection has received so far; beyond,
/// it doubles with what really comes. With the buffer of the first read and the list of the replies that came in it, it makes 64 KiB:
/// no announcement buys more memory than that and what the server has sent before.
const LARGE_TRUSTED: usize = 64 * 1024 - READ_LEN_MIN - 1024;

/// A read into a buffer of its own takes so many bytes more: the header of the reply behind it, which then costs no read of its own.
const AHEAD: usize = 256;

/// Parts are copied out of the buffer when they take this much of it. It bounds what a small part that is kept keeps alive.
const HELD_MAX: usize = 16 * 1024;

/// Spare memory is let go of when this many times its size was received without a use for it.
const SPARE_AGE: u64 = 8;

/// Size of the first read of a connection, of every read after it was idle, and of the read behind a large reply: if another large
/// one follows, little of it is read where it has to be copied from.
pub(crate) const READ_LEN_MIN: usize = 4 * 1024;

/// Largest single read: more gains nothing, a socket rarely holds more and the callers should run in between.
const READ_LEN_MAX: usize = 64 * 1024;

impl Input {
    pub(crate) fn new() -> Input {
        Input {
            buffer: BytesMut::new(),
            done: 0,
            held: Vec::new(),
            held_len: 0,
            large: None,
            spare: None,
            read_len: READ_LEN_MIN,
            received: 0,
            beside: 0,
            parts: Vec::new(),
            parts_len: 0,
            parts_dropped: false,
        }
    }

    /// Lends the room for the next read, which is never empty.
    pub(crate) fn read_with<R>(&mut self, read: impl FnOnce(&mut dyn BufMut) -> R) -> R {
        let trusted = self.trusted();
        // A large reply that is whole and not framed yet takes no more; what follows it goes to the buffer, which is empty.
        if let Some((bytes, whole)) = &mut self.large
            && bytes.len() < *whole
        {
            if bytes.len() == bytes.capacity() {
                let more = bytes.len().max(trusted.saturating_sub(bytes.len()));
                grow(bytes, more.min(whole.saturating_add(AHEAD) - bytes.len()));
            }
            let room = bytes.capacity().min(whole.saturating_add(AHEAD)) - bytes.len();
            return read(&mut bytes.limit(room));
        }
        self.drop_done();
        if self.buffer.capacity() - self.buffer.len() <= self.read_len / 2 {
            self.copy_held();
            self.drop_done();
            self.buffer.reserve(self.read_len);
        }
        read(&mut (&mut self.buffer).limit(self.read_len))
    }

    /// Makes the room of what was handed over free.
    #[inline]
    fn drop_done(&mut self) {
        match core::mem::take(&mut self.done) {
            0 => {}
            all if all == self.buffer.len() => self.buffer.clear(),
            some => self.buffer.advance(some),
        }
    }

    /// Notes that `n` bytes were read.
    pub(crate) fn note_read(&mut self, n: usize) {
        self.received += n as u64;
        if n >= self.read_len && self.read_len < READ_LEN_MAX {
            self.read_len *= 2;
        }
        let received = self.received;
        self.spare.take_if(|spare| received - spare.used_at > SPARE_AGE.saturating_mul(spare.capacity as u64));
    }

    /// How long a buffer may be that nothing but an announcement asks for.
    fn trusted(&self) -> usize {
        LARGE_TRUSTED.saturating_sub(self.beside).max(usize::try_from(self.received).unwrap_or(usize::MAX))
    }

    /// The bytes that were not framed yet.
    #[inline]
    pub(crate) fn unframed(&self) -> &[u8] {
        match &self.large {
            Some((bytes, _)) => bytes,
            None => &self.buffer[self.done + self.held_len..],
        }
    }

    #[inline]
    pub(crate) fn available(&self) -> usize {
        self.unframed().len()
    }

    /// The reply or part at the start needs `total` bytes, more than are there and than it was said to need before; a large one gets a
    /// buffer of its own. `beside` is the memory that the list of replies takes.
    pub(crate) fn expect(&mut self, total: usize, beside: usize) {
        self.beside = beside;
        let is_much = total.saturating_sub(self.available()) >= READ_LEN_MIN;
        match &mut self.large {
            Some((bytes, whole)) if is_much => {
                // Longer than it was announced: what was read behind it belongs to it.
                let n = self.buffer.len().min(total - bytes.len());
                grow(bytes, n);
                bytes.extend_from_slice(&self.buffer[..n]);
                self.buffer.advance(n);
                *whole = total;
            }
            Some((bytes, _)) => {
                // Longer by nobody knows how much: it goes on as a small one, or it would be read in tiny pieces.
                let bytes = core::mem::take(bytes);
                self.large = None;
                self.unread(&bytes);
            }
            None if total >= LARGE_MIN && is_much => {
                self.copy_held();
                self.drop_done();
                let mut bytes = self.large_buffer(total);
                bytes.extend_from_slice(&self.buffer);
                self.buffer.clear();
                self.large = Some((bytes, total));
            }
            None => {}
        }
    }

    /// Room for a reply of `total` bytes, or for its first ones, and at least for what is in the buffer.
    fn large_buffer(&mut self, total: usize) -> BytesMut {
        // Memory that is much larger would be kept with the reply.
        if let Some(Spare { mut handle, capacity, .. }) = self.spare.take()
            && capacity - capacity / 8 <= total
            && total <= capacity
            && handle.try_reclaim(total)
        {
            return handle;
        }
        BytesMut::with_capacity(total.saturating_add(AHEAD).min(self.trusted()).max(self.buffer.len()))
    }

    /// Puts bytes back in front of those in the buffer. Nothing is held: a large reply has emptied the buffer.
    fn unread(&mut self, bytes: &[u8]) {
        if self.buffer.is_empty() {
            self.buffer.extend_from_slice(bytes);
            return;
        }
        let behind = core::mem::replace(&mut self.buffer, BytesMut::from(bytes));
        self.buffer.extend_from_slice(&behind);
    }

    /// Takes the first `len` unframed bytes; the frame is all of them but the last `tail`.
    pub(crate) fn take(&mut self, len: usize, tail: usize) -> Frame {
        let Some((mut bytes, _)) = self.large.take() else {
            self.copy_held();
            let frame = Frame::copy_from(&self.buffer[self.done..self.done + len - tail]);
            self.done += len;
            return frame;
        };
        self.read_len = READ_LEN_MIN;
        let capacity = bytes.capacity();
        // A value that is kept must not keep much more memory than it has bytes.
        let frame = match len <= capacity / 2 {
            true => Frame::copy_from(&bytes.split_to(len)[..len - tail]),
            false => Frame::from(bytes.split_to(len).freeze().slice(..len - tail)),
        };
        // What lies behind the reply goes where it is framed next.
        if !bytes.is_empty() {
            self.unread(&bytes);
            bytes.clear();
        }
        self.spare = Some(Spare { handle: bytes, capacity, used_at: self.received });
        frame
    }

    /// As [`take`](Input::take), for a part of the reply at hand. Together they may hold `most` bytes of memory: what is more could not be
    /// handed over when it is whole. Its caller is told so then; the connection and everybody else on it go on.
    #[inline]
    pub(crate) fn take_part(&mut self, len: usize, tail: usize, most: usize) {
        self.parts_len += len + size_of::<Frame>();
        if self.parts_len > most {
            self.drop_parts();
        }
        if self.large.is_some() {
            return self.take_large_part(len, tail);
        }
        let start = self.held_len;
        self.held_len += len;
        if !self.parts_dropped {
            self.held.push(start..self.held_len - tail);
        }
        if self.held_len >= HELD_MAX {
            self.copy_held();
        }
    }

    #[cold]
    fn drop_parts(&mut self) {
        self.parts_dropped = true;
        self.parts_len = 0;
        self.parts = Vec::new();
        self.held.clear();
    }

    #[cold]
    fn take_large_part(&mut self, len: usize, tail: usize) {
        let frame = self.take(len, tail);
        if !self.parts_dropped {
            self.parts.push(frame);
        }
    }

    /// Copies the parts that are held out of the buffer.
    fn copy_held(&mut self) {
        if self.held_len == 0 {
            return;
        }
        if !self.held.is_empty() {
            let shared = Bytes::copy_from_slice(&self.buffer[self.done..self.done + self.held_len]);
            // One more for the end of the reply.
            self.parts.reserve(self.held.len() + 1);
            self.parts.extend(self.held.drain(..).map(|part| Frame::from(shared.slice(part))));
        }
        self.done += core::mem::take(&mut self.held_len);
    }

    /// As [`take`](Input::take), for the end of a reply: gives the whole of it, or `None` if its parts were too many.
    pub(crate) fn take_reply(&mut self, len: usize, tail: usize) -> Option<Reply> {
        let end = self.take(len, tail);
        self.parts_len = 0;
        if core::mem::take(&mut self.parts_dropped) {
            return None;
        }
        if self.parts.is_empty() {
            return Some(Reply::One(end));
        }
        let mut parts = core::mem::take(&mut self.parts);
        parts.push(end);
        Some(Reply::Many(parts))
    }

    /// Whether the reply at hand has begun with a part.
    #[inline]
    pub(crate) fn has_parts(&self) -> bool {
        self.parts_dropped || self.held_len > 0 || !self.parts.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.available() == 0 && !self.has_parts()
    }

    /// Bytes received on this connection.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Lets go of memory that an idle connection does not need. Only when it is empty.
    pub(crate) fn shrink(&mut self) {
        (self.buffer, self.done) = (BytesMut::new(), 0);
        self.held = Vec::new();
        self.spare = None;
        self.read_len = READ_LEN_MIN;
    }
}

/// Makes room for exactly so many bytes more, in place where that is possible.
fn grow(bytes: &mut BytesMut, more: usize) {
    let mut vec = Vec::from(core::mem::take(bytes));
    vec.reserve_exact(more);
    *bytes = BytesMut::from(Bytes::from(vec));
}

#[cfg(test)]
mod tests;
