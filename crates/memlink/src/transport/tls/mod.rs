//! TLS by rustls: what is trusted, what is shown, and the stream itself.
//!
//! ```text
//!   Tls (options) --load--> rustls' configuration --handshake--> TlsStream
//!        files, read again at every dial --^
//! ```

mod certificate;
mod load;
mod stream;
mod verify;
mod wear;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;

pub(crate) use stream::TlsStream;
pub use verify::TlsPin;

use load::State;

/// How servers are reached by TLS: whom to trust, what to show, which files hold it.
///
/// By default the system's certificate authorities are trusted, the name under which the server is dialled has to be in its
/// certificate, and TLS 1.2 and 1.3 are spoken. Nothing falls back to plain text.
///
/// ```no_run
/// use memlink::{Client, Tls};
///
/// # fn main() -> Result<(), memlink::ConfigError> {
/// let tls = Tls::new().ca_file("/etc/cache/ca.pem").client_cert_files("/etc/cache/client.pem", "/etc/cache/client.key");
/// let cache = Client::builder().url("memcaches://cache-1,cache-2")?.with_settings(|settings| settings.tls(tls)).build()?;
/// # Ok(())
/// # }
/// ```
///
/// # Files change, programs stay
///
/// Files are looked at when the client is built, whenever a server is dialled, and by [`reload`](Tls::reload); at no other time, so a
/// program whose connections stand notices nothing by itself. New contents are used from that dial on. Contents that cannot be used, be it
/// that one of two files is written and the other is not yet, change nothing: the last good ones stay in use, and
/// [`Event::TlsFilesRefused`](crate::Event) says why. [`reload`](Tls::reload) reads them at once.
/// [`Cluster::renew`](crate::generic::Cluster::renew) moves connections that are open to the new ones.
///
/// Clones of one value share what was loaded, and the sessions to be resumed.
#[derive(Clone)]
pub struct Tls {
    options: Options,
    state: Arc<State>,
}

#[derive(Clone, Default)]
struct Options {
    roots: Vec<Source>,
    system_roots: bool,
    pins: Vec<TlsPin>,
    pins_alone: bool,
    name: Option<String>,
    identity: Identity,
    versions: Option<(TlsVersion, TlsVersion)>,
    alpn: Vec<Vec<u8>>,
    no_resumption: bool,
    any_certificate: bool,
    any_name: bool,
    provider: Option<Arc<CryptoProvider>>,
    config: Option<Arc<ClientConfig>>,
}

/// Text in PEM.
#[derive(Clone)]
enum Source {
    File(PathBuf),
    Memory(Arc<[u8]>),
}

/// What the client shows of itself.
#[derive(Clone, Default)]
enum Identity {
    #[default]
    None,
    Pem {
        cert: Source,
        key: Source,
    },
    Resolver(Arc<dyn ResolvesClientCert>),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// What is wrong with the options or files of [`Tls`]. Never holds a word of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the file {path:?} cannot be read: {why}")]
    File {
        /// As it was configured, unless it is no path but the text of a key or a certificate: that is never shown.
        path: PathBuf,
        /// The operating system's words.
        why: String,
    },
    /// What was read is not what it should be.
    #[error("{place}: {why}")]
    Content {
        /// The file, or `in memory`.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A certificate and a key do not belong together, or cannot be used by the provider.
    #[error("the client certificate ({cert}) and its key ({key}) cannot be used: {why}")]
    Identity {
        /// The certificate's file, or `in memory`.
        cert: String,
        /// The key's file, or `in memory`.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The system's certificate authorities cannot be read.
    #[error("the system has no certificate authorities that can be read ({0}); name one with ca_file (tls_ca)")]
    SystemRoots(String),
    /// The name is none that a certificate can have.
    #[error("{0:?} is no name that a certificate can have")]
    Name(String),
    /// The pin cannot be read.
    #[error(
        "the pin {0:?} cannot be read; write cert-sha256:, key-sha256: or sha256// and the digest, in hexadecimal or base64"
    )]
    Pin(String),
    /// Options that do not go together.
    #[error("{0}")]
    Options(&'static str),
    /// rustls cannot work with this.
    #[error("rustls refuses the configuration: {0}")]
    Rustls(String),
}

impl Tls {
    /// The system's certificate authorities, no client certificate.
    #[must_use]
    pub fn new() -> Tls {
        Tls { options: Options::default(), state: Arc::default() }
    }

    /// Takes a configuration of rustls as it is. All other options but [`name`](Tls::name) are without effect: files that they name
    /// are not read.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Tls {
        Tls::new().with(|options| options.config = Some(config))
    }

    /// What was loaded belongs to the options it was loaded by.
    fn with(self, change: impl FnOnce(&mut Options)) -> Tls {
        let mut options = self.options;
        change(&mut options);
        Tls { options, state: Arc::default() }
    }

    /// Trusts the certificate authorities in this file (PEM), and no longer the system's. May be called several times.
    #[must_use]
    pub fn ca_file(self, path: impl AsRef<Path>) -> Tls {
        self.with(|options| options.roots.push(Source::File(path.as_ref().to_owned())))
    }

    /// Trusts these certificate authorities (PEM), and no longer the system's. May be called several times.
    #[must_use]
    pub fn ca_pem(self, pem: impl AsRef<[u8]>) -> Tls {
        self.with(|options| options.roots.push(Source::Memory(pem.as_ref().into())))
    }

