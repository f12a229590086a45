use std::fmt;
use std::sync::Arc;

use memlink::Outcome;

/// Why a request has no result.
///
/// [`outcome`](Error::outcome) says of each whether the command can have been applied. No key and no value stands in its text.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The command got no reply: the connection, the deadline, the configuration.
    #[error(transparent)]
    Link(#[from] memlink::Error),
    /// The server answered with an error. The connection is as good as before.
    #[error("{server}: {error}")]
    Server {
        /// The server's configured name.
        server: Arc<str>,
        /// What it said.
        error: ServerError,
    },
    /// The server answered, and the answer is not of the type that was asked for. The connection is as good as before.
    #[error("{server}: {wanted} was wanted and the reply is {found}")]
    Type {
        /// The server's configured name.
        server: Arc<str>,
        /// What was asked for.
        wanted: &'static str,
        /// What came.
        found: &'static str,
    },
    /// The server refused `MULTI`, so the commands of a transaction ran one by one, and others may have come in between. All that could be
    /// done has been done: what is wrong is that this user may not, or this server cannot.
    #[error("{server} refused MULTI ({error}): the commands of the transaction ran one by one")]
    NoTransaction {
        /// The server's configured name.
        server: Arc<str>,
        /// What it said.
        error: ServerError,
    },
    /// The command would change the connection for everybody who shares it. Nothing was sent.
    #[error("{command} is not for a shared connection: {why} (not sent)")]
    NotShared {
        /// The command.
        command: &'static str,
        /// What it would do, and what to do instead.
        why: &'static str,
    },
    /// A command that a server does not answer, or closes the connection for. Nothing was sent.
    #[error("{0} cannot be sent (not sent)")]
    Size(&'static str),
    /// A command, or a transaction, whose keys belong to different servers. Nothing was sent.
    #[error("the keys of one command belong to different servers (not sent)")]
    Spread,
    /// A command without a key, with more than one server to send it to. Nothing was sent.
    #[error("the command has no key and there are several servers: name one (not sent)")]
    NoKey,
}

impl Error {
    /// Whether the command can have been applied.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Link(error) => error.outcome(),
            Error::Server { .. } | Error::Type { .. } => Outcome::Answered,
            // Some of it has been, and not as it was meant.
            Error::NoTransaction { .. } => Outcome::Unknown,
            Error::NotShared { .. } | Error::Size(_) | Error::Spread | Error::NoKey => Outcome::NotSent,
        }
    }

    /// Whether sending the same request again can succeed and cannot apply it twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Error::Link(error) if error.is_retryable())
    }

    /// The server's own error, if it is one.
    #[must_use]
    pub fn server_error(&self) -> Option<&ServerError> {
        match self {
            Error::Server { error, .. } | Error::NoTransaction { error, .. } => Some(error),
            _ => None,
        }
    }

    pub(crate) fn fault(server: &str, fault: Fault) -> Error {
        let server = server.into();
        match fault {
            Fault::Server(error) => Error::Server { server, error },
            Fault::Type { wanted, found } => Error::Type { server, wanted, found },
        }
    }
}

/// Why a reply is not what was asked for ([`FromReply`](crate::FromReply)).
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// It is, or holds, an error of the server.
    Server(ServerError),
    /// It is of another type.
    Type {
        /// What was asked for.
        wanted: &'static str,
        /// What came.
        found: &'static str,
    },
}

/// An error as the server puts it: a code, by custom in capitals, and words for people.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerError {
    text: Box<str>,
    kind: ServerErrorKind,
}

/// What the code of an error means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// `ERR`: anything that has no code of its own.
    Err,
    /// `WRONGTYPE`: the key holds a value of another type.
    WrongType,
    /// `NOAUTH`, `WRONGPASS`: credentials are missing or wrong.
    Auth,
    /// `NOPERM`: the user may not do this.
    NoPermission,
    /// `OOM`: no memory is left, and nothing may be evicted.
    OutOfMemory,
    /// `READONLY`: this server is a replica.
    ReadOnly,
    /// `LOADING`, `BUSY`, `TRYAGAIN`, `MASTERDOWN`, `CLUSTERDOWN`: it may be otherwise in a while.
    NotNow,
    /// `NOSCRIPT`: no script has this digest.
    NoScript,
    /// `EXECABORT`: a transaction was thrown away because one of its commands was refused.
    ExecAbort,
    /// `MOVED`, `ASK`, `CROSSSLOT`: the server is part of a Redis cluster, which memlink-resp does not follow.
    Cluster,
    /// Any other code.
    Other,
}

/// Longest text of an error that is kept, in bytes.
const TEXT_MAX: usize = 256;

impl ServerError {
    pub(crate) fn new(line: &[u8]) -> ServerError {
        ServerError::of(&printable(&String::from_utf8_lossy(line)))
    }

