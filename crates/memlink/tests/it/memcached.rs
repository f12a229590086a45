//! A real memcached process, started for one test, and ended with its handle: with clients of it, and a panic where it does not do as
//! it is told.

use std::path::Path;
use std::time::Duration;

use memlink::{Client, Server, Settings};

use crate::wait::until;

pub(crate) struct Memcached(memlink_processes::Memcached);

impl Memcached {
    pub(crate) fn start() -> Memcached {
        Memcached::start_with(&[])
    }

    /// With further options of its command line.
    pub(crate) fn start_with(options: &[&str]) -> Memcached {
        let options = [&["-t", "1"], options].concat();
        Memcached(memlink_processes::Memcached::start(&options).expect("memcached starts"))
    }

    /// It has to be one that was built with TLS (`-Z`).
    #[cfg(feature = "tls")]
    pub(crate) fn must_speak_tls() {
        memlink_processes::Memcached::must_speak_tls().expect("it speaks TLS");
    }

    /// On a Unix socket instead of a port.
    pub(crate) fn start_unix() -> Memcached {
        Memcached::start_unix_with(&[])
    }

    pub(crate) fn start_unix_with(options: &[&str]) -> Memcached {
        let options = [&["-t", "1"], options].concat();
        Memcached(memlink_processes::Memcached::start_unix(&options).expect("memcached starts"))
    }

    /// Starts it again on the same port, empty.
    pub(crate) fn revive(&mut self) {
        self.0.revive().expect("memcached starts again");
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("the process is ours");
    }

    /// SIGSTOP: its sockets stay open, and it answers nothing.
    pub(crate) fn freeze(&self) {
        self.0.freeze().expect("the process is ours");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.0.thaw().expect("the process is ours");
    }

    pub(crate) fn address(&self) -> String {
        self.0.address().to_string()
    }

    pub(crate) fn socket_path(&self) -> &Path {
        self.0.path().expect("it listens on a Unix socket")
    }

    pub(crate) fn server(&self) -> Server {
        Server::tcp(&self.address()).expect("an address")
    }

    /// A client of this server alone.
    pub(crate) async fn client(&self) -> Client {
        self.client_with(patient()).await
    }

    pub(crate) async fn client_with(&self, settings: Settings) -> Client {
        Client::builder().server(self.server()).settings(settings).connect().await.expect("memcached answers")
    }

    /// One of the server's own statistics, asked for over a connection of its own.
    pub(crate) fn statistic(&self, name: &str) -> u64 {
        self.0.statistic(name).expect("it is told")
    }

    /// Waits until no client is connected.
    pub(crate) async fn until_deserted(&self) {
        // The connection that asks is one itself.
        until("the server has no connection", || self.statistic("curr_connections") == 1).await;
    }
}

/// Settings for tests that are not about time: a busy machine must not make them fail.
pub(crate) fn patient() -> Settings {
    let limits = memlink::Limits { stall_timeout: Duration::from_secs(20), ..memlink::Limits::default() };
    Settings::default().timeout(Duration::from_secs(20)).limits(limits)
}
