//! A real memcached process, ended with its handle.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};

use memlink::{Builder, Client, Server, Settings};
use socket2::{Domain, Socket, Type};

use crate::Failure;
use crate::setting::until;

/// The process, and where it listens.
pub(crate) struct Memcached {
    process: Child,
    port: u16,
    /// Bound, and never listening: nobody else can be given the port.
    _holder: Socket,
}

/// Which memcached is started: `MEMCACHED` names another than the one on the PATH.
fn program() -> OsString {
    std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into())
}

impl Memcached {
    pub(crate) async fn start(options: &[&str]) -> Result<Memcached, Failure> {
        let holder = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        holder.set_reuse_address(true)?;
        holder.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let port = holder.local_addr()?.as_socket().ok_or("the port has no address")?.port();
        // It refuses to run as root unless told whom to run as; others may not change it and are not asked.
        let process = Command::new(program())
            .args(["-l", "127.0.0.1", "-U", "0", "-u", "root", "-p", &port.to_string()])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{:?} does not start ({error}): MEMCACHED names another", program()))?;
        let memcached = Memcached { process, port, _holder: holder };
        until("memcached accepts connections", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()).await?;
        Ok(memcached)
    }

    pub(crate) fn builder(&self, settings: Settings) -> Result<Builder, Failure> {
        Ok(Client::builder().server(Server::tcp(&format!("127.0.0.1:{}", self.port))?).settings(settings))
    }

    /// SIGSTOP: its sockets stay open, and it answers nothing.
    pub(crate) async fn freeze(&self) -> Result<(), Failure> {
        let id = self.process.id().to_string();
        let status = Command::new("sh").args(["-c", &format!("kill -STOP {id}")]).status()?;
        if !status.success() {
            return Err("memcached cannot be stopped".into());
        }
        // The signal is sent to the process; each of its threads stops when it next looks.
        until("every thread has stopped", || {
            let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
            let states = threads.map(|thread| std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default());
            states.into_iter().all(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T')))
        })
        .await
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) -> Result<(), Failure> {
        let id = self.process.id().to_string();
        let status = Command::new("sh").args(["-c", &format!("kill -CONT {id}")]).status()?;
        if status.success() { Ok(()) } else { Err("memcached cannot be continued".into()) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // A stopped one dies of SIGKILL as well; one that has ended by itself was noticed by other means.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
