//! A file of servers that changes, and files that are none.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use memlink::Client;
use memlink::discovery::{Discover as _, ServerFile};

use super::told::{Events, servers};
use crate::show::Show as _;
use crate::wait::until;

/// A folder of its own, gone with its handle.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("memlink-files-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    fn write(&self, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join("servers.yaml");
        std::fs::write(&path, text).expect("it can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_client_follows_its_file() {
    let ([one, other], folder, events) = (servers().await, Folder::new(), Events::default());
    let both = format!("[\"{}\", {{\"address\": \"{}\", \"weight\": 2}}]", one.address(), other.address());
    let path = folder.0.join("servers.yaml");
    let url = format!("memcache+file://{}?discovery_interval_ms=10", path.display());
    let client = Client::builder().url(&url).unwrap().settings(events.settings()).build().unwrap();
    // It is not there yet.
    let error = client.get("key").await.unwrap_err();
    assert!(error.to_string().contains("servers.yaml"), "{error}");
    folder.write(format!("- {}\n", one.address()));
    until("it is found", || client.cluster().servers() == [one.address()]).await;
    folder.write(&both);
    until("and followed", || client.cluster().servers() == [one.address(), other.address()]).await;
    // Half of it, nothing, what is no text, too much, a folder, and no file at all.
    let huge = format!("# {}\n- a\n", "x".repeat(1 << 20));
    for (bytes, part) in [
        (both.as_bytes()[..both.len() / 2].to_vec(), "no list of servers: line"),
        (Vec::new(), "it is empty"),
        (b"[]".to_vec(), "no server"),
        (b"\x7fELF\x00\xff\xfe".to_vec(), "not UTF-8"),
        (huge.into_bytes(), "longer than 1048576 bytes"),
        (format!("- {}\n- {}\n", one.address(), one.address()).into_bytes(), "there twice"),
    ] {
        events.clear();
        folder.write(&bytes);
        until(part, || events.have(part)).await;
        assert_eq!(client.cluster().servers().len(), 2, "{part}");
    }
    events.clear();
    std::fs::remove_file(&path).unwrap();
    until("its absence is told", || events.have("No such file")).await;
    std::fs::create_dir(&path).unwrap();
    until("a folder is told", || events.have("it is no file")).await;
    std::fs::remove_dir(&path).unwrap();
    assert_eq!(client.get("key").await.show(), "none");
    folder.write(format!("- {}\n", other.address()));
    until("it is followed again", || client.cluster().servers() == [other.address()]).await;
}

/// A file that grows line by line is never taken before it rests, although every beginning of it is a list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_being_written_is_waited_for() {
    const LINES: usize = 60;
    let folder = Folder::new();
    let path = folder.write("");
    let source = ServerFile::new(&path);
    let writing = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        for n in 0..LINES {
            text.push_str(&format!("- cache-{n}\n"));
            folder.write(&text);
            // Slower than a look, and faster than what counts as rest.
            std::thread::sleep(Duration::from_millis(15));
        }
        folder
    });
    let settings = memlink::Settings::default();
    let mut looks = 0;
    let found = loop {
        looks += 1;
        assert!(looks < 100, "it rests some time");
        if let Ok(found) = source.discover(&settings).await {
            break found;
        }
    };
    assert_eq!(found.len(), LINES);
    let folder = writing.await.unwrap();
    // What is known need not rest again.
    assert_eq!(source.discover(&settings).await.unwrap().len(), LINES);
    drop(folder);
    assert!(source.discover(&settings).await.is_err());
}
