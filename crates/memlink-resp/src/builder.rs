use std::future::Future;
use std::{fmt, io};

#[cfg(feature = "tls-own-provider")]
use memlink::Tls;
use memlink::generic::Cluster;
use memlink::{Address, ConfigError, Server, Settings};

use crate::credentials::{Provider, SignIn};
use crate::protocol::{OnPush, Resp, Version};
use crate::{Credentials, Error, Redis, Value, url};

/// Puts a [`Redis`] together.
#[derive(Default)]
#[must_use = "a builder does nothing by itself"]
pub struct Builder {
    servers: Vec<Server>,
    version: Version,
    sign_in: SignIn,
    provider: Option<Provider>,
    database: u32,
    name: Option<String>,
    settings: Settings,
    #[cfg(feature = "tls-own-provider")]
    tls: Option<Tls>,
    on_push: Option<OnPush>,
}

impl Builder {
    /// The port Redis listens on unless told otherwise.
    pub const DEFAULT_PORT: u16 = 6379;

    /// Adds what a URL says: `redis://`, `valkey://` (TCP), `rediss://`, `valkeys://` (TLS, feature `tls`) or `redis+unix://`
    /// (a path), then servers and options.
    ///
    /// ```text
    ///   redis://user:password@cache-1,cache-2:6380/3?name=web
    ///   rediss://cache-1?tls_ca=/etc/cache/ca.pem
    ///   redis+unix:///run/redis.sock?db=3&password=secret
    /// ```
    ///
    /// | option | means |
    /// | --- | --- |
    /// | `db` | the database, as the path of `redis://` |
    /// | `name` | what the connection is called in `CLIENT LIST` |
    /// | `protocol` | `2` or `3`; else the newest that the server knows |
    /// | `user`, `password` | as in front of the servers |
    /// | `timeout_ms` | how long a request may take; 0 for no end |
    /// | `weight` | the share of a server, as in `cache-1:6379*2`; once for each server |
    /// | `connections`, `dial_timeout_ms`, `nodelay` and others | as in [memlink's URLs](memlink::Builder::url), the table of which holds here but for `opaque`, `version`, `when_down`, `discovery_interval_ms`, `scheme` and `hash_…` |
    /// | `tls_ca` | a file of authorities to be trusted instead of the system's; several times for several |
    /// | `tls_name` | the name that has to be in the certificate, instead of the one that is dialled |
    /// | `tls_cert`, `tls_key` | files with the certificate that is shown to servers, and its key |
    /// | `tls_pin`, `tls_trust`, `tls_version`, `tls_alpn` | as in memlink's URLs |
    ///
    /// User, password, path and values may be percent-encoded; `@`, `/`, `?` and `,` in a user name or password have to be, and
    /// `@` and `&` in a value. All options but `tls_ca`, `tls_pin` and `weight` stand once.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read, names an option that is not in the table, or wants TLS that is not built in. No password stands
    /// in the error.
    pub fn url(self, url: &str) -> Result<Builder, Error> {
        url::read(self, url).map_err(|error| Error::Link(error.into()))
    }

    /// Adds servers at `host`, `host:port` or `[ipv6]:port`; without a port at 6379.
    ///
    /// # Errors
    ///
    /// When one is no address.
    pub fn tcp(self, address: &str) -> Result<Builder, Error> {
        let address = Address::parse(address, Builder::DEFAULT_PORT).map_err(ConfigError::from);
        Ok(self.server(Server::at(address.map_err(memlink::Error::from)?)))
    }

    /// Adds a server.
    pub fn server(mut self, server: Server) -> Builder {
        self.servers.push(server);
        self
    }

    /// Signs in on every connection. All servers are given the same credentials.
    pub fn credentials(self, credentials: Credentials) -> Builder {
        Builder { sign_in: SignIn::Always(credentials), provider: None, ..self }
    }

