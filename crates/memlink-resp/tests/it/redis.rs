//! A real redis-server process, started for one test, and ended with its handle, also when the test panics.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use memlink::{Limits, Server, Settings};
use memlink_processes::{Listens, Port, Process};
use memlink_resp::{Builder, Redis};

/// The process, and where it listens: on a port of the loopback and on a Unix socket. It writes nothing to the disk.
pub(crate) struct RedisServer(Process);

/// Which server is started: `REDIS_SERVER` names another than the one on the PATH, a Valkey for one.
fn program() -> OsString {
    std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

impl RedisServer {
    pub(crate) fn start() -> RedisServer {
        RedisServer::start_with(&[])
    }

    /// With further options of its command line.
    pub(crate) fn start_with(options: &[&str]) -> RedisServer {
        RedisServer::start_on(&["--port"], options)
    }

    /// Its port speaks TLS and nothing else. A server that is built without TLS ends at once, and the test with it.
    #[cfg(feature = "tls")]
    pub(crate) fn start_with_tls(options: &[&str]) -> RedisServer {
        RedisServer::start_on(&["--port", "0", "--tls-port"], options)
    }

    /// The number of the port goes behind `port_options`.
    fn start_on(port_options: &[&str], options: &[&str]) -> RedisServer {
        let port = Port::hold().expect("a free port");
        let number = port.address().port().to_string();
        let path = std::env::temp_dir().join(format!("memlink-resp-{}-{number}.sock", std::process::id()));
        let (text, folder) = (path.display().to_string(), std::env::temp_dir().display().to_string());
        let own = [
            &number,
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            &text,
            "--dir",
            &folder,
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let own = port_options.iter().chain(&own).chain(&["--enable-debug-command", "yes", "--daemonize", "no"]);
        let options = own.chain(options).map(OsString::from).collect();
        let started = Process::start(program(), options, Listens { port: Some(port), path: Some(path) });
        RedisServer(
            started
                .expect("redis-server starts: it is Debian's package redis-server, or the one that REDIS_SERVER names"),
        )
    }

    /// Starts it again on the same port, empty.
    pub(crate) fn revive(&mut self) {
        self.0.revive().expect("redis-server starts again");
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("the process is ours");
    }

    pub(crate) fn address(&self) -> String {
        self.0.listens().port.as_ref().expect("it has a port").address().to_string()
    }

    pub(crate) fn socket_path(&self) -> &Path {
        self.0.listens().path.as_deref().expect("it has a path")
    }

    pub(crate) fn server(&self) -> Server {
        Server::tcp(&self.address()).expect("an address")
    }

    pub(crate) fn builder(&self) -> Builder {
        Redis::builder().server(self.server()).settings(patient())
    }

    /// A client of this server alone.
    pub(crate) async fn client(&self) -> Redis {
        self.builder().connect().await.expect("redis-server answers")
    }
}

/// Settings for tests that are not about time: a busy machine must not make them fail.
pub(crate) fn patient() -> Settings {
    let limits = Limits { stall_timeout: Duration::from_secs(20), ..Limits::default() };
    Settings::default().timeout(Duration::from_secs(20)).limits(limits)
}
