use std::fmt;
use std::sync::Arc;

use memlink_core::{Cause, Failure, Refusal};
use memlink_meta::{Fault, FaultKind, Invalid};

use crate::config::ConfigError;
use crate::link::CallError;

/// Why a request has no result.
///
/// Three questions are answered: what happened ([`kind`](Error::kind)), where ([`server`](Error::server)), and **can the command
/// have been applied** ([`outcome`](Error::outcome)). A miss is not an error. Keys never stand in an error's text.
///
/// Cheap to clone: everyone who waited for one fan-out can have it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    server: Option<Arc<str>>,
    text: String,
    /// What is behind the server, a proxy, is away.
    is_of_backend: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is wrong in itself: a key, a time, an option. Nothing was sent; sending it again cannot help.
    Invalid,
    /// The configuration is wrong.
    Config,
    /// The deadline passed, or came too near for a reply while the request stood in line for room: then nothing was sent.
    Deadline,
    /// The server is known to be unreachable. Nothing was sent.
    ServerDown,
    /// The server was reached and may not be used: it wants credentials, has no room, speaks another protocol, or its certificate is not to be
    /// trusted. Nothing was sent.
    Refused,
    /// The connection was lost or had to be closed.
    ConnectionLost,
    /// The queue is full and the request was not to wait, or has waited in vain while the keys of other servers were held up by it
    /// ([`ManyStream`](crate::ManyStream)). Nothing was sent.
    QueueFull,
    /// The server is too old for what was asked. Nothing was sent.
    Unsupported,
    /// The server answered with an error line. See [`Error::fault_text`].
    Server,
    /// The server has answered and the reply was dropped: it was more than may be held, or too many replies are not being fetched
    /// by their callers.
    Unclaimed,
    /// The client was closed; or, for a command to one server whatever its key, that server is no longer one of its servers. Nothing was
    /// sent.
    Closed,
    /// There is no tokio runtime here. Nothing was sent.
    NoRuntime,
}

/// Whether a command can have been applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was never sent whole: the server cannot have run it. Sending it again is safe.
    NotSent,
    /// It was sent and no reply came: the server may or may not have run it.
    Unknown,
    /// The server answered: it refused it, or did it in another way than asked; see the error's text. For
    /// [`ErrorKind::Unclaimed`] it did it, and what it said could not be kept.
    Answered,
}

impl Error {
    fn new(kind: ErrorKind, outcome: Outcome, server: Option<Arc<str>>, text: String) -> Error {
        Error(Arc::new(Inner { kind, outcome, server, text, is_of_backend: false }))
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the command can have been applied.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The configured name of the server, if one was chosen.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.0.server.as_deref()
    }

