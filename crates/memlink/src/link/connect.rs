use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

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

impl Dialer {
    pub(crate) fn dial(&self, address: &Address) -> Pin<Box<dyn Future<Output = io::Result<Transport>> + Send>> {
        let address = address.clone();
        match self.clone() {
            Dialer::System(options) => Box::pin(async move { transport::open(&address, &options).await }),
            Dialer::User(connector) => {
                let stream = connector.connect(&address);
                Box::pin(async move { stream.await.map(Transport::Other) })
            }
        }
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
