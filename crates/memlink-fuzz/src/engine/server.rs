use std::cell::Cell;
use std::ops::Range;

use super::protocol::{HEADER_LEN, OPENING, header, read_header};

/// The other side of the wire. It is strict: a stream that no sane client writes ends the run at once.
#[derive(Debug)]
pub(super) struct Server {
    input: Vec<u8>,
    /// Replies on their way, from `at` on.
    replies: Vec<u8>,
    at: usize,
    /// Serial that the next command must at least have.
    next: u16,
    /// By tag: its header has come; all of it has. On any connection.
    pub(super) touched: Vec<bool>,
    pub(super) received: Vec<bool>,
    /// Where the last reply begins.
    last_at: usize,
    refuses: bool,
    greets: bool,
}

/// More than all commands of a run are answered.
const REPLIES_LEN: usize = 8 << 20;

thread_local! {
    /// Those of the server before, large enough not to grow: their memory is none of the engine's.
    static BUFFERS: Cell<Option<(Vec<u8>, Vec<u8>)>> = const { Cell::new(None) };
}

impl Drop for Server {
    fn drop(&mut self) {
        self.input.clear();
        self.replies.clear();
        BUFFERS.set(Some((std::mem::take(&mut self.input), std::mem::take(&mut self.replies))));
    }
}

impl Server {
    pub(super) fn new(greets: bool) -> Server {
        let tags = vec![false; 256];
        let (input, replies) =
            BUFFERS.take().unwrap_or_else(|| (Vec::with_capacity(1 << 18), Vec::with_capacity(REPLIES_LEN)));
        Server {
            input,
            replies,
            touched: tags.clone(),
            received: tags,
            greets,
            at: 0,
            next: 0,
            last_at: 0,
            refuses: false,
        }
    }

    /// A new connection; what was left of the old one was never a whole command.
    pub(super) fn accept(&mut self) {
        self.hang_up();
        self.input.clear();
        self.next = 0;
        if self.greets {
            let kind = if std::mem::take(&mut self.refuses) { b'-' } else { OPENING };
            self.reply(kind, 0, 0, 0);
            self.next = 1;
        }
    }

    /// Another connection, on which the opening exchange has been held already.
    pub(super) fn go_on(&mut self, next: u16) {
        self.hang_up();
        self.input.clear();
        self.next = next;
    }

    /// Replies that have not arrived never will.
    pub(super) fn hang_up(&mut self) {
        self.replies.clear();
        (self.at, self.last_at) = (0, 0);
    }

    pub(super) fn serve(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(len) = self.serve_one(done) {
            done += len;
        }
        self.input.drain(..done);
    }

    fn serve_one(&mut self, at: usize) -> Option<usize> {
        let bytes = self.input.get(at..)?;
        let (kind, serial, tag, len) = read_header(bytes)?;
        let index = usize::from(tag);
        let body = if matches!(kind, b'p' | b'q') { len } else { 0 };
        if kind != OPENING {
            self.touched[index] = true;
        }
        let body_bytes = bytes.get(HEADER_LEN..HEADER_LEN + body)?;
        assert!(
            body_bytes.first().is_none_or(|byte| *byte == b'b') && body_bytes.last().is_none_or(|byte| *byte == b'b')
        );
        if kind == OPENING {
            // Numbered in rounds; serials count a greeting, too.
            let kind = if std::mem::take(&mut self.refuses) { b'-' } else { OPENING };
            let serial = self.next;
            self.next += 1;
            self.reply(kind, serial, 0, 0);
            return Some(HEADER_LEN);
        }
        assert!(serial >= self.next, "commands out of order: {serial} where {} was due", self.next);
        self.next = serial + 1;
        assert!(!self.received[index], "a command came twice: {tag}");
        self.received[index] = true;
        match kind {
            b'e' | b'p' | b'q' => self.reply(b'e', serial, tag, 0),
            b'v' => self.reply(b'v', serial, tag, len),
            b'm' => {
                for part in 0..len {
                    self.reply(b'+', serial, tag, part * 3);
                }
                self.reply(b'e', serial, tag, 0);
            }
            b's' => {}
            b'x' => self.reply(b'-', serial, tag, 0),
            other => unreachable!("no such command: {other}"),
        }
        Some(HEADER_LEN + body)
    }

    fn reply(&mut self, kind: u8, serial: u16, tag: u8, len: usize) {
        self.last_at = self.replies.len();
        self.replies.extend_from_slice(&header(kind, serial, tag, len as u16));
        self.replies.resize(self.replies.len() + len, tag);
        self.replies.push(b';');
    }

    /// At most `n` bytes of what is on its way.
    pub(super) fn take(&mut self, n: usize) -> Range<usize> {
        let from = self.at;
        self.at += n.min(self.replies.len() - from);
        from..self.at
    }

    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.replies.get(range).unwrap_or_default()
    }

    // ---- what it should not do ----

    /// A reply of a number that nobody has asked under.
    pub(super) fn stray(&mut self, kind: u8) {
        let kinds = [b'e', b'v', b'+', b'-', OPENING, b'?'];
        self.reply(kinds[usize::from(kind) % kinds.len()], 40_000, 255, usize::from(kind >> 4));
    }

    /// A message that nobody asked for, which the protocol allows.
    pub(super) fn say_unasked(&mut self, len: u8) {
        self.reply(b'!', 0, 0, usize::from(len));
    }

    /// The last reply comes again.
    pub(super) fn repeat_last(&mut self) {
        let last = self.last_at..self.replies.len();
        if last.end + last.len() < REPLIES_LEN / 2 {
            self.last_at = last.end;
            self.replies.extend_from_within(last);
        }
    }

    /// The last reply, of which no byte has arrived, never comes.
    pub(super) fn forget_last(&mut self) {
        if self.last_at >= self.at {
            self.replies.truncate(self.last_at);
        }
    }

    pub(super) fn refuse_opening(&mut self) {
        self.refuses = true;
    }

    /// It does what it should from now on.
    pub(super) fn behave(&mut self) {
        self.refuses = false;
    }
}
