use alloc::string::String;
use core::fmt;

use crate::Refusal;

/// Whether a command that has no reply can have been run by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// At least one byte of it was never handed to the operating system: the server cannot have run it.
    NotSent,
    /// No reply came, and all its bytes were handed over, or enough of them to be run, or nobody can say how many: the server may or may
    /// not have run it.
    Unknown,
}

/// How a command ended that got no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether the server can have run it.
    pub outcome: Outcome,
    /// Why there is no reply.
    pub cause: Cause,
}

/// Why a command got no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// Its deadline passed; or, not sent, it stood in line for room for so long that its reply could not come before its deadline.
    Deadline,
    /// The connection was lost or closed while it was queued or in flight.
    Closed(Broken),
    /// The server is known to be unreachable; nothing was queued. The text is the last dial's error.
    Down(String),
    /// The server was reached and refused this client in the opening exchange.
    Refused(Refusal),
    /// The queue is full and the caller chose not to wait.
    QueueFull,
    /// Replies that nobody has fetched hold more memory than [`Limits::unclaimed_bytes_max`](crate::Limits); this one was
    /// dropped. The server has answered.
    Unclaimed,
    /// The link was shut down on purpose.
    Shutdown,
}

/// Why a connection cannot be trusted, or is no more.
///
/// Variants are grouped by culprit: the peer's bytes, the peer's silence, the transport, ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Broken {
    /// Bytes came while nothing was owed.
    Unsolicited,
    /// A line is longer than [`Limits::line_len_max`](crate::Limits).
    LineTooLong,
    /// A reply or a value is announced as larger than the limit.
    ReplyTooLarge {
        /// Announced length in bytes.
        len: u64,
    },
    /// The reply is not one that the command at the head of the queue can have: another kind, another opaque or key.
    OutOfPlace(&'static str),
    /// The bytes are not of this protocol.
    Syntax(&'static str),
    /// The server reported an error after which the stream cannot be trusted.
    ServerError(&'static str),
    /// A reply was well framed and its content was not what the protocol allows.
    Malformed(&'static str),
    /// Bytes were owed and none came for [`Limits::stall_timeout`](crate::Limits).
    Stalled,
    /// The socket took no byte, and gave none, for [`Limits::stall_timeout`](crate::Limits).
    WriteStalled,
    /// Replies that nobody waits for any more are too many or too old.
    Abandoned,
    /// The server closed the connection.
    EndOfStream,
    /// Reading or writing failed. The text is the operating system's.
    Io(String),
    /// The server refused this client in the opening exchange.
    Refused(Refusal),
    /// The opening exchange took longer than [`Limits::opening_timeout`](crate::Limits::opening_timeout), which begins where the dial,
    /// with a timeout of its own, has ended.
    OpeningTimeout,
    /// The task that serves the connection is gone: it panicked, or its runtime was shut down.
    DriverGone,
    /// Closed on purpose by this side.
    Shutdown,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Unsolicited => f.write_str("the server sent bytes that nobody asked for"),
            Broken::LineTooLong => f.write_str("the server sent a line longer than the limit"),
            Broken::ReplyTooLarge { len } => write!(f, "the server announced {len} bytes, more than the limit"),
            Broken::OutOfPlace(what) => write!(f, "a reply is not in its place: {what}"),
            Broken::Syntax(what) => write!(f, "the reply is not of this protocol: {what}"),
            Broken::ServerError(what) => write!(f, "the server reported {what}"),
            Broken::Malformed(what) => write!(f, "the content of a reply is malformed: {what}"),
            Broken::Stalled => f.write_str("replies are owed and the server has been silent for too long"),
            Broken::WriteStalled => f.write_str("the server has taken no bytes for too long"),
            Broken::Abandoned => f.write_str("too many or too old replies that nobody waits for"),
            Broken::EndOfStream => f.write_str("the server closed the connection"),
            Broken::Io(text) => f.write_str(text),
            Broken::Refused(refusal) => refusal.fmt(f),
            Broken::OpeningTimeout => f.write_str("the opening exchange took too long"),
            Broken::DriverGone => f.write_str("the task that serves the connection is gone"),
            Broken::Shutdown => f.write_str("closed by this side"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Incompatible(text) | Refusal::Denied(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Deadline => f.write_str("the deadline passed"),
            Cause::Closed(broken) => broken.fmt(f),
            Cause::Down(text) => write!(f, "the server is down: {text}"),
            Cause::Refused(refusal) => refusal.fmt(f),
            Cause::QueueFull => f.write_str("the queue is full"),
            Cause::Unclaimed => f.write_str("the reply was dropped because too many replies are not being fetched"),
            Cause::Shutdown => f.write_str("the link was shut down"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sent = match self.outcome {
            Outcome::NotSent => "not sent",
            Outcome::Unknown => "sent, outcome unknown",
        };
        write!(f, "{} ({sent})", self.cause)
    }
}

impl core::error::Error for Broken {}
impl core::error::Error for Failure {}
impl core::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_failure_says_why_and_whether_it_was_sent() {
        let refused = || Refusal::Denied("no such user".into());
        let cases = [
            (Cause::Deadline, "the deadline passed"),
            (Cause::Closed(Broken::EndOfStream), "the server closed the connection"),
            (Cause::Closed(Broken::Io("broken pipe".into())), "broken pipe"),
            (Cause::Closed(Broken::ReplyTooLarge { len: 70 }), "the server announced 70 bytes, more than the limit"),
            (Cause::Closed(Broken::Refused(refused())), "no such user"),
            (Cause::Down("connection refused".into()), "the server is down: connection refused"),
            (Cause::Refused(refused()), "no such user"),
            (Cause::Refused(Refusal::Incompatible("an old server".into())), "an old server"),
        ];
        for (cause, text) in cases {
            assert_eq!(cause.to_string(), text);
            for (outcome, sent) in [(Outcome::NotSent, "not sent"), (Outcome::Unknown, "sent, outcome unknown")] {
                let failure = Failure { outcome, cause: cause.clone() };
                assert_eq!(failure.to_string(), alloc::format!("{text} ({sent})"));
            }
        }
    }
}
