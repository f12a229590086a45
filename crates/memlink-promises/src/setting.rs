//! What all checks begin with: how large they are, a client of some servers, and the way to wait for something.

use std::time::{Duration, Instant};

use memlink::{Builder, Client, Limits, Server, Settings};
use memlink_processes::Memcached;
use memlink_testserver::TestServer;

use crate::Failure;

/// How large a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// As large as the figures say.
    Full,
    /// A hundredth of it: shows that the check itself works.
    Quick,
}

impl Size {
    /// So many, or a hundredth of them.
    pub(crate) fn of(self, full: u64) -> u64 {
        match self {
            Size::Full => full,
            Size::Quick => full.div_ceil(100),
        }
    }

    /// One or the other.
    pub(crate) fn pick<T>(self, full: T, quick: T) -> T {
        match self {
            Size::Full => full,
            Size::Quick => quick,
        }
    }
}

/// What is going on, for who watches.
pub(crate) fn say(check: &str, text: &str) {
    eprintln!("{check}: {text}");
}

/// A client of embedded servers that has been connected to them.
pub(crate) async fn client_of(servers: &[&TestServer], settings: Settings) -> Result<Client, Failure> {
    Ok(builder_of(servers, settings)?.connect().await?)
}

/// The same before it is built.
pub(crate) fn builder_of(servers: &[&TestServer], settings: Settings) -> Result<Builder, Failure> {
    let servers: Result<Vec<_>, _> = servers.iter().map(|server| Server::tcp(&server.address())).collect();
    Ok(Client::builder().servers(servers?).settings(settings))
}

/// A client of a real memcached alone, before it is built.
pub(crate) fn builder_of_real(memcached: &Memcached, settings: Settings) -> Result<Builder, Failure> {
    Ok(Client::builder().server(Server::tcp(&memcached.address().to_string())?).settings(settings))
}

/// For checks that are not about time: a busy machine must not make them fail.
pub(crate) fn patient() -> Settings {
    let limits = Limits { stall_timeout: PATIENCE, opening_timeout: PATIENCE, ..Limits::default() };
    let settings = Settings::default().timeout(PATIENCE).dial_timeout(PATIENCE).limits(limits);
    settings.suspend_after(u32::MAX, PATIENCE).backoff(Duration::from_millis(1), Duration::from_millis(20))
}

/// Far more than anything takes that is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks at `condition` again and again until it holds, up to a bound; `what` says which, should it never.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), Failure> {
    let begun = Instant::now();
    while !condition() {
        if begun.elapsed() > PATIENCE {
            return Err(format!("waited in vain until {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

/// How many commands of all servers are not accounted for, or still in flight: 0 once all have ended.
pub(crate) fn imbalance(client: &Client) -> u64 {
    let servers = client.stats().servers;
    let one = |counters: memlink::Stats| {
        counters.started.abs_diff(counters.replied + counters.failed + counters.cancelled)
            + (counters.in_flight + counters.waiting) as u64
    };
    servers.iter().map(|server| one(server.counters)).sum()
}
