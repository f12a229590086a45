//! A real memcached, started for one conversation and stopped with it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use memlink_conversations::Startup;
use tokio::net::TcpSocket;

use crate::doors::{self, Door, Stream};

/// The process and where it listens.
pub(crate) struct Memcached {
    process: Child,
    listens: Listens,
    files: Vec<PathBuf>,
    /// Bound and never listening: nobody else is given the port.
    _port_holder: TcpSocket,
    /// Kept open: a process whose standard error is closed may end when it writes there.
    stderr: BufReader<ChildStderr>,
}

enum Listens {
    Tcp(SocketAddr),
    Tls(SocketAddr),
    Unix(PathBuf),
}

/// The one that `MEMCACHED` names, else the one on the PATH.
fn program() -> OsString {
    std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into())
}

/// What it says of its version.
pub(crate) fn version() -> Result<String, String> {
    let output = Command::new(program()).arg("-V").output().map_err(|error| {
        format!(
            "these conversations are held with a real memcached, and {:?} does not run ({error}): install the package \
             memcached of your system, or name a binary in the environment variable MEMCACHED",
            program()
        )
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().rsplit(' ').next().unwrap_or_default().to_owned())
}

impl Memcached {
    /// Starts one that has no background threads.
    ///
    /// The thread that keeps the LRU would hold on to items at moments of its own, and a counter that is held is not
    /// changed in place, which shows in padding, CAS ids and hit bits.
    pub(crate) fn start(startup: &[Startup], door: Door) -> Result<Memcached, String> {
        let mut command = Command::new(program());
        command.args(["-u", "root", "-t", "1", "-vv", "-o", "no_modern"]);
        let mut files = Vec::new();
        let (port_holder, addr) = hold_port().map_err(|error| format!("no free port: {error}"))?;
        match door {
            Door::Unix => {
                files.push(doors::new_path(".sock"));
                command.arg("-s").arg(&files[0]);
            }
            Door::Tcp | Door::Tls => {
                command.args(["-l", "127.0.0.1", "-U", "0", "-p"]).arg(addr.port().to_string());
            }
            Door::Pipe => return Err("memcached is another process: no pipe in memory leads there".to_owned()),
        }
        if door == Door::Tls {
            command.arg("-Z");
            let shown = doors::shown_by_server();
            for (option, pem) in [("ssl_chain_cert", &shown.cert), ("ssl_key", &shown.key)] {
                let path = doors::new_path(".pem");
                std::fs::write(&path, pem).map_err(|error| format!("{}: {error}", path.display()))?;
                command.arg("-o").arg(format!("{option}={}", path.display()));
                files.push(path);
            }
        }
        for option in startup {
            match option {
                Startup::NoFlush => command.arg("-F"),
                Startup::ItemBytesMax(len) => command.arg("-I").arg(len.to_string()),
            };
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{:?} does not start: {error}", program()))?;
        let stderr = process.stderr.take().expect("it was asked for");
        let listens = match door {
            Door::Tls => Listens::Tls(addr),
            Door::Unix => Listens::Unix(files[0].clone()),
            Door::Tcp | Door::Pipe => Listens::Tcp(addr),
        };
        let stderr = BufReader::new(stderr);
        let mut memcached = Memcached { process, listens, files, _port_holder: port_holder, stderr };
        memcached.await_listening();
        Ok(memcached)
    }

    /// It says so on its standard error, so that nobody has to ask again and again.
    fn await_listening(&mut self) {
        let mut said = String::new();
        loop {
            let begin = said.len();
            let len = self.stderr.read_line(&mut said).expect("its standard error can be read");
            assert!(len > 0, "{:?} ended before it listened: {said}", program());
            if said.get(begin..).is_some_and(|line| line.contains("server listening")) {
                return;
            }
        }
    }

    pub(crate) fn connect(&self) -> Result<Stream, String> {
        let mut stream = match &self.listens {
            Listens::Tcp(addr) => Stream::tcp(*addr),
            Listens::Tls(addr) => Stream::tls(*addr),
            Listens::Unix(path) => Stream::unix(path),
        }?;
        // From now on it has nothing to say on its standard error, which nobody reads any more.
        let answer = stream.exchange(&[b"verbosity 0\r\n"], |answered| answered.len() >= 4);
        match &answer[..] {
            b"OK\r\n" => Ok(stream),
            _ => Err(format!("memcached answers {}", answer.escape_ascii())),
        }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // It may have ended by itself, which the test noticed by other means.
        let _ = self.process.kill();
        let _ = self.process.wait();
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// It has to be one that was built with TLS (`-Z`).
pub(crate) fn must_speak_tls() {
    let help = Command::new(program()).arg("-h").output().expect("memcached runs");
    assert!(
        String::from_utf8_lossy(&help.stdout).contains("--enable-ssl"),
        "{:?} was built without TLS: install Debian's package memcached, or name a binary that has -Z in MEMCACHED",
        program()
    );
}

fn hold_port() -> std::io::Result<(TcpSocket, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let addr = socket.local_addr()?;
    Ok((socket, addr))
}
