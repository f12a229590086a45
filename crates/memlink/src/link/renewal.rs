use std::task::{Context, Poll, Waker};
use std::time::Duration;

use memlink_core::{Broken, Tick};

use super::LinkProtocol;
use super::connect::{Dial, broken};
use super::driver::{Driver, Turn, Way};
use super::shared::Shared;
use super::wire::Wire;
use crate::event::Event;
use crate::transport::Transport;

/// A connection is replaced by a new one, without a command that notices: with other certificates, because its keys are worn,
/// or because the server's name leads elsewhere.
///
/// ```text
///   old:        serves ......................................... in flight finishes | closed
///   new:                 dialled, handshake | opening exchange | open               | serves
///   commands:   go over the old                                | wait               | go over the new
/// ```
///
/// The opening exchange runs on an engine of the new one's own, so nothing happens to the old one before the server has accepted all
/// that it can refuse: certificate, password, protocol. Whatever becomes of the new one before it serves, the old one stays.
pub(super) enum Renewal<P: LinkProtocol> {
    /// There is nothing to do: the connection was dialled after this many renewals had been asked for.
    None(u64),
    /// A dial that was begun after so many.
    Dialling(u64, Dial),
    /// A connection that was dialled after so many.
    Beside(u64, Box<Candidate<P>>),
}

/// A connection beside the one that serves.
pub(super) struct Candidate<P: LinkProtocol> {
    /// With its own engine. Nobody but the driver has it.
    shared: Shared<P>,
    wire: Box<Wire<P>>,
    /// When its next turn is due without a wake-up.
    due: Tick,
    /// From the begin of the dial until it was open; from then on the old one finishes what is in flight.
    opened_after: Option<Duration>,
}

impl<P: LinkProtocol> Candidate<P> {
    /// Begins the opening exchange.
    fn begin(of: &Shared<P>, transport: Transport, now: Tick, woken: &mut Vec<Waker>) -> Result<Candidate<P>, Broken> {
        let (name, address, protocol) = (of.name.clone(), of.address.clone(), of.protocol.clone());
        let shared = Shared::new(name, of.number, address, protocol, of.options.clone(), of.gate.clone());
        let mut wire = Box::new(Wire::new(&shared, transport, now));
        // No caller knows of it, so none writes by itself.
        shared.lock().connection.opened(now, false, &mut wire.incoming, woken)?;
        Ok(Candidate { shared, wire, due: Tick::NEVER, opened_after: None })
    }

    /// One turn. It may be lost before it serves; and what it says while nobody has asked it anything is no good sign.
    fn drive(&mut self, cx: &mut Context<'_>, now: Tick, woken: &mut Vec<Waker>) -> Result<(), Broken> {
        self.due = self.wire.drive(cx, &self.shared, now, now >= self.due, woken)?.timeout;
        Ok(())
    }
}

impl<P: LinkProtocol> Driver<P> {
    /// One step, while the old connection is open and has nothing to do before `timeout`.
    pub(super) fn drive_renewal(&mut self, cx: &mut Context<'_>, now: Tick, timeout: Tick) -> Turn {
        match &mut self.renewal {
            Renewal::None(known) => {
                let wanted = self.shared.gate.renewals();
                let is_worn = matches!(&self.way, Way::Connected(wire) if wire.is_worn());
                let has_moved = std::mem::take(&mut self.names.has_moved);
                if *known == wanted && !is_worn && !has_moved {
                    return Turn::Until(timeout);
                }
                let options = &self.shared.options;
                let dial = options.dialer.dial(&self.shared.address, &self.shared.gate, options.dial_timeout);
                self.dial_began = now;
                self.renewal = Renewal::Dialling(wanted, dial);
                let server = &self.shared.name;
                self.shared.observe(|| Event::Dialling { server: server.clone() });
                Turn::Again
            }
            Renewal::Dialling(number, dial) => match dial.as_mut().poll(cx) {
                Poll::Pending => Turn::Until(timeout),
                Poll::Ready(dialled) => {
                    let number = *number;
                    self.observe_complaint();
                    let begun = dialled
                        .map_err(broken)
                        .and_then(|(transport, _)| Candidate::begin(&self.shared, transport, now, &mut self.woken));
                    match begun {
                        Ok(candidate) => self.renewal = Renewal::Beside(number, Box::new(candidate)),
                        Err(why) => self.renewal_failed(&why),
                    }
                    Turn::Again
                }
            },
            Renewal::Beside(_, candidate) => {
                if let Err(why) = candidate.drive(cx, now, &mut self.woken) {
                    self.renewal_failed(&why);
                    return Turn::Again;
                }
                let due = candidate.due;
                if candidate.wire.is_open {
                    candidate.opened_after.get_or_insert(now.since(self.dial_began));
                    // Again and again: one that is suspended is retired when it speaks again.
                    if self.shared.lock().connection.retire() {
                        self.shared.show();
                    }
                }
                if self.take_over(None, now) { Turn::Again } else { Turn::Until(timeout.min(due)) }
            }
        }
    }

    /// The old connection stays: a new one can be asked for again.
    fn renewal_failed(&mut self, why: &Broken) {
        let number = match &self.renewal {
            Renewal::None(number) | Renewal::Dialling(number, _) | Renewal::Beside(number, _) => *number,
        };
        let failed = std::mem::replace(&mut self.renewal, Renewal::None(number));
        if let Way::Connected(wire) = &mut self.way {
            wire.bear_wear();
        }
        if self.shared.lock().connection.reinstate(&mut self.woken) {
            self.shared.show();
        }
        drop(failed);
        let server = &self.shared.name;
        self.shared.observe(|| Event::RenewalFailed { server: server.clone(), error: why.to_string().into() });
    }

    /// The new one serves, if it is open: once nothing is in flight on the old one, or at once where that was `lost`.
    pub(super) fn take_over(&mut self, lost: Option<&Broken>, now: Tick) -> bool {
        let (Way::Connected(old), Renewal::Beside(number, candidate)) = (&mut self.way, &mut self.renewal) else {
            return false;
        };
        let (number, Some(took)) = (*number, candidate.opened_after) else { return false };
        let Candidate { shared, wire, .. } = &mut **candidate;
        let inline = wire.inline();
        let mut guarded = self.shared.lock();
        if guarded.stop.is_some() || (lost.is_none() && !guarded.connection.is_drained()) {
            return false;
        }
        let in_flight = guarded.connection.stats().in_flight;
        let why = lost.unwrap_or(&Broken::Shutdown);
        let remains = guarded.connection.closed(why, &mut old.transmit, &mut self.woken);
        guarded.connection.dialling();
        let (may_write, incoming) = (inline.is_some(), &mut wire.incoming);
        let adopted = guarded.connection.adopt(shared.connection_mut(), may_write, incoming, &mut self.woken);
        let old_inline = std::mem::replace(&mut guarded.inline, inline);
        drop(guarded);
        let renewal = std::mem::replace(&mut self.renewal, Renewal::None(number));
        if let Renewal::Beside(_, candidate) = renewal {
            self.way = Way::Connected(candidate.wire);
        }
        drop((remains, old_inline));
        let server = self.shared.name.clone();
        self.shared.observe(|| match lost {
            None => Event::Replaced { server },
            Some(why) => Event::Closed { server, reason: why.clone(), in_flight, retry_in: None },
        });
        match adopted {
            Ok(remains) => {
                drop(remains);
                self.serves(took, now);
            }
            Err(why) => self.lose(&why, now),
        }
        true
    }
}
