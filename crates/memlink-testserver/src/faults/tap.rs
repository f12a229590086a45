//! What happens to each command of one connection.
//!
//! ```text
//!   session                 tap                          connection
//!
//!   line is read    ->      before: execute it at all?
//!   executes
//!   reply is whole  ->      after: change the reply,
//!                           and mark where in the stream
//!                           something is to happen  ->   outbox: writes up to a mark,
//!   stops if halted <-                                   and does it
//! ```

use super::board::{Installed, Snapshot};
use super::edit::Reply;
use super::fault::{At, Cut, Pace, What};
use super::{Act, Mark, later};
use crate::faults::chance::Purpose;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The faults as one conversation meets them.
#[derive(Debug)]
pub(crate) struct Tap {
    connection: u64,
    snapshot: Snapshot,
    now: Instant,
    /// How many commands there have been, which is what chance goes by.
    commands: u64,
    current: Option<Current>,
    /// How many bytes left the session before the replies that it still keeps.
    written: u64,
    /// Where the latest reply begins in those.
    previous: Option<usize>,
    marks: Vec<Mark>,
    halted: bool,
    muted: bool,
    /// Until when a throttle lets no further command through.
    busy_until: Option<Instant>,
    coalesced_until: Option<Instant>,
}

/// Whether a command is executed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Execute,
    Lose,
    /// It is answered with this instead.
    Answer(Bytes),
}

/// The command between `before` and `after`.
#[derive(Debug)]
struct Current {
    verb: Bytes,
    key: Bytes,
    /// Where its reply begins.
    start: usize,
    /// Nothing of its reply has left yet.
    is_whole: bool,
}

impl Tap {
    /// `written` bytes have left the session so far.
    pub(crate) fn new(connection: u64, written: u64) -> Tap {
        Tap {
            connection,
            snapshot: Snapshot::default(),
            now: Instant::now(),
            commands: 0,
            current: None,
            written,
            previous: None,
            marks: Vec::new(),
            halted: false,
            muted: false,
            busy_until: None,
            coalesced_until: None,
        }
    }

    pub(crate) fn see(&mut self, snapshot: Snapshot) {
        self.snapshot = snapshot;
    }