    /// Trusts the system's authorities beside those that were named.
    #[must_use]
    pub fn system_roots(self) -> Tls {
        self.with(|options| options.system_roots = true)
    }

    /// Takes only a server whose certificate or key has this digest; of several pins one has to fit. Everything else is checked as
    /// well, unless [`trust_pins_alone`](Tls::trust_pins_alone) says otherwise.
    #[must_use]
    pub fn pin(self, pin: TlsPin) -> Tls {
        self.with(|options| options.pins.push(pin))
    }

    /// The [pins](Tls::pin) say who the server is, whoever has signed its certificate: for self-signed ones. Its name and its time
    /// are checked.
    #[must_use]
    pub fn trust_pins_alone(self) -> Tls {
        self.with(|options| options.pins_alone = true)
    }

    /// The name that has to be in the certificate, of every server, instead of the one that is dialled: for servers that are dialled
    /// by address. It is the name that servers are told (SNI), too.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Tls {
        self.with(|options| options.name = Some(name.into()))
    }

    /// Shows this certificate (a chain in PEM, its own first) to servers that ask for one. Files are looked at again at every dial.
    #[must_use]
    pub fn client_cert_files(self, cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Tls {
        let (cert, key) = (Source::File(cert.as_ref().to_owned()), Source::File(key.as_ref().to_owned()));
        self.with(|options| options.identity = Identity::Pem { cert, key })
    }

    /// Shows this certificate (a chain in PEM, its own first) to servers that ask for one.
    #[must_use]
    pub fn client_cert_pem(self, cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Tls {
        let (cert, key) = (Source::Memory(cert.as_ref().into()), Source::Memory(key.as_ref().into()));
        self.with(|options| options.identity = Identity::Pem { cert, key })
    }

    /// Shows whatever certificate this chooses, at every handshake: for keys that do not lie in files. Sessions are not resumed then,
    /// because a resumed one shows none.
    #[must_use]
    pub fn client_cert_resolver(self, resolver: Arc<dyn ResolvesClientCert>) -> Tls {
        self.with(|options| options.identity = Identity::Resolver(resolver))
    }

    /// The oldest and the newest version that is spoken. Default: both that there are.
    #[must_use]
    pub fn versions(self, oldest: TlsVersion, newest: TlsVersion) -> Tls {
        self.with(|options| options.versions = Some((oldest, newest)))
    }

    /// Offers these application protocols (ALPN), the favourite first. Default none, as memcached has none.
    #[must_use]
    pub fn alpn(self, protocols: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Tls {
        self.with(|options| options.alpn = protocols.into_iter().map(Into::into).collect())
    }

    /// Makes a whole handshake for every connection. By default sessions are resumed, for all connections of a client.
    #[must_use]
    pub fn without_resumption(self) -> Tls {
        self.with(|options| options.no_resumption = true)
    }

    /// The cryptography to be used, instead of the process's default one or, if there is none, ring's (feature `tls`).
    #[must_use]
    pub fn provider(self, provider: Arc<CryptoProvider>) -> Tls {
        self.with(|options| options.provider = Some(provider))
    }

    /// **Dangerous**: takes any certificate, so whoever stands between can read and change everything, passwords too. Pins are
    /// checked if there are any.
    #[must_use]
    pub fn dangerous_accept_any_certificate(self) -> Tls {
        self.with(|options| options.any_certificate = true)
    }

    /// **Dangerous**: takes a certificate for any name, so every owner of a trusted certificate can stand between.
    #[must_use]
    pub fn dangerous_accept_any_name(self) -> Tls {
        self.with(|options| options.any_name = true)
    }

    /// Reads all files now, and the system's authorities. Connections that are made from now on use what they hold; sessions begun
    /// before are not resumed. It reads files, so it may block for as long as the disk takes.
    ///
    /// # Errors
    ///
    /// What is wrong with the files. Then nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.state.reload(&self.options)
    }
}

impl Default for Tls {
    fn default() -> Tls {
        Tls::new()
    }
}

/// Names and digests, and no word of a key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.options;
        f.debug_struct("Tls")
            .field("ca", &options.roots)
            .field("pins", &options.pins)
            .field("name", &options.name.as_deref().map(shown))
            .field("client_cert", &options.identity)
            .field("dangerous_accept_any_certificate", &options.any_certificate)
            .field("dangerous_accept_any_name", &options.any_name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Identity::None => f.write_str("None"),
            Identity::Pem { cert, .. } => cert.fmt(f),
            Identity::Resolver(_) => f.write_str("Resolver"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place())
    }
}

impl Source {
    /// Where it comes from, for errors.
    fn place(&self) -> String {
        match self {
            Source::File(path) => shown(&path.to_string_lossy()),
            Source::Memory(_) => "in memory".to_owned(),
        }
    }
}

/// What was given as a path or a name, for an error: whoever has put a key where its path belongs must not find it in a log.
fn shown(text: &str) -> String {
    // Texts in PEM have lines between dashes; where they came through a variable their ends may be anything.
    match text.contains("-----") || text.contains(['\n', '\r']) {
        true => "(the text of a key or certificate, which is not shown; its path belongs here)".to_owned(),
        false => text.to_owned(),
    }
}
