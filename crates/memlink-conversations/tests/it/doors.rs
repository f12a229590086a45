//! The ways to a server: TCP, a Unix socket, TLS, a pipe in memory. What is said does not depend on the way.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use memlink_testserver::TlsSettings;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

/// How long anything may take that is expected.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that a pipe in memory holds in each direction: so few that it cuts whatever is longer.
pub(crate) const NARROW: usize = 500;

/// A way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Tcp,
    Unix,
    /// TLS over TCP.
    Tls,
    /// In memory.
    Pipe,
}

impl Door {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Door::Tcp => "TCP",
            Door::Unix => "a Unix socket",
            Door::Tls => "TLS",
            Door::Pipe => "a pipe in memory",
        }
    }
}

/// A path in the system's folder for such, that no other test and no other run has.
pub(crate) fn new_path(ending: &str) -> PathBuf {
    static NAMED: AtomicU32 = AtomicU32::new(0);
    let number = NAMED.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("memlink-conversation-{}-{number}{ending}", std::process::id()))
}

/// A certificate for 127.0.0.1 that signed itself, and a client that trusts it and no other.
struct Identity {
    shown: TlsSettings,
    trusts: Arc<ClientConfig>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions that ring has");
    let trusts = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    Identity { shown: TlsSettings { cert, key, client_ca: None, only_1_2: false }, trusts }
});

/// What a server that speaks TLS shows.
pub(crate) fn shown_by_server() -> &'static TlsSettings {
    &IDENTITY.shown
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

/// One connection, through any door, for callers that wait.
pub(crate) struct Stream {
    bytes: Box<dyn Bytes>,
    /// Behind the stream, which is dropped first.
    runtime: Runtime,
}

impl Stream {
    pub(crate) fn tcp(addr: SocketAddr) -> Result<Stream, String> {
        Stream::open(async {
            let stream = TcpStream::connect(addr).await?;
            // Pieces are to arrive as pieces.
            stream.set_nodelay(true)?;
            Ok(stream)
        })
    }

    pub(crate) fn unix(path: &Path) -> Result<Stream, String> {
        Stream::open(UnixStream::connect(path))
    }

    pub(crate) fn tls(addr: SocketAddr) -> Result<Stream, String> {
        Stream::open(async {
            let stream = TcpStream::connect(addr).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::from(addr.ip());
            let connector = TlsConnector::from(IDENTITY.trusts.clone());
            connector.connect(name, stream).await
        })
    }

    /// One end of a pipe; `serve` is given the other.
    pub(crate) fn pipe(serve: impl FnOnce(tokio::io::DuplexStream) -> std::io::Result<()>) -> Result<Stream, String> {
        Stream::open(async {
            let (near, far) = tokio::io::duplex(NARROW);
            serve(far)?;
            Ok(near)
        })
    }

    fn open<S: Bytes + 'static>(dial: impl Future<Output = std::io::Result<S>>) -> Result<Stream, String> {
        let builder = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = builder.map_err(|error| error.to_string())?;
        let dialled = runtime.block_on(async { tokio::time::timeout(PATIENCE, dial).await });
        let bytes = dialled.map_err(|_| "the dial takes too long")?.map_err(|error| error.to_string())?;
        Ok(Stream { bytes: Box::new(bytes), runtime })
    }

    /// Sends the pieces, and reads meanwhile, for a server that is not read from does not read: until `is_enough`, or the end, or for as long as patience lasts.
    pub(crate) fn exchange(&mut self, pieces: &[&[u8]], mut is_enough: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.bytes);
        let mut answered = Vec::new();
        let write = async {
            for piece in pieces {
                // A server that has closed says what it has to say by the replies.
                if writer.write_all(piece).await.is_err() || writer.flush().await.is_err() {
                    return;
                }
            }
        };
        let read = async {
            let mut piece = vec![0; 64 * 1024];
            while !is_enough(&answered) {
                match reader.read(&mut piece).await {
                    Ok(len) if len > 0 => answered.extend_from_slice(&piece[..len]),
                    _ => return,
                }
            }
        };
        // What was said too late is missing from the replies, which is noticed.
        let both = async { tokio::time::timeout(PATIENCE, async { tokio::join!(write, read) }).await };
        let _ = self.runtime.block_on(both);
        answered
    }

    /// Sends this, and that nothing follows; gives what comes until the other side ends as well, if it does.
    pub(crate) fn cut(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let (mut reader, mut writer) = tokio::io::split(&mut self.bytes);
        let mut answered = Vec::new();
        let write = async {
            let _ = writer.write_all(request).await;
            // The other side may have closed before.
            let _ = writer.shutdown().await;
        };
        let read = reader.read_to_end(&mut answered);
        let both = async { tokio::time::timeout(PATIENCE, async { tokio::join!(write, read) }).await };
        match self.runtime.block_on(both) {
            Ok(((), Ok(_))) => Ok(answered),
            Ok(((), Err(error))) if is_end(&error) => Ok(answered),
            Ok(((), Err(error))) => Err(error.to_string()),
            Err(_) => Err("the server does not end it".to_owned()),
        }
    }

    /// Whether the other side closes without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        let read = async { tokio::time::timeout(PATIENCE, self.bytes.read(&mut [0; 1])).await };
        match self.runtime.block_on(read) {
            Ok(Ok(len)) => len == 0,
            Ok(Err(error)) => is_end(&error),
            Err(_) => false,
        }
    }
}

/// A reset, or TLS that ends without saying so, as memcached ends it.
fn is_end(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::UnexpectedEof)
}
