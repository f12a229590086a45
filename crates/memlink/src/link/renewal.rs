use std::task::{Context, Poll};

use memlink_core::{Broken, Tick};

use super::LinkProtocol;
use super::connect::broken;
use super::driver::{Dial, Driver, Turn, Way};
use super::shared::LinkState;
use crate::event::Event;
use crate::transport::Transport;

/// A connection is replaced by a new one, without a command that notices: with other certificates, say.
///
/// ```text
///   old:   serves ............................. in flight finishes | closed
///   new:           dialled, handshake | ready                      | opening exchange, serves
///   commands:      go over the old    | wait                       | go over the new
/// ```
///
/// Nothing happens to the old one before the new one's handshake has ended well.
pub(super) enum Renewal {
    /// For connections dialled after this many renewals there is nothing to do.
    None(u64),
    Dialling(Dial),
    /// The old one finishes what is in flight.
    Ready(Transport),
}

impl<P: LinkProtocol> Driver<P> {
    /// One step, while the old connection is open; says when the connection has changed.
    pub(super) fn drive_renewal(&mut self, cx: &mut Context<'_>, now: Tick) -> Option<Turn> {
        match &mut self.renewal {
            Renewal::None(known) => {
                let wanted = self.shared.gate.renewals();
                if *known == wanted {
                    return None;
                }
                let options = &self.shared.options;
                let dial = options.dialer.dial(&self.shared.address, &self.shared.gate, options.dial_timeout);
                self.dial_began = now;
                self.renewal = Renewal::Dialling(dial);
                let server = &self.shared.name;
                self.shared.observe(|| Event::Dialling { server: server.clone() });
                Some(Turn::Again)
            }
            Renewal::Dialling(dial) => match dial.as_mut().poll(cx) {
                Poll::Pending => None,
                Poll::Ready(dialled) => {
                    self.observe_complaint();
                    match dialled {
                        Ok(transport) => self.retire(transport),
                        Err(error) => self.renewal_failed(&broken(error)),
                    }
                    Some(Turn::Again)
                }
            },
            Renewal::Ready(_) => self.replace(now),
        }
    }

    fn retire(&mut self, transport: Transport) {
        self.renewal = Renewal::Ready(transport);
        self.shared.lock().connection.retire();
        self.shared.state.send_replace(LinkState::Dialling);
    }

    /// The old connection stays: a new one can be asked for again.
    fn renewal_failed(&mut self, why: &Broken) {
        self.renewal = Renewal::None(self.shared.gate.renewals());
        let server = &self.shared.name;
        self.shared.observe(|| Event::RenewalFailed { server: server.clone(), error: why.to_string().into() });
    }

    /// Once nothing is in flight on the old one.
    fn replace(&mut self, now: Tick) -> Option<Turn> {
        let Way::Connected(wire) = &mut self.way else { return None };
        let mut guarded = self.shared.lock();
        if !guarded.connection.is_drained() || guarded.stop.is_some() {
            return None;
        }
        let remains = guarded.connection.closed(&Broken::Shutdown, &mut wire.transmit, &mut self.woken);
        guarded.connection.dialling();
        let inline = guarded.inline.take();
        drop(guarded);
        let renewal = std::mem::replace(&mut self.renewal, Renewal::None(self.shared.gate.renewals()));
        let Renewal::Ready(transport) = renewal else { return None };
        drop((remains, inline));
        let server = &self.shared.name;
        self.shared.observe(|| Event::Replaced { server: server.clone() });
        self.begin_connection(transport, now);
        Some(Turn::Again)
    }
}
