use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes};

/// The bytes of one reply, or of one part of it, without the terminator that framing has checked.
///
/// A short one is held in place and costs no allocation; a longer one is a [`Bytes`] of exactly its length, so that keeping
/// it never keeps anything else alive.
#[derive(Clone)]
pub struct Frame(Repr);

#[derive(Clone)]
enum Repr {
    Short { len: u8, bytes: [u8; Frame::SHORT_MAX] },
    Long(Bytes),
}

impl Frame {
    /// Longest frame that is held in place: every reply of memcached's meta protocol without a value and with an opaque, a
    /// CAS id and one number fits, and with the length the whole is no larger than six words.
    pub const SHORT_MAX: usize = 46;

    /// Copies `bytes`.
    #[must_use]
    #[inline]
    pub fn copy_from(bytes: &[u8]) -> Frame {
        match u8::try_from(bytes.len()) {
            Ok(len) if bytes.len() <= Frame::SHORT_MAX => {
                let mut short = [0; Frame::SHORT_MAX];
                short[..bytes.len()].copy_from_slice(bytes);
                Frame(Repr::Short { len, bytes: short })
            }
            _ => Frame(Repr::Long(Bytes::from(Vec::from(bytes)))),
        }
    }

    /// The bytes of the reply.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Long(bytes) => bytes,
        }
    }

    /// Length in bytes.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Short { len, .. } => usize::from(*len),
            Repr::Long(bytes) => bytes.len(),
        }
    }

    /// Whether it holds no byte at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes from `start` on, as a value to keep: copied when short, else without a copy and without an allocation.
    /// Empty when `start` lies behind the end.
    #[must_use]
    #[inline]
    pub fn into_bytes_from(self, start: usize) -> Bytes {
        match self.0 {
            Repr::Short { len, bytes } => {
                Bytes::copy_from_slice(bytes[..usize::from(len)].get(start..).unwrap_or_default())
            }
            Repr::Long(mut bytes) => {
                bytes.advance(start.min(bytes.len()));
                bytes
            }
        }
    }

    /// How much memory this frame takes as one of many.
    pub(crate) fn memory_len(&self) -> usize {
        self.heap_len() + core::mem::size_of::<Frame>()
    }

    /// How many bytes of heap this frame keeps alive.
    pub(crate) fn heap_len(&self) -> usize {
        match &self.0 {
            Repr::Short { .. } => 0,
            Repr::Long(bytes) => bytes.len(),
        }
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Frame {
        Frame(Repr::Long(bytes))
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Frame {
    fn eq(&self, other: &Frame) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Frame {}

/// Says how long it is, not what is in it: replies hold users' data.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes)", self.len())
    }
}

/// What came back for one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One frame: the usual case.
    One(Frame),
    /// A reply of several parts; the last frame is its end.
    Many(Vec<Frame>),
    /// The protocol answers this command by saying nothing, and a later reply has confirmed that it did.
    Silence,
}

impl Reply {
    /// How many bytes of heap this reply keeps alive.
    pub(crate) fn heap_len(&self) -> usize {
        match self {
            Reply::One(frame) => frame.heap_len(),
            Reply::Many(frames) => frames.iter().map(Frame::memory_len).sum(),
            Reply::Silence => 0,
        }
    }
}

const _: () = assert!(core::mem::size_of::<Frame>() <= 48);
