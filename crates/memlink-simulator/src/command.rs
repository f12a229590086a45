use std::cell::Cell;

use bytes::Bytes;
use memlink_core::{Command, Encoder, Malformed, Reply, Unsupported};
use memlink_meta::{
    Arithmetic, CountedOutcome, Delete, DeleteOutcome, Expect, Fault, FaultKind, Get, Meta, MultiGet, Noop, Peer, Set,
    SetOutcome,
};

use crate::protocol::Spoken;

/// One command of memlink-meta, as a simulated caller lends it to the engine.
#[derive(Debug)]
pub(crate) struct Sent {
    form: Form,
    /// The number it got on its connection when it was last written; read and cleared by whoever submitted it.
    written: Cell<Option<u64>>,
}

#[derive(Debug)]
pub(crate) enum Form {
    Get(Get),
    Set(Set),
    Delete(Delete),
    Count(Arithmetic),
    Many(MultiGet),
    Fence(Noop),
}

/// What a command was answered, without what no history asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Hit { value: Bytes, cas: Option<u64> },
    Miss,
    Stored { cas: Option<u64> },
    NotStored,
    Exists,
    NotFound,
    Deleted,
    Counted(u64),
    Values(Vec<Option<Bytes>>),
    Fenced,
    Fault(FaultKind),
}

impl Sent {
    pub(crate) fn new(form: Form) -> Sent {
        Sent { form, written: Cell::new(None) }
    }

    /// The number under which it was written since the last call.
    pub(crate) fn take_written(&self) -> Option<u64> {
        self.written.take()
    }
}

impl Command<Spoken> for Sent {
    type Output = Answer;

    fn check(&self, peer: &Peer) -> Result<(), Unsupported> {
        match &self.form {
            Form::Get(command) => command.check(peer),
            Form::Set(command) => command.check(peer),
            Form::Delete(command) => command.check(peer),
            Form::Count(command) => command.check(peer),
            Form::Many(command) => command.check(peer),
            Form::Fence(command) => Command::<Meta>::check(command, peer),
        }
    }

    fn size_hint(&self) -> usize {
        match &self.form {
            Form::Get(command) => command.size_hint(),
            Form::Set(command) => command.size_hint(),
            Form::Delete(command) => command.size_hint(),
            Form::Count(command) => command.size_hint(),
            Form::Many(command) => command.size_hint(),
            Form::Fence(command) => command.size_hint(),
        }
    }

    fn encode(&self, peer: &Peer, serial: u64, out: &mut Encoder<'_>) -> Expect {
        self.written.set(Some(serial));
        match &self.form {
            Form::Get(command) => command.encode(peer, serial, out),
            Form::Set(command) => command.encode(peer, serial, out),
            Form::Delete(command) => command.encode(peer, serial, out),
            Form::Count(command) => command.encode(peer, serial, out),
            Form::Many(command) => command.encode(peer, serial, out),
            Form::Fence(command) => command.encode(peer, serial, out),
        }
    }

    fn decode(&self, reply: Reply) -> Result<Answer, Malformed> {
        Ok(match &self.form {
            Form::Get(command) => match command.decode(reply)? {
                Ok(Some(got)) => Answer::Hit { value: got.value.unwrap_or_default(), cas: got.cas },
                Ok(None) => Answer::Miss,
                Err(fault) => Answer::Fault(fault.kind()),
            },
            Form::Set(command) => or_fault(command.decode(reply)?, |stored| match stored.outcome {
                SetOutcome::Stored => Answer::Stored { cas: stored.cas },
                SetOutcome::NotStored => Answer::NotStored,
                SetOutcome::Exists => Answer::Exists,
                SetOutcome::NotFound => Answer::NotFound,
            }),
            Form::Delete(command) => or_fault(command.decode(reply)?, |outcome| match outcome {
                DeleteOutcome::Deleted => Answer::Deleted,
                DeleteOutcome::NotFound => Answer::NotFound,
                DeleteOutcome::Exists => Answer::Exists,
                DeleteOutcome::NotStored => Answer::NotStored,
            }),
            Form::Count(command) => or_fault(command.decode(reply)?, |counted| match counted.outcome {
                CountedOutcome::Done => Answer::Counted(counted.value.unwrap_or(0)),
                CountedOutcome::NotFound => Answer::NotFound,
                CountedOutcome::Exists => Answer::Exists,
                CountedOutcome::NotStored => Answer::NotStored,
            }),
            Form::Many(command) => {
                let values = command.decode_with(reply, |_, found| found.map(|found| found.value))?;
                or_fault(values, Answer::Values)
            }
            Form::Fence(command) => or_fault(command.decode(reply)?, |()| Answer::Fenced),
        })
    }
}

fn or_fault<T>(decoded: Result<T, Fault>, read: impl FnOnce(T) -> Answer) -> Answer {
    decoded.map_or_else(|fault| Answer::Fault(fault.kind()), read)
}
