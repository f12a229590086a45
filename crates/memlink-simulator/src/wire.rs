use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

/// One direction of a simulated connection: bytes under way, and bytes that have arrived and were not read.
///
/// ```text
///   write --> [ piece, at 5 ][ piece, at 7 ][ end, at 9 ] --land--> arrived --> read
///             '------------------- window: full buffers ------------------'
/// ```
#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) window: usize,
    under_way: VecDeque<(u64, Piece)>,
    arrived: BytesMut,
    /// Bytes under way and arrived.
    held: usize,
    /// When the last piece arrives: none overtakes another.
    last: u64,
    /// The connection is lost behind so many more bytes.
    pub(crate) cut: Option<usize>,
    /// What the cut has swallowed.
    pub(crate) lost: Vec<u8>,
    /// Nothing that is written from now on arrives.
    is_closed: bool,
    /// What stands behind the last byte that arrived.
    pub(crate) ended: Option<End>,
    /// Nothing arrives before.
    pub(crate) late_until: u64,
}

#[derive(Debug)]
enum Piece {
    Bytes(BytesMut),
    End(End),
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything has arrived.
    Finished,
    /// Something may be missing.
    Reset,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// So many bytes were taken. They arrive at this time.
    Taken(usize, u64),
    /// As before, and the connection was cut behind some of them.
    Cut(usize, u64),
    /// The buffers are full.
    Full,
}

impl Pipe {
    pub(crate) fn new(window: usize) -> Pipe {
        Pipe {
            window,
            under_way: VecDeque::new(),
            arrived: BytesMut::new(),
            held: 0,
            last: 0,
            cut: None,
            lost: Vec::new(),
            is_closed: false,
            ended: None,
            late_until: 0,
        }
    }

    pub(crate) fn room(&self) -> usize {
        if self.is_closed { usize::MAX } else { self.window.saturating_sub(self.held) }
    }

    /// Takes what there is room for; it arrives at `at` or behind what is under way already.
    pub(crate) fn write(&mut self, bytes: &[u8], at: u64) -> Written {
        let n = bytes.len().min(self.room());
        if n == 0 {
            return Written::Full;
        }
        let (taken, _) = bytes.split_at(n);
        let at = at.max(self.last).max(self.late_until);
        if self.is_closed {
            return Written::Taken(n, at);
        }
        let kept = self.cut.map_or(n, |cut| cut.min(n));
        self.last = at;
        self.held += kept;
        let (kept, lost) = taken.split_at(kept);
        if !kept.is_empty() {
            match self.under_way.back_mut() {
                // What arrives together is read together.
                Some((last, Piece::Bytes(piece))) if *last == at => piece.extend_from_slice(kept),
                _ => self.under_way.push_back((at, Piece::Bytes(BytesMut::from(kept)))),
            }
        }
        match &mut self.cut {
            Some(cut) if *cut < n => {
                self.lost.extend_from_slice(lost);
                Written::Cut(n, at)
            }
            cut => {
                *cut = cut.map(|cut| cut - n);
                Written::Taken(n, at)
            }
        }
    }

    /// Ends behind what was written; says when that arrives.
    pub(crate) fn end(&mut self, end: End, at: u64) -> u64 {
        let at = at.max(self.last).max(self.late_until);
        if !self.is_closed {
            self.is_closed = true;
            self.last = at;
            self.under_way.push_back((at, Piece::End(end)));
        }
        at
    }

    /// All that is under way is lost, and the end with it comes at once.
    pub(crate) fn reset(&mut self, at: u64) {
        for (_, piece) in self.under_way.drain(..) {
            if let Piece::Bytes(piece) = piece {
                self.held -= piece.len();
            }
        }
        self.is_closed = true;
        self.under_way.push_back((at, Piece::End(End::Reset)));
    }

    /// What is due arrives; says whether anything did.
    pub(crate) fn land(&mut self, now: u64) -> bool {
        let mut has_landed = false;
        while let Some((at, _)) = self.under_way.front() {
            if *at > now {
                break;
            }
            match self.under_way.pop_front() {
                Some((_, Piece::Bytes(piece))) if self.arrived.is_empty() => self.arrived = piece,
                Some((_, Piece::Bytes(piece))) => self.arrived.extend_from_slice(&piece),
                Some((_, Piece::End(end))) => self.ended = Some(end),
                None => {}
            }
            has_landed = true;
        }
        has_landed
    }

    /// Bytes that can be read.
    pub(crate) fn arrived(&self) -> &[u8] {
        &self.arrived
    }

    /// Takes the first `n` of them.
    pub(crate) fn read(&mut self, n: usize) {
        self.arrived.advance(n);
        self.held -= n;
    }

    /// Takes all of them.
    pub(crate) fn read_all(&mut self) -> BytesMut {
        self.held -= self.arrived.len();
        std::mem::take(&mut self.arrived)
    }
}
