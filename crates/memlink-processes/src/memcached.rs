use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{ProcessError, because};
use crate::port::Port;
use crate::process::{Listens, Process};

/// A memcached: the one that the environment variable `MEMCACHED` names, else the one on the `PATH`.
///
/// It can be killed, revived, frozen and thawed as any [`Process`].
#[derive(Debug)]
pub struct Memcached(Process);

/// What every one is told: it refuses to run as root unless told whom to run as; others may not change it and are not asked.
const OPTIONS: [&str; 2] = ["-u", "root"];

impl Memcached {
    /// Starts one on a port of the loopback, with further options of its command line.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(options: &[&str]) -> Result<Memcached, ProcessError> {
        let port = Port::hold()?;
        let number = port.address().port().to_string();
        let own = ["-l", "127.0.0.1", "-U", "0", "-p", &number];
        Memcached::start_at(&own, options, Listens { port: Some(port), path: None })
    }

    /// Starts one on a Unix socket instead.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start_unix(options: &[&str]) -> Result<Memcached, ProcessError> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("memlink-{}-{number}.sock", std::process::id()));
        let text = path.display().to_string();
        Memcached::start_at(&["-s", &text], options, Listens { port: None, path: Some(path) })
    }

    fn start_at(own: &[&str], options: &[&str], listens: Listens) -> Result<Memcached, ProcessError> {
        let options = OPTIONS.iter().chain(own).chain(options).map(OsString::from).collect();
        let found = Process::start(program(), options, listens);
        found.map(Memcached).map_err(|error| ProcessError(format!("{error}; {ADVICE}")))
    }

    /// The version that it names, without starting one: `1.6.18` for one.
    ///
    /// # Errors
    ///
    /// When there is no memcached.
    pub fn version() -> Result<String, ProcessError> {
        let output = ask("-V")?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.trim().rsplit(' ').next().unwrap_or_default().to_owned())
    }

    /// Whether it was built with TLS (`-Z`).
    ///
    /// # Errors
    ///
    /// When there is no memcached, or it was not.
    pub fn must_speak_tls() -> Result<(), ProcessError> {
        let speaks = String::from_utf8_lossy(&ask("-h")?.stdout).contains("--enable-ssl");
        let error = || ProcessError(format!("{} was built without TLS; {ADVICE}", program().display()));
        speaks.then_some(()).ok_or_else(error)
    }

    /// Where it listens; port 0 when it listens on a Unix socket.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let port = self.0.listens().port.as_ref();
        port.map_or_else(|| (Ipv4Addr::LOCALHOST, 0).into(), Port::address)
    }

    /// Its Unix socket, if it listens on one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.0.listens().path.as_deref()
    }

    /// One of its statistics that are numbers, asked for over a connection of its own.
    ///
    /// # Errors
    ///
    /// When it does not answer, or has no such number.
    pub fn statistic(&self, name: &str) -> Result<u64, ProcessError> {
        let text = self.statistics().map_err(because("no statistics"))?;
        let value = text.lines().find_map(|line| line.strip_prefix("STAT ")?.strip_prefix(name)?.strip_prefix(' '));
        let number = value.and_then(|value| value.parse().ok());
        number.ok_or_else(|| ProcessError(format!("no number {name} in {text}")))
    }

    fn statistics(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"stats\r\n")?;
        let (mut text, mut piece) = (Vec::new(), [0; 4096]);
        while !text.ends_with(b"END\r\n") {
            match stream.read(&mut piece)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                len => text.extend_from_slice(piece.get(..len).unwrap_or_default()),
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Deref for Memcached {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Memcached {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}

const ADVICE: &str = "install Debian's package memcached, or name a binary in MEMCACHED";

fn program() -> OsString {
    std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into())
}

fn ask(option: &str) -> Result<Output, ProcessError> {
    let output = Command::new(program()).arg(option).output();
    output.map_err(|error| ProcessError(format!("{} does not run ({error}); {ADVICE}", program().display())))
}
