//! A session on a socket: read, let it work, write.
//!
//! The next read waits for the last write, as in memcached: a client that does
//! not read its replies is not read from either. Where faults are about, a
//! connection goes on in [`troubled`], until they are over.

mod arrival;
mod stream;
mod troubled;

pub(crate) use arrival::refuse;
pub(crate) use stream::{Foreign, Stream};

use crate::faults::Board;
use crate::server::{OnCommand, Shared};
use crate::session::{Session, Step};
use bytes::{Buf as _, BytesMut};
use std::future::pending;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

/// What is read at once at most, as in memcached.
const READ_BYTES: usize = 16 * 1024;

/// Buffers beyond this are given back once they are empty.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By either side's wish, or by an error.
    Closed,
    /// Without a farewell: by a reset.
    Reset,
    /// With a command that stops the whole server.
    Shutdown,
}

/// Serves one connection until it ends, by TLS if that is spoken here.
pub(crate) async fn welcome<S: Stream>(stream: S, shared: Arc<Shared>) -> Ended {
    let Some(stream) = arrival::arrive(stream, &shared.faults.board).await else { return Ended::Closed };
    #[cfg(feature = "tls")]
    if let Some(doorman) = &shared.doorman {
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, doorman.acceptor().accept(stream));
        return match handshake.await {
            Ok(Ok(mut stream)) => {
                let ended = serve(&mut stream, shared).await;
                if matches!(ended, Ended::Closed | Ended::Shutdown) {
                    // So that the client knows that this is all. It may be gone.
                    let _ = stream.shutdown().await;
                }
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
pub(crate) async fn serve<S: Stream>(stream: S, shared: Arc<Shared>) -> Ended {
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

struct Connection<S> {
    stream: S,
    open: Open,
    input: BytesMut,
    output: BytesMut,
    idle_timeout: Option<Duration>,
    last_command: Instant,
}

/// What came of waiting for input.
enum Read {
    Some,
    /// The end of the stream, or of patience.
    End,
    /// Faults have come or gone.
    Changed,
}

/// A session that is counted as open, and no longer when it is dropped, however
/// that comes about.
struct Open {
    session: Session,
    shared: Arc<Shared>,
}

impl<S: Stream> Connection<S> {
    async fn run(&mut self) -> io::Result<Ended> {
        let board = Arc::clone(&self.open.shared.faults.board);
        let mut changes = board.changes();
        loop {
            if board.is_active()
                && let Some(ended) = troubled::run(self).await?
            {
                return Ok(ended);
            }
            // One future for many reads: to begin with a new one each time would be the only
            // thing that being able to misbehave costs a server that behaves.
            let changed = pin!(changes.changed());
            if let Some(ended) = self.run_plainly(&board, changed).await? {
                return Ok(ended);
            }
        }
    }

    /// Goes on until the connection ends, or `None` when faults have come.
    async fn run_plainly(&mut self, board: &Board, mut changed: Changed<'_, impl Future>) -> io::Result<Option<Ended>> {
        while !board.is_active() {
            let unused = self.input.len();
            let step = self.open.handle(&mut self.input, &mut self.output);
            if self.input.len() < unused {
                self.last_command = Instant::now();
            }
            if !self.write(changed.as_mut()).await? && !matches!(step, Step::Shutdown { .. }) {
                // The rest is written under the rules of faults.
                return Ok(None);
            }
            match step {
                Step::WriteOutput => {}
                Step::Close => return Ok(Some(Ended::Closed)),
                Step::Shutdown { .. } => return Ok(Some(Ended::Shutdown)),
                Step::NeedInput => match self.read(changed.as_mut()).await? {
                    Read::Some => {}
                    Read::End => return Ok(Some(Ended::Closed)),
                    Read::Changed => return Ok(None),
                },
            }
        }
        Ok(None)
    }

    /// Writes the output. False if it was interrupted, since faults have come or gone.
    async fn write(&mut self, mut changed: Changed<'_, impl Future>) -> io::Result<bool> {
        if self.output.is_empty() {
            return Ok(true);
        }
        let mut written = 0;
        while let Some(rest @ [_, ..]) = self.output.get(written..) {
            tokio::select! {
                biased;
                more = self.stream.write(rest) => match more? {
                    0 => return Err(io::ErrorKind::WriteZero.into()),
                    more => written += more,
                },
                _ = &mut changed => {
                    self.output.advance(written);
                    return Ok(false);
                }
            }
        }
        // TLS keeps back what it has encrypted.
        self.stream.flush().await?;
        self.output.clear();
        if self.output.capacity() > KEPT_BYTES_MAX {
            self.output = BytesMut::new();
        }
        Ok(true)
    }

    /// Reads once.
    async fn read(&mut self, mut changed: Changed<'_, impl Future>) -> io::Result<Read> {
        if self.input.is_empty() && self.input.capacity() > KEPT_BYTES_MAX {
            self.input = BytesMut::new();
        }
        self.input.reserve(READ_BYTES);
        let idle_since = self.last_command;
        tokio::select! {
            biased;
            read = self.stream.read_buf(&mut self.input) => Ok(if read? > 0 { Read::Some } else { Read::End }),
            () = passed(self.idle_timeout.map(|timeout| idle_since + timeout)) => {
                self.open.shared.cache().counts.idle_kicks += 1;
                Ok(Read::End)
            }
            _ = &mut changed => Ok(Read::Changed),
        }
    }
}

/// Is ready when faults have come or gone.
type Changed<'a, F> = Pin<&'a mut F>;

/// Waits for a moment, for ever if there is none.
pub(crate) async fn passed(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => pending().await,
    }
}

impl Open {
    fn handle(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Step {
        let now = self.shared.clock.now();
        let Some(OnCommand(tell)) = &self.shared.on_command else {
            return self.session.handle(&mut self.shared.cache(), now, input, output);
        };
        let (step, untold) = {
            let mut cache = self.shared.cache();
            (self.session.handle(&mut cache, now, input, output), cache.take_untold())
        };
        // Somebody else's code, so the cache is not locked while it runs.
        untold.iter().for_each(|executed| tell(executed));
        step
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut cache = self.shared.cache();
        self.session.end(&mut cache);
        cache.counts.connections_open = cache.counts.connections_open.saturating_sub(1);
    }
}
