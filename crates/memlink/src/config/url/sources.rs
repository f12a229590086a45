//! Places of a URL that are no servers: where servers are to be found.

use std::path::PathBuf;

use super::{Parsed, decode, parse_credentials};
use crate::config::{ConfigError, Server};

/// A source of servers, as a URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `dns+host[:port]`.
    Dns(String),
    /// `dnssrv+name`.
    Srv(String),
    /// `elasticache+host[:port]`, all that the URL has: endpoints of one cluster.
    ElastiCache(Vec<String>),
    /// `memcache+file:///path`.
    File(PathBuf),
}

/// One place of the list of hosts.
pub(super) fn parse_place(place: &str, parsed: &mut Parsed) -> Result<(), ConfigError> {
    let Some((kind, name)) = place.split_once('+') else {
        parsed.servers.push(Server::tcp(place)?);
        return Ok(());
    };
    let name = name.to_owned();
    match kind.to_ascii_lowercase().as_str() {
        "dns" => parsed.sources.push(Source::Dns(name)),
        "dnssrv" => parsed.sources.push(Source::Srv(name)),
        "elasticache" => {
            let endpoints = parsed.sources.iter_mut().find_map(|source| match source {
                Source::ElastiCache(endpoints) => Some(endpoints),
                _ => None,
            });
            match endpoints {
                Some(endpoints) => endpoints.push(name),
                None => parsed.sources.push(Source::ElastiCache(vec![name])),
            }
        }
        _ => {
            let text = "servers are found by dns+host, dnssrv+name and elasticache+host, or in a file by memcache+file:///path";
            return Err(ConfigError::Url(text.to_owned()));
        }
    }
    Ok(())
}

pub(super) fn parse_file(place: &str, parsed: &mut Parsed) -> Result<(), ConfigError> {
    let path = parse_credentials(place, parsed)?;
    if !path.starts_with('/') || path.len() < 2 {
        return Err(ConfigError::Url("a file of servers is written memcache+file:///absolute/path".to_owned()));
    }
    parsed.sources.push(Source::File(decode(path)?.into()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_url;

    #[test]
    fn sources_stand_among_the_servers() {
        let parsed =
            parse_url("memcache://dns+Cache.svc:5,cache-9,DNSSRV+_m._tcp.a,elasticache+b,elasticache+c:7").unwrap();
        let endpoints = ["b", "c:7"].map(str::to_owned).to_vec();
        let wanted = [
            Source::Dns("Cache.svc:5".to_owned()),
            Source::Srv("_m._tcp.a".to_owned()),
            Source::ElastiCache(endpoints),
        ];
        assert_eq!(parsed.sources, wanted);
        assert_eq!(parsed.servers, [Server::tcp("cache-9").unwrap()]);
        let parsed = parse_url("memcache+file:///etc/cache%20a/servers.yaml?timeout_ms=5").unwrap();
        assert_eq!(parsed.sources, [Source::File("/etc/cache a/servers.yaml".into())]);
        assert!(parsed.servers.is_empty());
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("memcache://zk+a", "dnssrv+name"),
            ("memcache://+a", "dnssrv+name"),
            ("memcache+file://relative", "absolute"),
            ("memcache+file:///", "absolute"),
            ("memcache://dns+a?weight=a*2", "no such server"),
        ] {
            let error = parse_url(url).map(|_| ()).expect_err(url).to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }
}
