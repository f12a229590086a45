//! The sockets that connections come from.

use crate::server::Brought;
use socket2::SockRef;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

/// How many connections may wait to be accepted, as in memcached.
const BACKLOG: u32 = 1024;

/// Where to listen.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) unix: Option<PathBuf>,
    pub(crate) unix_mode: u32,
    /// Of each socket's buffers; the system's choice if there is none.
    pub(crate) buffer_bytes: Option<u32>,
}

/// Where it came to listen.
pub(crate) struct Bound {
    pub(crate) tcp: Option<SocketAddr>,
    pub(crate) unix: Option<PathBuf>,
}

impl Default for Listeners {
    fn default() -> Listeners {
        Listeners {
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            port: 0,
            unix: None,
            unix_mode: 0o700,
            buffer_bytes: None,
        }
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

/// A connection that has come.
pub(crate) enum Accepted {
    Tcp(TcpStream),
    Unix(UnixStream),
    Brought(Box<dyn Brought>),
}

/// The sockets, be they open or kept for later.
#[derive(Default)]
pub(crate) struct Listening {
    tcp: Vec<TcpListener>,
    unix: Option<UnixListener>,
    unix_wanted: Option<(PathBuf, u32)>,
    buffer_bytes: Option<u32>,
    /// While killed: sockets that are bound and do not listen, so that the
    /// ports stay ours and connecting to them is refused.
    reserved: Vec<TcpSocket>,
}

impl Listening {
    pub(crate) fn bind(listeners: &Listeners) -> io::Result<Listening> {
        let mut listening = Listening::default();
        listening.buffer_bytes = listeners.buffer_bytes;
        if let Some(path) = &listeners.unix {
            listening.unix_wanted = Some((path.clone(), listeners.unix_mode));
            listening.unix = Some(bind_unix(path, listeners.unix_mode)?);
        }
        let mut port = listeners.port;
        for address in listeners.socket_addrs() {
            let listener = listening.bind_tcp(SocketAddr::new(address.ip(), port))?.listen(BACKLOG)?;
            // With several addresses a free port is chosen once for all.
            port = listener.local_addr()?.port();
            listening.tcp.push(listener);
        }
        Ok(listening)
    }

    pub(crate) fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp.first().and_then(|listener| listener.local_addr().ok())
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
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
    pub(crate) fn deafen(&mut self) -> io::Result<()> {
        self.end();
        self.unix = None;
        for listener in std::mem::take(&mut self.tcp) {
            let address = listener.local_addr()?;
            drop(listener);
            self.reserved.push(self.bind_tcp(address)?);
        }
        Ok(())
    }

    /// Nobody listens on these sockets any more. To close them is not enough: a
    /// process that is being started has them, too, until it runs its own program.
    fn end(&self) {
        let tcp = self.tcp.iter().map(SockRef::from);
        for listener in tcp.chain(self.unix.iter().map(SockRef::from)) {
            // Where a listener cannot be shut down it is closed all the same.
            let _ = listener.shutdown(Shutdown::Both);
        }
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_none()
    }

    pub(crate) fn hear_again(&mut self) -> io::Result<()> {
        for socket in std::mem::take(&mut self.reserved) {
            self.tcp.push(socket.listen(BACKLOG)?);
        }
        if let Some((path, mode)) = &self.unix_wanted {
            self.unix = Some(bind_unix(path, *mode)?);
        }
        Ok(())
    }

    fn bind_tcp(&self, address: SocketAddr) -> io::Result<TcpSocket> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Without this a port could not be bound again while connections of its
        // former life linger.
        socket.set_reuseaddr(true)?;
        // Connections have the buffers of the socket that accepted them.
        if let Some(bytes) = self.buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
            socket.set_recv_buffer_size(bytes)?;
        }
        socket.bind(address)?;
        Ok(socket)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.end();
    }
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The copies stand for those that a process has which is being started.
    #[tokio::test]
    async fn nobody_is_heard_by_a_copy_of_a_socket() {
        let mut listening = Listening::bind(&Listeners::default()).expect("binds");
        let address = listening.tcp_addr().expect("listens");
        let _copy = SockRef::from(&listening.tcp[0]).try_clone().expect("is copied");
        listening.deafen().expect("the port stays ours");
        std::net::TcpStream::connect(address).expect_err("nobody listens");
        listening.hear_again().expect("listens again");
        std::net::TcpStream::connect(address).expect("somebody listens");

        let path = std::env::temp_dir().join(format!("memlink-listen-{}", std::process::id()));
        let listeners = Listeners { unix: Some(path.clone()), ..Listeners::default() };
        let mut listening = Listening::bind(&listeners).expect("binds");
        let _copy = SockRef::from(listening.unix.as_ref().expect("listens")).try_clone().expect("is copied");
        listening.deafen().expect("it can");
        std::os::unix::net::UnixStream::connect(&path).expect_err("nobody listens");
        listening.hear_again().expect("listens again");
        std::os::unix::net::UnixStream::connect(&path).expect("somebody listens");
        std::fs::remove_file(path).expect("is there");
    }
}
