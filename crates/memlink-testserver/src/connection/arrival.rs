//! What may happen to a connection before it is served.

use super::Stream;
use crate::faults::{Arrival, Board, Installed};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What a connection beyond the limit is told before it is closed.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// How long a closed connection is still read from. Closing with something
/// unread would be a reset, and take from the client what it was told last.
const LINGER: Duration = Duration::from_secs(1);

/// Refuses one connection for want of room.
pub(crate) async fn refuse<S>(mut stream: S)
where
    S: AsyncWrite + Unpin,
{
    // Whoever is refused may be gone already; there is nobody left to tell.
    let _ = stream.write_all(TOO_MANY).await;
}

/// Lets the faults have their way with a connection. The stream comes back if it
/// is to be served.
pub(super) async fn arrive<S: Stream>(mut stream: S, board: &Board) -> Option<S> {
    let Some((arrival, by)) = board.arrival() else { return Some(stream) };
    match arrival {
        Arrival::Silent => {
            thawed(board, &by).await;
            return Some(stream);
        }
        Arrival::Reset => stream.will_reset(),
        Arrival::Close => say_and_close(&mut stream, b"").await,
        Arrival::Banner(line) => say_and_close(&mut stream, &line).await,
    }
    None
}

/// Waits until what a fault has frozen is thawed.
async fn thawed(board: &Board, by: &Installed) {
    let mut changes = board.changes();
    let thaws = board.thaws();
    while !by.is_removed() && board.thaws() == thaws && changes.changed().await.is_ok() {}
}

async fn say_and_close<S: Stream>(stream: &mut S, line: &[u8]) {
    // The client may be gone already; there is nobody left to tell.
    let _ = stream.write_all(line).await;
    close(stream).await;
}

/// Closes in a way that everything said before is heard.
pub(super) async fn close<S: Stream>(stream: &mut S) {
    let _ = stream.shutdown().await;
    let mut scratch = [0; 1024];
    let _ = tokio::time::timeout(LINGER, async { while stream.read(&mut scratch).await.is_ok_and(|read| read > 0) {} })
        .await;
}
