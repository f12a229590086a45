use memlink_core::{Cause, Failure, Outcome};

/// How often one command has failed, and what comes of it.
///
/// ```text
///   sent, or answered          Nowhere     it may have run
///   connection lost            Again       a few times
///   server removed             Successor   each time costs a change of the topology, and all of them one deadline
///   server down, or refuses    StandIn     where one is wanted at all
///   too late, queue full       Nowhere     as before
/// ```
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// Attempts that have ended by the loss of a connection.
    lost: u32,
    stand_ins: u32,
}

/// Where a command goes that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Its caller is told: waiting for better times is the caller's decision.
    Nowhere,
    /// Over any link to its server, if the budget permits.
    Again,
    /// To the server that has its key now, if that is another one.
    Successor,
    /// To a server that takes the place of the one that is down, by the user's choice.
    StandIn,
}

/// How often one command is submitted at the most. Each attempt after the first follows a lost connection on which not all of the
/// command was handed over; a server that loses three connections in a row before taking one command will not take a fourth.
const ATTEMPTS_MAX: u32 = 3;

/// How many stand-ins one command tries at the most.
const STAND_INS_MAX: u32 = 8;

impl Tries {
    /// Of a command that does not go again after a lost connection.
    pub(crate) fn spent() -> Tries {
        Tries { lost: ATTEMPTS_MAX, stand_ins: 0 }
    }

    /// An attempt has failed.
    pub(crate) fn after(&mut self, failure: &Failure) -> Next {
        if failure.outcome != Outcome::NotSent {
            return Next::Nowhere;
        }
        match failure.cause {
            Cause::Closed(_) if self.may_go_again() => Next::Again,
            Cause::Shutdown => Next::Successor,
            Cause::Down(_) | Cause::Refused(_) if self.stand_ins < STAND_INS_MAX => {
                self.stand_ins += 1;
                Next::StandIn
            }
            // Too late, no room, too often, or of a kind that the engine has learned since.
            _ => Next::Nowhere,
        }
    }

    /// The connection was lost before the command was sent: whether it may be submitted once more.
    pub(crate) fn may_go_again(&mut self) -> bool {
        self.lost = self.lost.saturating_add(1);
        self.lost < ATTEMPTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memlink_core::{Broken, Refusal};

    fn failure(outcome: Outcome, cause: Cause) -> Failure {
        Failure { outcome, cause }
    }

    fn lost() -> Cause {
        Cause::Closed(Broken::EndOfStream)
    }

    #[test]
    fn what_may_have_run_is_never_repeated() {
        let causes = [lost(), Cause::Deadline, Cause::Shutdown, Cause::Down("away".to_owned()), Cause::Unclaimed];
        for cause in causes {
            assert_eq!(Tries::default().after(&failure(Outcome::Unknown, cause)), Next::Nowhere);
        }
    }

    #[test]
    fn what_was_not_sent_goes_again_a_few_times() {
        let mut tries = Tries::default();
        let mut after = || tries.after(&failure(Outcome::NotSent, lost()));
        assert_eq!([after(), after(), after(), after()], [Next::Again, Next::Again, Next::Nowhere, Next::Nowhere]);
        assert_eq!(Tries::spent().after(&failure(Outcome::NotSent, lost())), Next::Nowhere);
    }

    #[test]
    fn where_it_goes_depends_on_what_has_become_of_the_server() {
        let down = || failure(Outcome::NotSent, Cause::Down("away".to_owned()));
        let mut tries = Tries::default();
        assert!((0..STAND_INS_MAX).all(|_| tries.after(&down()) == Next::StandIn));
        assert_eq!(tries.after(&down()), Next::Nowhere);
        let refused = Cause::Refused(Refusal::Denied("no".to_owned()));
        assert_eq!(Tries::spent().after(&failure(Outcome::NotSent, refused)), Next::StandIn);
        let mut tries = Tries::spent();
        assert!((0..100).all(|_| tries.after(&failure(Outcome::NotSent, Cause::Shutdown)) == Next::Successor));
        for cause in [Cause::Deadline, Cause::QueueFull, Cause::Unclaimed] {
            assert_eq!(Tries::default().after(&failure(Outcome::NotSent, cause)), Next::Nowhere);
        }
    }
}
