use alloc::string::String;

use crate::{Encoder, Protocol, Reply};

/// One command of a protocol: checked, written once, its reply read by whoever sent it.
pub trait Command<P: Protocol> {
    /// What the reply means, errors that the server reports included.
    type Output;

    /// Says before anything is written whether the server at the other end has what this command needs.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] when the server lacks a form or a flag and no exact equivalent exists. Nothing is sent.
    fn check(&self, peer: &P::Peer) -> Result<(), Unsupported> {
        let _ = peer;
        Ok(())
    }

    /// About how many bytes [`encode`](Command::encode) writes: used for the bound on queued bytes.
    fn size_hint(&self) -> usize;

    /// Whether the server may have run a part of it when only a part of it has reached the server: a pipeline of many commands that
    /// goes as one. Such a command is of unknown outcome from its first byte on, and never sent again by itself. Default `false`: the
    /// server needs the whole of it.
    fn may_run_in_part(&self) -> bool {
        false
    }

    /// Writes the whole command and says what its reply must look like. Called at most once per attempt, after
    /// [`check`](Command::check); it cannot fail: what could be wrong was refused when the command was built.
    ///
    /// `serial` is the command's number on its connection, from 0, without gaps: a protocol with an opaque derives it from
    /// this number and finds the same number again in [`Ask::serial`](crate::Ask::serial).
    fn encode(&self, peer: &P::Peer, serial: u64, out: &mut Encoder<'_>) -> P::Expect;

    /// Reads the reply. Runs in the task of the caller, never in the one that serves the connection.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the reply is well framed but its content is not what the protocol allows (a number that is none).
    /// The connection is then closed, because a server that says such a thing cannot be trusted with the next reply.
    fn decode(&self, reply: Reply) -> Result<Self::Output, Malformed>;
}

/// The server lacks what a command needs. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// What is needed, what the server has, and what to do about it.
    pub what: String,
}

/// A reply that is well framed and yet not what the protocol allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, without any user data.
    pub what: &'static str,
}
