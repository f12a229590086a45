mod option;
#[cfg(feature = "schemes")]
mod scheme;
mod sources;
#[cfg(feature = "tls-own-provider")]
mod tls;

use std::time::Duration;

use memlink_meta::{Credentials, Version};
#[cfg(feature = "schemes")]
use memlink_ring::schemes::Scheme;

pub(crate) use self::sources::Source;
use self::sources::{parse_file, parse_place};

use super::{ConfigError, Server, Settings, WhenDown};
use crate::link::Way;
use crate::transport::{Address, TcpOptions};

/// What a URL says.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) servers: Vec<Server>,
    pub(crate) sources: Vec<Source>,
    /// How often sources are asked, if that is said.
    pub(crate) discovery_interval: Option<Duration>,
    pub(crate) settings: Settings,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) opaque: bool,
    pub(crate) version: Option<Version>,
    #[cfg(feature = "schemes")]
    pub(crate) routing: Option<Scheme>,
    #[cfg(feature = "schemes")]
    scheme: scheme::Part,
    #[cfg(feature = "tls-own-provider")]
    tls: tls::Part,
}

/// Every option that a URL may have, once: its name, what it takes, and what it does.
const OPTIONS: &[(&str, Set)] = &[
    ("timeout_ms", |parsed, value| {
        let millis = number("timeout_ms", value, 0)?;
        parsed.set(|settings| settings.timeout((millis > 0).then(|| Duration::from_millis(millis))))
    }),
    ("when_full", |parsed, value| {
        let wait = choice("when_full", value, &[("wait", true), ("fail", false)], "it is wait or fail")?;
        parsed.set(|settings| settings.wait_when_full(wait))
    }),
    ("connections", |parsed, value| {
        let connections = number("connections", value, 1)?;
        if connections > 1_024 {
            return Err(bad("connections", value, "at most 1024 connections to a server are of any use"));
        }
        parsed.set(|settings| settings.connections_per_server(connections as usize))
    }),
    ("when_down", |parsed, value| {
        let policies = [("fail", WhenDown::Fail), ("miss", WhenDown::Miss), ("next", WhenDown::NextServer)];
        let policy = choice("when_down", value, &policies, "it is fail, miss or next")?;
        parsed.set(|settings| settings.when_down(policy))
    }),
    ("large_bytes_min", |parsed, value| {
        let bytes_min = number("large_bytes_min", value, 1)? as usize;
        parsed.set(|settings| {
            let (_, connections) = settings.large.unwrap_or((0, 1));
            settings.large_lane(bytes_min, connections)
        })
    }),
    ("suspend_commands", |parsed, value| {
        let commands = number("suspend_commands", value, 1)?;
        let commands = u32::try_from(commands).unwrap_or(u32::MAX);
        parsed.set(|settings| {
            let silence = settings.suspension.silence;
            settings.suspend_after(commands, silence)
        })
    }),
    ("suspend_silence_ms", |parsed, value| {
        let silence = Duration::from_millis(number("suspend_silence_ms", value, 1)?);
        parsed.set(|settings| {
            let commands = settings.suspension.commands;
            settings.suspend_after(commands, silence)
        })
    }),
    ("dial_timeout_ms", |parsed, value| {
        let millis = number("dial_timeout_ms", value, 1)?;
        parsed.set(|settings| settings.dial_timeout(Duration::from_millis(millis)))
    }),
    ("backoff_max_ms", |parsed, value| {
        let cap = Duration::from_millis(number("backoff_max_ms", value, 1)?);
        parsed.set(|settings| {
            let base = settings.backoff_base.min(cap);
            settings.backoff(base, cap)
        })
    }),
    ("discovery_interval_ms", |parsed, value| {
        parsed.discovery_interval = Some(Duration::from_millis(number("discovery_interval_ms", value, 1)?));
        Ok(())
    }),
    ("resolve_interval_ms", |parsed, value| {
        let millis = number("resolve_interval_ms", value, 0)?;
        parsed.set(|settings| settings.resolve_interval(Duration::from_millis(millis)))
    }),
    ("stall_timeout_ms", |parsed, value| {
        parsed.settings.limits.stall_timeout = Duration::from_millis(number("stall_timeout_ms", value, 1)?);
        Ok(())
    }),
    ("value_bytes_max", |parsed, value| {
        let len = number("value_bytes_max", value, 1)?;
        if len > 1 << 30 {
            return Err(bad("value_bytes_max", value, "no value has more than 1073741824 bytes"));
        }
        parsed.settings.limits.value_len_max = len as usize;
        Ok(())
    }),
    ("weight", |parsed, value| {
        let why = "it names one server and its weight, as in weight=cache-1:11211*2";
        let (name, weight) = value.rsplit_once('*').ok_or_else(|| bad("weight", value, why))?;
        let name = Address::parse(name, Address::DEFAULT_PORT)?.to_string();
        let weight = weight.parse().map_err(|_| bad("weight", value, why))?;
        match parsed.servers.iter_mut().find(|server| server.name == name) {
            Some(server) => server.weight = weight,
            None => return Err(bad("weight", value, "the URL has no such server")),
        }
        Ok(())
    }),
    ("nodelay", |parsed, value| {
        let on = choice("nodelay", value, &[("on", true), ("off", false)], "it is on or off")?;
        parsed.set_tcp(|tcp| tcp.nodelay = on)
    }),
    ("keepalive_ms", |parsed, value| {
        let millis = number("keepalive_ms", value, 0)?;
        parsed.set_tcp(|tcp| tcp.keepalive = (millis > 0).then(|| Duration::from_millis(millis)))
    }),
    ("user_timeout_ms", |parsed, value| {
        let millis = number("user_timeout_ms", value, 0)?;
        parsed.set_tcp(|tcp| tcp.user_timeout = (millis > 0).then(|| Duration::from_millis(millis)))
    }),
    ("send_buffer_bytes", |parsed, value| {
        let bytes = number("send_buffer_bytes", value, 1)?;
        parsed.set_tcp(|tcp| tcp.send_buffer = u32::try_from(bytes).ok())
    }),
    ("receive_buffer_bytes", |parsed, value| {
        let bytes = number("receive_buffer_bytes", value, 1)?;
        parsed.set_tcp(|tcp| tcp.receive_buffer = u32::try_from(bytes).ok())
    }),
    ("local_address", |parsed, value| {
        let address = value.parse().map_err(|_| bad("local_address", value, "it is an IP address of this machine"))?;
        parsed.set_tcp(|tcp| tcp.local_address = Some(address))
    }),
    ("opaque", |parsed, value| {
        parsed.opaque = choice("opaque", value, &[("on", true), ("off", false)], "it is on or off")?;
        Ok(())
    }),
    ("version", |parsed, value| {
        let why = "it is a version of memcached, as in 1.6.18";
        parsed.version = Some(Version::parse(value).ok_or_else(|| bad("version", value, why))?);
        Ok(())
    }),
];