    /// Whether sending the same request again can succeed and cannot apply it twice. A deadline is not retryable: the caller's
    /// time is over.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let may_have_gone_away = match self.kind() {
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
        };
        may_have_gone_away && self.outcome() == Outcome::NotSent
    }

    /// The server's own words, for [`ErrorKind::Server`].
    #[must_use]
    pub fn fault_text(&self) -> Option<&str> {
        (self.0.kind == ErrorKind::Server).then_some(self.0.text.as_str())
    }

    pub(crate) fn invalid(invalid: &Invalid) -> Error {
        Error::new(ErrorKind::Invalid, Outcome::NotSent, None, invalid.to_string())
    }

    pub(crate) fn fault(server: Arc<str>, fault: &Fault) -> Error {
        let (kind, outcome, server, text) = (ErrorKind::Server, Outcome::Answered, Some(server), fault.to_string());
        Error(Arc::new(Inner { kind, outcome, server, text, is_of_backend: fault.kind() == FaultKind::Backend }))
    }

    /// Whether the server is a proxy that cannot reach what is behind it.
    pub(crate) fn is_of_backend(&self) -> bool {
        self.0.is_of_backend
    }

    pub(crate) fn unexpected(server: Arc<str>, what: &str) -> Error {
        Error::new(ErrorKind::Server, Outcome::Answered, Some(server), what.to_owned())
    }

    /// For an outcome that cannot be missing.
    pub(crate) fn lost() -> Error {
        Error::new(ErrorKind::ConnectionLost, Outcome::Unknown, None, "the outcome was lost".to_owned())
    }

    /// For what was never sent because its time was over.
    pub(crate) fn deadline(server: Arc<str>) -> Error {
        let failure = Failure { outcome: memlink_core::Outcome::NotSent, cause: Cause::Deadline };
        Error::call(server, &CallError::Failed(failure))
    }

    /// The server takes no more of a stream, and does not answer what it has.
    pub(crate) fn not_keeping_up(server: Arc<str>) -> Error {
        let text =
            "the server does not keep up: it answers nothing of what it was sent, and has as much of it as it may";
        Error::new(ErrorKind::QueueFull, Outcome::NotSent, Some(server), text.to_owned())
    }

    pub(crate) fn call(server: Arc<str>, error: &CallError) -> Error {
        let (kind, outcome, text) = match error {
            CallError::Failed(failure) => (kind_of(&failure.cause), outcome_of(failure), failure.cause.to_string()),
            CallError::Unsupported(unsupported) => (ErrorKind::Unsupported, Outcome::NotSent, unsupported.what.clone()),
            CallError::Malformed(malformed) => (
                ErrorKind::ConnectionLost,
                Outcome::Unknown,
                format!("the reply makes no sense ({}); the connection is closed", malformed.what),
            ),
            CallError::NoRuntime => (
                ErrorKind::NoRuntime,
                Outcome::NotSent,
                "there is no tokio runtime here: await requests inside one".to_owned(),
            ),
        };
        Error::new(kind, outcome, Some(server), text)
    }
}

fn kind_of(cause: &Cause) -> ErrorKind {
    match cause {
        Cause::Deadline => ErrorKind::Deadline,
        Cause::Down(_) => ErrorKind::ServerDown,
        Cause::Refused(Refusal::Incompatible(_) | Refusal::Denied(_)) | Cause::Refused(_) => ErrorKind::Refused,
        Cause::QueueFull => ErrorKind::QueueFull,
        Cause::Unclaimed => ErrorKind::Unclaimed,
        Cause::Shutdown => ErrorKind::Closed,
        // Core may learn of further causes; what they have in common is that the connection did not serve the command.
        Cause::Closed(_) | _ => ErrorKind::ConnectionLost,
    }
}

fn outcome_of(failure: &Failure) -> Outcome {
    match failure.outcome {
        // The server has answered; the answer could not be kept.
        _ if failure.cause == Cause::Unclaimed => Outcome::Answered,
        memlink_core::Outcome::NotSent => Outcome::NotSent,
        memlink_core::Outcome::Unknown => Outcome::Unknown,
    }
}

impl From<Invalid> for Error {
    fn from(invalid: Invalid) -> Error {
        Error::invalid(&invalid)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Error {
        Error::new(ErrorKind::Config, Outcome::NotSent, None, error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = &self.0.server {
            write!(f, "{server}: ")?;
        }
        f.write_str(&self.0.text)?;
        match self.0.outcome {
            Outcome::NotSent => f.write_str(" (not sent)"),
            Outcome::Unknown => f.write_str(" (sent; it is not known whether it was applied)"),
            Outcome::Answered => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("outcome", &self.0.outcome)
            .field("server", &self.0.server)
            .field("text", &self.0.text)
            .finish()
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_run_is_never_retryable() {
        let is_retryable = |kind, outcome| Error::new(kind, outcome, None, String::new()).is_retryable();
        for kind in [ErrorKind::ConnectionLost, ErrorKind::ServerDown, ErrorKind::QueueFull] {
            assert!(is_retryable(kind, Outcome::NotSent));
            assert!(!is_retryable(kind, Outcome::Unknown) && !is_retryable(kind, Outcome::Answered));
        }
        assert!(!is_retryable(ErrorKind::Deadline, Outcome::NotSent));
    }
}
