use std::task::Poll;

use bytes::{BufMut, BytesMut};
use memlink_core::Broken;
use memlink_testserver::Session;

use super::{Next, World};
use crate::link::io;
use crate::wire::{End, Pipe, Written};

/// One simulated connection: two directions, and what each end knows of it.
#[derive(Debug)]
pub(crate) struct Wired {
    pub(crate) link: usize,
    pub(crate) server: usize,
    pub(crate) born: u64,
    /// Commands.
    pub(crate) up: Pipe,
    /// Replies.
    pub(crate) down: Pipe,
    /// The driver has the socket.
    pub(crate) is_open: bool,
    /// Callers in the middle of a write: the socket is there as long as they are.
    pub(crate) writers: usize,
    /// The driver is to be woken when something can be read, or written.
    reads: bool,
    writes: bool,
    /// The server's end, while it lives.
    pub(crate) session: Option<Session>,
    pub(crate) input: BytesMut,
    pub(crate) output: BytesMut,
    /// A reply that waits for the next, to come behind it.
    pub(crate) held: Option<BytesMut>,
    pub(crate) frozen_until: u64,
    /// How long it was silenced in all.
    pub(crate) quiet: u64,
    pub(crate) trickles_until: u64,
    /// When the server's end was gone: nothing of this connection happens later.
    pub(crate) died: u64,
    pub(crate) suffered: Suffered,
    /// Which operation wrote which number.
    pub(crate) serials: Vec<(u64, usize)>,
    /// When the client has read something last.
    pub(crate) read_at: u64,
    /// The buffers were full in the middle of the last write.
    is_blocked: bool,
    /// When the client could go on with such a write: before that the server cannot have answered it.
    pub(crate) unblocked_at: u64,
}

/// What a connection has suffered, as far as it explains why it was lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Suffered {
    /// It was ended or cut.
    pub(crate) end: bool,
    /// Replies were altered, added or left out.
    pub(crate) altered: bool,
    /// How often. Once is seen for certain; an error line in the place of a reply that is missing is not.
    pub(crate) alterations: u32,
    /// It was silent for about as long as a stall, or longer.
    pub(crate) silence: bool,
    /// It was slow: a bound on the time of a whole exchange may be passed by that, one on silence may not.
    pub(crate) slowness: bool,
    /// A caller took a command in hands, and wrote it after the program had been stopped.
    pub(crate) late_write: bool,
}

impl Wired {
    pub(super) fn new(link: usize, server: usize, born: u64, window: usize, session: Option<Session>) -> Wired {
        Wired {
            link,
            server,
            born,
            up: Pipe::new(window),
            down: Pipe::new(window),
            is_open: true,
            writers: 0,
            reads: false,
            writes: false,
            session,
            input: BytesMut::new(),
            output: BytesMut::new(),
            held: None,
            frozen_until: 0,
            quiet: 0,
            trickles_until: 0,
            died: u64::MAX,
            suffered: Suffered::default(),
            serials: Vec::new(),
            read_at: 0,
            is_blocked: false,
            unblocked_at: 0,
        }
    }
}

/// The client's end, as the operating system gives it.
impl World {
    pub(crate) fn poll_read(&mut self, n: usize, space: &mut dyn BufMut) -> Poll<Result<usize, Broken>> {
        let now = self.now;
        let wired = &mut self.wired[n];
        wired.down.land(now);
        let arrived = wired.down.arrived().len();
        if arrived == 0 {
            return match wired.down.ended {
                Some(End::Finished) => Poll::Ready(Ok(0)),
                Some(End::Reset) => Poll::Ready(Err(io("connection reset"))),
                None => {
                    wired.reads = true;
                    Poll::Pending
                }
            };
        }
        let mut len = arrived.min(space.remaining_mut());
        if self.dice.one_in(8) {
            len = 1 + self.dice.index(len);
        }
        space.put_slice(&wired.down.arrived()[..len]);
        wired.down.read(len);
        wired.read_at = now;
        if !wired.output.is_empty() {
            let at = now + self.latency();
            self.at(at, Next::Serve(n));
        }
        Poll::Ready(Ok(len))
    }

