//! A file that lists the servers, and is looked at again and again.

mod list;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::{Discover, DiscoverFuture, DiscoveryError, check_len};
use crate::config::{Server, Settings};

/// Servers listed in a file of YAML or JSON, `memcache+file:///path` in a URL; feature `discovery-file`. It is looked at once a second.
///
/// ```yaml
/// # A list of addresses (host, host:port, "[ipv6]:port", or the path of a Unix socket), or of what else is known:
/// - cache-1:11211
/// - cache-2
/// - {address: "10.0.0.3:11211", name: cache-3, weight: 2}
/// ```
///
/// ```json
/// ["cache-1:11211", {"address": "10.0.0.3:11211", "name": "cache-3", "weight": 2}]
/// ```
///
/// Only what is said here is understood: other fields, a server that is there twice, anchors and tags, a second document, and more than
/// 1 MiB are errors, and the last good list stays. New contents are used when they have not changed for a quarter of a second; who writes
/// it as another file and renames that is never seen half-way in any case.
#[derive(Debug)]
pub struct ServerFile {
    path: PathBuf,
    /// The last good contents, and what they say: a file that has not changed need not settle again.
    known: Mutex<Option<(Contents, Vec<Server>)>>,
    /// One look at the file at a time, by a thread that may hang for as long as a disk does: whoever looks meanwhile waits here, and holds
    /// none.
    reading: Arc<tokio::sync::Mutex<()>>,
}

/// Bytes of a file: 4,096 servers have 255 each.
const FILE_LEN_MAX: u64 = 1 << 20;

/// How long new contents have to stay as they are before they are used: a program that pauses for longer in the middle of a small file
/// has died there.
const SETTLE: Duration = Duration::from_millis(250);

/// How often a file that changes all the time is waited for. All of it takes less than a source has for its answer.
const SETTLE_TRIES: usize = 10;

/// What was read, and what the system says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    bytes: Vec<u8>,
    modified: Option<SystemTime>,
}

/// What the file says.
pub(super) fn read_list(bytes: &[u8]) -> Result<Vec<Server>, DiscoveryError> {
    list::parse(bytes)
}

impl ServerFile {
    /// The file at `path`. It need not be there yet.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> ServerFile {
        ServerFile { path: path.as_ref().to_path_buf(), known: Mutex::new(None), reading: Arc::default() }
    }

    async fn servers(&self) -> Result<Vec<Server>, DiscoveryError> {
        let mut contents = self.read().await?;
        if let Some(servers) = self.known(&contents) {
            return Ok(servers);
        }
        for _ in 0..SETTLE_TRIES {
            sleep(SETTLE).await;
            let again = self.read().await?;
            if again != contents {
                contents = again;
                continue;
            }
            // Where a mistake in the parser cannot end more than this.
            let (contents, servers) = blocking(move || {
                let servers = list::parse(&contents.bytes);
                (contents, servers)
            })
            .await?;
            let servers = servers?;
            check_len(servers.len())?;
            *self.lock() = Some((contents, servers.clone()));
            return Ok(servers);
        }
        Err(DiscoveryError::Failed("the file does not stop changing".to_owned()))
    }

    async fn read(&self) -> Result<Contents, DiscoveryError> {
        let (path, turn) = (self.path.clone(), self.reading.clone().lock_owned().await);
        blocking(move || {
            // It is the thread's, not that of whoever asked, who may have given up before.
            let _turn = turn;
            read(&path)
        })
        .await?
    }

    fn known(&self, contents: &Contents) -> Option<Vec<Server>> {
        let known = self.lock();
        known.as_ref().filter(|(known, _)| known == contents).map(|(_, servers)| servers.clone())
    }

    /// A value that is only ever replaced whole, so a poisoned lock is as good as any.
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Contents, Vec<Server>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Discover for ServerFile {
    fn discover<'a>(&'a self, _: &'a Settings) -> DiscoverFuture<'a> {
        Box::pin(self.servers())
    }

    fn source(&self) -> String {
        self.path.display().to_string()
    }

    /// A second: to look at a file costs nothing.
    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }
}

fn read(path: &Path) -> Result<Contents, DiscoveryError> {
    // Asked first: to open a pipe waits for who writes into it.
    let about = std::fs::metadata(path)?;
    if !about.is_file() {
        return Err(DiscoveryError::Failed("it is no file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    let modified = file.metadata()?.modified().ok();
    file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > FILE_LEN_MAX {
        true => Err(DiscoveryError::malformed(format!("it is longer than {FILE_LEN_MAX} bytes"))),
        false => Ok(Contents { bytes, modified }),
    }
}

/// Runs what waits for a disk where that disturbs nobody.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, DiscoveryError> {
    spawn_blocking(run).await.map_err(|error| DiscoveryError::Failed(format!("reading it has failed: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One thread may block here, and hangs. Before, every look at the file would have waited for another one.
    #[test]
    fn a_file_that_hangs_takes_one_thread() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
        let (file, settings) = (ServerFile::new("/nowhere/servers"), Settings::default());
        runtime.block_on(async {
            let (ends, end) = std::sync::mpsc::channel::<()>();
            let hanging = spawn_blocking(move || end.recv());
            for _ in 0..20 {
                let asked = tokio::time::timeout(Duration::from_millis(2), file.discover(&settings)).await;
                assert!(asked.is_err(), "{asked:?}");
            }
            assert_eq!(Arc::strong_count(&file.reading), 2, "one look waits for a thread");
            drop(ends);
            assert!(hanging.await.expect("it does not panic").is_err());
            let error = file.discover(&settings).await.expect_err("there is no such file");
            assert!(error.to_string().contains("No such file"), "{error}");
        });
    }
}
