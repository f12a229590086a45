//! A real memcached, started for one conversation and stopped with it.

use std::path::PathBuf;

use memlink_conversations::Startup;
use memlink_processes::Memcached as Process;

use crate::doors::{self, Door, Stream};

/// The process, and the door that leads there.
pub(crate) struct Memcached {
    process: Process,
    door: Door,
    /// What it shows its clients over TLS.
    files: Vec<PathBuf>,
}

/// What it says of its version.
pub(crate) fn version() -> Result<String, String> {
    Process::version().map_err(|error| format!("these conversations are held with a real memcached: {error}"))
}

impl Memcached {
    /// Starts one that has no background threads.
    ///
    /// The thread that keeps the LRU would hold on to items at moments of its own, and a counter that is held is not
    /// changed in place, which shows in padding, CAS ids and hit bits.
    pub(crate) fn start(startup: &[Startup], door: Door) -> Result<Memcached, String> {
        let mut options: Vec<_> = ["-t", "1", "-o", "no_modern"].map(str::to_owned).into();
        for option in startup {
            match option {
                Startup::NoFlush => options.push("-F".to_owned()),
                Startup::ItemBytesMax(len) => options.extend(["-I".to_owned(), len.to_string()]),
            }
        }
        let mut files = Vec::new();
        if door == Door::Tls {
            options.push("-Z".to_owned());
            let shown = doors::shown_by_server();
            for (option, pem) in [("ssl_chain_cert", &shown.cert), ("ssl_key", &shown.key)] {
                let path = doors::new_path(".pem");
                std::fs::write(&path, pem).map_err(|error| format!("{}: {error}", path.display()))?;
                options.extend(["-o".to_owned(), format!("{option}={}", path.display())]);
                files.push(path);
            }
        }
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let process = match door {
            Door::Unix => Process::start_unix(&options),
            Door::Tcp | Door::Tls => Process::start(&options),
            Door::Pipe => return Err("memcached is another process: no pipe in memory leads there".to_owned()),
        };
        let process = process.map_err(|error| error.to_string())?;
        Ok(Memcached { process, door, files })
    }

    pub(crate) fn connect(&self) -> Result<Stream, String> {
        let addr = self.process.address();
        match (self.process.path(), self.door) {
            (Some(path), _) => Stream::unix(path),
            (None, Door::Tls) => Stream::tls(addr),
            (None, _) => Stream::tcp(addr),
        }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// It has to be one that was built with TLS (`-Z`).
pub(crate) fn must_speak_tls() {
    Process::must_speak_tls().expect("it speaks TLS");
}
