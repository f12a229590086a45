use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use bytes::Bytes;

/// Where a command writes itself.
///
/// Bytes are appended to the connection's outgoing buffer; nothing leaves before the command is whole. A large value is not
/// copied: it is remembered and written to the socket from where it lies.
pub struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
    bodies: &'a mut Vec<Body>,
    start: usize,
    body_len: usize,
}

/// A value that is written from its own memory, in front of the byte at `at` of the buffer it belongs to.
#[derive(Clone)]
pub(crate) struct Body {
    pub(crate) at: usize,
    pub(crate) bytes: Bytes,
}

/// Values that are to be dropped where no lock is held.
#[derive(Default)]
pub(crate) struct Trash(Vec<Bytes>);

impl Deref for Trash {
    type Target = Vec<Bytes>;

    fn deref(&self) -> &Vec<Bytes> {
        &self.0
    }
}

impl DerefMut for Trash {
    fn deref_mut(&mut self) -> &mut Vec<Bytes> {
        &mut self.0
    }
}

/// How many there are.
impl fmt::Debug for Trash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trash({} values)", self.len())
    }
}

/// How much there is, and nothing of it: keys, values and passwords do not belong into logs.
impl fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<'a> Encoder<'a> {
    /// Values from this length on are written from where they lie. Copying 16 KiB costs about a microsecond, about what a
    /// longer vector of buffers costs the kernel and the bookkeeping costs us.
    pub const SHARED_MIN: usize = 16 * 1024;

    #[inline]
    pub(crate) fn new(bytes: &'a mut Vec<u8>, bodies: &'a mut Vec<Body>) -> Encoder<'a> {
        let start = bytes.len();
        Encoder { bytes, bodies, start, body_len: 0 }
    }

    /// Appends `bytes`.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one byte.
    #[inline]
    pub fn put_u8(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Appends a value: copied when small, shared from [`SHARED_MIN`](Encoder::SHARED_MIN) bytes on.
    #[inline]
    pub fn put_value(&mut self, value: &Bytes) {
        if value.len() < Encoder::SHARED_MIN {
            self.put(value);
        } else {
            self.body_len += value.len();
            self.bodies.push(Body { at: self.bytes.len(), bytes: value.clone() });
        }
    }

    /// Makes room for `additional` bytes that are about to be put.
    #[inline]
    pub fn reserve(&mut self, additional: usize) {
        self.bytes.reserve(additional);
    }

    /// The buffer itself, for encoders that append in pieces. Only appending is allowed.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes
    }

    /// How many bytes this command has so far.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start + self.body_len
    }

    /// Whether nothing has been put yet.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An encoder that stands alone: for tests and measurements of encoders, and for tools that want a command's bytes.
pub fn encode_to_vec(write: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let (mut bytes, mut bodies) = (Vec::new(), Vec::new());
    write(&mut Encoder::new(&mut bytes, &mut bodies));
    let mut whole = Vec::new();
    let mut from = 0;
    for body in &bodies {
        whole.extend_from_slice(&bytes[from..body.at]);
        whole.extend_from_slice(&body.bytes);
        from = body.at;
    }
    whole.extend_from_slice(&bytes[from..]);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    static LARGE: [u8; Encoder::SHARED_MIN] = [b'v'; Encoder::SHARED_MIN];

    #[test]
    fn what_is_put_is_written_in_its_order() {
        let whole = encode_to_vec(|out| {
            out.put(b"a");
            out.put_u8(b' ');
            out.put_value(&Bytes::from_static(&LARGE));
            out.put_u8(b'\r');
            out.put_value(&Bytes::from_static(b"\n"));
        });
        assert_eq!(whole, [b"a ", &LARGE[..], b"\r\n"].concat());
    }

    #[test]
    fn a_command_counts_its_own_bytes_copied_or_not() {
        let (mut bytes, mut bodies) = (b"earlier commands".to_vec(), Vec::new());
        let mut out = Encoder::new(&mut bytes, &mut bodies);
        assert!(out.is_empty());
        out.put_value(&Bytes::from_static(&LARGE));
        assert_eq!((out.len(), out.is_empty()), (LARGE.len(), false));
        out.put_u8(b'a');
        assert_eq!((out.len(), out.is_empty()), (LARGE.len() + 1, false));
    }

    #[test]
    fn room_that_was_made_is_there_when_it_is_used() {
        encode_to_vec(|out| {
            out.put(b"a");
            out.reserve(1_000);
            let room = out.buffer().capacity();
            assert!(room >= 1_001);
            out.put(&[b'b'; 1_000]);
            assert_eq!(out.buffer().capacity(), room, "nothing had to be moved");
        });
    }
}
