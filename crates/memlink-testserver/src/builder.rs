//! Telling a server how to behave before it starts.

use crate::cache::Executed;
use crate::faults::Fault;
use crate::listen::Listeners;
use crate::server::{Mischief, OnCommand, StartingServer, TestServer};
use crate::settings::{Settings, User};
use crate::version::Version;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Options of a [`TestServer`]; see [`TestServer::builder`].
#[derive(Debug, Clone, Default)]
#[must_use = "a builder starts nothing by itself"]
pub struct ServerBuilder {
    settings: Settings,
    listeners: Listeners,
    mischief: Mischief,
    #[cfg(feature = "tls")]
    tls: Option<crate::tls::TlsSettings>,
}

impl ServerBuilder {
    /// Takes all settings at once, in place of what was said before.
    pub fn settings(mut self, settings: Settings) -> ServerBuilder {
        self.settings = settings;
        self
    }

    /// Whose replies are given; 1.6.45 by default.
    pub fn version(mut self, version: Version) -> ServerBuilder {
        self.settings.version = version;
        self
    }

    /// How many mebibytes of items are kept; 64 by default.
    pub fn memory_mb(mut self, megabytes: usize) -> ServerBuilder {
        self.settings.memory_bytes_max = megabytes.saturating_mul(1024 * 1024);
        self
    }

    /// Whether a full memory evicts, as by default, or refuses stores with
    /// `SERVER_ERROR out of memory storing object`.
    pub fn evicts(mut self, evicts: bool) -> ServerBuilder {
        self.settings.evicts = evicts;
        self
    }

    /// The largest item in bytes, header and key included; 1 MiB by default.
    pub fn item_size_max(mut self, bytes: usize) -> ServerBuilder {
        self.settings.item_bytes_max = bytes;
        self
    }

    /// How many connections are served at once; 1024 by default.
    pub fn connections_max(mut self, connections: usize) -> ServerBuilder {
        self.settings.connections_max = connections;
        self
    }

    /// Closes a connection that sends no command for this long; off by default.
    /// It is timed by the real clock.
    pub fn idle_timeout(mut self, timeout: Duration) -> ServerBuilder {
        self.settings.idle_timeout = Some(timeout);
        self
    }

    /// Adds a user. From the first one on, every connection must authenticate.
    pub fn user(mut self, name: &str, password: &str) -> ServerBuilder {
        self.settings.users.push(User { name: name.to_owned(), password: password.to_owned() });
        self
    }

    /// Speaks TLS, and nothing else.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, settings: crate::tls::TlsSettings) -> ServerBuilder {
        self.tls = Some(settings);
        self
    }

    /// Records every command that is executed, for [`TestServer::executed`].
    pub fn record(mut self) -> ServerBuilder {
        self.settings.records = true;
        self
    }

    /// Calls this with every command that is executed, in the server's thread and
    /// after its reply was made. Unlike the record it has no bound, and what it
    /// takes long for, every client waits for.
    pub fn on_command(mut self, tell: impl Fn(&Executed) + Send + Sync + 'static) -> ServerBuilder {
        self.mischief.on_command = Some(OnCommand(Arc::new(tell)));
        self
    }

    /// Adds something that goes wrong; see [`Fault`]. Without any, nothing does.
    pub fn fault(mut self, fault: Fault) -> ServerBuilder {
        self.mischief.faults.push(fault);
        self
    }

    /// Adds several faults, such as those of [`Fault::mix`].
    pub fn faults(mut self, faults: impl IntoIterator<Item = Fault>) -> ServerBuilder {
        self.mischief.faults.extend(faults);
        self
    }

    /// Decides what chance does to commands; 0 by default. The same seed and the
    /// same commands on the same connections meet the same faults.
    pub fn seed(mut self, seed: u64) -> ServerBuilder {
        self.mischief.seed = seed;
        self
    }

    /// Asks the system for socket buffers of this many bytes, each way, on TCP.
    /// Linux takes twice that, and has a lower bound of a few kilobytes.
    pub fn socket_buffers(mut self, bytes: u32) -> ServerBuilder {
        self.listeners.buffer_bytes = Some(bytes);
        self
    }

    /// Listens on this port of 127.0.0.1 instead of a free one.
    pub fn port(mut self, port: u16) -> ServerBuilder {
        self.listeners.port = port;
        self
    }

    /// Listens on these addresses instead of 127.0.0.1. Anything but loopback
    /// opens an unauthenticated cache to the network.
    pub fn bind(mut self, addresses: Vec<IpAddr>) -> ServerBuilder {
        self.listeners.addresses = addresses;
        self
    }

    /// Listens on this Unix socket, and not on TCP. A file that is in the way
    /// is removed if it is a socket.
    pub fn unix_socket(mut self, path: impl Into<PathBuf>) -> ServerBuilder {
        self.listeners.unix = Some(path.into());
        self
    }

    /// The permissions of the Unix socket; 0700 by default.
    pub fn unix_mode(mut self, mode: u32) -> ServerBuilder {
        self.listeners.unix_mode = mode;
        self
    }

    /// Starts the server. Once this returns it accepts connections.
    pub async fn start(self) -> io::Result<TestServer> {
        let mut starting = self.spawn()?;
        let bound = (&mut starting.bound).await;
        starting.finish(bound)
    }

    /// [`ServerBuilder::start`] for callers outside of any runtime; inside one
    /// it panics.
    pub fn start_blocking(self) -> io::Result<TestServer> {
        let mut starting = self.spawn()?;
        let (_, nothing) = tokio::sync::oneshot::channel();
        let bound = std::mem::replace(&mut starting.bound, nothing).blocking_recv();
        starting.finish(bound)
    }

    fn spawn(self) -> io::Result<StartingServer> {
        Ok(TestServer::spawn(
            self.settings,
            self.listeners,
            self.mischief,
            #[cfg(feature = "tls")]
            self.tls.map(|settings| crate::tls::Doorman::new(&settings)).transpose()?,
        ))
    }

    /// The addresses to be bound, for messages.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners.socket_addrs()
    }
}
