//! A real redis-server process, started for one test, and ended with its handle, also when the test panics.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memlink::{Limits, Server, Settings};
use memlink_resp::{Builder, Redis};
use socket2::{Domain, Socket, Type};

use crate::wait::until_blocking;

/// The process, and where it listens: on a port of the loopback and on a Unix socket. It writes nothing to the disk.
///
/// Its port is held by a socket that is bound and never listens: nobody else can be given it while the process is dead.
pub(crate) struct RedisServer {
    process: Option<Child>,
    options: Vec<String>,
    port: u16,
    _port_holder: Socket,
    socket_path: PathBuf,
}

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
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let holder = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        holder.set_reuse_address(true).expect("an option that every system has");
        holder.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let port = holder.local_addr().ok().and_then(|address| address.as_socket()).expect("an address").port();
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let socket_path = std::env::temp_dir().join(format!("memlink-resp-{}-{number}.sock", std::process::id()));
        let path = socket_path.display().to_string();
        let port_text = port.to_string();
        let own = [&port_text, "--bind", "127.0.0.1", "--unixsocket", &path, "--save", "", "--appendonly", "no"];
        let own = port_options.iter().chain(&own).chain(&["--enable-debug-command", "yes", "--daemonize", "no"]);
        let options = own.chain(options).map(|option| (*option).to_owned()).collect();
        let mut redis = RedisServer { process: None, options, port, _port_holder: holder, socket_path };
        redis.revive();
        redis
    }

    /// Starts it again on the same port, empty.
    pub(crate) fn revive(&mut self) {
        let process = Command::new(program())
            .args(&self.options)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{:?} does not start ({error}): install Debian's package redis-server, or name a binary in REDIS_SERVER",
                    program()
                )
            });
        self.process = Some(process);
        until_blocking("redis-server accepts connections", || self.accepts());
    }

    fn accepts(&mut self) -> bool {
        if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten()) {
            panic!("redis-server {:?} ended at once: {status}", self.options);
        }
        UnixStream::connect(&self.socket_path).is_ok() && std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the process is ours");
            process.wait().expect("the process is ours");
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn socket_path(&self) -> &Path {
        &self.socket_path
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

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, which the test noticed by other means.
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_file(&self.socket_path);
    }
}

/// Settings for tests that are not about time: a busy machine must not make them fail.
pub(crate) fn patient() -> Settings {
    let limits = Limits { stall_timeout: Duration::from_secs(20), ..Limits::default() };
    Settings::default().timeout(Duration::from_secs(20)).limits(limits)
}