#[cfg(feature = "tls-own-provider")]
const TLS_OPTIONS: &[(&str, Set)] = tls::OPTIONS;
#[cfg(not(feature = "tls-own-provider"))]
const TLS_OPTIONS: &[(&str, Set)] = &[];

#[cfg(feature = "schemes")]
const SCHEME_OPTIONS: &[(&str, Set)] = scheme::OPTIONS;
#[cfg(not(feature = "schemes"))]
const SCHEME_OPTIONS: &[(&str, Set)] = &[];

/// Applies the value of an option.
type Set = fn(&mut Parsed, &str) -> Result<(), ConfigError>;

/// Options that may stand several times.
const REPEATABLE: &[&str] = &["weight", "tls_ca", "tls_pin"];

/// Reads `memcache://[user:password@]place[,place...][?option=value[&...]]`, `memcache+unix://[user:password@]/path[?...]`, or
/// `memcache+file://[user:password@]/path[?...]`; `memcaches` stands for TLS.
#[cfg(test)]
pub(crate) fn parse_url(url: &str) -> Result<Parsed, ConfigError> {
    parse_url_after(&Settings::default(), url)
}

/// The same. TLS that was set `before` stays, with all that the URL leaves open.
#[cfg_attr(not(feature = "tls-own-provider"), allow(unused_variables))]
pub(crate) fn parse_url_after(before: &Settings, url: &str) -> Result<Parsed, ConfigError> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(ConfigError::Url("it does not begin with a scheme such as memcache://".to_owned()));
    };
    // No scheme has other signs: it is a user and a password in front of where they belong.
    if !scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')) {
        let text = "it does not begin with a scheme such as memcache://; a user and a password stand behind that";
        return Err(ConfigError::Url(text.to_owned()));
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    // Said without a word of the URL: it may be a part of the password.
    if query.contains('@') || place.matches('@').count() > 1 {
        let text = "an @, ? or , in a user name or password is written %40, %3F or %2C; credentials stand once, in front of all hosts";
        return Err(ConfigError::Url(text.to_owned()));
    }
    let mut parsed = Parsed::of(Settings::default());
    #[cfg(feature = "tls-own-provider")]
    {
        parsed.tls = tls::Part::of(before.configured_tls().cloned().unwrap_or_default());
    }
    let mut is_encrypted = false;
    match scheme.to_ascii_lowercase().as_str() {
        "memcache" => parse_authority(place, &mut parsed)?,
        "memcache+unix" => parse_path(place, &mut parsed)?,
        "memcache+file" => parse_file(place, &mut parsed)?,
        "memcaches" => {
            is_encrypted = true;
            parse_authority(place, &mut parsed)?;
        }
        "memcaches+file" => {
            is_encrypted = true;
            parse_file(place, &mut parsed)?;
        }
        other => return Err(ConfigError::Scheme(other.to_owned())),
    }
    parse_query(query, &mut parsed)?;
    #[cfg(feature = "schemes")]
    {
        parsed.routing = scheme::finish(std::mem::take(&mut parsed.scheme))?;
    }
    #[cfg(feature = "tls-own-provider")]
    tls::finish(&mut parsed, is_encrypted)?;
    #[cfg(not(feature = "tls-own-provider"))]
    if is_encrypted {
        return Err(ConfigError::Unavailable("TLS (memcaches://), the feature `tls`,"));
    }
    Ok(parsed)
}

