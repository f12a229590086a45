//! A server that runs beside its caller.

use crate::builder::ServerBuilder;
use crate::cache::{Cache, Executed};
use crate::clock::Clock;
use crate::connection::{self, Foreign};
use crate::faults::{Fault, Faults};
use crate::listen::{Bound, Listeners};
use crate::settings::{Settings, User};
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};

/// A memcached of its own, listening on loopback.
///
/// It runs in its own thread with its own runtime, so it answers whatever the
/// caller's runtime does, and even where the caller has none. It stops when it
/// is dropped.
///
/// ```
/// # use std::io::{Read as _, Write as _};
/// # fn main() -> std::io::Result<()> {
/// let server = memlink_testserver::TestServer::builder().start_blocking()?;
/// let mut client = std::net::TcpStream::connect(server.addr())?;
/// client.write_all(b"ms greeting 5\r\nhello\r\nmg greeting v\r\nquit\r\n")?;
/// let mut replies = String::new();
/// client.read_to_string(&mut replies)?;
/// assert_eq!(replies, "HD\r\nVA 5\r\nhello\r\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestServer {
    shared: Arc<Shared>,
    addr: SocketAddr,
    unix_path: Option<PathBuf>,
    orders: mpsc::UnboundedSender<Order>,
    stopped: watch::Receiver<bool>,
    thread: Option<JoinHandle<()>>,
}

/// What a server counted, over all connections since its start or revival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections that are being served.
    pub connections_open: u64,
    /// Connections that were ever served.
    pub connections_accepted: u64,
    /// Connections refused because there were too many.
    pub connections_refused: u64,
    /// Commands executed; see [`TestServer::executed`].
    pub commands: u64,
    /// Bytes of commands and values that were used up.
    pub bytes_read: u64,
    /// Bytes of replies.
    pub bytes_written: u64,
    /// Items, expired ones that nobody asked for included.
    pub items: u64,
}

/// What the server's thread and its owner both see.
#[derive(Debug)]
pub(crate) struct Shared {
    cache: Mutex<Cache>,
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) on_command: Option<OnCommand>,
    #[cfg(feature = "tls")]
    pub(crate) doorman: Option<crate::tls::Doorman>,
}

/// What the owner does with each command that was executed.
#[derive(Clone)]
pub(crate) struct OnCommand(pub(crate) Arc<dyn Fn(&Executed) + Send + Sync>);

impl fmt::Debug for OnCommand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("OnCommand")
    }
}

/// What makes a server misbehave or watches it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mischief {
    pub(crate) faults: Vec<Fault>,
    pub(crate) seed: u64,
    pub(crate) on_command: Option<OnCommand>,
}

/// A stream that the owner brings.
pub(crate) trait Brought: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Brought for S {}

/// What the owner wants of the server's thread; each with a sender is confirmed
/// when done.
pub(crate) enum Order {
    Serve(Box<dyn Brought>),
    Kill(oneshot::Sender<io::Result<()>>),
    Revive(oneshot::Sender<io::Result<()>>),
    Disconnect(oneshot::Sender<io::Result<()>>),
    Stop,
}

impl TestServer {
    /// Starts a server with default settings on a free port of 127.0.0.1.
    pub async fn start() -> io::Result<TestServer> {
        TestServer::builder().start().await
    }

    /// A server that is still to be told how to behave.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// The TCP address it listens on. The port is 0 if it listens on a Unix
    /// socket alone.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address as text, `127.0.0.1:port`.
    pub fn address(&self) -> String {
        self.addr.to_string()
    }

    /// The path of the Unix socket, if it listens on one.
    pub fn unix_path(&self) -> Option<&Path> {
        self.unix_path.as_deref()
    }

    /// The server's clock, for tests that will not wait for expiry.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// What was counted so far.
    pub fn stats(&self) -> ServerStats {
        let cache = self.shared.cache();
        ServerStats {
            connections_open: cache.counts.connections_open,
            connections_accepted: cache.counts.connections_total,
            connections_refused: cache.counts.connections_refused,
            commands: cache.counts.commands,
            bytes_read: cache.counts.bytes_read,
            bytes_written: cache.counts.bytes_written,
            items: cache.items_len() as u64,
        }
    }

    /// The commands that were executed, oldest first, if the server was built
    /// with [`ServerBuilder::record`]. What is not here never ran.
    pub fn executed(&self) -> Vec<Executed> {
        self.shared.cache().executed().to_vec()
    }

    /// Serves a stream that came some other way than through the server's own
    /// sockets, such as one end of a `tokio::io::duplex`, as if it had been
    /// accepted: with TLS if that is spoken here, refused if there are too many.
    /// Returns at once; a server that is killed drops the stream. An error if the
    /// server has stopped.
    ///
    /// The stream is polled in the server's own runtime: of tokio's sockets, hand
    /// over none that another runtime drives and may outlive.
    pub fn serve<S>(&self, stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.orders.send(Order::Serve(Box::new(stream))).map_err(|_| has_stopped())
    }

