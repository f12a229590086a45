use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::transport::{self, Address, Stream, TcpOptions, Transport};

/// A user's own way to open a stream to a server: an in-memory pipe in a test, a proxy, a mesh.
pub trait Connector: Send + Sync + 'static {
    /// Opens a stream to `address`. Called at every dial, and given up when the dial timeout has passed.
    fn connect(&self, address: &Address) -> ConnectFuture;
}

/// What [`Connector::connect`] gives.
pub type ConnectFuture = Pin<Box<dyn Future<Output = io::Result<Pin<Box<dyn Stream>>>> + Send>>;

/// How a link opens its stream.
#[derive(Clone)]
pub(crate) enum Dialer {
    /// The sockets of the operating system.
    System(TcpOptions),
    /// The user's.
    User(Arc<dyn Connector>),
}

/// Lets one dial at a time through to one server, however many links it has, and none while the server rests after a failure: one
/// that comes back, or does not, is not stormed.
#[derive(Clone)]
pub(crate) struct DialGate(Arc<Gate>);

struct Gate {
    turn: Semaphore,
    rest: Mutex<Option<Rest>>,
}

/// After a failure, until the next dial of the link that had it.
struct Rest {
    until: Instant,
    error: String,
}

/// A gate for one server.
pub(crate) fn dial_gate() -> DialGate {
    DialGate(Arc::new(Gate { turn: Semaphore::new(1), rest: Mutex::new(None) }))
}

impl DialGate {
    /// A dial has failed, and whoever dialled does it again at `until`. Nobody else does before; a failure that was only this rest
    /// does not make it longer.
    pub(super) fn rest(&self, until: Instant, error: &str) {
        let mut rest = self.lock();
        if rest.as_ref().is_none_or(|rest| rest.until <= Instant::now()) {
            *rest = Some(Rest { until, error: error.to_owned() });
        }
    }

    /// The server answers.
    pub(super) fn end_rest(&self) {
        *self.lock() = None;
    }

    fn check_rest(&self) -> io::Result<()> {
        match &*self.lock() {
            Some(rest) if Instant::now() < rest.until => Err(io::Error::other(rest.error.clone())),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Rest>> {
        self.0.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dialer {
    pub(super) fn dial(
        &self,
        address: &Address,
        gate: &DialGate,
        limit: Duration,
    ) -> Pin<Box<dyn Future<Output = io::Result<Transport>> + Send>> {
        let (address, dialer, gate) = (address.clone(), self.clone(), gate.clone());
        Box::pin(async move {
            let _turn = gate.0.turn.acquire().await.map_err(io::Error::other)?;
            gate.check_rest()?;
            let open = async {
                match dialer {
                    Dialer::System(options) => transport::open(&address, &options, limit).await,
                    Dialer::User(connector) => connector.connect(&address).await.map(Transport::Other),
                }
            };
            // The wait for the turn is not the server's fault.
            let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "the dial timed out");
            timeout(limit, open).await.map_err(timed_out)?
        })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dialer::System(options) => f.debug_tuple("System").field(options).finish(),
            Dialer::User(_) => f.write_str("User"),
        }
    }
}