fn parse_authority(authority: &str, parsed: &mut Parsed) -> Result<(), ConfigError> {
    let hosts = parse_credentials(authority.strip_suffix('/').unwrap_or(authority), parsed)?;
    if hosts.is_empty() {
        return Err(ConfigError::NoServer);
    }
    for host in hosts.split(',') {
        parse_place(host, parsed)?;
    }
    Ok(())
}

/// Takes user and password, and gives what stands behind them. What begins with a `/` is a path, in which an `@` is a sign like any other.
fn parse_credentials<'a>(place: &'a str, parsed: &mut Parsed) -> Result<&'a str, ConfigError> {
    match place.rsplit_once('@').filter(|_| !place.starts_with('/')) {
        None => Ok(place),
        Some((user_info, _)) if user_info.contains([',', '/']) => {
            let text = "credentials stand once, in front of all hosts; a , or / in them is written %2C or %2F";
            Err(ConfigError::Url(text.to_owned()))
        }
        Some((user_info, behind)) => {
            let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
            let credentials = Credentials::new(&decode(user)?, &decode(password)?);
            // What is wrong is said without the words themselves: they are secret.
            parsed.credentials = Some(credentials.map_err(|invalid| ConfigError::Url(invalid.to_string()))?);
            Ok(behind)
        }
    }
}

fn parse_path(place: &str, parsed: &mut Parsed) -> Result<(), ConfigError> {
    let path = parse_credentials(place, parsed)?;
    if !path.starts_with('/') || path.len() < 2 {
        return Err(ConfigError::Url("a Unix socket is written memcache+unix:///absolute/path".to_owned()));
    }
    parsed.servers.push(Server::unix(decode(path)?));
    Ok(())
}

fn parse_query(query: &str, parsed: &mut Parsed) -> Result<(), ConfigError> {
    let mut seen: Vec<&str> = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        if cfg!(not(feature = "tls-own-provider")) && name.starts_with("tls_") {
            return Err(ConfigError::Unavailable("TLS, the feature `tls`,"));
        }
        if cfg!(not(feature = "schemes")) && (name == "scheme" || name.starts_with("hash_")) {
            return Err(ConfigError::Unavailable("routing as other clients do it, the feature `schemes`,"));
        }
        let options = || OPTIONS.iter().chain(SCHEME_OPTIONS).chain(TLS_OPTIONS);
        let Some((name, set)) = options().find(|(known, _)| *known == name) else {
            let known: Vec<_> = options().map(|(known, _)| *known).collect();
            return Err(unknown(name, known.join(", ")));
        };
        if seen.contains(name) && !REPEATABLE.contains(name) {
            return Err(bad(name, value, "it stands there twice"));
        }
        seen.push(name);
        set(parsed, &decode(value)?)?;
    }
    Ok(())
}

/// Turns `%41` into `A`.
fn decode(text: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match value.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) => bytes.push(value),
            None => return Err(ConfigError::Url("after % two hexadecimal digits are expected".to_owned())),
        }
        rest = after.get(2..).unwrap_or_default();
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::Url("it is not UTF-8 once decoded".to_owned()))
}

fn bad(name: &'static str, value: &str, why: &'static str) -> ConfigError {
    // Whoever has put a key where its path belongs must not find it in a log.
    let value = if value.contains("-----") { "(the text of a key or certificate)" } else { value };
    ConfigError::BadOption { name, value: value.to_owned(), why }
}

