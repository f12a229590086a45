//! A session on a socket: read, let it work, write.
//!
//! The next read waits for the last write, as in memcached: a client that does
//! not read its replies is not read from either.

use crate::server::Shared;
use crate::session::{Session, Step};
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

/// What is read at once at most, as in memcached.
const READ_BYTES: usize = 16 * 1024;

/// Buffers beyond this are given back once they are empty.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// What a connection beyond the limit is told before it is closed.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By either side's wish, or by an error.
    Closed,
    /// With a command that stops the whole server.
    Shutdown,
}

/// Serves one connection until it ends, by TLS if that is spoken here.
pub(crate) async fn welcome<S>(stream: S, shared: Arc<Shared>) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    #[cfg(feature = "tls")]
    if let Some(doorman) = &shared.doorman {
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, doorman.acceptor().accept(stream));
        return match handshake.await {
            Ok(Ok(mut stream)) => {
                let ended = serve(&mut stream, shared).await;
                // So that the client knows that this is all. It may be gone.
                let _ = stream.shutdown().await;
                ended
            }
            _ => Ended::Closed,
        };
    }
    serve(stream, shared).await
}

/// How long a client may take to make a TLS handshake.
#[cfg(feature = "tls")]
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves one connection until it ends.
pub(crate) async fn serve<S>(stream: S, shared: Arc<Shared>) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let session = {
        let mut cache = shared.cache();
        cache.counts.connections_open += 1;
        cache.counts.connections_total += 1;
        Session::new(&mut cache)
    };
    let idle_timeout = shared.cache().settings.idle_timeout;
    let mut connection = Connection {
        stream,
        open: Open { session, shared },
        input: BytesMut::new(),
        output: BytesMut::new(),
        idle_timeout,
        last_command: Instant::now(),
    };
    connection.run().await.unwrap_or(Ended::Closed)
}

/// Refuses one connection for want of room.
pub(crate) async fn refuse<S>(mut stream: S)
where
    S: AsyncWrite + Unpin,
{
    // Whoever is refused may be gone already; there is nobody left to tell.
    let _ = stream.write_all(TOO_MANY).await;
}

struct Connection<S> {
    stream: S,
    open: Open,
    input: BytesMut,
    output: BytesMut,
    idle_timeout: Option<Duration>,
    last_command: Instant,
}

/// A session that is counted as open, and no longer when it is dropped, however
/// that comes about.
struct Open {
    session: Session,
    shared: Arc<Shared>,
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self) -> io::Result<Ended> {
        loop {
            let unused = self.input.len();
            let step = self.open.handle(&mut self.input, &mut self.output);
            if self.input.len() < unused {
                self.last_command = Instant::now();
            }
            self.write().await?;
            match step {
                Step::WriteOutput => {}
                Step::Close => return Ok(Ended::Closed),
                Step::Shutdown { .. } => return Ok(Ended::Shutdown),
                Step::NeedInput => {
                    if !self.read().await? {
                        return Ok(Ended::Closed);
                    }
                }
            }
        }
    }

    async fn write(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        self.stream.write_all(&self.output).await?;
        // TLS keeps back what it has encrypted.
        self.stream.flush().await?;
        self.output.clear();
        if self.output.capacity() > KEPT_BYTES_MAX {
            self.output = BytesMut::new();
        }
        Ok(())
    }

    /// Reads once. False at the end of the stream, or of patience.
    async fn read(&mut self) -> io::Result<bool> {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
            self.input = BytesMut::new();
        }
        self.input.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.input);
        let Some(idle_timeout) = self.idle_timeout else { return Ok(read.await? > 0) };
        match tokio::time::timeout_at(self.last_command + idle_timeout, read).await {
            Ok(read) => Ok(read? > 0),
            Err(_) => {
                self.open.shared.cache().counts.idle_kicks += 1;
                Ok(false)
            }
        }
    }
}

impl Open {
    fn handle(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Step {
        let now = self.shared.clock.now();
        self.session.handle(&mut self.shared.cache(), now, input, output)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut cache = self.shared.cache();
        self.session.end(&mut cache);
        cache.counts.connections_open = cache.counts.connections_open.saturating_sub(1);
    }
}
