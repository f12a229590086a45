//! What a server is told before it starts.

use crate::version::Version;
use std::fmt;
use std::time::Duration;

/// How a server behaves. The defaults are memcached's own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Whose replies are given.
    pub version: Version,
    /// How many bytes of items are kept (`-m`, there in megabytes); 64 MiB.
    pub memory_bytes_max: usize,
    /// Whether a full memory makes room by evicting, or refuses (`-M`).
    pub evicts: bool,
    /// The largest item in bytes, header and key included (`-I`); 1 MiB.
    pub item_bytes_max: usize,
    /// How many connections are served at once (`-c`); 1024. One more is told
    /// `ERROR Too many open connections` and closed.
    pub connections_max: usize,
    /// A connection that says nothing for this long is closed
    /// (`-o idle_timeout`); off by default.
    pub idle_timeout: Option<Duration>,
    /// Whether items have CAS ids (`-C` takes them away: every id is then 0, and
    /// 1.6.18 flushes by the second only). Sizes count the id all the same.
    pub cas_enabled: bool,
    /// Whether `flush_all` is obeyed (`-F` forbids it).
    pub flush_allowed: bool,
    /// Whether `shutdown` is obeyed (`-A`).
    pub shutdown_allowed: bool,
    /// Who may use the server (`-Y`). Without any, everyone may.
    pub users: Vec<User>,
    /// How many worker threads `stats` claims there are (`-t`); 4. All work is
    /// done by one.
    pub threads: usize,
    /// How much memcached would say on its standard error (`-v`); 0.
    pub verbosity: u32,
    /// Whether the commands that were executed are recorded; off by default.
    pub records: bool,
}

/// A name and a password for the ASCII authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

/// Without the password.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The original reads no more lines of its file than this.
const USERS_MAX: usize = 8;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            version: Version::default(),
            memory_bytes_max: 64 * 1024 * 1024,
            evicts: true,
            item_bytes_max: 1024 * 1024,
            connections_max: 1024,
            idle_timeout: None,
            cas_enabled: true,
            flush_allowed: true,
            shutdown_allowed: false,
            users: Vec::new(),
            threads: 4,
            verbosity: 0,
            records: false,
        }
    }
}

impl User {
    /// Reads the lines of an authentication file, `name:password` each. `None`
    /// if a line has no colon.
    pub fn from_file_text(text: &str) -> Option<Vec<User>> {
        text.lines()
            .take(USERS_MAX)
            .map(|line| {
                let (name, password) = line.split_once(':')?;
                Some(User { name: name.to_owned(), password: password.to_owned() })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let settings = Settings { users: User::from_file_text("ada:sesame").unwrap(), ..Settings::default() };
        let shown = format!("{settings:?}");
        assert!(shown.contains("ada") && !shown.contains("sesame"), "{shown}");
    }
}
