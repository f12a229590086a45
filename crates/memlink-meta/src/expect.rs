use alloc::{sync::Arc, vec::Vec};

use crate::{
    Key, Peer,
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

#[derive(Debug, Clone, Copy)]
pub(crate) struct LineShape {
    /// The statuses that the command can get.
    pub(crate) statuses: Statuses,
    /// It carries an opaque, and its reply must too.
    pub(crate) opaque: bool,
    /// A miss may come without the opaque: so it is before 1.6.18.
    pub(crate) bare_miss: bool,
    /// It may be answered by nothing.
    pub(crate) quiet: bool,
    /// It carries a value, so that after an error nobody knows what the server took for what.
    pub(crate) payload: bool,
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
    pub(crate) fn meta(statuses: Statuses, quiet: bool, peer: &Peer) -> Expect {
        Expect(Shape::Line(LineShape {
            statuses,
            opaque: peer.opaque(),
            bare_miss: peer.bare_miss(),
            quiet,
            payload: false,
        }))
    }

    /// As [`Expect::meta`], for a command that carries a value.
    #[inline]
    pub(crate) fn meta_with_payload(statuses: Statuses, quiet: bool, peer: &Peer) -> Expect {
        Expect(Shape::Line(LineShape { statuses, opaque: peer.opaque(), bare_miss: false, quiet, payload: true }))
    }

    /// The reply to a command that knows no opaque.
    pub(crate) const fn plain(statuses: &[Status]) -> Expect {
        Expect(Shape::Line(LineShape {
            statuses: Statuses::of(statuses),
            opaque: false,
            bare_miss: false,
            quiet: false,
            payload: false,
        }))
    }
}

const _: () = assert!(core::mem::size_of::<Expect>() <= 16);
