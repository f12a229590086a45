use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use memlink_core::{Broken, Refusal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::DialGate;
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

/// A dial under way. With the stream comes the turn, and while that is kept no other link to the server is dialled.
pub(super) type Dial = Pin<Box<dyn Future<Output = io::Result<(Transport, OwnedSemaphorePermit)>> + Send>>;

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

impl Dialer {
    pub(super) fn dial(&self, address: &Address, gate: &DialGate, limit: Duration) -> Dial {
        let (address, dialer, gate) = (address.clone(), self.clone(), gate.clone());
        Box::pin(async move {
            let turn = gate.turn().await?;
            // The wait for the turn is not the server's fault.
            let ends = Instant::now() + limit;
            let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "the dial timed out");
            let opened = contained(dialer.open(&address, limit, ends));
            let transport = timeout_at(ends, opened).await.map_err(timed_out)??;
            Ok((transport, turn))
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

/// Users' code that panics has failed, and no more: the connection that stands beside a dial or a look-up, with all that is in flight on
/// it, stays.
pub(super) async fn contained<T>(users: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut users = pin!(users);
    let failed = |_| Poll::Ready(Err(io::Error::other("code that was given to the client has panicked")));
    // What has panicked is not polled again.
    poll_fn(|cx| catch_unwind(AssertUnwindSafe(|| users.as_mut().poll(cx))).unwrap_or_else(failed)).await
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
