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
    /// There is nothing to do: the connection was dialled after this many renewals had been asked for.
    None(u64),
    /// A dial that was begun after so many.
    Dialling(u64, Dial),
    /// The old one finishes what is in flight.
    Ready(u64, Transport),
}

impl<P: LinkProtocol> Driver<P> {
    /// One step, while the old connection is open; says when the connection has changed.
    pub(super) fn drive_renewal(&mut self, cx: &mut Context<'_>, now: Tick) -> Option<Turn> {
        match &mut self.renewal {
            Renewal::None(known) => {
                let wanted = self.shared.gate.renewals();
                if *known == wanted && !std::mem::take(&mut self.names.has_moved) {
                    return None;
                }
                let options = &self.shared.options;
                let dial = options.dialer.dial(&self.shared.address, &self.shared.gate, options.dial_timeout);
                self.dial_began = now;
                self.renewal = Renewal::Dialling(wanted, dial);
                let server = &self.shared.name;
                self.shared.observe(|| Event::Dialling { server: server.clone() });
                Some(Turn::Again)
            }
            Renewal::Dialling(number, dial) => match dial.as_mut().poll(cx) {
                Poll::Pending => None,
                Poll::Ready(dialled) => {
                    let number = *number;
                    self.observe_complaint();
                    match dialled {
                        Ok(transport) => self.retire(number, transport),
                        Err(error) => self.renewal_failed(number, &broken(error)),
                    }
                    Some(Turn::Again)
                }
            },
            Renewal::Ready(..) => self.replace(now),
        }
    }

    fn retire(&mut self, number: u64, transport: Transport) {
        self.renewal = Renewal::Ready(number, transport);
        self.shared.lock().connection.retire();
        self.shared.set_state(LinkState::Dialling);
    }

    /// The old connection stays: a new one can be asked for again.
    fn renewal_failed(&mut self, number: u64, why: &Broken) {
        self.renewal = Renewal::None(number);
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
        let renewal = std::mem::replace(&mut self.renewal, Renewal::None(0));
        let Renewal::Ready(number, transport) = renewal else { return None };
        self.renewal = Renewal::None(number);
        drop((remains, inline));
        let server = &self.shared.name;
        self.shared.observe(|| Event::Replaced { server: server.clone() });
        self.begin_connection(transport, now);
        Some(Turn::Again)
    }
}
