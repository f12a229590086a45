//! What a session can sit on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A stream of bytes that can be dropped in a way that its other end notices.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    /// Makes dropping it a reset, where there is such a thing.
    fn will_reset(&self) {}
}

impl Stream for TcpStream {
    fn will_reset(&self) {
        // If it fails the connection is broken already.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Stream for UnixStream {}

#[cfg(feature = "tls")]
impl<S: Stream> Stream for tokio_rustls::server::TlsStream<S> {
    fn will_reset(&self) {
        self.get_ref().0.will_reset();
    }
}

#[cfg(feature = "tls")]
impl<S: Stream> Stream for &mut S {
    fn will_reset(&self) {
        (**self).will_reset();
    }
}

/// A stream of a kind that this server does not know.
pub(crate) struct Foreign<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Foreign<S> {}

impl<S: AsyncRead + Unpin> AsyncRead for Foreign<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Foreign<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
