//! A memcached that can die, freeze and come back at the same place.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

pub struct Memcached {
    child: Option<Child>,
    port: u16,
    host: Ipv4Addr,
    /// Bound and never listening: nobody else gets the port while the server is dead.
    _holder: Socket,
}

impl Memcached {
    pub fn start() -> Memcached {
        Memcached::start_at(Ipv4Addr::LOCALHOST, 0)
    }

    /// At the same port of two addresses.
    pub fn start_twice(hosts: [Ipv4Addr; 2]) -> [Memcached; 2] {
        let first = Memcached::start_at(hosts[0], 0);
        let second = Memcached::start_at(hosts[1], first.port);
        [first, second]
    }

    fn start_at(host: Ipv4Addr, port: u16) -> Memcached {
        let holder = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        holder.set_reuse_address(true).expect("an option that every system has");
        holder.bind(&SocketAddr::from((host, port)).into()).expect("a free port");
        let port = holder.local_addr().ok().and_then(|address| address.as_socket()).expect("an address").port();
        let mut memcached = Memcached { child: None, port, host, _holder: holder };
        memcached.revive();
        memcached
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub fn revive(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "memcached", "-u", "root", "-U", "0", "-t", "1", "-m", "256", "-p", &port, "-l"]);
        command.arg(self.host.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("memcached and taskset are installed"));
        let ends = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((self.host, self.port)).is_err() {
            assert!(Instant::now() < ends, "memcached does not listen");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// SIGSTOP: its sockets stay, and it says nothing.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
        }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}
