use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// A Unix domain socket: the driver's half, and the half that callers may write to.
pub(crate) struct Unix {
    pub(super) read: OwnedReadHalf,
    pub(super) write: Arc<OwnedWriteHalf>,
}

/// Connects to the socket at `path`.
pub(super) async fn open(path: &Path) -> io::Result<Unix> {
    let (read, write) = UnixStream::connect(path).await?.into_split();
    Ok(Unix { read, write: Arc::new(write) })
}
