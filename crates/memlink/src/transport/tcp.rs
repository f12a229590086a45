use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::InlineWrite;

/// A TCP stream: the driver's half, and the half that callers may write to.
pub(crate) struct Tcp {
    pub(super) read: OwnedReadHalf,
    pub(super) write: Arc<OwnedWriteHalf>,
}

/// How TCP sockets are set up.
#[derive(Debug, Clone)]
pub struct TcpOptions {
    /// Send small segments at once (`TCP_NODELAY`). Default on: commands are gathered before they are written, so waiting in
    /// the kernel as well would only add latency.
    pub nodelay: bool,
    /// Idle time after which the kernel probes a silent peer; `None` leaves the system's setting. Default 60 s: below the
    /// idle limits of common load balancers.
    pub keepalive: Option<Duration>,
}

impl Default for TcpOptions {
    fn default() -> TcpOptions {
        TcpOptions { nodelay: true, keepalive: Some(Duration::from_secs(60)) }
    }
}

impl Tcp {
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

/// Resolves `host` and connects to the first of its addresses that answers. Each has its share of `limit`, so that one that swallows
/// everything does not hide the others.
pub(super) async fn open(host: &str, port: u16, options: &TcpOptions, limit: Duration) -> io::Result<Tcp> {
    let addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    let share = limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut last = None;
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return set_up(stream, options),
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(io::Error::new(io::ErrorKind::TimedOut, "the dial timed out")),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

fn set_up(stream: TcpStream, options: &TcpOptions) -> io::Result<Tcp> {
    stream.set_nodelay(options.nodelay)?;
    if let Some(idle) = options.keepalive {
        let keepalive = TcpKeepalive::new().with_time(idle).with_interval(idle / 4);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    let (read, write) = stream.into_split();
    Ok(Tcp { read, write: Arc::new(write) })
}
