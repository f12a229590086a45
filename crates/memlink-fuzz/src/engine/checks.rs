//! What must hold at any time, at every end of a command, and when all faults have stopped.

use memlink_core::{Broken, Cause, Outcome, Phase, Tick};

use super::protocol::{Kind, Order};
use super::world::{Caller, Ended, World};

impl World {
    /// What is said of the end of a command is true.
    pub(super) fn check_end_of(&self, n: usize, now: Tick) {
        let Caller { command, deadline, ended, .. } = &self.callers[n];
        let (is_received, is_touched) = (self.server.received[n], self.server.touched[n]);
        let kind = command.order.kind;
        match ended {
            Some(Ended::Replied) => assert!(is_received, "{n} got a reply and was never asked"),
            Some(Ended::Failed(Outcome::NotSent, cause)) => {
                let may_have_run = is_received || (is_touched && kind == Kind::Pair);
                assert!(!may_have_run, "{n} was sent, not: {cause}");
            }
            Some(Ended::Failed(Outcome::Unknown, Cause::Closed(why))) => {
                // Otherwise it had not left whole, and was not sent.
                assert!(is_received || kind == Kind::Pair || self.was_uncertain, "{n} was not sent: {why}");
            }
            Some(Ended::Failed(Outcome::Unknown, Cause::Unclaimed)) => assert!(is_received, "{n} was never asked"),
            Some(Ended::Unsupported) => assert!(!is_touched && matches!(kind, Kind::Modern | Kind::Empty), "{n}"),
            _ => {}
        }
        if let Some(Ended::Failed(_, Cause::Deadline)) = ended {
            assert!(now >= *deadline, "{n} ended before its deadline");
        }
    }

    /// What holds at any time.
    pub(super) fn check(&self) {
        let (stats, now) = (self.connection.stats(), self.tick());
        for (n, caller) in self.callers.iter().enumerate() {
            assert!(caller.deadline > now || caller.ended.is_some() || caller.is_woken, "{n} is late");
            self.check_end_of(n, Tick::NEVER);
        }
        assert!(stats.in_flight <= self.limits.in_flight_max.max(3), "{stats:?}");
        // Those who had been admitted when a connection was lost are in line again, whoever came in between.
        assert!(stats.waiting <= self.limits.waiting_max + self.limits.in_flight_max, "{stats:?}");
        let open = stats.started - (stats.replied + stats.failed + stats.cancelled);
        let live = self.callers.iter().filter(|caller| caller.token.is_some());
        let (woken, asleep): (Vec<&Caller>, Vec<&Caller>) = live.partition(|caller| caller.is_woken);
        assert!(asleep.len() as u64 <= open, "somebody ended and was not woken: {stats:?}");
        assert!(open <= (asleep.len() + woken.len()) as u64, "{stats:?}");
    }

    pub(super) fn is_ending(&self) -> bool {
        matches!(self.connection.phase(), Phase::Draining | Phase::Shutdown)
    }

    fn is_at_rest(&self) -> bool {
        self.callers.iter().all(|caller| caller.ended.is_some()) && self.connection.stats().in_flight == 0
    }

    /// The faults have stopped: everyone gets an end, and whoever comes now gets a reply.
    pub(super) fn come_to_rest(&mut self) {
        self.server.behave();
        self.end_inline();
        self.look_all();
        self.check();
        self.resume();
        self.end_renewal();
        self.break_renewal();
        for round in 0..200 {
            if self.is_up && self.connection.is_drained() && self.connection.is_wanted() {
                // It was retired.
                self.lose(Broken::Shutdown);
            }
            if !self.is_ending() {
                self.open();
            }
            self.turn();
            if self.is_at_rest() {
                break;
            }
            // A reply that never comes is found by silence, a silent one by the next that speaks.
            if round % 2 == 0 && !self.is_ending() {
                self.submit_one(Order { kind: Kind::Echo, len: 0 }, None, true);
            } else if self.timeout() != Tick::NEVER {
                self.pass(self.timeout().as_nanos().saturating_sub(self.now));
            }
            assert!(self.callers.len() < 200, "nobody comes to an end: {:?}", self.connection.stats());
        }
        self.check();
        assert!(self.is_at_rest(), "somebody waits for ever: {:?}", self.connection.stats());
        let stats = self.connection.stats();
        assert_eq!(stats.started, stats.replied + stats.failed + stats.cancelled, "{stats:?}");
        assert_eq!((stats.in_flight, stats.waiting, stats.abandoned_now), (0, 0, 0), "{stats:?}");
        assert_eq!(self.connection.queued_bytes(), 0);
        self.check_alive();
    }

    fn check_alive(&mut self) {
        if self.is_ending() {
            return;
        }
        if !self.is_up || *self.connection.phase() != Phase::Open {
            self.lose(Broken::EndOfStream);
            self.open();
            self.turn();
        }
        let n = self.callers.len();
        self.submit_one(Order { kind: Kind::Echo, len: 0 }, None, true);
        self.turn();
        assert_eq!(
            self.callers[n].ended,
            Some(Ended::Replied),
            "{:?} {:?}",
            self.connection.phase(),
            self.connection.stats()
        );
    }
}
