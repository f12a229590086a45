//! May a failed command go again? Pure: what happened goes in, an answer comes out.

use crate::error::{Error, ErrorKind, Outcome};

/// How often one request is submitted at the most. Each attempt after the first follows a lost connection on which not all of the
/// command was handed over; a server that loses three connections in a row before taking one command will not take a fourth.
pub(crate) const ATTEMPTS_MAX: u32 = 3;

/// How many stand-ins one command tries at the most, where a stand-in is wanted at all.
pub(crate) const STAND_INS_MAX: u32 = 8;

impl Error {
    /// Whether sending the same request again can succeed and cannot apply it twice. A deadline is not retryable: the caller's
    /// time is over.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        may_repeat(self.kind(), self.outcome())
    }
}

/// Whether the same request may be sent again by somebody who still has time: it cannot have run, and what stood in its way may
/// have gone away.
fn may_repeat(kind: ErrorKind, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Unknown | Outcome::Answered => false,
        Outcome::NotSent => match kind {
            ErrorKind::ConnectionLost | ErrorKind::ServerDown | ErrorKind::QueueFull => true,
            ErrorKind::Invalid
            | ErrorKind::Config
            | ErrorKind::Deadline
            | ErrorKind::Refused
            | ErrorKind::Unsupported
            | ErrorKind::Server
            | ErrorKind::Unclaimed
            | ErrorKind::Closed
            | ErrorKind::NoRuntime => false,
        },
    }
}

/// Whether memlink itself submits it again, unasked: only when the connection was lost under it. A server that is down, or a queue
/// that is full, is told to the caller at once; waiting for better times is the caller's decision.
pub(crate) fn repeats_unasked(kind: ErrorKind, outcome: Outcome, attempts: u32) -> bool {
    kind == ErrorKind::ConnectionLost && may_repeat(kind, outcome) && attempts < ATTEMPTS_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_run_is_never_repeated() {
        for kind in [ErrorKind::ConnectionLost, ErrorKind::Deadline, ErrorKind::ServerDown, ErrorKind::Server] {
            for outcome in [Outcome::Unknown, Outcome::Answered] {
                assert!(!may_repeat(kind, outcome));
                assert!(!repeats_unasked(kind, outcome, 0));
            }
        }
    }

    #[test]
    fn a_command_that_was_not_sent_is_repeated_a_few_times() {
        assert!(repeats_unasked(ErrorKind::ConnectionLost, Outcome::NotSent, ATTEMPTS_MAX - 1));
        assert!(!repeats_unasked(ErrorKind::ConnectionLost, Outcome::NotSent, ATTEMPTS_MAX));
        assert!(!repeats_unasked(ErrorKind::ServerDown, Outcome::NotSent, 1));
    }
}
