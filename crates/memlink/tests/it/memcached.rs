//! A real memcached process, started for one test, and ended with its handle, also when the test panics.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memlink::{Client, Server, Settings};
use socket2::{Domain, Socket, Type};

use crate::wait::{until, until_blocking};

/// The process, and where it listens.
///
/// Its port is held by a socket that is bound and never listens: nobody else can be given it while the process is dead, and no
/// dial can connect to itself by leaving from it.
pub(crate) struct Memcached {
    process: Option<Child>,
    options: Vec<String>,
    port: u16,
    _port_holder: Option<Socket>,
    socket_path: Option<PathBuf>,
}

/// Which memcached is started: `MEMCACHED` names another than the one on the PATH.
fn program() -> OsString {
    std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into())
}

impl Memcached {
    pub(crate) fn start() -> Memcached {
        Memcached::start_with(&[])
    }

    /// With further options of its command line.
    pub(crate) fn start_with(options: &[&str]) -> Memcached {
        let holder = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        holder.set_reuse_address(true).expect("an option that every system has");
        holder.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let port = holder.local_addr().ok().and_then(|address| address.as_socket()).expect("an address").port();
        let mut listen: Vec<String> = ["-l", "127.0.0.1", "-U", "0", "-p"].map(str::to_owned).into();
        listen.push(port.to_string());
        Memcached::start_at(listen, options, port, Some(holder), None)
    }

    /// It has to be one that was built with TLS (`-Z`).
    #[cfg(feature = "tls")]
    pub(crate) fn must_speak_tls() {
        let help = Command::new(program()).arg("-h").output().expect("memcached runs");
        assert!(
            String::from_utf8_lossy(&help.stdout).contains("--enable-ssl"),
            "{:?} was built without TLS: install Debian's package memcached, or name a binary that has -Z in MEMCACHED",
            program()
        );
    }

    /// On a Unix socket instead of a port.
    pub(crate) fn start_unix() -> Memcached {
        Memcached::start_unix_with(&[])
    }

    pub(crate) fn start_unix_with(options: &[&str]) -> Memcached {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("memlink-{}-{number}.sock", std::process::id()));
        let listen = vec!["-s".to_owned(), path.display().to_string()];
        Memcached::start_at(listen, options, 0, None, Some(path))
    }

    fn start_at(
        mut listen: Vec<String>,
        options: &[&str],
        port: u16,
        holder: Option<Socket>,
        socket_path: Option<PathBuf>,
    ) -> Memcached {
        // It refuses to run as root unless told whom to run as; others may not change it and are not asked.
        listen.extend(["-u", "root", "-t", "1"].map(str::to_owned));
        listen.extend(options.iter().map(|option| (*option).to_owned()));
        let mut memcached = Memcached { process: None, options: listen, port, _port_holder: holder, socket_path };
        memcached.revive();
        memcached
    }

    /// Starts it again on the same port, empty.
    pub(crate) fn revive(&mut self) {
        let process = Command::new(program())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{:?} does not start ({error}): install Debian's package memcached, or name a binary in MEMCACHED",
                    program()
                )
            });
        self.process = Some(process);
        until_blocking("memcached accepts connections", || self.accepts());
    }

    fn accepts(&mut self) -> bool {
        if let Some(status) = self.process.as_mut().and_then(|process| process.try_wait().ok().flatten()) {
            panic!("memcached {:?} ended at once: {status}", self.options);
        }
        match &self.socket_path {
            Some(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
            None => TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok(),
        }
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("the process is ours");
            process.wait().expect("the process is ours");
        }
    }

    /// SIGSTOP: its sockets stay open, and it answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
        // The signal is sent to the process; each of its threads stops when it next looks.
        until_blocking("every thread has stopped", || self.threads().iter().all(|state| *state == 'T'));
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// One letter for each.
    fn threads(&self) -> Vec<char> {
        let id = self.process.as_ref().expect("it runs").id();
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
        let state = |text: String| text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        threads
            .flatten()
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok().and_then(state))
            .collect()
    }

    fn signal(&self, name: &str) {
        let id = self.process.as_ref().expect("it runs").id();
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {id}")]).status().expect("sh runs");
        assert!(status.success(), "kill -{name}");
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn socket_path(&self) -> &Path {
        self.socket_path.as_deref().expect("it listens on a Unix socket")
    }

    pub(crate) fn server(&self) -> Server {
        Server::tcp(&self.address()).expect("an address")
    }

    /// A client of this server alone.
    pub(crate) async fn client(&self) -> Client {
        self.client_with(patient()).await
    }

    pub(crate) async fn client_with(&self, settings: Settings) -> Client {
        Client::builder().server(self.server()).settings(settings).connect().await.expect("memcached answers")
    }

    /// One of the server's own statistics, asked for over a connection of its own.
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("it accepts");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
        stream.write_all(b"stats\r\n").expect("it reads");
        let mut text = String::new();
        let mut piece = [0; 4096];
        while !text.ends_with("END\r\n") {
            let n = stream.read(&mut piece).expect("it answers");
            assert!(n > 0, "it closed");
            text.push_str(std::str::from_utf8(&piece[..n]).expect("text"));
        }
        let line = text.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no number {name} in {text}"))
    }

    /// Waits until no client is connected.
    pub(crate) async fn until_deserted(&self) {
        // The connection that asks is one itself.
        until("the server has no connection", || self.statistic("curr_connections") == 1).await;
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A frozen one dies of SIGKILL as well. It may have ended by itself, which the test noticed by other means.
            let _ = process.kill();
            let _ = process.wait();
        }
        if let Some(path) = &self.socket_path {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Settings for tests that are not about time: a busy machine must not make them fail.
pub(crate) fn patient() -> Settings {
    let limits = memlink::Limits { stall_timeout: Duration::from_secs(20), ..memlink::Limits::default() };
    Settings::default().timeout(Duration::from_secs(20)).limits(limits)
}
