use super::{Discover, DiscoverFuture, check_len};
use crate::config::{ConfigError, Server, Settings};
use crate::transport::{Address, AddressError};

/// All addresses of a host name, each a server: `dns+host[:port]` in a URL. For the headless service of an orchestrator, or any name with an
/// address for each server.
///
/// The name is asked of the operating system, or of [the client's resolver](Settings::resolver). Servers are called by their
/// addresses, `10.0.0.1:11211`, and have the weight 1, so a server that gets another address is another server and has other
/// keys. Over TLS, certificates are for names: say which by `Tls::name`, or `tls_name` in
/// the URL.
#[derive(Debug, Clone)]
pub struct Dns {
    host: String,
    port: u16,
}

impl Dns {
    /// The addresses of `host` or `host:port`; the port is memcached's, 11211, unless given.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the text is no host and port.
    pub fn new(host: &str) -> Result<Dns, ConfigError> {
        match host.parse()? {
            Address::Tcp { host, port } => Ok(Dns { host, port }),
            Address::Unix(_) => Err(AddressError::NoHost(host.to_owned()).into()),
        }
    }
}

impl Discover for Dns {
    fn discover<'a>(&'a self, settings: &'a Settings) -> DiscoverFuture<'a> {
        Box::pin(async {
            let mut found = settings.dialer.resolver.look_up(&self.host, self.port).await?;
            // Answers come in turning order, and an address may be in them twice.
            found.sort_unstable();
            found.dedup();
            check_len(found.len())?;
            let server = |address: std::net::SocketAddr| {
                Server::at(Address::Tcp { host: address.ip().to_string(), port: address.port() })
            };
            Ok(found.into_iter().map(server).collect())
        })
    }

    fn source(&self) -> String {
        format!("dns+{}", Address::Tcp { host: self.host.clone(), port: self.port })
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::IpAddr;

    use super::*;
    use crate::discovery::DiscoveryError;
    use crate::transport::{Resolve, ResolveFuture};

    /// Answers what it was made of.
    struct Answer(Vec<IpAddr>);

    impl Resolve for Answer {
        fn resolve(&self, host: &str) -> ResolveFuture {
            let found = match host {
                "cache.svc" => Ok(self.0.clone()),
                _ => Err(io::Error::other("there is no such name")),
            };
            Box::pin(async move { found })
        }
    }

    async fn ask(name: &str, addresses: Vec<IpAddr>) -> Result<Vec<String>, DiscoveryError> {
        let settings = Settings::default().resolver(Answer(addresses));
        let found = Dns::new(name).unwrap().discover(&settings).await?;
        Ok(found.into_iter().map(|server| server.name).collect())
    }

    #[tokio::test]
    async fn every_address_is_a_server_whatever_the_order_of_the_answer() {
        let of = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let wanted = ["10.0.0.1:11211", "10.0.0.2:11211", "[2001:db8::1]:11211"];
        for turn in
            [&["10.0.0.2", "2001:db8::1", "10.0.0.1"][..], &["10.0.0.1", "10.0.0.2", "10.0.0.1", "2001:db8:0::1"]]
        {
            assert_eq!(ask("Cache.Svc", of(turn)).await.unwrap(), wanted);
        }
        assert_eq!(ask("cache.svc:5", of(&["10.0.0.1"])).await.unwrap(), ["10.0.0.1:5"]);
        assert_eq!(Dns::new("Cache.svc").unwrap().source(), "dns+cache.svc:11211");
        assert!(Dns::new("a b").is_err() && Dns::new("").is_err());
    }

    #[tokio::test]
    async fn answers_that_cannot_be_used_are_errors() {
        let many = |count: u32| (0..count).map(|n| IpAddr::from(n.to_be_bytes())).collect();
        assert_eq!(ask("cache.svc", many(10_000)).await.unwrap_err(), DiscoveryError::TooMany { found: 10_000 });
        assert_eq!(ask("cache.svc", many(4_096)).await.unwrap().len(), 4_096);
        let none = ask("cache.svc", Vec::new()).await.unwrap_err();
        assert_eq!(none.to_string(), "the name has no address");
        assert_eq!(ask("other", Vec::new()).await.unwrap_err().to_string(), "there is no such name");
    }
}
