use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memlink_meta::{Credentials, Meta, Version};
use memlink_ring::Router;

use crate::Client;
use crate::cluster::Cluster;
use crate::config::{ConfigError, Server, Settings, parse_url};
use crate::error::Error;
use crate::link::Preparation;

/// Puts a [`Client`] together: servers, routing, and how to talk to them.
///
/// ```
/// use std::time::Duration;
///
/// use memlink::{Client, Server, Settings};
///
/// let cache = Client::builder()
///     .server(Server::tcp("10.0.0.1:11211")?.named("cache-a").weight(2))
///     .server(Server::tcp("10.0.0.2:11211")?.named("cache-b"))
///     .settings(Settings::default().timeout(Duration::from_millis(200)))
///     .build()?;
/// # Ok::<(), memlink::ConfigError>(())
/// ```
#[derive(Default)]
pub struct Builder {
    servers: Vec<Server>,
    settings: Settings,
    meta: Meta,
    router: Option<Box<dyn Router>>,
    provider: Option<Preparation>,
}

/// A value that is only ever replaced whole, so a poisoned lock is as good as any.
fn lock(latest: &Mutex<Option<Credentials>>) -> MutexGuard<'_, Option<Credentials>> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Builder {
    /// Takes servers and options from a URL. Servers are added to those that are there; options that the URL does not name get
    /// their defaults, so call it before setting any in code.
    ///
    /// `memcache://[user:password@]host[:port][,host[:port]...][?option=value&...]` or `memcache+unix:///path[?...]`.
    /// `memcaches://` stands for TLS (feature `tls`).
    ///
    /// | option | takes | default | means |
    /// | --- | --- | --- | --- |
    /// | `timeout_ms` | milliseconds, 0 for none | 1000 | [`Settings::timeout`] |
    /// | `when_full` | `wait`, `fail` | `wait` | [`Settings::wait_when_full`] |
    /// | `connections` | 1 to 1024 | 1 | [`Settings::connections_per_server`] |
    /// | `dial_timeout_ms` | milliseconds | 1000 | [`Settings::dial_timeout`] |
    /// | `backoff_max_ms` | milliseconds | 3000 | the cap of [`Settings::backoff`] |
    /// | `stall_timeout_ms` | milliseconds | 3000 | [`Limits::stall_timeout`](crate::Limits) |
    /// | `value_bytes_max` | bytes, up to 2^30 | 8388608 | [`Limits::value_len_max`](crate::Limits) |
    /// | `nodelay` | `on`, `off` | `on` | [`TcpOptions::nodelay`](crate::TcpOptions) |
    /// | `keepalive_ms` | milliseconds, 0 for the system's | 60000 | [`TcpOptions::keepalive`](crate::TcpOptions) |
    /// | `user_timeout_ms` | milliseconds, 0 for the system's | 0 | [`TcpOptions::user_timeout`](crate::TcpOptions) |
    /// | `send_buffer_bytes` | bytes | the system's | [`TcpOptions::send_buffer`](crate::TcpOptions) |
    /// | `receive_buffer_bytes` | bytes | the system's | [`TcpOptions::receive_buffer`](crate::TcpOptions) |
    /// | `local_address` | an IP address | the system's choice | [`TcpOptions::local_address`](crate::TcpOptions) |
    /// | `tls_ca` | a file, several times for several | the system's authorities | `Tls::ca_file` |
    /// | `tls_name` | a host name or an IP address | as dialled | `Tls::name` |
    /// | `tls_pin` | `cert-sha256:...`, `key-sha256:...`, `sha256//...`, several times for several | none | `Tls::pin` |
    /// | `tls_trust` | `authorities`, `pins` | `authorities` | `Tls::trust_pins_alone` |
    /// | `tls_cert`, `tls_key` | files | none | `Tls::client_cert_files` |
    /// | `tls_version` | `1.2`, `1.3`, `1.2-1.3` | `1.2-1.3` | `Tls::versions` |
    /// | `tls_alpn` | names with commas between | none | `Tls::alpn` |
    /// | `weight` | `host:port*n`, once for each server | 1 | [`Server::weight`] |
    /// | `opaque` | `on`, `off` | `on` | [`opaque`](Builder::opaque) |
    /// | `version` | as in `1.6.18` | asked | [`assume_version`](Builder::assume_version) |
    ///
    /// Bytes that have a meaning in URLs are written as `%41`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names what is wrong and what would be right.
    pub fn url(mut self, url: &str) -> Result<Builder, ConfigError> {
        let parsed = parse_url(url)?;
        self.servers.extend(parsed.servers);
        self.settings = parsed.settings.keeping_tls_of(&self.settings);
        self.meta = self.meta.with_opaque(parsed.opaque);
        if let Some(credentials) = parsed.credentials {
            self = self.credentials(credentials);
        }
        if let Some(version) = parsed.version {
            self.meta = self.meta.with_version(version);
        }
        Ok(self)
    }

    /// Adds a server.
    #[must_use]
    pub fn server(mut self, server: Server) -> Builder {
        self.servers.push(server);
        self
    }

    /// Adds servers.
    #[must_use]
    pub fn servers(mut self, servers: impl IntoIterator<Item = Server>) -> Builder {
        self.servers.extend(servers);
        self
    }

    /// How to talk to the servers. Replaces what was set before, by a URL too; all but TLS, which stays on unless these settings have
    /// their own.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Builder {
        Builder { settings: settings.keeping_tls_of(&self.settings), ..self }
    }

    /// Changes some of what is set.
    #[must_use]
    pub fn with_settings(mut self, change: impl FnOnce(Settings) -> Settings) -> Builder {
        self.settings = change(self.settings);
        self
    }

    /// Routes keys in a way of your own instead of by memlink's ring. Its answers index the servers in the order in which they
    /// were added.
    #[must_use]
    pub fn router(self, router: impl Router + 'static) -> Builder {
        Builder { router: Some(Box::new(router)), ..self }
    }

    /// Signs in to every server (memcached's `-Y`) before anything else is sent. A server without `-Y` takes the sign-in for a command
    /// like any other, answers that all is well and serves everybody: that cannot be told from a sign-in by what it says.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Builder {
        self.meta = self.meta.with_credentials(credentials);
        self.provider = None;
        self
    }

    /// Signs in to every server with what `provider` gives, which is asked before every dial and within the dial timeout: for
    /// passwords that change. Where it fails the dial does, with its error; keep secrets out of that.
    ///
    /// ```
    /// use memlink::{Client, Credentials};
    ///
    /// let cache = Client::builder()
    ///     .url("memcache://cache-1")?
    ///     .credentials_provider(|| async {
    ///         let password = std::fs::read_to_string("/run/secrets/cache")?;
    ///         Credentials::new("ada", password.trim_end()).map_err(std::io::Error::other)
    ///     })
    ///     .build()?;
    /// # Ok::<(), memlink::ConfigError>(())
    /// ```
    #[must_use]
    pub fn credentials_provider<F>(mut self, provider: impl Fn() -> F + Send + Sync + 'static) -> Builder
    where
        F: Future<Output = io::Result<Credentials>> + Send + 'static,
    {
        let latest: Arc<Mutex<Option<Credentials>>> = Arc::default();
        let for_opening = latest.clone();
        self.meta = self.meta.with_credentials_from(move || lock(&for_opening).clone());
        self.provider = Some(Arc::new(move |_| {
            let (asked, latest) = (provider(), latest.clone());
            Box::pin(async move {
                let credentials = asked.await.map_err(|error| {
                    let text = format!("the provider of credentials failed: {error}");
                    io::Error::new(error.kind(), text)
                })?;
                *lock(&latest) = Some(credentials);
                Ok(())
            })
        }));
        self
    }

    /// Whether every command carries an opaque that its reply has to repeat. Default on: it finds a stream that has slipped before
    /// anybody gets a wrong reply. Off saves ten bytes a command.
    #[must_use]
    pub fn opaque(mut self, on: bool) -> Builder {
        self.meta = self.meta.with_opaque(on);
        self
    }

    /// Takes all servers for this version of memcached instead of asking them: for proxies that give a number of their own.
    #[must_use]
    pub fn assume_version(mut self, version: Version) -> Builder {
        self.meta = self.meta.with_version(version);
        self
    }

    /// The client. Never dials, works with every server down, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is no server, or one twice.
    pub fn build(self) -> Result<Client, ConfigError> {
        let Builder { servers, mut settings, meta, router, provider } = self;
        if let Some(provider) = provider {
            settings = settings.with_dialer(|dialer| dialer.also_prepare(provider));
        }
        let cluster = match router {
            Some(router) => Cluster::with_router(meta, servers, settings, Boxed(router)),
            None => Cluster::new(meta, servers, settings),
        };
        cluster.map(Client::new)
    }

    /// The client, once a server has answered. Dials every server once; those that do not answer are dialled again by themselves.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, or no server answers; then the error is the first server's.
    pub async fn connect(self) -> Result<Client, Error> {
        let client = self.build()?;
        let opened = client.cluster().open().await;
        if opened.iter().any(Result::is_ok) {
            return Ok(client);
        }
        match opened.into_iter().next() {
            Some(Err(error)) => Err(error),
            _ => Ok(client),
        }
    }
}

impl Client {
    /// A client for the servers of a URL, once one of them has answered: see [`Builder::url`] for what a URL can say.
    ///
    /// Dials every server once. Servers that do not answer are dialled again by themselves.
    ///
    /// # Errors
    ///
    /// The URL is wrong, or no server answers; then the error is the first server's.
    pub async fn connect(url: &str) -> Result<Client, Error> {
        Client::builder().url(url)?.connect().await
    }

    /// A client to be configured in code, or by a URL and code.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

struct Boxed(Box<dyn Router>);

impl Router for Boxed {
    fn route(&self, key: &[u8]) -> usize {
        self.0.route(key)
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("servers", &self.servers)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
