//! A connection that was opened beside another one, to take its place.

use memlink_core::{Broken, Connection, Incoming, Phase, Tick, Transmit};

use crate::inside::{Waiter, inside};
use crate::line::{Expect, Line};
use crate::server::Server;
use crate::world::World;

pub(crate) struct Candidate {
    pub(crate) connection: Connection<Line, Waiter>,
    pub(crate) incoming: Incoming<Line>,
    transmit: Transmit<Expect>,
    server: Server,
}

impl Candidate {
    /// Not opened yet.
    pub(crate) fn new(world: &World) -> Candidate {
        let mut server = Server::default();
        server.refusal.clone_from(&world.server.refusal);
        Candidate {
            server,
            connection: Connection::new(world.protocol.clone(), world.limits.clone()),
            incoming: Incoming::new(world.protocol.clone(), world.limits.clone(), world.now()),
            transmit: Transmit::default(),
        }
    }

    /// Makes so many steps of its opening exchange.
    pub(crate) fn step(&mut self, steps: usize, now: Tick) -> Result<(), Broken> {
        let mut woken = Vec::new();
        if steps > 0 {
            self.connection.dialling();
            self.connection.opened(now, false, &mut self.incoming, &mut woken)?;
        }
        for _ in 1..steps {
            self.connection.poll_transmit(&mut self.transmit, &mut woken);
            let mut slices = [&[][..]; 4];
            let filled = self.transmit.slices(&mut slices);
            let bytes = slices[..filled].concat();
            self.incoming.handle_written(now, &mut self.transmit, bytes.len());
            for reply in self.server.serve(&bytes) {
                self.incoming.handle_bytes(now, &reply);
            }
            let framed = self.incoming.poll_replies();
            self.connection.handle_replies(now, &mut self.incoming, &mut woken)?;
            framed?;
        }
        assert!(woken.is_empty(), "nobody waits here");
        Ok(())
    }
}

/// More than any opening exchange here takes.
const STEPS: usize = 8;

impl World {
    /// Another connection is opened, and waits for this one to finish what is in flight; `false` when there is none to be replaced.
    pub(crate) fn begin_renewal(&mut self) -> bool {
        if *self.connection.phase() != Phase::Open || self.candidate.is_some() {
            return false;
        }
        let mut candidate = Candidate::new(self);
        candidate.step(STEPS, self.now()).expect("nothing is wrong");
        assert_eq!(*candidate.connection.phase(), Phase::Open);
        self.connection.retire();
        self.candidate = Some(Box::new(candidate));
        true
    }

    /// The other one takes over; `false` when something is still in flight.
    pub(crate) fn end_renewal(&mut self) -> bool {
        let Some(mut candidate) = self.candidate.take_if(|_| self.connection.is_drained()) else { return false };
        let (inline, woken) = (self.may_write_inline, &mut self.woken);
        let (closed, adopted) = inside(|| {
            let closed = self.connection.closed(&Broken::Shutdown, &mut self.transmit, woken);
            self.connection.dialling();
            let incoming = &mut candidate.incoming;
            (closed, self.connection.adopt(&mut candidate.connection, inline, incoming, woken))
        });
        drop((closed, adopted.expect("it is open, and serves nobody")));
        assert_eq!(*candidate.connection.phase(), Phase::Idle);
        self.incoming = candidate.incoming;
        self.transmit = candidate.transmit;
        self.replies.clear();
        self.server.go_on_as(&candidate.server);
        self.wake();
        self.renewals += 1;
        true
    }

    /// The other one is lost before it takes over.
    pub(crate) fn break_renewal(&mut self) {
        if self.candidate.take().is_some() {
            inside(|| self.connection.reinstate(&mut self.woken));
            self.wake();
        }
    }
}
