//! One connection of the bare socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::prepared::Prepared;
use crate::harness::{Limit, latency};
use crate::tls::Wire;

/// One connection and how far it is. Bytes are counted from the first ever, in both directions.
pub struct Lane {
    stream: Wire,
    prepared: Prepared,
    /// Lines in flight at most.
    depth: usize,
    asked: u64,
    answered: u64,
    written: u64,
    received: u64,
    buffer: Vec<u8>,
    spins: bool,
    limit: Limit,
    /// Lines that had been asked when the run began.
    begun_at: u64,
    /// Takes the time of each, where one is in flight at a time.
    times: bool,
    asked_at: Instant,
}

/// Large enough that one read takes all there is, small enough to stay in the cache.
const BUFFER_LEN: usize = 256 * 1024;

impl Lane {
    pub fn open(server: &str, is_secret: bool, prepared: Prepared, depth: usize, times: bool) -> io::Result<Lane> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        // A server that says nothing is an error and not a hang.
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Lane {
            stream: Wire::new(stream, is_secret)?,
            prepared,
            depth,
            asked: 0,
            answered: 0,
            written: 0,
            received: 0,
            buffer: vec![0; BUFFER_LEN],
            spins: false,
            limit: Limit::Operations(0),
            begun_at: 0,
            times,
            asked_at: Instant::now(),
        })
    }

    pub fn operations(&self) -> u64 {
        self.answered * self.prepared.operations_per_line as u64
    }

    pub fn start(&mut self, limit: Limit, spins: bool) -> io::Result<()> {
        (self.limit, self.spins) = (limit, spins);
        self.begun_at = self.asked;
        self.stream.tcp().set_nonblocking(spins)
    }

    /// Up to the limit, and until all is answered.
    pub fn run(&mut self, limit: Limit) -> io::Result<()> {
        self.start(limit, false)?;
        while self.turn()? {}
        Ok(())
    }

    /// Writes if enough has been answered, reads once; `false` when nothing is left to do.
    pub fn turn(&mut self) -> io::Result<bool> {
        let room = self.depth - (self.asked - self.answered) as usize;
        if room >= self.depth.div_ceil(2) && !self.is_over() {
            self.asked += room as u64;
            if self.times {
                self.asked_at = Instant::now();
            }
        }
        self.write()?;
        if self.asked == self.answered {
            return Ok(false);
        }
        self.read()?;
        Ok(true)
    }

    fn is_over(&self) -> bool {
        match self.limit {
            Limit::At(end) => Instant::now() >= end,
            Limit::Operations(count) => {
                (self.asked - self.begun_at) * self.prepared.operations_per_line as u64 >= count
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let wanted = self.prepared.asked_bytes(self.asked);
        while self.written < wanted {
            match self.stream.write(self.prepared.slice(self.written, wanted)) {
                Ok(n) => self.written += n as u64,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> io::Result<()> {
        let n = match self.stream.read(&mut self.buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => n,
            // Without a sleep nothing to read is the usual case; with one it means that the time is over.
            Err(error) if error.kind() == ErrorKind::WouldBlock && self.spins => return Ok(()),
            Err(error) => return Err(error),
        };
        self.received += n as u64;
        while self.answered < self.asked && self.prepared.answered_bytes(self.answered + 1) <= self.received {
            self.answered += 1;
            if self.times {
                latency::record(self.asked_at.elapsed());
            }
        }
        let surplus = self.answered == self.asked && self.received > self.prepared.answered_bytes(self.answered);
        if surplus || (self.answered == self.asked && !self.buffer[..n].ends_with(b"\r\n")) {
            return Err(io::Error::new(ErrorKind::InvalidData, "replies of another length than expected"));
        }
        Ok(())
    }
}
