use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

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

/// Lets one dial at a time through to one server, however many links it has: a server that comes back, or does not, is not
/// stormed.
pub(crate) type DialGate = Arc<Semaphore>;

/// A gate for one server.
pub(crate) fn dial_gate() -> DialGate {
    Arc::new(Semaphore::new(1))
}

impl Dialer {
    pub(super) fn dial(
        &self,
        address: &Address,
        gate: &DialGate,
    ) -> Pin<Box<dyn Future<Output = io::Result<Transport>> + Send>> {
        let (address, dialer, gate) = (address.clone(), self.clone(), gate.clone());
        Box::pin(async move {
            let _turn = gate.acquire().await.map_err(io::Error::other)?;
            match dialer {
                Dialer::System(options) => transport::open(&address, &options).await,
                Dialer::User(connector) => connector.connect(&address).await.map(Transport::Other),
            }
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