    /// The same without `secret`, should the server repeat it, or its begin where it was cut.
    pub(crate) fn without(secret: &str, line: &[u8]) -> ServerError {
        // As the server may have changed it, and before any of it is cut off.
        ServerError::of(&hide(&printable(&String::from_utf8_lossy(line)), &printable(secret)))
    }

    fn of(text: &str) -> ServerError {
        // Redis repeats the arguments of a command that it does not know.
        let text = text.split(", with args beginning with").next().unwrap_or_default();
        let mut kept = String::new();
        for c in text.chars() {
            if kept.len() + c.len_utf8() > TEXT_MAX {
                break;
            }
            kept.push(c);
        }
        let kind = kind_of(kept.split(' ').next().unwrap_or_default());
        ServerError { text: kept.into(), kind }
    }

    /// The first word: `WRONGTYPE`, for one.
    #[must_use]
    pub fn code(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// What the code means.
    #[must_use]
    pub fn kind(&self) -> ServerErrorKind {
        self.kind
    }

    /// The words behind the code, made printable, and without the arguments that Redis repeats.
    #[must_use]
    pub fn message(&self) -> &str {
        self.text.split_once(' ').map_or("", |(_, words)| words)
    }

    /// Code and words.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// So many bytes of a secret's begin are as secret as the whole.
const SECRET_MIN: usize = 8;

/// `text` with `***` wherever `secret` stands, or as much of its begin as was not cut off.
fn hide(text: &str, secret: &str) -> String {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some(c) = rest.chars().next() {
        let same = rest.chars().zip(secret.chars()).take_while(|(one, other)| one == other);
        let same: usize = same.map(|(c, _)| c.len_utf8()).sum();
        let is_secret = !secret.is_empty() && same >= secret.len().min(SECRET_MIN);
        shown.push_str(if is_secret { "***" } else { rest.get(..c.len_utf8()).unwrap_or_default() });
        rest = rest.get(if is_secret { same } else { c.len_utf8() }..).unwrap_or_default();
    }
    shown
}

fn kind_of(code: &str) -> ServerErrorKind {
    match code {
        "ERR" => ServerErrorKind::Err,
        "WRONGTYPE" => ServerErrorKind::WrongType,
        "NOAUTH" | "WRONGPASS" => ServerErrorKind::Auth,
        "NOPERM" => ServerErrorKind::NoPermission,
        "OOM" => ServerErrorKind::OutOfMemory,
        "READONLY" => ServerErrorKind::ReadOnly,
        "LOADING" | "BUSY" | "TRYAGAIN" | "MASTERDOWN" | "CLUSTERDOWN" => ServerErrorKind::NotNow,
        "NOSCRIPT" => ServerErrorKind::NoScript,
        "EXECABORT" => ServerErrorKind::ExecAbort,
        "MOVED" | "ASK" | "CROSSSLOT" => ServerErrorKind::Cluster,
        _ => ServerErrorKind::Other,
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerError({:?})", self.text)
    }
}

impl std::error::Error for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_code_and_words() {
        for (line, code, kind, message) in [
            ("ERR no such key", "ERR", ServerErrorKind::Err, "no such key"),
            ("WRONGTYPE Operation against", "WRONGTYPE", ServerErrorKind::WrongType, "Operation against"),
            ("MYCODE", "MYCODE", ServerErrorKind::Other, ""),
            ("", "", ServerErrorKind::Other, ""),
            ("NOSCRIPT a\nb", "NOSCRIPT", ServerErrorKind::NoScript, "a b"),
        ] {
            let error = ServerError::new(line.as_bytes());
            assert_eq!((error.code(), error.kind(), error.message()), (code, kind, message), "{line}");
        }
    }

    #[test]
    fn a_secret_is_hidden_before_anything_is_cut_off() {
        let long: String = ('a'..='z').cycle().take(1_000).collect();
        for (line, secret, wanted) in [
            ("ERR no sesame, sesame!", "sesame", "ERR no ***, ***!"),
            ("ERR option 'a b'", "a\nb", "ERR option '***'"),
            ("ERR sesamsesame", "sesame", "ERR sesam***"),
            ("ERR ä", "ä", "ERR ***"),
            ("ERR", "", "ERR"),
            (&*format!("ERR '{long}'"), &*long, "ERR '***'"),
            // What the server has cut itself.
            (&*format!("ERR '{}'", &long[..128]), &*long, "ERR '***'"),
            ("ERR abcdefg", &*long, "ERR abcdefg"),
        ] {
            assert_eq!(ServerError::without(secret, line.as_bytes()).text(), wanted);
        }
    }

    #[test]
    fn a_text_is_bounded_and_holds_no_argument() {
        let error = ServerError::new(b"ERR unknown command 'GETT', with args beginning with: 'a-key' ");
        assert_eq!(error.text(), "ERR unknown command 'GETT'");
        assert_eq!(ServerError::new(&vec![b'x'; 10_000]).text().len(), TEXT_MAX);
        assert!(ServerError::new("ä".repeat(10_000).as_bytes()).text().len() <= TEXT_MAX);
    }
}
