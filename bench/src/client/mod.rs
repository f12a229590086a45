//! Everyone who is measured, and what each must be able to do.

mod async_memcached;
mod bare;
mod empty;
mod fred;
mod memcache;
mod memcache_async;
mod memlink;
mod redis;
mod resp;
mod rsmc;

use std::future::Future;

use serde::{Deserialize, Serialize};

pub use self::async_memcached::AsyncMemcached;
pub use self::bare::{Bare, Prepared};
pub use self::empty::Empty;
pub use self::fred::Fred;
pub use self::memcache::{MemcacheExp, MemcacheExpTokio, MemcachePooled};
pub use self::memcache_async::MemcacheAsync;
pub use self::memlink::{Memlink, MemlinkTwo, MemlinkWithoutOpaque};
pub use self::redis::RedisRs;
pub use self::resp::MemlinkResp;
pub use self::rsmc::{PREFIX as RSMC_PREFIX, Rsmc};
use crate::data::{Data, Key};
use crate::workload::{Operation, Workload};

/// A client, in one way to use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Client {
    Memlink,
    /// Replies are matched by their order alone.
    MemlinkWithoutOpaque,
    /// On two connections instead of one.
    MemlinkTwo,
    /// memlink-resp.
    MemlinkResp,
    /// Prepared bytes, counted replies; sleeps while there is nothing to read.
    Bare,
    /// The same, and never sleeps.
    BareSpinning,
    /// The same as `Bare` with the classic protocol's line of many keys.
    BareClassic,
    BareClassicSpinning,
    AsyncMemcached,
    MemcacheAsync,
    MemcacheExpTokio,
    MemcacheExp,
    MemcachePooled,
    Rsmc,
    /// redis-rs on its multiplexed connection.
    RedisRs,
    Fred,
    /// Nobody: the harness alone.
    Harness,
}

/// How a client's callers are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flavour {
    CurrentThread,
    MultiThread(usize),
    /// One for each caller (blocking clients), or for each connection (the bare socket).
    Threads,
}

/// What a call ends with: the reply was right, or what was wrong.
pub type Checked = Result<(), String>;

/// One caller of a client that does not block.
pub trait Caller: Send + Sized + 'static {
    /// All callers of a workload, connected.
    fn connect(workload: &Workload, servers: &[String]) -> impl Future<Output = Result<Vec<Self>, String>>;
    fn get(&mut self, key: &Key, data: &Data) -> impl Future<Output = Checked> + Send;
    fn set(&mut self, key: usize, data: &Data) -> impl Future<Output = Checked> + Send;
    fn get_many(&mut self, keys: &[Key], data: &Data) -> impl Future<Output = Checked> + Send;

    /// A get that has to find nothing.
    fn miss(&mut self, _key: &Key) -> impl Future<Output = Checked> + Send {
        async { Err("not measured of this client".to_owned()) }
    }

    /// A delete that has to find nothing.
    fn delete(&mut self, _key: &Key) -> impl Future<Output = Checked> + Send {
        async { Err("not measured of this client".to_owned()) }
    }
}

/// One caller of a client that blocks.
pub trait BlockingCaller: Send + Sized + 'static {
    fn connect(workload: &Workload, servers: &[String]) -> Result<Vec<Self>, String>;
    fn get(&mut self, key: &Key, data: &Data) -> Checked;
    fn set(&mut self, key: usize, data: &Data) -> Checked;
    fn get_many(&mut self, keys: &[Key], data: &Data) -> Checked;
}

impl Client {
    pub const EVERY: &[Client] = &[
        Client::Memlink,
        Client::Bare,
        Client::BareSpinning,
        Client::AsyncMemcached,
        Client::MemcacheAsync,
        Client::MemcacheExpTokio,
        Client::MemcacheExp,
        Client::MemcachePooled,
        Client::Rsmc,
    ];

    pub const EVERY_AND_WITHOUT_OPAQUE: &[Client] = &[
        Client::Memlink,
        Client::MemlinkWithoutOpaque,
        Client::Bare,
        Client::BareSpinning,
        Client::AsyncMemcached,
        Client::MemcacheAsync,
        Client::MemcacheExpTokio,
        Client::MemcacheExp,
        Client::MemcachePooled,
        Client::Rsmc,
    ];

    pub const EVERY_AND_CLASSIC: &[Client] = &[
        Client::Memlink,
        Client::Bare,
        Client::BareSpinning,
        Client::BareClassic,
        Client::BareClassicSpinning,
        Client::AsyncMemcached,
        Client::MemcacheAsync,
        Client::MemcacheExpTokio,
        Client::MemcacheExp,
        Client::MemcachePooled,
        Client::Rsmc,
    ];

