use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, lookup_host};

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

/// Resolves `host` and connects to the first of its addresses that answers.
pub(super) async fn open(host: &str, port: u16, options: &TcpOptions) -> io::Result<Tcp> {
    let mut last = None;
    for address in lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => return set_up(stream, options),
            Err(error) => last = Some(error),
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
