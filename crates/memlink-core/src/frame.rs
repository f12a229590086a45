use alloc::vec::Vec;
use core::fmt;

use bytes::{Buf, Bytes};

/// The bytes of one reply, or of one part of it, without the terminator that framing has checked.
///
/// A short one is held in place and costs no allocation; a longer one is a [`Bytes`], mostly of exactly its length. It never keeps
/// a read buffer alive: a large one may keep up to twice its length, and the parts of one reply share memory of up to 16 KiB and a part.
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
            Ok(len) if bytes.len() <= Frame::SHORT_MAX => Frame(Repr::Short { len, bytes: padded(bytes) }),
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
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes from `start` on, as a value to keep: copied when short, else without a copy and without an allocation.
    /// Empty when `start` lies behind the end.
    #[must_use]
    #[inline]
    pub fn into_bytes_from(self, start: usize) -> Bytes {
        match self.0 {
            Repr::Short { len, bytes } => copy_short(&bytes[..usize::from(len)], start),
            Repr::Long(mut bytes) => {
                bytes.advance(start.min(bytes.len()));
                bytes
            }
        }
    }

    /// How much memory this frame takes as one of many.
    #[inline]
    pub(crate) fn memory_len(&self) -> usize {
        self.heap_len() + core::mem::size_of::<Frame>()
    }

    /// How many bytes of heap this frame keeps alive.
    #[inline]
    pub(crate) fn heap_len(&self) -> usize {
        match &self.0 {
            Repr::Short { .. } => 0,
            Repr::Long(bytes) => bytes.len(),
        }
    }
}

#[inline(never)]
fn copy_short(bytes: &[u8], start: usize) -> Bytes {
    Bytes::copy_from_slice(bytes.get(start..).unwrap_or_default())
}

impl From<Bytes> for Frame {
    #[inline]
    fn from(bytes: Bytes) -> Frame {
        Frame(Repr::Long(bytes))
    }
}

impl AsRef<[u8]> for Frame {
    #[inline]
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
    #[inline]
    pub(crate) fn heap_len(&self) -> usize {
        match self {
            Reply::One(frame) => frame.heap_len(),
            Reply::Many(frames) => frames.iter().map(Frame::memory_len).sum(),
            Reply::Silence => 0,
        }
    }
}

/// The first `N` of `bytes`, and zeros behind them where there are fewer: for short bytes that are held in place.
///
/// Two copies of constant length, which may overlap, do what one of any length would, without a call.
#[doc(hidden)]
#[must_use]
#[inline]
pub fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    #[inline]
    fn ends<const PIECE: usize>(held: &mut [u8], bytes: &[u8]) {
        if let (Some(to), Some(from)) = (held.first_chunk_mut::<PIECE>(), bytes.first_chunk::<PIECE>()) {
            *to = *from;
        }
        if let (Some(to), Some(from)) = (held.last_chunk_mut::<PIECE>(), bytes.last_chunk::<PIECE>()) {
            *to = *from;
        }
    }
    let mut whole = [0; N];
    let len = bytes.len().min(N);
    let (Some(held), Some(bytes)) = (whole.get_mut(..len), bytes.get(..len)) else { return whole };
    match len {
        65.. => held.copy_from_slice(bytes),
        32.. => ends::<32>(held, bytes),
        16.. => ends::<16>(held, bytes),
        8.. => ends::<8>(held, bytes),
        4.. => ends::<4>(held, bytes),
        _ => held.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
    }
    whole
}

const _: () = assert!(core::mem::size_of::<Frame>() <= 48);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_padded_is_all_there_with_zeros_behind() {
        let bytes: Vec<u8> = (1..=100).collect();
        for len in 0..=100 {
            let check = |whole: &[u8]| {
                let held = len.min(whole.len());
                assert_eq!(whole[..held], bytes[..held], "{len}");
                assert!(whole[held..].iter().all(|byte| *byte == 0), "{len}");
            };
            check(&padded::<2>(&bytes[..len]));
            check(&padded::<46>(&bytes[..len]));
            check(&padded::<61>(&bytes[..len]));
            check(&padded::<90>(&bytes[..len]));
        }
    }

    /// Lengths on both sides of what is held in place.
    const LENS: [usize; 6] = [0, 1, 2, Frame::SHORT_MAX, Frame::SHORT_MAX + 1, 300];

    #[test]
    fn a_frame_is_the_bytes_it_was_made_of() {
        for len in LENS {
            let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
            for frame in [Frame::copy_from(&bytes), Frame::from(Bytes::from(bytes.clone()))] {
                assert_eq!((frame.as_slice(), frame.as_ref()), (&bytes[..], &bytes[..]));
                assert_eq!((frame.len(), frame.is_empty()), (len, len == 0));
                for start in 0..=len + 1 {
                    let expected = bytes.get(start..).unwrap_or_default();
                    assert_eq!(frame.clone().into_bytes_from(start), expected, "{len} from {start}");
                }
            }
        }
    }

    #[test]
    fn frames_are_equal_when_their_bytes_are_wherever_they_lie() {
        let frames = |text: &'static [u8]| [Frame::copy_from(text), Frame::from(Bytes::from_static(text))];
        for one in frames(b"value") {
            frames(b"value").iter().for_each(|same| assert_eq!(one, *same));
            for other in [&b"valve"[..], b"valu", b"values", b""] {
                frames(other).iter().for_each(|other| assert_ne!(one, *other));
            }
        }
    }

    #[test]
    fn a_large_value_is_taken_out_without_a_copy() {
        let frame = Frame::copy_from(&[7; 300]);
        let at = frame.as_slice().as_ptr();
        assert_eq!(frame.into_bytes_from(10).as_ptr(), at.wrapping_add(10));
    }

    #[test]
    fn of_a_reply_only_its_length_is_shown() {
        for (len, shown) in [(6, "Frame(6 bytes)"), (300, "Frame(300 bytes)")] {
            assert_eq!(alloc::format!("{:?}", Frame::copy_from(&b"secret".repeat(50)[..len])), shown);
        }
    }
}