    /// Signs in with what `provider` gives, which is asked before every dial and within the dial timeout: for passwords that change.
    /// Where it fails the dial does, with its error; keep secrets out of that. Connections that are open keep what they signed in with,
    /// until [`Redis::renew`].
    ///
    /// ```
    /// use memlink_resp::{Credentials, Redis};
    ///
    /// let redis = Redis::builder()
    ///     .url("redis://cache-1")?
    ///     .credentials_provider(|| async {
    ///         let password = std::fs::read_to_string("/run/secrets/cache")?;
    ///         Ok(Credentials::new("ada", password.trim_end()))
    ///     })
    ///     .build()?;
    /// # Ok::<(), memlink_resp::Error>(())
    /// ```
    pub fn credentials_provider<F>(self, provider: impl Fn() -> F + Send + Sync + 'static) -> Builder
    where
        F: Future<Output = io::Result<Credentials>> + Send + 'static,
    {
        let provider: Provider = Box::new(move || Box::pin(provider()));
        Builder { sign_in: SignIn::Nobody, provider: Some(provider), ..self }
    }

    /// The number of the database; 0 unless told otherwise.
    pub fn database(self, database: u32) -> Builder {
        Builder { database, ..self }
    }

    /// What the connections are called in `CLIENT LIST`.
    pub fn name(self, name: impl Into<String>) -> Builder {
        Builder { name: Some(name.into()), ..self }
    }

    /// Which protocol is spoken; the newest that the server knows unless told otherwise.
    pub fn version(self, version: Version) -> Builder {
        Builder { version, ..self }
    }

    /// How commands are sent and connections kept. Replaces what was set before, by a URL too; all but TLS, which stays on unless these
    /// settings have their own. Commands to a server that is down fail, whatever they say of that
    /// ([`Settings::when_down`](memlink::Settings::when_down)).
    pub fn settings(self, settings: Settings) -> Builder {
        Builder {
            #[cfg(feature = "tls-own-provider")]
            tls: settings.configured_tls().cloned().or(self.tls),
            settings,
            ..self
        }
    }

    pub(crate) fn map_settings(
        self,
        change: impl FnOnce(Settings) -> Result<Settings, ConfigError>,
    ) -> Result<Builder, ConfigError> {
        Ok(Builder { settings: change(self.settings)?, ..self })
    }

    /// Gives this server its share of the keys; `None` when it is none of those that were added.
    pub(crate) fn weigh(mut self, server: &Server, weight: u32) -> Option<Builder> {
        let found = self.servers.iter_mut().find(|known| Server::clone(known).weight(1) == *server)?;
        *found = server.clone().weight(weight);
        Some(self)
    }

    /// Speaks TLS to every server, in this way: for what a `rediss://` URL cannot say; what such a URL says of TLS is added to it. It
    /// stays whatever [`settings`](Builder::settings) are given before, or after unless they have their own. Files are read when the client is built and again at every dial.
    #[cfg(feature = "tls-own-provider")]
    pub fn tls(self, tls: Tls) -> Builder {
        Builder { tls: Some(tls), ..self }
    }

    #[cfg(feature = "tls-own-provider")]
    pub(crate) fn map_tls(self, change: impl FnOnce(Tls) -> Result<Tls, ConfigError>) -> Result<Builder, ConfigError> {
        let tls = change(self.tls.clone().unwrap_or_default())?;
        Ok(self.tls(tls))
    }

    /// Is told of messages that nobody asked for (RESP3's push type), by the task that serves the connection: return soon, never
    /// block. Unless told otherwise they are read, counted ([`Stats::unasked`](memlink::Stats)) and thrown away.
    pub fn on_push(self, on_push: impl Fn(Value) + Send + Sync + 'static) -> Builder {
        Builder { on_push: Some(Box::new(on_push)), ..self }
    }

    /// The client. Never dials, and works with every server down.
    ///
    /// # Errors
    ///
    /// When there is no server, or the same one twice, or a file of TLS cannot be used.
    pub fn build(self) -> Result<Redis, Error> {
        let Builder { version, sign_in, provider, database, name, settings, on_push, .. } = self;
        #[cfg(feature = "tls-own-provider")]
        let settings = match self.tls {
            Some(tls) => settings.tls(tls),
            None => settings,
        };
        #[cfg(feature = "tls-own-provider")]
        let tls = settings.configured_tls().cloned();
        let (sign_in, settings) = match provider {
            Some(provider) => SignIn::from_provider(provider, settings),
            None => (sign_in, settings),
        };
        let resp = Resp { version, sign_in, database, name, on_push };
        let cluster = Cluster::new(resp, self.servers, settings).map_err(memlink::Error::from)?;
        Ok(Redis {
            cluster,
            #[cfg(feature = "tls-own-provider")]
            tls,
        })
    }

    /// The client, once any server has answered.
    ///
    /// # Errors
    ///
    /// As [`build`](Builder::build); and what the first server said, when none may be used.
    pub async fn connect(self) -> Result<Redis, Error> {
        let redis = self.build()?;
        let mut first = None;
        for opened in redis.cluster.open().await {
            match opened {
                Ok(()) => return Ok(redis),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(redis), |error| Err(error.into()))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Builder");
        #[cfg(feature = "tls-own-provider")]
        shown.field("tls", &self.tls);
        shown
            .field("servers", &self.servers)
            .field("version", &self.version)
            .field("sign_in", &self.sign_in)
            .field("database", &self.database)
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
