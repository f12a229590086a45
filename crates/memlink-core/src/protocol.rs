use alloc::vec::Vec;

use crate::{Broken, Encoder, Frame, Limits};

/// A protocol whose replies come back in the order of the commands.
///
/// An implementation says three things: how a connection opens ([`open`](Protocol::open)), where a reply ends
/// ([`frame`](Protocol::frame)), and what makes a stream broken. It reads no values: that is done by [`Command::decode`] in
/// the task of whoever asked, so that the one task that serves a connection stays short.
///
/// The value itself is the protocol's configuration and is shared by every connection; what one connection learns or is in
/// the middle of lives in [`State`](Protocol::State), which starts from its default on every new connection.
///
/// [`Command::decode`]: crate::Command::decode
pub trait Protocol {
    /// What the reply to one command must look like: enough to find its end and to confirm that it is in its place.
    /// One is kept for every command in flight, so it should be small.
    type Expect;

    /// What one connection remembers between two calls: progress through a reply that has not wholly arrived, and what the
    /// opening exchange has taught. It dies with the connection.
    type State: Default;

    /// What the opening exchange learned about the server. Commands see it before they are written
    /// ([`Command::check`](crate::Command::check), [`Command::encode`](crate::Command::encode)).
    type Peer;

    /// Drives the opening exchange. Called with `None` on a new connection, and then once for every reply to a command that
    /// an earlier call wrote to `out`: with all its parts, one behind the other, or empty for [`Verdict::Silence`]. No user's
    /// command is written before this has returned [`Step::Ready`].
    ///
    /// # Errors
    ///
    /// A [`Refusal`] when the server may not be used: it is not of this protocol, wants credentials, has no room. The
    /// connection is closed and dialled again later, after a growing pause.
    fn open(
        &self,
        state: &mut Self::State,
        reply: Option<&Frame>,
        out: &mut Encoder<'_>,
    ) -> Result<Step<Self::Expect, Self::Peer>, Refusal>;

    /// Looks at the start of `input`, the bytes that have been read and not yet framed, and says what they are.
    ///
    /// `ask` is the head of the queue: the oldest command that has no reply yet, or `None` when nothing is owed. The
    /// question is asked again with more bytes after [`Verdict::More`], with `input` starting at the same byte; `state` may
    /// be used to remember how far it was looked at. `input` is never empty.
    ///
    /// The verdict must not depend on how the bytes were cut: for any input and any split of it the same replies result.
    fn frame(
        &self,
        state: &mut Self::State,
        ask: Option<Ask<'_, Self::Expect>>,
        input: &[u8],
        limits: &Limits,
    ) -> Verdict;

    /// Takes a message that nobody asked for ([`Verdict::Unasked`]). Called by whoever serves the connection, between two replies:
    /// return soon, never block. Throws it away unless told otherwise; it is counted in any case.
    fn unasked(&self, message: Frame) {
        drop(message);
    }
}

/// The command at the head of the queue, as [`Protocol::frame`] sees it.
#[derive(Debug)]
pub struct Ask<'a, E> {
    /// What its reply must look like.
    pub expect: &'a E,
    /// Its number on this connection, counted from 0: the number that [`Command::encode`](crate::Command::encode) was given.
    pub serial: u64,
}

impl<E> Clone for Ask<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Ask<'_, E> {}

/// What the bytes at the start of the input are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough to say. `total` is the least number of bytes, counted from the start of `input`, with which asking again
    /// can give another answer; the exact length of the reply where it is known, so that a large one can be read into a
    /// buffer of its own. Must be more than the length of `input`.
    More {
        /// Bytes needed, counted from the start of `input`.
        total: usize,
    },
    /// The first `len` bytes are the reply to the head, whole, and its position is confirmed as far as the protocol can.
    Reply {
        /// Length of the reply in bytes, terminator included.
        len: usize,
        /// How many bytes at its end (a terminator that was checked) the reader of the reply need not see.
        tail: usize,
    },
    /// The first `len` bytes are one part of the head's reply; more parts or its end follow. Parts are handed over together
    /// with the end, in order. For replies made of many values. Where one part ends and the next begins may depend on how the bytes
    /// were cut, as long as what is decoded does not. All together hold
    /// at most [`Limits::unclaimed_bytes_max`].
    Part {
        /// Length of the part in bytes, terminator included.
        len: usize,
        /// How many bytes at its end the reader need not see.
        tail: usize,
    },
    /// As [`Reply`](Verdict::Reply), and the connection cannot be trusted afterwards: the reply is delivered, then the
    /// connection is closed for the given reason.
    Last {
        /// Length of the reply in bytes, terminator included.
        len: usize,
        /// How many bytes at its end the reader need not see.
        tail: usize,
        /// Why the connection is closed.
        why: Broken,
    },
    /// The bytes are not for the head but for a later command, and the protocol allows the head to be answered by silence:
    /// the question is asked for the next command, and once they are its reply, or a part of it, the head is completed with
    /// [`Reply::Silence`](crate::Reply::Silence). If they turn out to be nobody's, the head ends with the connection.
    Silence,
    /// The first `len` bytes are a message that nobody asked for and that the protocol allows. It is handed out apart from
    /// the replies.
    Unasked {
        /// Length of the message in bytes.
        len: usize,
    },
    /// The stream cannot be trusted: the connection is closed and everyone in flight is told.
    Broken(Broken),
}

/// What an opening exchange does next.
#[derive(Debug)]
pub enum Step<E, P> {
    /// Commands were written to the encoder, and for each of them a reply of this kind is expected, in this order. Where nothing
    /// was written and nothing else is owed, the reply is one that the server gives by itself: a greeting.
    Send(Vec<E>),
    /// Nothing to write; further replies to what was sent are still awaited. When none is, the connection ends.
    Await,
    /// The connection may be used. All that was sent has been answered.
    Ready(P),
}

/// Why a server may not be used, found during the opening exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// What answered does not speak this protocol, or not the part of it that is needed. The text says what was seen and
    /// what would be needed.
    Incompatible(alloc::string::String),
    /// The server refuses this client: credentials, a connection limit. The text is for an operator.
    Denied(alloc::string::String),
}
