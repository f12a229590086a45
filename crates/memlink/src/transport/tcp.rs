use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, TcpStream};

use super::race;

/// A TCP stream: the driver's half, and the half that callers may write to.
pub(crate) struct Tcp {
    pub(super) read: OwnedReadHalf,
    pub(super) write: Arc<OwnedWriteHalf>,
}

/// How TCP sockets are set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpOptions {
    /// Send small segments at once (`TCP_NODELAY`). Default on: commands are gathered before they are written, so waiting in
    /// the kernel as well would only add latency.
    pub nodelay: bool,
    /// Idle time after which the kernel probes a silent peer; `None` leaves the system's setting. Default 60 s: below the
    /// idle limits of common load balancers.
    pub keepalive: Option<Duration>,
    /// How long written bytes may stay unacknowledged before the kernel gives the connection up (`TCP_USER_TIMEOUT`). Default
    /// `None`, which leaves the system's setting: [`stall_timeout`](crate::Limits::stall_timeout) finds a silent server earlier.
    /// Systems other than Linux and Android have no such option and ignore it.
    pub user_timeout: Option<Duration>,
    /// Bytes of the kernel's buffer for sending (`SO_SNDBUF`). Default `None`: the system's, which adapts by itself.
    pub send_buffer: Option<u32>,
    /// Bytes of the kernel's buffer for receiving (`SO_RCVBUF`). Default `None`: the system's, which adapts by itself.
    pub receive_buffer: Option<u32>,
    /// The local address from which servers are dialled. Default `None`: the system chooses. Addresses of a server that are of the
    /// other family are passed over.
    pub local_address: Option<IpAddr>,
}

impl Default for TcpOptions {
    fn default() -> TcpOptions {
        TcpOptions {
            nodelay: true,
            keepalive: Some(Duration::from_secs(60)),
            user_timeout: None,
            send_buffer: None,
            receive_buffer: None,
            local_address: None,
        }
    }
}

/// Connects to whichever of a server's addresses answers first. The caller bounds the time of all by `limit`.
pub(super) async fn open(mut addresses: Vec<SocketAddr>, options: &TcpOptions, limit: Duration) -> io::Result<Tcp> {
    if let Some(local) = options.local_address {
        addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
    }
    if addresses.is_empty() {
        let text = "the name has no address of the family of the local address";
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
    }
    let stream = race::first(race::in_turn(addresses), limit, |address| connect(address, options)).await?;
    let (read, write) = stream.into_split();
    Ok(Tcp { read, write: Arc::new(write) })
}

async fn connect(address: SocketAddr, options: &TcpOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Before the connection: the window is agreed on when it is made.
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Some(local) = options.local_address {
        socket.bind(SocketAddr::new(local, 0))?;
    }
    let stream = socket.connect(address).await?;
    stream.set_nodelay(options.nodelay)?;
    let socket = SockRef::from(&stream);
    if let Some(idle) = options.keepalive {
        // The system counts whole seconds, and refuses none and more than nine hours.
        let whole = |time: Duration| time.clamp(Duration::from_secs(1), KEEPALIVE_MAX);
        let keepalive = TcpKeepalive::new().with_time(whole(idle)).with_interval(whole(idle / 4));
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(options.user_timeout.map(|time| time.min(USER_TIMEOUT_MAX)))?;
    Ok(stream)
}

/// The longest times that Linux takes.
const KEEPALIVE_MAX: Duration = Duration::from_secs(32_767);
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::transport::Resolver;

    #[tokio::test]
    async fn a_socket_is_set_up_as_it_was_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let options = TcpOptions {
            nodelay: false,
            keepalive: Some(Duration::from_secs(77)),
            user_timeout: Some(Duration::from_millis(4_321)),
            send_buffer: Some(20_000),
            receive_buffer: Some(30_000),
            local_address: "127.0.0.1".parse().ok(),
        };
        let addresses = Resolver::default().to_dial("localhost", port).await.unwrap();
        let tcp = open(addresses, &options, Duration::from_secs(20)).await.unwrap();
        let socket = SockRef::from(tcp.read.as_ref());
        assert!(!socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(77));
            assert_eq!(socket.tcp_user_timeout().unwrap(), options.user_timeout);
            // Linux doubles them, for its own use.
            assert_eq!((socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap()), (40_000, 60_000));
        }
        let addresses = vec![(Ipv4Addr::LOCALHOST, port).into()];
        let longest =
            TcpOptions { keepalive: Some(Duration::MAX), user_timeout: Some(Duration::MAX), ..TcpOptions::default() };
        for options in [TcpOptions::default(), longest] {
            let addresses = addresses.clone();
            let tcp = open(addresses, &options, Duration::from_secs(20)).await.unwrap();
            assert_eq!(SockRef::from(tcp.read.as_ref()).keepalive().unwrap(), options.keepalive.is_some());
        }
        let tcp = open(addresses, &TcpOptions::default(), Duration::from_secs(20)).await.unwrap();
        assert!(SockRef::from(tcp.read.as_ref()).tcp_nodelay().unwrap());
    }
}