/// Names have letters and `_`. What has other signs may be the end of a password, and is not said.
fn unknown(name: &str, known: String) -> ConfigError {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    ConfigError::UnknownOption { name: if is_name { name } else { "..." }.to_owned(), known }
}

fn number(name: &'static str, value: &str, least: u64) -> Result<u64, ConfigError> {
    match value.parse::<u64>() {
        Ok(number) if number >= least && number <= u64::from(u32::MAX) => Ok(number),
        _ if least > 0 => Err(bad(name, value, "a whole number from 1 is expected")),
        _ => Err(bad(name, value, "a whole number is expected; 0 for none")),
    }
}

fn choice<T: Copy>(
    name: &'static str,
    value: &str,
    choices: &[(&str, T)],
    why: &'static str,
) -> Result<T, ConfigError> {
    let found = choices.iter().find(|(choice, _)| *choice == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| bad(name, value, why))
}

impl Parsed {
    /// Nothing was said so far.
    fn of(settings: Settings) -> Parsed {
        Parsed {
            servers: Vec::new(),
            sources: Vec::new(),
            discovery_interval: None,
            settings,
            credentials: None,
            opaque: true,
            version: None,
            #[cfg(feature = "schemes")]
            routing: None,
            #[cfg(feature = "schemes")]
            scheme: scheme::Part::default(),
            #[cfg(feature = "tls-own-provider")]
            tls: tls::Part::default(),
        }
    }

    fn set(&mut self, change: impl FnOnce(Settings) -> Settings) -> Result<(), ConfigError> {
        self.settings = change(std::mem::take(&mut self.settings));
        Ok(())
    }