    /// Tells it the time, which it keeps until it is told again.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
    }

    /// A command was read; `replies_len` bytes of replies wait before its own.
    pub(crate) fn before(&mut self, verb: &[u8], key: &[u8], noreply: bool, replies_len: usize) -> Verdict {
        self.commands += 1;
        let current = Current {
            verb: Bytes::copy_from_slice(verb),
            key: Bytes::copy_from_slice(key),
            start: replies_len,
            is_whole: true,
        };
        self.throttle(&current);
        let verdict = self.first(&current, |what, _| match what {
            What::Lose => Some(Verdict::Lose),
            What::ErrorLine(line) if !noreply => Some(Verdict::Answer(line.clone())),
            _ => None,
        });
        self.current = Some(current);
        verdict.map_or(Verdict::Execute, |(verdict, _)| verdict)
    }

    /// The command is done; its reply is the end of `replies`. True if a fault
    /// keeps it back, whole or in part.
    pub(crate) fn after(&mut self, replies: &mut BytesMut) -> bool {
        let Some(mut current) = self.current.take().filter(|_| !self.muted) else {
            self.previous = None;
            return self.muted;
        };
        let len = replies.len();
        if current.is_whole {
            self.edit(&mut current, replies);
        }
        let is_empty = replies.len() == current.start;
        let is_swallowed = is_empty && replies.len() < len;
        let is_cut = self.mark(&current, replies.len());
        if !is_empty {
            self.previous = Some(current.start);
        }
        is_swallowed || is_cut
    }

    /// The session has let go of so many bytes, all that it kept.
    pub(crate) fn flushed(&mut self, len: usize) {
        self.written += len as u64;
        self.previous = None;
        if let Some(current) = &mut self.current {
            current.is_whole &= current.start == len;
            current.start = 0;
        }
    }

    /// So many bytes went out that are not the session's.
    pub(crate) fn flushed_besides(&mut self, len: usize) {
        self.written += len as u64;
    }

    /// Whether no further command is to be worked off for now.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted
    }

    /// What halted it is over.
    pub(crate) fn go_on(&mut self) {
        self.halted = false;
    }

    /// From now on nothing is answered.
    pub(crate) fn mute(&mut self) {
        self.muted = true;
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.muted
    }

    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// What is to happen in the stream, for the outbox.
    pub(crate) fn take_marks(&mut self) -> impl Iterator<Item = Mark> + '_ {
        self.marks.drain(..)
    }

    pub(crate) fn busy_until(&self) -> Option<Instant> {
        self.busy_until
    }

    /// What will happen if nothing is asked: after which time, and by whom.
    pub(crate) fn idle_plan(&self) -> Vec<(Duration, Arc<Installed>)> {
        let planned = |installed: &Arc<Installed>| match installed.fault.what {
            What::Stray { after, .. } | What::IdleClose(after) => Some((after, Arc::clone(installed))),
            _ => None,
        };
        self.snapshot.installed.iter().filter_map(planned).collect()
    }

    /// Whether a fault of the plan strikes: the bytes to send, or none to close.
    pub(crate) fn idle(&self, installed: &Installed) -> Option<Bytes> {
        if !installed.strikes(self.snapshot.seed, self.connection, self.commands) {
            return None;
        }
        match &installed.fault.what {
            What::Stray { bytes, .. } => Some(bytes.clone()),
            _ => Some(Bytes::new()),
        }
    }

    fn throttle(&mut self, current: &Current) {
        for installed in &self.snapshot.installed {
            let What::Throttle(per_second) = installed.fault.what else { continue };
            if installed.fault.when.is_about(&current.verb, &current.key) {
                let end = installed.turn(per_second, self.now);
                if end > self.now {
                    installed.raise();
                }
                self.busy_until = self.busy_until.max(Some(end));
            }
        }
    }

    fn edit(&self, current: &mut Current, replies: &mut BytesMut) {
        let edited = self.first(current, |what, installed| {
            let What::Edit(edit) = what else { return None };
            let reply = Reply { bytes: replies, start: current.start, previous: self.previous };
            edit.apply(&reply, installed.draw(self.snapshot.seed, self.connection, self.commands))
        });
        if let Some((edited, _)) = edited {
            current.start = edited.start;
            edited.put(replies);
        }
    }

    /// Marks the stream; true if the reply does not get through whole.
    fn mark(&mut self, current: &Current, replies_len: usize) -> bool {
        let start = self.written + current.start as u64;
        let end = self.written + replies_len as u64;
        let mut pace_end = None;
        if start < end {
            if let Some(until) = self.busy_until.filter(|until| *until > self.now) {
                self.marks.push(Mark { at: start, act: Act::Wait(until) });
            }
            pace_end = self.pace(current, start);
        }
        let cut = self.first(current, |what, installed| match what {
            What::Cut { cut, at } => Some((*cut, self.place(*at, current, start, end, installed)?)),
            _ => None,
        });
        let cut = cut.map(|((cut, at), by)| Mark { at, act: Act::Cut(cut, by) });
        let is_cut = cut.as_ref().is_some_and(|mark| mark.at < end && !matches!(mark.act, Act::Cut(Cut::Freeze, _)));
        self.halted |= cut.is_some();
        self.marks.extend(cut);
        self.marks.extend(pace_end.map(|()| Mark { at: end, act: Act::PaceEnd }));
        is_cut
    }

    /// Marks how the reply that begins at `start` is spread over time. `Some` if
    /// that has to end with it.
    fn pace(&mut self, current: &Current, start: u64) -> Option<()> {
        let (pace, by) = self.first(current, |what, _| match what {
            What::Pace(pace) => Some(pace.clone()),
            _ => None,
        })?;
        let act = match pace {
            Pace::Delay(range) => {
                let (least, most) = (*range.start(), *range.end());
                let draw = by.draw(self.snapshot.seed, self.connection, self.commands);
                let more = most.saturating_sub(least).mul_f64(draw.unit(Purpose::HowLong));
                Act::Wait(later(self.now, least.saturating_add(more)))
            }
            Pace::Coalesce(window) => {
                let until = self.coalesced_until.filter(|until| *until > self.now).unwrap_or(later(self.now, window));
                self.coalesced_until = Some(until);
                Act::Wait(until)
            }
            Pace::Trickle { bytes, every } => Act::Pace { bytes, every },
        };
        let ends = matches!(act, Act::Pace { .. }).then_some(());
        self.marks.push(Mark { at: start, act });
        ends
    }

    /// Where a cut falls in the stream, if it falls on this reply.
    fn place(&self, at: At, current: &Current, start: u64, end: u64, by: &Installed) -> Option<u64> {
        let len = (end - start) as usize;
        match at {
            At::Stream(byte) => (start..end).contains(&byte).then_some(byte),
            At::ReplyEnd => Some(end),
            _ if !current.is_whole => None,
            At::Reply(0) => Some(start),
            At::Reply(byte) => (byte < len).then_some(start + byte as u64),
            At::Anywhere => {
                let draw = by.draw(self.snapshot.seed, self.connection, self.commands);
                (len > 1).then(|| start + 1 + draw.below(Purpose::Where, len - 1) as u64)
            }
        }
    }

    /// The first fault that is about the command, can do something about it, and
    /// strikes.
    fn first<T>(
        &self,
        current: &Current,
        mut what_it_does: impl FnMut(&What, &Installed) -> Option<T>,
    ) -> Option<(T, Arc<Installed>)> {
        self.snapshot.installed.iter().find_map(|installed| {
            if installed.is_removed() || !installed.fault.when.is_about(&current.verb, &current.key) {
                return None;
            }
            let done = what_it_does(&installed.fault.what, installed)?;
            installed.strikes(self.snapshot.seed, self.connection, self.commands).then(|| (done, Arc::clone(installed)))
        })
    }
}
