//! Servers of our own, and what they hold.

mod redis;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::client::RSMC_PREFIX;
use crate::cores;
use crate::data::{Key, value_of};
use crate::tls::{Files, Wire};
use crate::workload::{Store, Workload};

/// A memcached with one thread, on core 0, on free ports of the loopback. Killed when dropped.
pub struct Memcached {
    child: Child,
    addresses: Vec<String>,
    tls: Option<Files>,
}

/// A server of either kind. Killed when dropped.
pub trait Running {
    fn addresses(&self) -> &[String];
    /// Its process.
    fn id(&self) -> u32;
}

/// The servers of a workload, with its items.
pub fn start_for(workload: &Workload) -> Vec<Box<dyn Running>> {
    let start = |_| -> Box<dyn Running> {
        match workload.store {
            Store::Memcached => Box::new(Memcached::start_with_items(workload)),
            Store::Redis => Box::new(redis::Redis::start_with_items(workload)),
        }
    };
    (0..workload.servers).map(start).collect()
}

impl Running for Memcached {
    fn addresses(&self) -> &[String] {
        &self.addresses
    }

    fn id(&self) -> u32 {
        self.child.id()
    }
}

static STARTED: AtomicUsize = AtomicUsize::new(0);

impl Memcached {
    /// Listens at every one of `hosts`.
    pub fn start(hosts: &[String], more: &[&str]) -> Memcached {
        Memcached::start_with(hosts, more, false)
    }

    fn start_with(hosts: &[String], more: &[&str], is_secret: bool) -> Memcached {
        let name = format!("memlink-bench-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        let tls = is_secret.then(|| Files::write(&name));
        let file = std::env::temp_dir().join(name);
        let mut command = cores::pinned("0", "memcached");
        command.args(["-u", "nobody", "-p", "-1", "-U", "0", "-t", "1", "-m", "1024", "-c", "8192", "-l"]);
        command.arg(hosts.join(",")).args(more).env("MEMCACHED_PORT_FILENAME", &file).stdin(Stdio::null());
        if let Some(files) = &tls {
            let options = format!("ssl_chain_cert={},ssl_key={}", files.cert.display(), files.key.display());
            command.args(["-Z", "-o", &options]);
        }
        let child = command.spawn().expect("memcached can be started: install it first");
        let mut memcached = Memcached { child, addresses: Vec::new(), tls };
        let ends = Instant::now() + Duration::from_secs(20);
        while memcached.addresses.len() < hosts.len() {
            assert!(Instant::now() < ends, "memcached did not say which ports it listens on");
            std::thread::sleep(Duration::from_millis(5));
            // It is renamed to this name when it is whole.
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let ports = text.lines().filter_map(|line| line.strip_prefix("TCP INET: "));
            memcached.addresses = hosts.iter().zip(ports).map(|(host, port)| format!("{host}:{port}")).collect();
        }
        let _ = std::fs::remove_file(file);
        memcached
    }

    /// The servers of a workload, with its items.
    pub fn start_for(workload: &Workload) -> Vec<Memcached> {
        (0..workload.servers).map(|_| Memcached::start_with_items(workload)).collect()
    }

    fn start_with_items(workload: &Workload) -> Memcached {
        let memcached = Memcached::start_with(&["127.0.0.1".to_owned()], workload.server_args, workload.tls);
        memcached.fill(workload).expect("memcached takes the items");
        memcached
    }

    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Stores every key, on every server: each client routes in its own way.
    fn fill(&self, workload: &Workload) -> std::io::Result<()> {
        let mut stream = Wire::new(TcpStream::connect(&self.addresses[0])?, self.tls.is_some())?;
        for number in 0..workload.keys {
            let key = Key::of(number);
            let value = value_of(&key, workload.value_len);
            store(&mut stream, key.as_str(), &value)?;
            let own = format!("{RSMC_PREFIX}{}", &key.as_str()[RSMC_PREFIX.len()..]);
            let len = (value.len() as u64).to_le_bytes();
            store(&mut stream, &own, &[&len, &value[..]].concat())?;
        }
        stream.write_all(b"mn\r\n")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"MN\r\n", "memcached refuses an item");
        Ok(())
    }
}

fn store(stream: &mut Wire, key: &str, value: &[u8]) -> std::io::Result<()> {
    // Too large for the server with its length in front: only for a client that is not measured with such values.
    if value.len() > (1 << 20) - 512 {
        return Ok(());
    }
    let head = format!("set {key} 0 0 {} noreply\r\n", value.len());
    stream.write_all(&[head.as_bytes(), value, b"\r\n"].concat())
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the installed server calls itself.
pub fn version() -> String {
    let output = Command::new("memcached").arg("-V").output().expect("memcached says its version");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