    /// Serves a stream in the caller's runtime, until it ends or the future is
    /// dropped. Where that runtime's clock is paused, the times of faults are
    /// those of the paused clock. [`TestServer::kill`] does not reach it.
    pub fn attend<S>(&self, stream: S) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::clone(&self.shared);
        async move {
            connection::welcome(Foreign(stream), shared).await;
        }
    }

    /// What goes wrong here, to be changed at any time.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Stops as a process does that is sent SIGSTOP: nothing is accepted, read or
    /// written, and every connection stays open. The system still completes
    /// connections on its behalf.
    pub fn freeze(&self) {
        self.shared.faults.board.set_frozen(true);
    }

    /// Goes on after [`TestServer::freeze`], with all that has come meanwhile.
    pub fn thaw(&self) {
        self.shared.faults.board.set_frozen(false);
    }

    /// Ends every connection, unread input and all, and goes on listening with
    /// the items it has. Returns once they are closed.
    pub async fn disconnect(&self) -> io::Result<()> {
        self.order(Order::Disconnect).await
    }

    /// Dies as a killed process does: every connection ends, unread input and
    /// all, and new ones are refused. The port stays this server's own. Returns
    /// once all sockets are closed.
    pub async fn kill(&self) -> io::Result<()> {
        self.order(Order::Kill).await
    }

    /// Listens again on the same port after [`TestServer::kill`], with no items,
    /// fresh CAS ids and fresh counts. The clock and the record go on.
    pub async fn revive(&self) -> io::Result<()> {
        self.order(Order::Revive).await
    }

    /// [`TestServer::kill`] and [`TestServer::revive`] in one.
    pub async fn restart(&self) -> io::Result<()> {
        self.kill().await?;
        self.revive().await
    }

    /// Reads who may use the server anew, as memcached does with its `-Y` file on
    /// SIGHUP. Connections that have signed in stay; those that come have to
    /// sign in with what holds now.
    pub fn set_users(&self, users: Vec<User>) {
        self.shared.cache().settings.users = users;
    }

    /// Shows another certificate, and asks for others, from the next connection
    /// on. An error if the server does not speak TLS or the texts are wrong;
    /// then nothing changes.
    #[cfg(feature = "tls")]
    pub fn set_tls(&self, settings: &crate::tls::TlsSettings) -> io::Result<()> {
        let doorman = self.shared.doorman.as_ref().ok_or_else(|| io::Error::other("the server speaks no TLS"))?;
        doorman.replace(settings)
    }

    /// Waits until the server has stopped, be it that a client said `shutdown`.
    pub async fn stopped(&self) {
        let mut stopped = self.stopped.clone();
        // An error means that the thread is gone, which is what is awaited.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    }

    /// Stops the server. Returns when all its sockets are closed, its port is
    /// free and its thread has ended. Dropping the server does the same.
    pub fn stop(mut self) {
        self.join();
    }

    pub(crate) fn spawn(
        settings: Settings,
        listeners: Listeners,
        mischief: Mischief,
        #[cfg(feature = "tls")] doorman: Option<crate::tls::Doorman>,
    ) -> StartingServer {
        let clock = Clock::new();
        let mut cache = Cache::new(settings, clock.now());
        if mischief.on_command.is_some() {
            cache.tell();
        }
        let shared = Arc::new(Shared {
            cache: Mutex::new(cache),
            clock,
            faults: Faults::new(mischief.seed, mischief.faults),
            on_command: mischief.on_command,
            #[cfg(feature = "tls")]
            doorman,
        });
        let (orders, orders_in) = mpsc::unbounded_channel();
        let (stopped_out, stopped) = watch::channel(false);
        let (bound_out, bound) = oneshot::channel();
        let threads = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("memlink-testserver".into()).spawn(move || {
            crate::life::run(&threads, &listeners, orders_in, bound_out);
            // The owner may be gone already.
            let _ = stopped_out.send(true);
        });
        StartingServer { shared, orders, stopped, bound, thread }
    }

    async fn order(&self, order: fn(oneshot::Sender<io::Result<()>>) -> Order) -> io::Result<()> {
        let (done, confirmed) = oneshot::channel();
        self.orders.send(order(done)).map_err(|_| has_stopped())?;
        confirmed.await.map_err(|_| has_stopped())?
    }

    fn join(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic of the server's thread was printed by it; the caller's
            // test fails on what the server no longer does.
            let _ = thread.join();
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.join();
    }
}

/// A server whose sockets may not be bound yet.
pub(crate) struct StartingServer {
    shared: Arc<Shared>,
    orders: mpsc::UnboundedSender<Order>,
    stopped: watch::Receiver<bool>,
    pub(crate) bound: oneshot::Receiver<io::Result<Bound>>,
    thread: io::Result<JoinHandle<()>>,
}

impl StartingServer {
    pub(crate) fn finish(self, bound: Result<io::Result<Bound>, oneshot::error::RecvError>) -> io::Result<TestServer> {
        let thread = self.thread?;
        let bound = bound.map_err(|_| has_stopped())??;
        Ok(TestServer {
            shared: self.shared,
            addr: bound.tcp.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            unix_path: bound.unix,
            orders: self.orders,
            stopped: self.stopped,
            thread: Some(thread),
        })
    }
}

impl Shared {
    /// The cache. A session that panicked leaves it usable: no command stops
    /// halfway in a way that others could not live with.
    pub(crate) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_stopped() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the server has stopped")
}