    fn set_tcp(&mut self, change: impl FnOnce(&mut TcpOptions)) -> Result<(), ConfigError> {
        if let Way::System(options) = &mut self.settings.dialer.way {
            change(options);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(url: &str) -> Vec<String> {
        parse_url(url).unwrap().servers.into_iter().map(|server| server.name).collect()
    }

    #[test]
    fn servers_are_read_in_every_spelling() {
        assert_eq!(names("memcache://cache-1"), ["cache-1:11211"]);
        assert_eq!(names("memcache://A,b:1/"), ["a:11211", "b:1"]);
        assert_eq!(names("MEMCACHE://[::1]:5,10.0.0.1?timeout_ms=5"), ["[::1]:5", "10.0.0.1:11211"]);
        assert_eq!(names("memcache+unix:///run/my%20cache.sock"), ["/run/my cache.sock"]);
        assert_eq!(names("memcache+unix:///run/cache@main.sock"), ["/run/cache@main.sock"]);
    }

    #[test]
    fn every_scheme_has_a_place_for_credentials() {
        for place in ["memcache://%@cache-1", "memcache+unix://%@/run/a.sock", "memcache+file://%@/etc/servers"] {
            let parsed = |user_info| parse_url(&place.replace('%', user_info));
            let found = parsed("ada:l%2Cv%40%2F").unwrap();
            assert!(found.credentials.is_some() && found.servers.len() + found.sources.len() == 1, "{place}");
            for user_info in ["ada:secret/", "ada:secret,", "ada:secret@", ":secret", "ada:secret%00"] {
                let error = parsed(user_info).map(|_| ()).expect_err(place).to_string();
                assert!(!error.contains("secret"), "{place}: {error}");
            }
        }
    }

    #[test]
    fn options_do_what_they_say() {
        let parsed = parse_url(
            "memcache://us%40er:pass%3Aword@a,b:2?timeout_ms=250&resolve_interval_ms=77&discovery_interval_ms=79&when_full=fail&connections=4&dial_timeout_ms=7\
             &nodelay=off&keepalive_ms=0&user_timeout_ms=17&send_buffer_bytes=19&receive_buffer_bytes=23&local_address=::1\
             &backoff_max_ms=9&stall_timeout_ms=11&value_bytes_max=13&weight=a*3&weight=b:2*0&opaque=off&version=1.6.18",
        )
        .unwrap();
        let settings = &parsed.settings;
        assert_eq!(settings.timeout, Some(Duration::from_millis(250)));
        assert_eq!(settings.resolve_interval, Some(Duration::from_millis(77)));
        assert_eq!(parsed.discovery_interval, Some(Duration::from_millis(79)));
        assert!(!settings.wait_when_full && !parsed.opaque);
        assert_eq!((settings.connections, settings.dial_timeout), (4, Duration::from_millis(7)));
        assert_eq!((settings.backoff_base, settings.backoff_cap), (Duration::from_millis(9), Duration::from_millis(9)));
        assert_eq!((settings.limits.stall_timeout, settings.limits.value_len_max), (Duration::from_millis(11), 13));
        assert_eq!(parsed.servers.iter().map(|server| server.weight).collect::<Vec<_>>(), [3, 0]);
        assert!(parsed.credentials.is_some());
        assert_eq!(parsed.version, Version::parse("1.6.18"));
        let tcp = TcpOptions {
            nodelay: false,
            keepalive: None,
            user_timeout: Some(Duration::from_millis(17)),
            send_buffer: Some(19),
            receive_buffer: Some(23),
            local_address: "::1".parse().ok(),
        };
        assert!(matches!(&settings.dialer.way, Way::System(found) if *found == tcp), "{:?}", settings.dialer);
        let never = parse_url("memcache://a?timeout_ms=0&resolve_interval_ms=0").unwrap().settings;
        assert_eq!((never.timeout, never.resolve_interval), (None, None));
    }

    #[cfg(not(feature = "tls-own-provider"))]
    #[test]
    fn tls_that_is_not_built_in_is_said_to_be_missing() {
        for url in ["memcaches://a", "memcaches://a?tls_name=b"] {
            assert!(parse_url(url).map(|_| ()).expect_err(url).to_string().contains("`tls`"));
        }
    }

    #[cfg(not(feature = "schemes"))]
    #[test]
    fn schemes_that_are_not_built_in_are_said_to_be_missing() {
        for url in ["memcache://a?scheme=ketama", "memcache://a?hash_part=whole"] {
            assert!(parse_url(url).map(|_| ()).expect_err(url).to_string().contains("`schemes`"));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("cache-1:11211", "scheme"),
            ("redis://a", "redis"),
            ("memcaches://", "no server"),
            ("memcache://a?tls_name=b", "TLS"),
            ("memcache://a?nodelay=maybe", "on or off"),
            ("memcache://a?local_address=b", "local_address"),
            ("memcache://", "no server"),
            ("memcache://?timeout_ms=5", "no server"),
            ("memcache://a,,b", "host"),
            ("memcache://:1", "host"),
            ("memcache://a:0", "port"),
            ("memcache://a:70000", "port"),
            ("memcache://a?tiemout_ms=5", "timeout_ms"),
            ("memcache://a?timeout_ms=x", "timeout_ms"),
            ("memcache://a?timeout_ms=-1", "timeout_ms"),
            ("memcache://a?timeout_ms=1&timeout_ms=2", "twice"),
            ("memcache://a?connections=0", "connections"),
            ("memcache://a?when_full=maybe", "wait or fail"),
            ("memcache://a?weight=b*2", "no such server"),
            ("memcache://a?weight=a", "weight"),
            ("memcache://a?version=x", "version"),
            ("memcache://a?opaque=%4", "hexadecimal"),
            ("memcache://u%20:secret@a", "user"),
            ("memcache://ada:secret", "port"),
            ("memcache://ada:secret%40host", "port"),
            ("memcache://ada:top:secret", "ada:..."),
            ("memcache://cache-1,ada:secret%40host:11211", "ada:..."),
            ("memcache://ada:1234?secret%40host", "unknown"),
            ("ada:secret://x@h", "scheme"),
            ("secret@h://x", "scheme"),
            ("memcache://user:secret?ret@host", "%3F"),
            ("memcache://user:1234?secret@host", "%3F"),
            ("memcache://u:p@a,u:secret@b", "once"),
            ("memcache://a,user:secret@b", "once"),
            ("memcache+unix://relative", "absolute"),
            ("memcache+unix://u:secret@relative", "absolute"),
            ("memcache+unix://u:secret@", "absolute"),
            ("memcache+unix://u:secret/run/a.sock", "absolute"),
        ] {
            let error = parse_url(url).map(|_| ()).expect_err(url).to_string();
            assert!(error.contains(part), "{url}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    proptest! {
        /// What is read has a place for every server, and what is not says why without the password.
        #[test]
        fn no_url_is_too_odd(
            scheme in "(memcaches?(\\+unix|\\+file)?|[a-z]{0,5})",
            place in "(u:secret%40@)?((dns|dnssrv|elasticache|x)\\+)?[a-b0-9:,+.\\[\\]%/_-]{0,30}",
            query in "(\\?[a-b0-9=&%:]{0,20})?",
        ) {
            match parse_url(&format!("{scheme}://{place}{query}")) {
                Ok(parsed) => prop_assert!(!parsed.servers.is_empty() || !parsed.sources.is_empty()),
                Err(error) => prop_assert!(!error.to_string().contains("secret")),
            }
        }

        #[test]
        fn no_text_is_too_odd(text in ".{0,60}") {
            let _ = parse_url(&text);
        }
    }
}
