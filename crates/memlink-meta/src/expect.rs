use alloc::{sync::Arc, vec::Vec};

use crate::{
    Key, Peer,
    opaque::Opaque,
    reply::{Status, Statuses},
};

/// What the reply to one command must look like: kept for every command in flight, so it is two words.
#[derive(Debug, Clone)]
pub struct Expect(pub(crate) Shape);

#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// One line, and a value where the status says so.
    Line(LineShape),
    /// The classic answer to a get of many keys.
    Values(ValuesShape),
    /// Statistics: many lines up to `END`, taken as one reply.
    Stats,
    /// One line of any content: the opening exchange judges it.
    Opening,
}

/// One word, so that what is kept for a command in flight stays two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineShape {
    /// The statuses that the command can get.
    pub(crate) statuses: Statuses,
    /// The opaque that was written. Kept, so that it is not worked out again for the reply.
    opaque: Opaque,
    traits: u8,
}

/// It carries an opaque, and its reply must too.
const OPAQUE: u8 = 1;
/// A miss may come without the opaque: so it is before 1.6.18.
const BARE_MISS: u8 = 1 << 1;
/// It may be answered by nothing.
const QUIET: u8 = 1 << 2;
/// It carries a value, so that after an error nobody knows what the server took for what.
const PAYLOAD: u8 = 1 << 3;

impl LineShape {
    #[inline]
    const fn new(statuses: Statuses, opaque: Option<Opaque>, traits: u8) -> LineShape {
        match opaque {
            Some(opaque) => LineShape { statuses, opaque, traits: traits | OPAQUE },
            None => LineShape { statuses, opaque: Opaque::NONE, traits },
        }
    }

    /// The opaque that was written, if there is one: the reply must repeat it.
    #[inline]
    pub(crate) fn opaque(self) -> Option<Opaque> {
        (self.traits & OPAQUE != 0).then_some(self.opaque)
    }

    /// Whether a miss may come without the opaque.
    #[inline]
    pub(crate) fn bare_miss(self) -> bool {
        self.traits & BARE_MISS != 0
    }

    /// Whether it may be answered by nothing.
    #[inline]
    pub(crate) fn quiet(self) -> bool {
        self.traits & QUIET != 0
    }

    /// Whether the command carries a value.
    #[inline]
    pub(crate) fn payload(self) -> bool {
        self.traits & PAYLOAD != 0
    }
}

#[derive(Debug, Clone)]
pub(crate) struct ValuesShape {
    /// The keys in the order in which they were asked for. Behind one pointer, for the size of `Expect`.
    pub(crate) keys: Arc<Vec<Key>>,
    /// Whether each value comes with its CAS id.
    pub(crate) cas: bool,
}

impl Expect {
    /// The reply to a meta command, confirmed by its opaque where one is sent.
    #[inline]
    pub(crate) fn meta(statuses: Statuses, quiet: bool, opaque: Option<Opaque>, peer: &Peer) -> Expect {
        let traits = (u8::from(quiet) * QUIET) | (u8::from(peer.bare_miss()) * BARE_MISS);
        Expect(Shape::Line(LineShape::new(statuses, opaque, traits)))
    }

    /// As [`Expect::meta`], for a command that carries a value.
    #[inline]
    pub(crate) fn meta_with_payload(statuses: Statuses, quiet: bool, opaque: Option<Opaque>) -> Expect {
        Expect(Shape::Line(LineShape::new(statuses, opaque, (u8::from(quiet) * QUIET) | PAYLOAD)))
    }

    /// The reply to a command that knows no opaque.
    pub(crate) const fn plain(statuses: &[Status]) -> Expect {
        Expect(Shape::Line(LineShape::new(Statuses::of(statuses), None, 0)))
    }
}

#[cfg(test)]
impl Expect {
    /// The same reply to the command with this number.
    pub(crate) fn numbered(mut self, serial: u64) -> Expect {
        if let Shape::Line(shape) = &mut self.0 {
            shape.opaque = Opaque::of(serial);
        }
        self
    }
}

const _: () = assert!(core::mem::size_of::<Expect>() <= 16);
