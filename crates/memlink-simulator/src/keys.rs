use std::sync::OnceLock;

use memlink_meta::Key;
use memlink_ring::Ring;

/// The keys of every history, and which server owns each: the ring says, as in the client.
#[derive(Debug)]
pub(crate) struct Keys {
    ring: Ring,
    keys: Vec<Owned>,
}

/// A key and its server.
#[derive(Debug)]
pub(crate) struct Owned {
    pub(crate) key: Key,
    pub(crate) server: usize,
    /// Only counted with, never stored to.
    pub(crate) is_counter: bool,
}

/// Servers of a history.
pub(crate) const SERVERS: usize = 3;

/// Keys of one server that are stored to and read; few, so that operations meet.
const PLAIN: usize = 3;

/// Keys of one server that are counted with.
const COUNTERS: usize = 1;

impl Keys {
    /// The same in every history: filling a ring takes as long as many of them.
    pub(crate) fn shared() -> &'static Keys {
        static KEYS: OnceLock<Keys> = OnceLock::new();
        KEYS.get_or_init(|| {
            let names = (0..SERVERS).map(|server| (format!("server-{server}"), 1));
            let ring = Ring::new(names).expect("three names, all different, all with a weight");
            let mut keys = Vec::new();
            for server in 0..SERVERS {
                let owned =
                    (0..).map(|n| format!("s{server}.{n}")).filter(|name| ring.route(name.as_bytes()) == server);
                for (n, name) in owned.take(PLAIN + COUNTERS).enumerate() {
                    let key = Key::new(&name).expect("short and printable");
                    keys.push(Owned { key, server, is_counter: n >= PLAIN });
                }
            }
            Keys { ring, keys }
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn get(&self, index: usize) -> &Owned {
        &self.keys[index]
    }

    /// The keys of one server, by their index.
    pub(crate) fn of_server(&self, server: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.keys.len()).filter(move |index| self.keys[*index].server == server)
    }

    /// Which server owns the key of these bytes.
    pub(crate) fn owner(&self, key: &[u8]) -> usize {
        self.ring.route(key)
    }
}