    pub const OF_REDIS: &[Client] =
        &[Client::MemlinkResp, Client::Bare, Client::BareSpinning, Client::RedisRs, Client::Fred];

    pub fn name(self) -> &'static str {
        match self {
            Client::Memlink => "memlink",
            Client::MemlinkWithoutOpaque => "memlink, opaque off",
            Client::MemlinkTwo => "memlink, 2 connections",
            Client::MemlinkResp => "memlink-resp",
            Client::Bare => "bare socket",
            Client::BareSpinning => "bare, spinning",
            Client::BareClassic => "bare, classic get",
            Client::BareClassicSpinning => "bare classic, spinning",
            Client::AsyncMemcached => "async-memcached",
            Client::MemcacheAsync => "memcache-async",
            Client::MemcacheExpTokio => "memcache exp, tokio",
            Client::MemcacheExp => "memcache exp, blocking",
            Client::MemcachePooled => "memcache, blocking",
            Client::Rsmc => "rsmc-tokio",
            Client::RedisRs => "redis-rs, multiplexed",
            Client::Fred => "fred",
            Client::Harness => "the harness alone",
        }
    }

    pub fn is_memlink(self) -> bool {
        matches!(self, Client::Memlink | Client::MemlinkWithoutOpaque | Client::MemlinkTwo | Client::MemlinkResp)
    }

    pub fn is_bare(self) -> bool {
        matches!(self, Client::Bare | Client::BareSpinning | Client::BareClassic | Client::BareClassicSpinning)
    }

    pub fn is_spinning(self) -> bool {
        matches!(self, Client::BareSpinning | Client::BareClassicSpinning)
    }

    pub fn is_peer(self) -> bool {
        !self.is_memlink() && !self.is_bare() && self != Client::Harness
    }

    pub fn flavours(self) -> &'static [Flavour] {
        match self {
            Client::MemcacheExp | Client::MemcachePooled => &[Flavour::Threads],
            bare if bare.is_bare() => &[Flavour::Threads],
            _ => &[Flavour::CurrentThread, Flavour::MultiThread(1), Flavour::MultiThread(2)],
        }
    }

    /// Why it is left out of a workload.
    pub fn cannot(self, workload: &Workload) -> Option<&'static str> {
        match self {
            Client::MemcachePooled if workload.tls && cfg!(not(feature = "peer-tls")) => {
                Some("build with --features peer-tls: it needs the headers of OpenSSL")
            }
            Client::AsyncMemcached | Client::MemcacheAsync if workload.servers > 1 => Some("it has no routing"),
            Client::MemcacheAsync if workload.has_sets() => Some("its set reads no reply, so nothing can be checked"),
            Client::Rsmc if workload.value_len > 16 * 1024 || workload.operations_per_call() > 1 => {
                Some("it takes what one read returns for a whole reply, and fails on what is cut")
            }
            _ => None,
        }
    }

    /// How many connections it uses in a workload.
    pub fn connections(self, workload: &Workload) -> usize {
        let each = match self {
            Client::MemlinkTwo => 2,
            // Of these, too, all callers share one.
            Client::RedisRs | Client::Fred => workload.connections,
            client if client.is_peer() => workload.callers,
            _ => workload.connections,
        };
        each * workload.servers
    }

    /// Whether its replies come one by one on each connection, so that their latency can be told without its help.
    pub fn has_latency(self, workload: &Workload) -> bool {
        !self.is_bare() || (workload.callers == workload.connections && workload.operation == Operation::Get)
    }
}

impl Flavour {
    pub fn name(self) -> &'static str {
        match self {
            Flavour::CurrentThread => "current_thread",
            Flavour::MultiThread(1) => "multi_thread 1",
            Flavour::MultiThread(_) => "multi_thread 2",
            Flavour::Threads => "threads",
        }
    }

    /// Its name on the command line, for those that are chosen there.
    pub fn short(self) -> Option<&'static str> {
        match self {
            Flavour::CurrentThread => Some("ct"),
            Flavour::MultiThread(1) => Some("mt1"),
            Flavour::MultiThread(_) => Some("mt2"),
            Flavour::Threads => None,
        }
    }

    /// The cores of the client. With two workers the second shares the server's.
    pub fn cores(self) -> &'static str {
        if self == Flavour::MultiThread(2) { "0,1" } else { "1" }
    }
}
