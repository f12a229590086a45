//! A real memcached process, started for one test and stopped with it.

use memlink_testserver::Version;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long a reply may take that is expected.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long memcached may take to start.
const START_PATIENCE: Duration = Duration::from_secs(12);

static STARTED: AtomicU32 = AtomicU32::new(0);

/// The process and where it listens.
pub(crate) struct Reference {
    process: Child,
    port: u16,
    port_file: PathBuf,
}

/// Which memcached is compared with: `MEMCACHED` names another than the one on
/// the PATH.
pub(crate) fn program() -> OsString {
    std::env::var_os("MEMCACHED").unwrap_or_else(|| "memcached".into())
}

/// The version to compare as: the modelled one whose parser it shares.
pub(crate) fn version() -> Version {
    let output = Command::new(program()).arg("-V").output().unwrap_or_else(|error| {
        panic!(
            "this test compares with a real memcached, and {:?} does not run ({error}): \
             install Debian's package memcached, or name a binary in MEMCACHED",
            program()
        )
    });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let text = text.trim().rsplit(' ').next().unwrap_or_default();
    let patch = text.strip_prefix("1.6.").and_then(|patch| patch.parse::<u32>().ok());
    match patch {
        Some(18) => Version::V1_6_18,
        Some(45..) => Version::V1_6_45,
        _ => panic!(
            "memcached {text} is neither 1.6.18 nor 1.6.45, and only those are modelled: \
             name one of them in MEMCACHED"
        ),
    }
}

impl Reference {
    pub(crate) fn start() -> Reference {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let name = format!("memlink-reference-{}-{number}", std::process::id());
        let port_file = std::env::temp_dir().join(name);
        let process = Command::new(program())
            .args(["-p", "-1", "-U", "0", "-l", "127.0.0.1", "-t", "1", "-u", "root"])
            // Without its background threads: the one that keeps the LRU holds on
            // to items at moments of its own, and a counter that is held is not
            // changed in place, which shows in padding and hit bits.
            .args(["-o", "no_modern"])
            .env("MEMCACHED_PORT_FILENAME", &port_file)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} does not start: {error}", program()));
        let mut reference = Reference { process, port: 0, port_file };
        reference.await_port();
        reference
    }

    /// The file appears under its name only when it is whole.
    fn await_port(&mut self) {
        let begun = Instant::now();
        while begun.elapsed() < START_PATIENCE {
            if let Ok(text) = std::fs::read_to_string(&self.port_file) {
                let line = text.lines().find_map(|line| line.strip_prefix("TCP INET: "));
                self.port = line.and_then(|port| port.parse().ok()).expect("a port in its file");
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("{:?} did not listen in time", program());
    }

    pub(crate) fn connect(&self) -> Conversation {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("memcached accepts");
        stream.set_nodelay(true).expect("nodelay can be set");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Conversation { stream }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself, which the test noticed by other means.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.port_file);
    }
}

/// One connection to it.
pub(crate) struct Conversation {
    stream: TcpStream,
}

impl Conversation {
    /// Sends everything in one segment, as far as the system allows.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads as many bytes as are expected. What is missing when patience or
    /// the stream ends is missing.
    pub(crate) fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) | Err(_) => break,
                Ok(read) => filled += read,
            }
        }
        bytes.truncate(filled);
        bytes
    }

    /// What else has arrived already, without waiting for any.
    pub(crate) fn surplus(&mut self) -> Vec<u8> {
        let mut bytes = [0; 4096];
        self.stream.set_nonblocking(true).expect("can be set");
        let read = self.stream.read(&mut bytes).unwrap_or(0);
        self.stream.set_nonblocking(false).expect("can be set");
        bytes[..read].to_vec()
    }

    /// Whether the other side closes without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.read(&mut [0; 1]) {
            Ok(read) => read == 0,
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }
}
