//! The engine stepped by hand: a connection whose other side is an array of bytes.

use std::sync::{Arc, LazyLock};

use memlink_core::{
    Broken, Command, Connection, Failure, Incoming, Limits, Looked, Phase, Refused, Reply, Tick, Token, Transmit,
};
use memlink_meta::{Expect, Meta};

static META: LazyLock<Arc<Meta>> = LazyLock::new(|| Arc::new(Meta::new()));
static LIMITS: LazyLock<Arc<Limits>> = LazyLock::new(|| Arc::new(Limits::default()));

/// A link without a socket.
pub(crate) struct Wire {
    connection: Connection<Meta, usize>,
    incoming: Incoming<Meta>,
    transmit: Transmit<Expect>,
    woken: Vec<usize>,
}

impl Wire {
    /// A connection that has opened with a server of this version. Two commands were said in doing so.
    pub(crate) fn open(version: &str) -> Wire {
        let mut wire = Wire {
            connection: Connection::new(META.clone(), LIMITS.clone()),
            incoming: Incoming::new(META.clone(), LIMITS.clone(), Tick::ZERO),
            transmit: Transmit::default(),
            woken: Vec::new(),
        };
        wire.connection.dialling();
        wire.connection.opened(Tick::ZERO, false, &mut wire.incoming, &mut wire.woken).expect("it opens");
        assert_eq!(wire.write(usize::MAX), b"version\r\n");
        wire.feed(format!("VERSION {version}\r\n").as_bytes()).expect("a version is welcome");
        assert_eq!(wire.write(usize::MAX), b"mg memlink:probe s Oprobe\r\n");
        wire.feed(b"EN Oprobe\r\n").expect("so is a miss");
        assert_eq!(*wire.connection.phase(), Phase::Open);
        wire
    }

    pub(crate) fn submit<C: Command<Meta>>(&mut self, command: &C) -> Result<Token, Refused> {
        let admission = self.connection.submit(command, Tick::NEVER, false, &mut Some(0))?;
        Ok(admission.token)
    }

    /// Writes at most so many bytes, and gives them.
    pub(crate) fn write(&mut self, len_max: usize) -> Vec<u8> {
        let mut written = Vec::new();
        loop {
            self.connection.poll_sent(&mut self.incoming);
            self.connection.poll_transmit(&mut self.transmit, &mut self.woken);
            let len = self.transmit.remaining().min(len_max - written.len());
            if len == 0 {
                return written;
            }
            let mut slices = [&[][..]; 16];
            let filled = self.transmit.slices(&mut slices);
            let end = written.len() + len;
            for slice in &slices[..filled] {
                let room = (end - written.len()).min(slice.len());
                written.extend_from_slice(&slice[..room]);
            }
            let taken = len - (end - written.len());
            self.incoming.handle_written(Tick::ZERO, &mut self.transmit, taken);
        }
    }

    /// Reads these bytes as a driver does: what the engine has room for, then frames it, then the rest.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let len = self.incoming.read_with(|room| {
                let len = room.remaining_mut().min(rest.len());
                room.put_slice(&rest[..len]);
                len
            });
            self.incoming.handle_input(Tick::ZERO, len);
            rest = &rest[len..];
            self.frame()?;
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Broken> {
        loop {
            self.connection.poll_sent(&mut self.incoming);
            let framed = self.incoming.poll_replies();
            self.connection.handle_replies(Tick::ZERO, &mut self.incoming, &mut self.woken)?;
            if framed? == memlink_core::Framed::NeedInput {
                return Ok(());
            }
        }
    }

    /// The connection is no more.
    pub(crate) fn end(&mut self, why: &Broken) {
        drop(self.connection.closed(why, &mut self.transmit, &mut self.woken));
    }

    /// How a command has ended, if it has.
    pub(crate) fn look(&mut self, token: Token) -> Option<Result<Reply, Failure>> {
        match self.connection.poll(token) {
            Looked::Ended(result) => Some(result),
            Looked::Pending | Looked::Admitted => None,
        }
    }
}