    pub(crate) fn poll_write(&mut self, n: usize, slices: &[&[u8]]) -> Poll<Result<usize, Broken>> {
        match self.try_write(n, slices) {
            Err(why) => Poll::Ready(Err(why)),
            Ok(0) => {
                self.wired[n].writes = true;
                Poll::Pending
            }
            Ok(len) => Poll::Ready(Ok(len)),
        }
    }

    /// As many bytes as there is room for, or fewer; 0 when there is none.
    pub(crate) fn try_write(&mut self, n: usize, slices: &[&[u8]]) -> Result<usize, Broken> {
        let now = self.now;
        let wired = &mut self.wired[n];
        wired.down.land(now);
        if wired.down.ended == Some(End::Reset) {
            return Err(io("broken pipe"));
        }
        let all: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut most = all.min(wired.up.room());
        if most > 0 && self.dice.one_in(10) {
            most = 1 + self.dice.index(most);
        }
        let mut taken = 0;
        for slice in slices {
            let (mut rest, _) = slice.split_at(slice.len().min(most - taken));
            while !rest.is_empty() {
                // Where a piece ends has nothing to do with where a command does.
                let len = if self.dice.one_in(6) { 1 + self.dice.index(rest.len()) } else { rest.len() };
                let (piece, behind) = rest.split_at(len);
                taken += len;
                rest = behind;
                self.send_up(n, piece);
            }
        }
        let wired = &mut self.wired[n];
        if taken > 0 && wired.is_blocked {
            wired.unblocked_at = now;
        }
        wired.is_blocked = taken < all && wired.up.room() == 0;
        Ok(taken)
    }

    fn send_up(&mut self, n: usize, piece: &[u8]) {
        let at = self.now + self.latency();
        match self.wired[n].up.write(piece, at) {
            Written::Taken(_, at) => self.at(at, Next::Up(n)),
            Written::Cut(_, at) => {
                self.at(at, Next::Up(n));
                self.cut(n, at);
            }
            Written::Full => {}
        }
    }

    /// The connection is lost behind what is under way in the direction of the cut.
    pub(super) fn cut(&mut self, n: usize, at: u64) {
        let end = if self.dice.one_in(2) { End::Finished } else { End::Reset };
        let (up, down) = (self.wired[n].up.end(end, at), self.wired[n].down.end(end, at));
        self.wired[n].suffered.end = true;
        self.at(up, Next::Up(n));
        self.at(down, Next::Down(n));
    }

    pub(super) fn arrive_down(&mut self, n: usize) {
        let now = self.now;
        let wired = &mut self.wired[n];
        if wired.down.land(now) && std::mem::take(&mut wired.reads) && wired.is_open {
            let link = wired.link;
            self.schedule_driver(link);
        }
        // A connection that was reset can be written to at once: the write fails.
        if self.wired[n].down.ended.is_some() {
            self.wake_writer(n);
        }
    }

    /// There is room in the direction of the server.
    pub(super) fn wake_writer(&mut self, n: usize) {
        let wired = &mut self.wired[n];
        if std::mem::take(&mut wired.writes) && wired.is_open {
            let link = wired.link;
            self.schedule_driver(link);
        }
    }

    /// The driver drops the socket.
    pub(crate) fn close_client(&mut self, n: usize) {
        self.wired[n].is_open = false;
        self.end_client(n);
    }

    /// A caller that was writing drops it, too.
    pub(crate) fn drop_writer(&mut self, n: usize) {
        self.wired[n].writers -= 1;
        self.end_client(n);
    }

    /// When nobody has it any more the server is told.
    fn end_client(&mut self, n: usize) {
        if self.wired[n].is_open || self.wired[n].writers > 0 {
            return;
        }
        let at = self.now + self.latency();
        // What was not read makes a reset of the end, and that may overtake what is under way.
        let at = if self.dice.one_in(4) {
            self.wired[n].up.reset(at);
            at
        } else {
            self.wired[n].up.end(End::Finished, at)
        };
        self.at(at, Next::Up(n));
    }
}
