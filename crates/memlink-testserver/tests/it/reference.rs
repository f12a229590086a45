//! A real memcached process, started for one test and stopped with it.

use memlink_processes::Memcached;
use memlink_testserver::Version;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// How long a reply may take that is expected.
const PATIENCE: Duration = Duration::from_secs(5);

/// The process and where it listens.
pub(crate) struct Reference(Memcached);

/// The version to compare as: the modelled one whose parser it shares.
pub(crate) fn version() -> Version {
    let text = Memcached::version().expect("memcached says its version");
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
    /// Without its background threads: the one that keeps the LRU holds on to items at moments of its own, and a counter that is held
    /// is not changed in place, which shows in padding and hit bits.
    pub(crate) fn start() -> Reference {
        Reference(Memcached::start(&["-t", "1", "-o", "no_modern"]).expect("memcached starts"))
    }

    pub(crate) fn connect(&self) -> Conversation {
        let stream = TcpStream::connect(self.0.address()).expect("memcached accepts");
        stream.set_nodelay(true).expect("nodelay can be set");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        Conversation { stream }
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
