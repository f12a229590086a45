use super::Connection;
use crate::mutants::Mutant;
use crate::waiters::{Span, Token};
use crate::{Incoming, Protocol};

/// What a connection does that was told to have a historical bug; where there is none, as with everybody but tests of tests, nothing.
impl<P: Protocol, W> Connection<P, W> {
    /// Gives this connection a historical bug, for tests of the tests.
    #[cfg(feature = "mutants")]
    #[doc(hidden)]
    pub fn mutate(&mut self, mutant: Mutant) {
        self.mutated.by = Some(mutant);
    }

    /// The entries of callers who have left leave the order, too.
    #[inline]
    pub(super) fn pop_those_who_left(&mut self, incoming: &mut Incoming<P>) {
        if self.mutated.has(Mutant::PoppedOnTimeout) {
            let waiters = &self.waiters;
            let popped = incoming.pop_where(|token| token != Token::OPENING && !waiters.is_in_flight(token));
            self.in_flight -= popped;
        }
    }

    /// A reply that nobody waits for any more gives no room back.
    #[inline]
    pub(super) fn keeps_room(&self, token: Token) -> bool {
        self.mutated.has(Mutant::PermitLeaked) && token != Token::OPENING && !self.waiters.is_in_flight(token)
    }

    /// What was shut down opens again.
    #[inline]
    pub(super) fn rises_again(&self) -> bool {
        self.mutated.has(Mutant::Resurrected)
    }

    /// Whoever has a command in the driver's hands is not told that the connection is lost.
    #[inline]
    pub(super) fn forgets(&self) -> impl Fn(Span) -> bool + use<P, W> {
        let (mutated, written) = (self.mutated, self.written);
        move |span| mutated.has(Mutant::WaiterDropped) && !span.is_queued() && span.end > written
    }
}
