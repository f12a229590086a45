use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memlink_core::{Broken, Refusal};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::names::Answers;
#[cfg(feature = "tls-own-provider")]
use crate::transport::Tls;
use crate::transport::{self, Address, Resolver, Stream, TcpOptions, Transport};

/// A user's own way to open a stream to a server: an in-memory pipe in a test, a proxy, a mesh.
pub trait Connector: Send + Sync + 'static {
    /// Opens a stream to `address`. Called at every dial, and given up when the dial timeout has passed.
    fn connect(&self, address: &Address) -> ConnectFuture;
}

/// What [`Connector::connect`] gives.
pub type ConnectFuture = Pin<Box<dyn Future<Output = io::Result<Pin<Box<dyn Stream>>>> + Send>>;

/// What has to be done before a server is dialled: fetching a password that may have changed, say.
pub(crate) type Preparation = Arc<dyn Fn(&Address) -> PreparationFuture + Send + Sync>;

/// What a preparation gives.
pub(crate) type PreparationFuture = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// How a link opens its stream.
#[derive(Clone, Default)]
pub(crate) struct Dialer {
    pub(crate) way: Way,
    pub(crate) resolver: Resolver,
    pub(crate) preparation: Option<Preparation>,
    #[cfg(feature = "tls-own-provider")]
    pub(crate) tls: Option<Tls>,
}

/// Who opens the stream below.
#[derive(Clone)]
pub(crate) enum Way {
    /// The sockets of the operating system.
    System(TcpOptions),
    /// The user's.
    User(Arc<dyn Connector>),
}

impl Default for Way {
    fn default() -> Way {
        Way::System(TcpOptions::default())
    }
}

/// Lets one dial at a time through to one server, however many links it has, and none while the server rests after a failure: one
/// that comes back, or does not, is not stormed.
#[derive(Clone)]
pub(crate) struct DialGate(Arc<Gate>);

struct Gate {
    turn: Semaphore,
    /// How often all connections were asked to be replaced.
    renewals: AtomicU64,
    rest: Mutex<Option<Rest>>,
    answers: Answers,
}

/// After a failure, until the next dial of the link that had it.
struct Rest {
    until: Instant,
    why: Broken,
}

/// A gate for one server.
pub(crate) fn dial_gate() -> DialGate {
    DialGate(Arc::new(Gate {
        turn: Semaphore::new(1),
        renewals: AtomicU64::new(0),
        rest: Mutex::new(None),
        answers: Answers::default(),
    }))
}

impl DialGate {
    /// A dial has failed, and whoever dialled does it again at `until`. Nobody else does before; a failure that was only this rest
    /// does not make it longer.
    pub(super) fn rest(&self, until: Instant, why: &Broken) {
        let mut rest = self.lock();
        if rest.as_ref().is_none_or(|rest| rest.until <= Instant::now()) {
            *rest = Some(Rest { until, why: why.clone() });
        }
    }

    /// Connections that were dialled before this moment are to be replaced.
    pub(crate) fn renew(&self) {
        self.0.renewals.fetch_add(1, Ordering::Relaxed);
    }

    /// Grows whenever connections are to be replaced.
    pub(super) fn renewals(&self) -> u64 {
        self.0.renewals.load(Ordering::Relaxed)
    }

    /// The addresses that the server's name had when one of the links looked.
    pub(super) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// The server answers.
    pub(super) fn end_rest(&self) {
        *self.lock() = None;
    }

    fn check_rest(&self) -> io::Result<()> {
        match &*self.lock() {
            Some(rest) if Instant::now() < rest.until => Err(match &rest.why {
                Broken::Refused(refusal) => io::Error::other(refusal.clone()),
                other => io::Error::other(other.to_string()),
            }),
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
            // The wait for the turn is not the server's fault.
            let ends = Instant::now() + limit;
            let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "the dial timed out");
            timeout_at(ends, dialer.open(&address, limit, ends)).await.map_err(timed_out)?
        })
    }

    async fn open(self, address: &Address, limit: Duration, ends: Instant) -> io::Result<Transport> {
        if let Some(prepare) = &self.preparation {
            prepare(address).await?;
        }
        let socket = match &self.way {
            Way::System(options) => transport::open(address, options, &self.resolver, limit).await?,
            Way::User(connector) => Transport::Other(connector.connect(address).await?),
        };
        #[cfg(feature = "tls-own-provider")]
        if let Some(tls) = &self.tls {
            return Ok(Transport::Tls(Box::new(tls.connect(socket, address, ends).await?)));
        }
        let _ = ends;
        Ok(socket)
    }

    /// Prepares in this way, too, after what is done already.
    pub(crate) fn also_prepare(&mut self, second: Preparation) {
        self.preparation = Some(match self.preparation.take() {
            None => second,
            Some(first) => Arc::new(move |address| {
                let (first, second) = (first(address), second(address));
                Box::pin(async move {
                    first.await?;
                    second.await
                })
            }),
        });
    }

    /// Something that went wrong without ending a dial: to be told once.
    pub(super) fn take_complaint(&self) -> Option<Arc<str>> {
        #[cfg(feature = "tls-own-provider")]
        return self.tls.as_ref().and_then(Tls::take_complaint);
        #[cfg(not(feature = "tls-own-provider"))]
        None
    }
}

/// Why a transport's error ends a connection: an error may hold a refusal, of a server that is not to be trusted.
pub(super) fn broken(error: io::Error) -> Broken {
    match error.downcast::<Refusal>() {
        Ok(refusal) => Broken::Refused(refusal),
        Err(error) => Broken::Io(error.to_string()),
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Dialer");
        match &self.way {
            Way::System(options) => shown.field("way", options),
            Way::User(_) => shown.field("way", &"the user's"),
        };
        shown.field("resolver", &self.resolver);
        #[cfg(feature = "tls-own-provider")]
        shown.field("tls", &self.tls);
        shown.finish_non_exhaustive()
    }
}
