//! The server's thread: listening, accepting, and obeying its owner.

use crate::connection::{self, Ended};
use crate::server::{Brought, Order, Shared};
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// How many connections may wait to be accepted, as in memcached.
const BACKLOG: u32 = 1024;

/// How long accepting rests after it failed, for want of file descriptors say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Where to listen.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) unix: Option<PathBuf>,
    pub(crate) unix_mode: u32,
}

/// Where it came to listen.
pub(crate) struct Bound {
    pub(crate) tcp: Option<SocketAddr>,
    pub(crate) unix: Option<PathBuf>,
}

impl Default for Listeners {
    fn default() -> Listeners {
        Listeners { addresses: vec![Ipv4Addr::LOCALHOST.into()], port: 0, unix: None, unix_mode: 0o700 }
    }
}

impl Listeners {
    pub(crate) fn socket_addrs(&self) -> Vec<SocketAddr> {
        if self.unix.is_some() {
            return Vec::new();
        }
        self.addresses.iter().map(|address| SocketAddr::new(*address, self.port)).collect()
    }
}

/// The body of the server's thread. Returns when the server is to stop, with
/// every socket closed.
pub(crate) fn run(
    shared: &Arc<Shared>,
    listeners: &Listeners,
    orders: mpsc::UnboundedReceiver<Order>,
    bound_out: oneshot::Sender<io::Result<Bound>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = bound_out.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        match Listening::bind(listeners) {
            Ok(listening) => {
                let bound = Bound { tcp: listening.tcp_addr(), unix: listeners.unix.clone() };
                // If the owner is gone, the orders have ended as well.
                let _ = bound_out.send(Ok(bound));
                Life { shared: Arc::clone(shared), listening, connections: JoinSet::new() }.run(orders).await;
            }
            Err(error) => {
                let _ = bound_out.send(Err(error));
            }
        }
    });
    if let Some(path) = &listeners.unix {
        // Another server may have taken the path over; that is its affair.
        let _ = std::fs::remove_file(path);
    }
}

struct Life {
    shared: Arc<Shared>,
    listening: Listening,
    connections: JoinSet<Ended>,
}

impl Life {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Serve(stream)) => {
                        if !self.listening.is_deaf() {
                            self.take(Ok(Accepted::Brought(stream))).await;
                        }
                    }
                    Some(Order::Kill(done)) => {
                        let deaf = self.listening.deafen();
                        self.close_all().await;
                        let _ = done.send(deaf);
                    }
                    Some(Order::Revive(done)) => {
                        self.shared.cache().restart(self.shared.clock.now());
                        let _ = done.send(self.listening.hear_again());
                    }
                    Some(Order::Stop) | None => break,
                },
                accepted = self.listening.accept() => self.take(accepted).await,
                Some(ended) = self.connections.join_next() => {
                    if matches!(ended, Ok(Ended::Shutdown)) {
                        break;
                    }
                }
            }
        }
        self.listening = Listening::default();
        self.close_all().await;
    }

    async fn take(&mut self, accepted: io::Result<Accepted>) {
        let Ok(accepted) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return;
        };
        let room = {
            let mut cache = self.shared.cache();
            let room = self.connections.len() < cache.settings.connections_max;
            cache.counts.connections_refused += u64::from(!room);
            room
        };
        match (accepted, room) {
            (Accepted::Tcp(stream), true) => {
                // Replies are already gathered; waiting for more would only delay.
                let _ = stream.set_nodelay(true);
                self.connections.spawn(connection::welcome(stream, Arc::clone(&self.shared)));
            }
            (Accepted::Unix(stream), true) => {
                self.connections.spawn(connection::welcome(stream, Arc::clone(&self.shared)));
            }
            (Accepted::Brought(stream), true) => {
                self.connections.spawn(connection::welcome(stream, Arc::clone(&self.shared)));
            }
            (Accepted::Tcp(stream), false) => connection::refuse(stream).await,
            (Accepted::Unix(stream), false) => connection::refuse(stream).await,
            // It may hold less than what is said, and nobody has to wait for that.
            (Accepted::Brought(stream), false) => drop(tokio::spawn(connection::refuse(stream))),
        }
    }

    /// Drops every connection. What was unread makes it a reset, as it does when
    /// a process is killed.
    async fn close_all(&mut self) {
        self.connections.shutdown().await;
    }
}

enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
    Brought(Box<dyn Brought>),
}

#[derive(Default)]
struct Listening {
    tcp: Vec<TcpListener>,
    unix: Option<UnixListener>,
    unix_wanted: Option<(PathBuf, u32)>,
    /// While killed: sockets that are bound and do not listen, so that the
    /// ports stay ours and connecting to them is refused.
    reserved: Vec<TcpSocket>,
}

impl Listening {
    fn bind(listeners: &Listeners) -> io::Result<Listening> {
        let mut listening = Listening::default();
        if let Some(path) = &listeners.unix {
            listening.unix_wanted = Some((path.clone(), listeners.unix_mode));
            listening.unix = Some(bind_unix(path, listeners.unix_mode)?);
        }
        let mut port = listeners.port;
        for address in listeners.socket_addrs() {
            let listener = bind_tcp(SocketAddr::new(address.ip(), port))?.listen(BACKLOG)?;
            // With several addresses a free port is chosen once for all.
            port = listener.local_addr()?.port();
            listening.tcp.push(listener);
        }
        Ok(listening)
    }

    fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp.first().and_then(|listener| listener.local_addr().ok())
    }

    async fn accept(&self) -> io::Result<Accepted> {
        let unix = async {
            match &self.unix {
                Some(listener) => listener.accept().await,
                None => pending().await,
            }
        };
        let tcp = std::future::poll_fn(|context| {
            self.tcp
                .iter()
                .map(|listener| listener.poll_accept(context))
                .find(std::task::Poll::is_ready)
                .unwrap_or(std::task::Poll::Pending)
        });
        tokio::select! {
            accepted = tcp => accepted.map(|(stream, _)| Accepted::Tcp(stream)),
            accepted = unix => accepted.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }

    /// Stops listening and keeps the ports.
    fn deafen(&mut self) -> io::Result<()> {
        self.unix = None;
        for listener in std::mem::take(&mut self.tcp) {
            let address = listener.local_addr()?;
            drop(listener);
            self.reserved.push(bind_tcp(address)?);
        }
        Ok(())
    }

    fn is_deaf(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_none()
    }

    fn hear_again(&mut self) -> io::Result<()> {
        if !self.is_deaf() {
            return Err(io::Error::other("the server was not killed"));
        }
        for socket in std::mem::take(&mut self.reserved) {
            self.tcp.push(socket.listen(BACKLOG)?);
        }
        if let Some((path, mode)) = &self.unix_wanted {
            self.unix = Some(bind_unix(path, *mode)?);
        }
        Ok(())
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Without this a port could not be bound again while connections of its
    // former life linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}
