//! Byte streams behind one small type: what a link reads from and writes to, whatever it is made of.

mod address;
mod race;
mod resolve;
mod socket;
mod tcp;
#[cfg(feature = "tls-own-provider")]
pub(crate) mod tls;
#[cfg(unix)]
mod unix;

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

pub use address::{Address, AddressError};
pub use resolve::{Resolve, ResolveFuture};
pub(crate) use resolve::{Resolver, is_literal};
pub use tcp::TcpOptions;
#[cfg(feature = "tls-own-provider")]
pub use tls::{Tls, TlsError, TlsPin, TlsVersion};

/// An open stream to a server. The link's driver owns it; a caller may only write through [`InlineWrite`].
pub(crate) enum Transport {
    Tcp(tcp::Tcp),
    #[cfg(unix)]
    Unix(unix::Unix),
    /// A user's own.
    Other(Pin<Box<dyn Stream>>),
    #[cfg(feature = "tls-own-provider")]
    Tls(Box<tls::TlsStream>),
}

/// What a user's own connector has to give: any ordered stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + 'static> Stream for S {}

/// One attempt to write without waiting, from any task.
pub(crate) trait InlineWrite: Send + Sync {
    /// Writes what the operating system takes at once. Never waits and never touches the driver's waker.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

impl Transport {
    /// Reads into `space`. `Ok(0)` is the end of the stream.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, space: &mut dyn BufMut) -> Poll<io::Result<usize>> {
        match self {
            Transport::Tcp(tcp) => pin!(tcp.read.read_buf(space)).poll(cx),
            #[cfg(unix)]
            Transport::Unix(unix) => pin!(unix.read.read_buf(space)).poll(cx),
            Transport::Other(stream) => pin!(stream.read_buf(space)).poll(cx),
            #[cfg(feature = "tls-own-provider")]
            Transport::Tls(tls) => tls.poll_read(cx, space),
        }
    }

    /// Writes some of `slices`, in order.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Transport::Tcp(tcp) => socket::poll_write(tcp.read.as_ref(), cx, slices),
            #[cfg(unix)]
            Transport::Unix(unix) => socket::poll_write(unix.read.as_ref(), cx, slices),
            Transport::Other(stream) if stream.is_write_vectored() => stream.as_mut().poll_write_vectored(cx, slices),
            Transport::Other(stream) => {
                let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
                stream.as_mut().poll_write(cx, first)
            }
            #[cfg(feature = "tls-own-provider")]
            Transport::Tls(tls) => tls.poll_write(cx, slices),
        }
    }

    /// Sees that what was written leaves: streams that gather records need to be told.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Tcp(_) => Poll::Ready(Ok(())),
            #[cfg(unix)]
            Transport::Unix(_) => Poll::Ready(Ok(())),
            Transport::Other(stream) => stream.as_mut().poll_flush(cx),
            #[cfg(feature = "tls-own-provider")]
            Transport::Tls(tls) => tls.poll_flush(cx),
        }
    }

    /// Whether written bytes may stay behind until they are flushed.
    pub(crate) fn needs_flush(&self) -> bool {
        match self {
            Transport::Tcp(_) => false,
            #[cfg(unix)]
            Transport::Unix(_) => false,
            Transport::Other(_) => true,
            #[cfg(feature = "tls-own-provider")]
            Transport::Tls(_) => true,
        }
    }

    /// Lets go of memory that an idle connection does not need.
    pub(crate) fn shrink(&mut self) {
        #[cfg(feature = "tls-own-provider")]
        if let Transport::Tls(tls) = self {
            tls.shrink();
        }
    }

    /// Whether another stream should take its place before it comes to an end by itself.
    pub(crate) fn is_worn(&self) -> bool {
        #[cfg(feature = "tls-own-provider")]
        if let Transport::Tls(tls) = self {
            return tls.is_worn();
        }
        false
    }

    /// There is no other one so far: it has to last for some time more.
    pub(crate) fn bear_wear(&mut self) {
        #[cfg(feature = "tls-own-provider")]
        if let Transport::Tls(tls) = self {
            tls.bear_wear();
        }
    }

    /// Where it leads, when it is a socket of the system's that leads to another machine.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Transport::Tcp(tcp) => tcp.read.peer_addr().ok(),
            #[cfg(unix)]
            Transport::Unix(_) => None,
            Transport::Other(_) => None,
            #[cfg(feature = "tls-own-provider")]
            Transport::Tls(tls) => tls.peer(),
        }
    }

    /// The way for callers to write by themselves, where the stream has one. A stream that encrypts has none: that work does
    /// not belong into a caller's turn.
    pub(crate) fn inline(&self) -> Option<Arc<dyn InlineWrite>> {
        match self {
            Transport::Tcp(tcp) => Some(tcp.write.clone()),
            #[cfg(unix)]
            Transport::Unix(unix) => Some(unix.write.clone()),
            Transport::Other(_) => None,
            #[cfg(feature = "tls-own-provider")]
            Transport::Tls(_) => None,
        }
    }
}

/// Opens a stream to `address`; a host name is resolved anew each time.
pub(crate) async fn open(
    address: &Address,
    tcp_options: &TcpOptions,
    resolver: &Resolver,
    limit: Duration,
) -> io::Result<Transport> {
    match address {
        Address::Tcp { host, port } => {
            let addresses = resolver.to_dial(host, *port).await?;
            tcp::open(addresses, tcp_options, limit).await.map(Transport::Tcp)
        }
        #[cfg(unix)]
        Address::Unix(path) => unix::open(path).await.map(Transport::Unix),
        #[cfg(not(unix))]
        Address::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets")),
    }
}
