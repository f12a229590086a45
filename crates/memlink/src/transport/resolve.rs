use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// A way of your own to find the addresses of a host name, instead of the operating system's: another name service, a table in a
/// test.
///
/// It is asked at every dial, within the [dial timeout](crate::Settings::dial_timeout), then at an
/// [interval](crate::Settings::resolve_interval) while a connection is open, and by `dns+` sources of servers. It is not asked about IP
/// addresses. It must not block: whoever serves a connection waits for it.
///
/// ```
/// use std::io;
///
/// use memlink::{Resolve, ResolveFuture, Settings};
///
/// struct Table;
///
/// impl Resolve for Table {
///     fn resolve(&self, host: &str) -> ResolveFuture {
///         let found = match host {
///             "cache-1" => Ok(vec![[10, 0, 0, 1].into()]),
///             _ => Err(io::Error::new(io::ErrorKind::NotFound, "there is no such host")),
///         };
///         Box::pin(async move { found })
///     }
/// }
///
/// let settings = Settings::default().resolver(Table);
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// All addresses of `host`, which is a name in lower case. An error is one of the dial or of the look-up and changes nothing
    /// else; none at all is one, too.
    fn resolve(&self, host: &str) -> ResolveFuture;
}

/// What [`Resolve::resolve`] gives.
pub type ResolveFuture = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who is asked for the addresses of a host name: the operating system, unless somebody else was named.
#[derive(Clone, Default)]
pub(crate) struct Resolver(Option<Arc<dyn Resolve>>);

/// Addresses of one name that a dial tries, the first ones: each may cost an attempt of its own, and the time of a dial is over long
/// before so many were tried.
const ADDRESSES_MAX: usize = 256;

impl Resolver {
    pub(crate) fn of(resolve: impl Resolve) -> Resolver {
        Resolver(Some(Arc::new(resolve)))
    }

    /// All addresses of a host, in the order of the answer. Never empty.
    pub(crate) async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let addresses: Vec<_> = match &self.0 {
            Some(resolve) if !is_literal(host) => {
                resolve.resolve(host).await?.into_iter().map(|address| SocketAddr::new(address, port)).collect()
            }
            _ => ask_system(host, port).await?,
        };
        match addresses.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            false => Ok(addresses),
        }
    }

    /// The addresses that a dial tries.
    pub(super) async fn to_dial(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = self.look_up(host, port).await?;
        addresses.truncate(ADDRESSES_MAX);
        Ok(addresses)
    }
}

/// Look-ups by the operating system that the whole program has under way at one time. Each takes a thread of the runtime's for blocking
/// work until it ends, also when nobody waits for it any more: an eighth of those that tokio has by default.
const LOOK_UPS_MAX: usize = 64;

static LOOK_UPS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(LOOK_UPS_MAX)));

async fn ask_system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let place = LOOK_UPS.clone().acquire_owned().await.map_err(io::Error::other)?;
    let host = host.to_owned();
    let asked = spawn_blocking(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        drop(place);
        found
    });
    asked.await.map_err(io::Error::other)?
}

/// Whether a host is an address already, with a zone (`fe80::1%eth0`) maybe: nobody has to be asked for it.
pub(crate) fn is_literal(host: &str) -> bool {
    host.contains(':') || host.parse::<IpAddr>().is_ok()
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "the user's" } else { "the system's" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives as many addresses as the name says.
    struct Many;

    impl Resolve for Many {
        fn resolve(&self, host: &str) -> ResolveFuture {
            let count = host.parse::<u32>().map_err(io::Error::other);
            Box::pin(async move { Ok((0..count?).map(|n| IpAddr::from(n.to_be_bytes())).collect()) })
        }
    }

    #[tokio::test]
    async fn a_resolver_is_asked_for_names_and_its_answer_is_bounded_for_dials() {
        let resolver = Resolver::of(Many);
        assert_eq!(resolver.look_up("10.0.0.1", 7).await.unwrap(), ["10.0.0.1:7".parse().unwrap()]);
        assert_eq!(resolver.look_up("::1", 7).await.unwrap(), ["[::1]:7".parse().unwrap()]);
        assert_eq!(resolver.look_up("10000", 7).await.unwrap().len(), 10_000);
        assert_eq!(resolver.to_dial("10000", 7).await.unwrap().len(), ADDRESSES_MAX);
        assert_eq!(resolver.look_up("0", 7).await.unwrap_err().to_string(), "the name has no address");
        assert!(resolver.look_up("x", 7).await.is_err());
    }
}
