//! The schemes of other clients as a routing: made anew for every list of servers.

use memlink_ring::Router;
use memlink_ring::schemes::{self, Scheme, SchemeError};

use super::Routing;
use crate::config::{ConfigError, Server};
use crate::transport::Address;

/// Routes as another client does, whatever servers come and go.
///
/// Servers count with host, port and weight, in the order of the list; a [name](Server::named) of their own is their alias, for
/// schemes that have aliases. A name that is the server's own address in another spelling says how the other client spells it: `Cache-1`
/// with capitals, or `cache-1/10.0.0.1:11211` with the IP address that Java clients hash. Keys are routed as they are on the wire, with
/// their prefix if they have one: [`Scheme::prefix_skipped`] is of use here, and [`Scheme::prefix_hashed`] is refused.
impl Routing for Scheme {
    fn router(&self, servers: &[Server]) -> Result<Box<dyn Router>, ConfigError> {
        let wrong = |text: String| ConfigError::Routing(format!("scheme {}: {text}", self.name()));
        if self.hashes_prefix() {
            let text = "the keys of a client are whole, so a prefix is in what is hashed already: leave the option out";
            return Err(wrong(text.to_owned()));
        }
        let named: Vec<_> = servers.iter().map(as_named).collect::<Result<_, _>>().map_err(wrong)?;
        let ring = self.ring(&named).map_err(|error| wrong(words(error, servers)))?;
        Ok(Box::new(ring))
    }
}

fn as_named(server: &Server) -> Result<schemes::Server, String> {
    let Address::Tcp { host, port } = &server.address else {
        let text = "is on a Unix socket, which other clients' schemes do not know; give host and port";
        return Err(format!("{} {text}", server.name));
    };
    let plain = schemes::Server::new(host.as_str(), *port).map_err(|error| format!("{}: {error}", server.name))?;
    let spelled = schemes::Server::parse(&server.name)
        .ok()
        .filter(|spelled| spelled.port() == *port && is_same_host(spelled.host(), host));
    let named = match spelled {
        Some(spelled) => spelled,
        None if server.name == server.address.to_string() => plain,
        None => plain.with_alias(server.name.as_str()),
    };
    Ok(named.with_weight(server.weight))
}

/// The same name but for capitals, or the same IPv6 address.
fn is_same_host(spelled: &str, host: &str) -> bool {
    let address = spelled.parse::<std::net::Ipv6Addr>();
    spelled.eq_ignore_ascii_case(host) || address.is_ok_and(|address| host.parse() == Ok(address))
}

/// What is wrong, and what to do about it.
fn words(error: SchemeError, servers: &[Server]) -> String {
    let name = |place: usize| servers.get(place).map_or("a server", |server| server.name.as_str());
    match error {
        SchemeError::WeightUnsupported { server } => {
            format!("{} has a weight, and there are none in it: give every server the weight 1", name(server))
        }
        SchemeError::ZeroWeight { server } => {
            format!("{} has weight 0, which is not allowed in it: leave the server out, or give it 1", name(server))
        }
        SchemeError::WeightTooLarge { server } => format!("{} has too great a weight", name(server)),
        SchemeError::DuplicateServer { first, second } => {
            format!("{} and {} are the same server to it: name one, with a weight", name(first), name(second))
        }
        SchemeError::NoAddress { server } => {
            let text = "is hashed with its IP address: give servers by address, or name this one as in";
            format!("{} {text} cache-1/10.0.0.1:11211", name(server))
        }
        SchemeError::TooManyPoints => format!("{error}: divide all weights by the same number"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Server {
        Server::tcp(text).unwrap()
    }

    fn error(scheme: &str, servers: &[Server]) -> String {
        let scheme: Scheme = scheme.parse().unwrap();
        scheme.router(servers).map(|_| ()).expect_err("it is refused").to_string()
    }

    #[test]
    fn servers_are_spelled_as_the_scheme_needs_them() {
        let spelled = |server: Server| {
            let named = as_named(&server).unwrap();
            format!("{} {} {} {:?} {:?}", named.host(), named.port(), named.weight(), named.alias(), named.address())
        };
        for (server, wanted) in [
            (tcp("Cache-1").weight(3), "cache-1 11211 3 None None"),
            (tcp("[::1]:5"), "::1 5 1 None Some(::1)"),
            (tcp("[0:0:0:0:0:0:0:1]:5"), "::1 5 1 None Some(::1)"),
            (tcp("10.0.0.1").named("node0"), "10.0.0.1 11211 1 Some(\"node0\") Some(10.0.0.1)"),
            (tcp("cache-1").named("Cache-1:11211").weight(0), "Cache-1 11211 0 None None"),
            (tcp("cache-1").named("cache-1/10.0.0.1"), "cache-1 11211 1 None Some(10.0.0.1)"),
            (tcp("cache-1:5").named("cache-1"), "cache-1 5 1 Some(\"cache-1\") None"),
        ] {
            assert_eq!(spelled(server), wanted);
        }
    }

    #[test]
    fn the_routing_is_that_of_the_scheme() {
        let servers = ["cache-1", "cache-2:11212", "cache-3"].map(tcp);
        let router = Scheme::ketama().router(&servers).unwrap();
        let named = ["cache-1", "cache-2:11212", "cache-3"].map(|text| schemes::Server::parse(text).unwrap());
        let ring = Scheme::ketama().ring(&named).unwrap();
        for n in 0..1_000 {
            let key = format!("key-{n}");
            assert_eq!(router.route(key.as_bytes()), ring.route(key.as_bytes()));
        }
    }

    #[test]
    fn a_prefix_that_is_hashed_is_in_the_keys_already() {
        let scheme = Scheme::ketama().prefix_hashed("app:");
        let error = scheme.router(&[tcp("a"), tcp("b")]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("leave the option out"), "{error}");
        assert!(Scheme::ketama().prefix_skipped("app:").router(&[tcp("a"), tcp("b")]).is_ok());
    }

    #[test]
    fn what_a_scheme_refuses_is_said_with_what_to_do() {
        for (scheme, servers, part) in [
            ("dalli", vec![Server::unix("/run/a.sock")], "host and port"),
            ("folsom_ketama", vec![tcp("a").weight(2), tcp("b")], "a:11211 has a weight"),
            ("libmemcached_modula_default", vec![tcp("a").weight(0), tcp("b")], "a:11211 has"),
            ("evcache_ketama", vec![tcp("a"), tcp("b")], "cache-1/10.0.0.1:11211"),
            ("twemproxy_ketama_md5", vec![tcp("a").named("n"), tcp("b").named("n")], "are the same server"),
            ("twemproxy_modula_md5", vec![tcp("a").weight(u32::MAX), tcp("b")], "divide all weights"),
        ] {
            let error = error(scheme, &servers);
            assert!(error.contains(part) && error.contains(scheme), "{scheme}: {error}");
        }
    }
}
