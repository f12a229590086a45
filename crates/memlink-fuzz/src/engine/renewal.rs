use memlink_core::{Broken, Cause, Connection, Incoming, Phase, Tick, Transmit};

use super::protocol::{Binary, Kind, OPENING, Order, header};
use super::world::World;

/// A connection that was opened beside another one, to take its place.
#[derive(Debug)]
pub(super) struct Candidate {
    connection: Connection<Binary, u8>,
    incoming: Incoming<Binary>,
    transmit: Transmit<Option<Kind>>,
    /// Serial that its first user's command will have.
    next: u16,
}

impl Candidate {
    /// Opened: its server answers as it should.
    fn open(world: &World) -> Candidate {
        let now = world.tick();
        let mut candidate = Candidate {
            connection: Connection::new(world.protocol.clone(), world.limits.clone()),
            incoming: Incoming::new(world.protocol.clone(), world.limits.clone(), now),
            transmit: Transmit::default(),
            next: 0,
        };
        candidate.connection.dialling();
        let opened = candidate.connection.opened(now, false, &mut candidate.incoming, &mut Vec::new());
        assert_eq!(opened, Ok(()));
        while *candidate.connection.phase() != Phase::Open {
            candidate.step(now);
        }
        candidate
    }

    /// One round of the exchange.
    fn step(&mut self, now: Tick) {
        self.connection.poll_transmit(&mut self.transmit, &mut Vec::new());
        let n = self.transmit.remaining();
        self.incoming.handle_written(now, &mut self.transmit, n);
        self.incoming.handle_bytes(now, &header(OPENING, self.next, 0, 0));
        self.incoming.handle_bytes(now, b";");
        self.next += 1;
        let framed = self.incoming.poll_replies();
        let handled = self.connection.handle_replies(now, &mut self.incoming, &mut Vec::new());
        assert!(handled.is_ok() && framed.is_ok(), "{handled:?} {framed:?}");
        assert!(self.next < 10, "the exchange does not end");
    }
}

impl World {
    /// Another connection is opened, and waits for this one to finish what is in flight.
    pub(super) fn begin_renewal(&mut self) {
        if *self.connection.phase() == Phase::Open && self.candidate.is_none() {
            self.candidate = Some(Box::new(Candidate::open(self)));
            assert!(self.connection.retire());
        }
    }

    /// The other one takes over, if nothing is in flight.
    pub(super) fn end_renewal(&mut self) {
        let Some(mut candidate) = self.candidate.take_if(|_| self.connection.is_drained() && self.inline.is_none())
        else {
            return;
        };
        drop(self.connection.closed(&Broken::Shutdown, &mut self.transmit, &mut self.woken));
        self.connection.dialling();
        let (inline, incoming) = (self.may_write_inline, &mut candidate.incoming);
        let adopted = self.connection.adopt(&mut candidate.connection, inline, incoming, &mut self.woken);
        assert!(self.is_ending() || adopted.is_ok(), "{adopted:?}");
        self.is_up = adopted.is_ok();
        self.incoming = candidate.incoming;
        self.transmit = candidate.transmit;
        self.server.go_on(candidate.next);
        self.wake();
    }

    /// The other one is lost before it takes over.
    pub(super) fn break_renewal(&mut self) {
        if self.candidate.take().is_some() {
            self.connection.reinstate(&mut self.woken);
            self.wake();
        }
    }

    /// The server has stopped answering, as somebody has found.
    pub(super) fn suspend(&mut self) {
        self.connection.suspend(Cause::Down("it does not answer".to_owned()), &mut self.woken);
        self.wake();
    }

    pub(super) fn resume(&mut self) {
        self.connection.resume();
    }

    /// One command that asks whether it answers again.
    pub(super) fn probe(&mut self, deadline: u64) {
        let (command, deadline, n) = self.caller(Order { kind: Kind::Echo, len: 0 }, Some(deadline + 1));
        let admitted = self.connection.submit_probe(&command, deadline, &mut Some(n as u8));
        self.note_admission(n, admitted);
    }
}
