//! Bytes on their way to the client, and what is to happen between them.

use super::board::Installed;
use super::fault::Cut;
use super::later;
use bytes::{Buf as _, BytesMut};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A place in the stream of a connection where something is to happen.
#[derive(Debug)]
pub(crate) struct Mark {
    /// How many bytes of the stream come before it.
    pub(super) at: u64,
    pub(super) act: Act,
}

#[derive(Debug)]
pub(super) enum Act {
    /// Nothing further leaves before.
    Wait(Instant),
    /// From here on so many bytes leave every so often.
    Pace {
        bytes: usize,
        every: Duration,
    },
    PaceEnd,
    Cut(Cut, Arc<Installed>),
}

/// What waits to be written, with its marks.
#[derive(Debug)]
pub(crate) struct Outbox {
    bytes: BytesMut,
    /// How many bytes of the stream were written.
    position: u64,
    marks: VecDeque<Mark>,
    pace: Option<Pace>,
}

#[derive(Debug)]
struct Pace {
    bytes: usize,
    every: Duration,
    next: Instant,
}

/// What there is to do next.
#[derive(Debug)]
pub(crate) enum Next {
    Nothing,
    /// Write so many bytes of the front.
    Write(usize),
    Wait(Instant),
    Cut(Cut, Arc<Installed>),
}

/// No further command is worked off while more than this waits.
const BYTES_HIGH: usize = 1024 * 1024;

/// The same for marks, of which a connection without replies can gather many.
const MARKS_HIGH: usize = 10_000;

impl Outbox {
    /// `bytes` are the end of what has been put into the stream, whose length is
    /// `written`.
    pub(crate) fn new(bytes: BytesMut, written: u64) -> Outbox {
        let position = written.saturating_sub(bytes.len() as u64);
        Outbox { bytes, position, marks: VecDeque::new(), pace: None }
    }

    /// Where new bytes are added.
    pub(crate) fn bytes_mut(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    pub(crate) fn add_marks(&mut self, marks: impl Iterator<Item = Mark>) {
        self.marks.extend(marks);
    }

    pub(crate) fn front(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or(&self.bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.marks.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() > BYTES_HIGH || self.marks.len() > MARKS_HIGH
    }

    /// Forgets everything, for one whose words reach nobody any more.
    pub(crate) fn discard(&mut self) {
        self.position += self.bytes.len() as u64;
        self.bytes.clear();
        self.marks.clear();
        self.pace = None;
    }

    /// What to do now. A cut is given out once.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        while self.marks.front().is_some_and(|mark| mark.at <= self.position) {
            let Some(mark) = self.marks.pop_front() else { break };
            match mark.act {
                Act::Wait(until) if until > now => {
                    self.marks.push_front(mark);
                    return Next::Wait(until);
                }
                Act::Wait(_) => {}
                Act::Pace { bytes, every } => self.pace = Some(Pace { bytes, every, next: now }),
                Act::PaceEnd => self.pace = None,
                Act::Cut(cut, by) => return Next::Cut(cut, by),
            }
        }
        let reach = self.marks.front().map_or(u64::MAX, |mark| mark.at - self.position);
        let mut len = self.bytes.len().min(usize::try_from(reach).unwrap_or(usize::MAX));
        if len == 0 {
            return Next::Nothing;
        }
        if let Some(pace) = &self.pace {
            if pace.next > now {
                return Next::Wait(pace.next);
            }
            len = len.min(pace.bytes);
        }
        Next::Write(len)
    }

    pub(crate) fn wrote(&mut self, len: usize, now: Instant) {
        self.bytes.advance(len.min(self.bytes.len()));
        self.position += len as u64;
        if let Some(pace) = &mut self.pace {
            pace.next = later(now, pace.every);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that happens, each write with its bytes and time.
    fn story(outbox: &mut Outbox, begin: Instant) -> Vec<String> {
        let mut now = begin;
        let mut story = Vec::new();
        loop {
            match outbox.next(now) {
                Next::Nothing => return story,
                Next::Write(len) => {
                    let bytes = String::from_utf8_lossy(outbox.front(len)).into_owned();
                    story.push(format!("{} {bytes}", (now - begin).as_millis()));
                    outbox.wrote(len, now);
                }
                Next::Wait(until) => now = until,
                Next::Cut(cut, _) => story.push(format!("{cut:?}")),
            }
        }
    }

    #[test]
    fn marks_are_met_in_their_order() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        // Ten bytes were written before.
        let mut outbox = Outbox::new(BytesMut::from("abcdefghij"), 20);
        outbox.add_marks(
            [
                Mark { at: 12, act: Act::Wait(begin + ms(5)) },
                Mark { at: 14, act: Act::Pace { bytes: 2, every: ms(3) } },
                Mark { at: 19, act: Act::PaceEnd },
            ]
            .into_iter(),
        );
        assert_eq!(story(&mut outbox, begin), ["0 ab", "5 cd", "5 ef", "8 gh", "11 i", "11 j"]);
        assert!(outbox.is_empty());
    }
    #[test]
    fn it_is_full_at_its_bounds() {
        let mut outbox = Outbox::new(BytesMut::zeroed(BYTES_HIGH), 0);
        assert!(!outbox.is_full());
        outbox.bytes_mut().extend_from_slice(b"x");
        assert!(outbox.is_full());
        outbox.discard();
        assert!(outbox.is_empty() && !outbox.is_full());
        outbox.add_marks((0..=MARKS_HIGH).map(|_| Mark { at: 0, act: Act::PaceEnd }));
        assert!(outbox.is_full());
    }
}
