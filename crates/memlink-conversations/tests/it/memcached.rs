//! A real memcached, started for one conversation and stopped with it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memlink_conversations::Startup;

/// How long a reply may take that is expected.
const PATIENCE: Duration = Duration::from_secs(5);

static STARTED: AtomicU32 = AtomicU32::new(0);

/// The process and where it listens.
pub(crate) struct Memcached {
    process: Child,
    path: PathBuf,
    /// Kept open: a process whose standard error is closed may end when it writes there.
    stderr: BufReader<ChildStderr>,
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
    /// Starts one that has no background threads and listens on a Unix socket.
    ///
    /// The thread that keeps the LRU would hold on to items at moments of its own, and a counter that is held is not
    /// changed in place, which shows in padding, CAS ids and hit bits.
    pub(crate) fn start(startup: &[Startup]) -> Result<Memcached, String> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("memlink-conversation-{}-{number}", std::process::id()));
        let mut command = Command::new(program());
        command.arg("-s").arg(&path).args(["-u", "root", "-t", "1", "-vv", "-o", "no_modern"]);
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
        let mut memcached = Memcached { process, path, stderr: BufReader::new(stderr) };
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

    pub(crate) fn connect(&self) -> Stream {
        let stream = UnixStream::connect(&self.path).expect("memcached accepts");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let mut stream = Stream(stream);
        // From now on it has nothing to say on its standard error, which nobody reads any more.
        stream.0.write_all(b"verbosity 0\r\n").expect("memcached reads");
        let mut answer = [0; 4];
        stream.0.read_exact(&mut answer).expect("memcached answers");
        assert_eq!(&answer, b"OK\r\n");
        stream
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // It may have ended by itself, which the test noticed by other means.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_file(&self.path);
    }
}

/// One connection to it.
pub(crate) struct Stream(UnixStream);

impl Stream {
    /// False when the other side does not take it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Adds what comes next to `bytes`. False when nothing does, within patience.
    pub(crate) fn read(&mut self, bytes: &mut Vec<u8>) -> bool {
        let mut piece = [0; 64 * 1024];
        match self.0.read(&mut piece) {
            Ok(len) => {
                bytes.extend_from_slice(&piece[..len]);
                len > 0
            }
            Err(_) => false,
        }
    }

    /// Whether the other side closes without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.0.read(&mut [0; 1]) {
            Ok(len) => len == 0,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}
