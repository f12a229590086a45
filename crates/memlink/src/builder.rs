use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memlink_meta::{Credentials, Meta, Version};
use memlink_ring::Router;

use crate::Client;
use crate::cluster::{Fixed, OwnRing, Routing};
use crate::config::{ConfigError, Server, Settings, parse_url_after};
use crate::discovery::{Discover, Sources};
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
    sources: Sources,
    settings: Settings,
    meta: Meta,
    routing: Option<Box<dyn Routing>>,
    /// The routing knows no servers but those of the start.
    is_fixed: bool,
    provider: Option<Preparation>,
}

/// A value that is only ever replaced whole, so a poisoned lock is as good as any.
fn lock(latest: &Mutex<Option<Credentials>>) -> MutexGuard<'_, Option<Credentials>> {
    latest.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Builder {
    /// Takes servers and options from a URL. Servers are added to those that are there; options that the URL does not name get
    /// their defaults, so call it before setting any in code. TLS alone stays as it was set, with what the URL says of it in addition.
    ///
    /// `memcache://[user:password@]place[,place...][?option=value&...]`, `memcache+unix://[user:password@]/path[?...]`, or
    /// `memcache+file://[user:password@]/path[?...]`. `memcaches://` and `memcaches+file://` stand for TLS (feature `tls`).
    ///
    /// | place | is |
    /// | --- | --- |
    /// | `host[:port]`, `[ipv6][:port]` | a server |
    /// | `dns+host[:port]` | a server for each address of the host ([`Dns`](crate::discovery::Dns)) |
    /// | `dnssrv+name` | the servers of SRV records (feature `dns-srv`) |
    /// | `elasticache+host[:port]` | the servers of a cluster, by its configuration endpoint; several are endpoints of the same cluster ([`ElastiCache`](crate::discovery::ElastiCache)) |
    /// | the path of `memcache+file` | the servers listed there (feature `discovery-file`) |
    ///
    /// | option | takes | default | means |
    /// | --- | --- | --- | --- |
    /// | `timeout_ms` | milliseconds, 0 for none | 1000 | [`Settings::timeout`] |
    /// | `when_full` | `wait`, `fail` | `wait` | [`Settings::wait_when_full`] |
    /// | `connections` | 1 to 1024 | 1 | [`Settings::connections_per_server`] |
    /// | `large_bytes_min` | bytes | no such lane | [`Settings::large_lane`], of one connection |
    /// | `when_down` | `fail`, `miss`, `next` | `fail` | [`Settings::when_down`] |
    /// | `suspend_commands` | a number | 3 | [`Settings::suspend_after`] |
    /// | `suspend_silence_ms` | milliseconds | 500 | [`Settings::suspend_after`] |
    /// | `dial_timeout_ms` | milliseconds | 1000 | [`Settings::dial_timeout`] |
    /// | `backoff_max_ms` | milliseconds | 3000 | the cap of [`Settings::backoff`] |
    /// | `resolve_interval_ms` | milliseconds, 0 for never | 30000 | [`Settings::resolve_interval`] |
    /// | `discovery_interval_ms` | milliseconds | the source's own | [`discovery_interval`](Builder::discovery_interval) |
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
    /// | `scheme` | a name of `Scheme::names` | memlink's own | `scheme`, feature `schemes` |
    /// | `hash_part` | `tag:{}`, `tag_or_empty:{}`, `stop:TEXT`, `partial:TEXT`, `mcrouter`, `whole` | the scheme's | `Scheme::hashed_part` |
    /// | `hash_skips_prefix` | a text that keys begin with | none | `Scheme::prefix_skipped` |
    /// | `hash_sort_hosts` | `on`, `off` | `off` | `Scheme::sort_hosts` |
    /// | `hash_seed`, `hash_salt` | a text | none | `Scheme::seed`, `Scheme::salt` |
    /// | `hash_weight_of_one` | a weight | the greatest | `Scheme::weight_of_one` |
    /// | `opaque` | `on`, `off` | `on` | [`opaque`](Builder::opaque) |
    /// | `version` | as in `1.6.18` | asked | [`assume_version`](Builder::assume_version) |
    ///
    /// Bytes that have a meaning in URLs are written as `%41`: in a user name or password `@`, `:` (of a password not), `/`, `?` and `,`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names what is wrong and what would be right.
    pub fn url(mut self, url: &str) -> Result<Builder, ConfigError> {
        let parsed = parse_url_after(&self.settings, url)?;
        self.servers.extend(parsed.servers);
        for source in &parsed.sources {
            self.sources = self.sources.named(source)?;
        }
        if let Some(interval) = parsed.discovery_interval {
            self.sources = self.sources.interval(interval);
        }
        #[cfg(feature = "schemes")]
        if let Some(scheme) = parsed.routing {
            self = self.scheme(scheme);
        }
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

    /// Looks for servers there, and follows what it says while the client lives: see [`discovery`](crate::discovery). Servers that were
    /// added as well are there in any case.
    #[must_use]
    pub fn discover(mut self, source: impl Discover) -> Builder {
        self.sources = self.sources.source(source);
        self
    }

    /// How often every source of servers is asked, give or take a quarter, instead of at its [own interval](Discover::interval). From
    /// 10 ms to a day.
    #[must_use]
    pub fn discovery_interval(mut self, interval: Duration) -> Builder {
        self.sources = self.sources.interval(interval);
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

    /// Routes keys in a way of your own instead of by memlink's ring, among servers that never change. Its answers index the servers
    /// in the order in which they were added.
    #[must_use]
    pub fn router(self, router: impl Router + 'static) -> Builder {
        Builder { routing: Some(Box::new(Fixed::new(Box::new(router)))), is_fixed: true, ..self }
    }

    /// Routes keys in a way of your own, which is asked again whenever servers come or go.
    #[must_use]
    pub fn routing(self, routing: impl Routing) -> Builder {
        Builder { routing: Some(Box::new(routing)), is_fixed: false, ..self }
    }

    /// Routes keys as another client does, bit for bit, also when servers come or go: see
    /// [docs/routing.md](https://github.com/memlink/memlink/blob/main/docs/routing.md) for which one and its traps. Servers count with
    /// host, port and weight in the order in which they were added; a [name](Server::named) of their own is their alias, or, where it is
    /// their address in another spelling, how the other client spells it.
    #[cfg(feature = "schemes")]
    #[must_use]
    pub fn scheme(self, scheme: memlink_ring::schemes::Scheme) -> Builder {
        self.routing(scheme)
    }

    /// Signs in to every server (memcached's `-Y`) before any command is sent. Each is asked first whether it wants a sign-in, which costs
    /// a round trip of every new connection: one that does not may be another's, so it is not used
    /// ([`ErrorKind::Refused`](crate::ErrorKind::Refused)) and the password is never sent to it.
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

    /// The client. Never dials, asks no source of servers, works with every server down, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is no server and nowhere to look for one, or one twice; or there is a [router](Builder::router) that knows no
    /// other servers, and they are to be found.
    pub fn build(self) -> Result<Client, ConfigError> {
        let Builder { servers, sources, mut settings, meta, routing, is_fixed, provider } = self;
        if is_fixed && !sources.is_empty() {
            return Err(ConfigError::FixedRouter);
        }
        if let Some(provider) = provider {
            settings = settings.with_dialer(|dialer| dialer.also_prepare(provider));
        }
        let routing = routing.unwrap_or_else(|| Box::new(OwnRing));
        sources.servers(servers).routed(meta, settings, routing).map(Client::new)
    }

    /// The client, once a server has answered; servers that are still to be found are found first. Dials every server once; those that do not answer are dialled again by themselves.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, a source of servers has failed, or no server answers; then the error is the first server's.
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

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("servers", &self.servers)
            .field("sources", &self.sources)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
