use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::InlineWrite;

/// What the system's sockets have in common when they are written to.
pub(super) trait Socket {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// Tries first and waits for readiness only when the socket is full.
pub(super) fn poll_write(
    socket: &impl Socket,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    loop {
        match socket.try_write_vectored(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(socket.poll_write_ready(cx))?,
            result => return Poll::Ready(result),
        }
    }
}

macro_rules! socket {
    ($stream:ty, $half:ty) => {
        impl Socket for $stream {
            fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                <$stream>::try_write_vectored(self, slices)
            }

            fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                <$stream>::poll_write_ready(self, cx)
            }
        }

        impl InlineWrite for $half {
            fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
                self.try_write_vectored(slices)
            }
        }
    };
}

socket!(TcpStream, tokio::net::tcp::OwnedWriteHalf);
#[cfg(unix)]
socket!(UnixStream, tokio::net::unix::OwnedWriteHalf);
