//! A real memcached process, started for one test and ended with it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use memlink_meta::Version;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(12);

/// The process and where it listens.
pub(crate) struct Memcached {
    process: Child,
    pub(crate) address: SocketAddr,
    port_file: PathBuf,
}

/// Which memcached: `MEMCACHED` names another than the one on the PATH.
fn program() -> OsString {
    std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into())
}

/// What it says of itself.
pub(crate) fn version() -> Version {
    let output = Command::new(program()).arg("-V").output().unwrap_or_else(|error| {
        panic!("{:?} does not run ({error}): install memcached, or name a binary in MEMCACHED", program())
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().find_map(Version::parse).unwrap_or_else(|| panic!("a version: {text}"))
}

impl Memcached {
    pub(crate) fn start() -> Memcached {
        let port_file = std::env::temp_dir().join(format!("memlink-hostile-{}", std::process::id()));
        let process = Command::new(program())
            .args(["-p", "-1", "-U", "0", "-l", "127.0.0.1", "-t", "1", "-u", "root"])
            .env("MEMCACHED_PORT_FILENAME", &port_file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} does not start: {error}", program()));
        let mut memcached = Memcached { process, address: ([127, 0, 0, 1], 0).into(), port_file };
        memcached.address.set_port(memcached.await_port());
        memcached
    }

    /// The file appears under its name only when it is whole.
    fn await_port(&self) -> u16 {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Ok(text) = std::fs::read_to_string(&self.port_file) {
                let port = text.lines().find_map(|line| line.strip_prefix("TCP INET: "));
                return port.and_then(|port| port.parse().ok()).expect("a port in its file");
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("{:?} did not listen in time", program());
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // It may have ended by itself, which the test noticed by other means.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.port_file);
    }
}
