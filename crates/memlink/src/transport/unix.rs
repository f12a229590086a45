use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::InlineWrite;

/// A Unix domain socket: the driver's half, and the half that callers may write to.
pub(crate) struct Unix {
    pub(super) read: OwnedReadHalf,
    pub(super) write: Arc<OwnedWriteHalf>,
}

impl Unix {
    /// Tries first and waits for readiness only when the socket is full.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = self.read.as_ref();
        loop {
            match stream.try_write_vectored(slices) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(stream.poll_write_ready(cx))?,
                result => return Poll::Ready(result),
            }
        }
    }
}

impl InlineWrite for OwnedWriteHalf {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(slices)
    }
}

/// Connects to the socket at `path`.
pub(super) async fn open(path: &Path) -> io::Result<Unix> {
    let (read, write) = UnixStream::connect(path).await?.into_split();
    Ok(Unix { read, write: Arc::new(write) })
}
