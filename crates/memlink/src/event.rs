use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use memlink_core::Broken;

/// Something that happened to the way to a server. Observers get it as it happens
/// ([`Settings::on_event`](crate::Settings::on_event)); commands are not events, they are counted
/// ([`Client::stats`](crate::Client::stats)).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A dial begins.
    Dialling {
        /// The server's configured name.
        server: Arc<str>,
    },
    /// The opening exchange ended well: commands are sent from now on.
    Opened {
        /// The server's configured name.
        server: Arc<str>,
        /// From the begin of the dial.
        took: Duration,
    },
    /// A dial or an opening exchange failed: the server counts as down, its commands are refused at once.
    DialFailed {
        /// The server's configured name.
        server: Arc<str>,
        /// What went wrong, for an operator.
        error: Arc<str>,
        /// Failures in a row, this one included.
        failures: u32,
        /// When the next dial begins.
        retry_in: Duration,
    },
    /// Files of TLS have changed, and what they hold now cannot be used: the last good ones stay in use. Told once for each new
    /// contents, by the dial that has found it: while nobody dials nobody looks ([`Tls::reload`](crate::Tls) does at once).
    TlsFilesRefused {
        /// The configured name of the server that was dialled.
        server: Arc<str>,
        /// What is wrong with them.
        error: Arc<str>,
    },
    /// A connection that was to take the place of another one, asked for by [`Cluster::renew`](crate::generic::Cluster::renew),
    /// because that one's keys are worn, or because the server's name has moved to another address, could not be made or was refused by
    /// the server: the old one stays.
    RenewalFailed {
        /// The server's configured name.
        server: Arc<str>,
        /// What went wrong, for an operator.
        error: Arc<str>,
    },
    /// The name of a server was looked up again while it is connected ([`Settings::resolve_interval`](crate::Settings::resolve_interval)),
    /// and that failed: the connection stays.
    LookUpFailed {
        /// The server's configured name.
        server: Arc<str>,
        /// What went wrong, for an operator.
        error: Arc<str>,
    },
    /// A source of servers could not be asked, or its answer could not be used: the servers stay as they were
    /// ([`discovery`](crate::discovery)).
    DiscoveryFailed {
        /// What it is called: see [`Discover::source`](crate::discovery::Discover::source).
        source: Arc<str>,
        /// What went wrong, for an operator.
        error: Arc<str>,
    },
    /// A connection has made room for a new one that is ready, with nothing in flight; [`Opened`](Event::Opened) follows.
    Replaced {
        /// The server's configured name.
        server: Arc<str>,
    },
    /// A server is not asked any more although its connection stands: its commands are refused at once.
    Suspended {
        /// The server's configured name.
        server: Arc<str>,
        /// Why.
        why: Arc<str>,
    },
    /// A server that was suspended answers again.
    Resumed {
        /// The server's configured name.
        server: Arc<str>,
    },
    /// A server was added to the list; it is dialled when it is needed.
    Added {
        /// The server's configured name.
        server: Arc<str>,
    },
    /// A server was removed from the list: no new command goes there, and what is in flight may finish for a while.
    Removed {
        /// The server's configured name.
        server: Arc<str>,
    },
    /// A server has another weight, and with it another share of the keys.
    Reweighted {
        /// The server's configured name.
        server: Arc<str>,
    },
    /// A connection was lost or closed.
    Closed {
        /// The server's configured name.
        server: Arc<str>,
        /// Why.
        reason: Broken,
        /// Commands that were on the wire or queued for it; each has ended with an error.
        in_flight: usize,
        /// When the next dial begins; `None` when it was closed on purpose, or is dialled when somebody has something to ask.
        retry_in: Option<Duration>,
    },
}

impl Event {
    /// The configured name of the server it is about, or what its source is called.
    #[must_use]
    pub fn server(&self) -> &str {
        match self {
            Event::Dialling { server }
            | Event::Opened { server, .. }
            | Event::DialFailed { server, .. }
            | Event::TlsFilesRefused { server, .. }
            | Event::RenewalFailed { server, .. }
            | Event::LookUpFailed { server, .. }
            | Event::DiscoveryFailed { source: server, .. }
            | Event::Replaced { server }
            | Event::Suspended { server, .. }
            | Event::Resumed { server }
            | Event::Added { server }
            | Event::Removed { server }
            | Event::Reweighted { server }
            | Event::Closed { server, .. } => server,
        }
    }
}

/// One line for an operator.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Dialling { server } => write!(f, "{server}: dialling"),
            Event::Opened { server, took } => write!(f, "{server}: open after {took:?}"),
            Event::DialFailed { server, error, failures, retry_in } => {
                write!(f, "{server}: down ({error}), failure {failures}, next dial in {retry_in:?}")
            }
            Event::TlsFilesRefused { server, error } => write!(f, "{server}: new TLS files are not used: {error}"),
            Event::RenewalFailed { server, error } => {
                write!(f, "{server}: no new connection ({error}), the old one stays")
            }
            Event::LookUpFailed { server, error } => {
                write!(f, "{server}: the name could not be looked up again ({error}), the connection stays")
            }
            Event::DiscoveryFailed { source, error } => write!(f, "{source}: no new list of servers: {error}"),
            Event::Replaced { server } => write!(f, "{server}: replaced by a new connection"),
            Event::Suspended { server, why } => write!(f, "{server}: suspended ({why})"),
            Event::Resumed { server } => write!(f, "{server}: answers again"),
            Event::Added { server } => write!(f, "{server}: added to the servers"),
            Event::Removed { server } => write!(f, "{server}: removed from the servers"),
            Event::Reweighted { server } => write!(f, "{server}: has another weight"),
            Event::Closed { server, reason, in_flight, retry_in } => {
                write!(f, "{server}: connection lost ({reason}) with {in_flight} commands in flight")?;
                match retry_in {
                    Some(wait) => write!(f, ", next dial in {wait:?}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Who is told of events. Called by the task that serves the link: it must return soon and must not block.
pub(crate) type Observer = Arc<dyn Fn(&Event) + Send + Sync>;
