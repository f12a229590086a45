//! What a URL says.

use memlink::{Address, ConfigError, Server};

use crate::{Builder, Credentials, Version};

/// Those of Redis and those that come as a pair; all others are memlink's.
const OPTIONS: &str = "db, name, protocol, user, password, weight, tls_cert, tls_key";

/// Options that may stand several times.
const REPEATABLE: &[&str] = &["tls_ca", "tls_pin", "weight"];

/// What it says of TLS, whether that is built in or not.
#[derive(Default)]
struct TlsOptions {
    cert: Option<String>,
    key: Option<String>,
    /// All others, with their values.
    others: Vec<(String, String)>,
}

pub(crate) fn read(builder: Builder, url: &str) -> Result<Builder, ConfigError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| unreadable("it has no ://"))?;
    let scheme = &*scheme.to_ascii_lowercase();
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    check_signs(scheme, place, options)?;
    let is_encrypted = matches!(scheme, "rediss" | "valkeys");
    let mut seen: Vec<&str> = Vec::new();
    let (mut builder, user) = match scheme {
        "redis" | "valkey" | "rediss" | "valkeys" => {
            if place.split_once('/').is_some_and(|(_, database)| !database.is_empty()) {
                seen.push("db");
            }
            of_servers(builder, place)?
        }
        "redis+unix" | "valkey+unix" => {
            let path = decoded(place)?;
            if !path.starts_with('/') {
                return Err(unreadable("a Unix socket is written redis+unix:///absolute/path"));
            }
            (builder.server(Server::unix(path)), None)
        }
        other => {
            return Err(unreadable(&format!(
                "the scheme {other:?} is none of redis, rediss (TLS), redis+unix, valkey, valkeys, valkey+unix"
            )));
        }
    };
    let (mut user, mut password) = user.unwrap_or_default();
    if !user.is_empty() {
        seen.push("user");
    }
    if password.is_some() {
        seen.push("password");
    }
    let mut tls = TlsOptions::default();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        // Said without the value, which may be the password.
        if seen.contains(&name) && !REPEATABLE.contains(&name) {
            return Err(unreadable(&format!("{name} stands there twice")));
        }
        let value = decoded(value)?;
        builder = match name {
            "db" => builder.database(number("db", &value)?),
            "name" => builder.name(value),
            "protocol" => builder.version(version(&value)?),
            "weight" => weighed(builder, &value)?,
            "user" => {
                user = value;
                builder
            }
            "password" => {
                password = Some(value);
                builder
            }
            "tls_cert" => {
                tls.cert = Some(value);
                builder
            }
            "tls_key" => {
                tls.key = Some(value);
                builder
            }
            // Values of a store are not a cache's, which may be missed or found elsewhere.
            "when_down" => {
                return Err(unreadable("when_down is not for Redis: commands to a server that is down fail"));
            }
            name if name.starts_with("tls_") => {
                tls.others.push((name.to_owned(), value));
                builder
            }
            name => match builder.map_settings(|settings| settings.with_url_option(name, &value)) {
                Ok(builder) => builder,
                Err(error) => return Err(unknown(error, seen.contains(&"password"))),
            },
        };
        seen.push(name);
    }
    let builder = match is_encrypted {
        true => encrypted(builder, tls),
        false => unencrypted(builder, &tls),
    };
    let builder = builder.map_err(|error| unknown(error, seen.contains(&"password")))?;
    match password {
        Some(password) if user.is_empty() => Ok(builder.credentials(Credentials::with_password(password))),
        Some(password) => Ok(builder.credentials(Credentials::new(user, password))),
        None if user.is_empty() => Ok(builder),
        None => Err(unreadable("it has a user and no password")),
    }
}

/// Refuses signs that would cut a password in two, without a word of the URL: it may be a part of the password.
fn check_signs(scheme: &str, place: &str, options: &str) -> Result<(), ConfigError> {
    // The path of a socket begins with its `/`; before it there is nobody to sign in.
    let is_path = scheme.ends_with("+unix") && place.starts_with('/');
    let (front, behind) = if is_path { ("", "") } else { place.split_once('/').unwrap_or((place, "")) };
    let is_list = front.rsplit_once('@').is_some_and(|(sign_in, _)| sign_in.contains(','));
    let is_cut = scheme.contains([':', '@', '/', '?']) || behind.contains('@') || options.contains('@');
    if is_cut || is_list || place.matches('@').count() > 1 || (scheme.ends_with("+unix") && front.contains('@')) {
        return Err(unreadable(
            "an @, /, ? or , in a user name or password is written %40, %2F, %3F or %2C, and an @ in an option %40; \
             user and password stand once, in front of all hosts",
        ));
    }
    Ok(())
}

/// An option that nobody knows, with those of Redis among the known ones. Behind a password it may be the password's end, which is not
/// said.
fn unknown(error: ConfigError, is_behind_password: bool) -> ConfigError {
    match error {
        ConfigError::UnknownOption { known, .. } if is_behind_password => {
            unreadable(&format!("an option is none of {OPTIONS}, {known}; an & in a password is written %26"))
        }
        ConfigError::UnknownOption { name, known } => {
            ConfigError::UnknownOption { name, known: format!("{OPTIONS}, {known}") }
        }
        other => other,
    }
}

fn weighed(builder: Builder, value: &str) -> Result<Builder, ConfigError> {
    let why = "it names one server and its weight, as in weight=cache-1:6379*2";
    let (name, weight) = value.rsplit_once('*').ok_or_else(|| bad("weight", value, why))?;
    let server = Server::at(Address::parse(name, Builder::DEFAULT_PORT)?);
    let weight = weight.parse().map_err(|_| bad("weight", value, why))?;
    builder.weigh(&server, weight).ok_or_else(|| bad("weight", value, "the URL has no such server"))
}

/// What the URL leaves open is as the builder has it already.
#[cfg(feature = "tls-own-provider")]
fn encrypted(builder: Builder, options: TlsOptions) -> Result<Builder, ConfigError> {
    let TlsOptions { cert, key, others } = options;
    builder.map_tls(|mut tls| {
        for (name, value) in others {
            tls = tls.with_url_option(&name, &value)?;
        }
        match (cert, key) {
            (Some(cert), Some(key)) => Ok(tls.client_cert_files(cert, key)),
            (Some(cert), None) => Err(bad("tls_cert", &cert, "its key is missing: name it in tls_key")),
            (None, Some(key)) => Err(bad("tls_key", &key, "its certificate is missing: name it in tls_cert")),
            (None, None) => Ok(tls),
        }
    })
}

#[cfg(not(feature = "tls-own-provider"))]
fn encrypted(_: Builder, _: TlsOptions) -> Result<Builder, ConfigError> {
    Err(ConfigError::Unavailable("TLS (rediss://), the feature `tls` of memlink-resp,"))
}

/// An option of TLS without TLS is a mistake that must not go unnoticed.
fn unencrypted(builder: Builder, TlsOptions { cert, key, others }: &TlsOptions) -> Result<Builder, ConfigError> {
    match cert.is_none() && key.is_none() && others.is_empty() {
        true => Ok(builder),
        false => Err(unreadable("with an option of TLS (tls_...) it has to begin with rediss:// or valkeys://")),
    }
}

/// User, and password where there is one.
type SignIn = (String, Option<String>);

/// `[user[:password]@]host[:port][,...][/database]`
fn of_servers(builder: Builder, place: &str) -> Result<(Builder, Option<SignIn>), ConfigError> {
    let (place, database) = place.split_once('/').unwrap_or((place, ""));
    let (sign_in, servers) = match place.rsplit_once('@') {
        None => (None, place),
        Some((sign_in, servers)) => {
            let (user, password) = sign_in.split_once(':').map_or((sign_in, None), |(user, word)| (user, Some(word)));
            (Some((decoded(user)?, password.map(decoded).transpose()?)), servers)
        }
    };
    // Said without what it is: behind a host and a colon it may be the end of a password.
    let number_of =
        |text: &str| text.parse().map_err(|_| unreadable("a database is a number, as in redis://cache-1/3"));
    let mut builder = if database.is_empty() { builder } else { builder.database(number_of(database)?) };
    for server in servers.split(',') {
        builder = builder.server(Server::at(Address::parse(server, Builder::DEFAULT_PORT)?));
    }
    Ok((builder, sign_in))
}

fn version(text: &str) -> Result<Version, ConfigError> {
    match text {
        "2" => Ok(Version::Resp2),
        "3" => Ok(Version::Resp3),
        _ => Err(bad("protocol", text, "it is 2 or 3")),
    }
}

fn number<N: std::str::FromStr>(name: &'static str, text: &str) -> Result<N, ConfigError> {
    text.parse().map_err(|_| bad(name, text, "it is a number"))
}

fn bad(name: &'static str, value: &str, why: &'static str) -> ConfigError {
    // Whoever has put a key where its path belongs must not find it in a log.
    let value = if value.contains("-----") { "(the text of a key or certificate)" } else { value };
    ConfigError::BadOption { name, value: value.to_owned(), why }
}

fn unreadable(why: &str) -> ConfigError {
    ConfigError::Url(why.to_owned())
}

/// With `%41` as `A`.
fn decoded(text: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let code = behind.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.ok_or_else(|| unreadable("a % stands before two hexadecimal digits"))?);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        read(Builder::default(), url).map_or_else(|error| format!("error: {error}"), |builder| format!("{builder:?}"))
    }

    #[test]
    fn everything_a_url_can_say_is_read() {
        let all = shown("redis://ada:l%40ve@cache-1,cache-2:6380,[::1]/3?name=web&protocol=2&timeout_ms=5");
        for part in ["cache-1:6379", "cache-2:6380", "[::1]:6379", "\"ada\"", "database: 3", "\"web\"", "Resp2", "5ms"]
        {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(!all.contains("l@ve") && !all.contains("l%40ve"), "{all}");
        let unix = shown("redis+unix:///run/a%20b.sock?db=1&password=x");
        assert!(
            unix.contains("/run/a b.sock") && unix.contains("database: 1") && unix.contains("Credentials"),
            "{unix}"
        );
        assert!(shown("valkey://:secret@h").contains("Credentials { user: None"));
        assert_eq!(shown("REDIS://cache-1/1"), shown("redis://cache-1/1"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_without_the_password() {
        for url in [
            "",
            "cache-1",
            "memcache://a",
            "rediss://",
            "redis://a?tls_ca=/ca.pem",
            "redis+unix:///a?tls_name=a",
            "rediss://a?tls_cert=/a.pem",
            "rediss://a?tls_key=/a.pem",
            "redis://",
            "redis://a:0",
            "redis://a/x",
            "redis://a?db=x",
            "redis://a?protocol=4",
            "redis://a?colour=red",
            "redis://ada@a",
            "redis://a:%zz@b",
            "redis://:secret%+4@b",
            "redis://a,b?when_down=next",
            "redis+unix://",
            "redis+unix://run/redis.sock",
            "redis://:secret@a:b:c",
        ] {
            let shown = shown(url);
            assert!(shown.starts_with("error: ") && !shown.contains("secret"), "{url}: {shown}");
        }
    }

    #[test]
    fn a_password_that_is_not_encoded_stands_in_no_error() {
        for url in [
            "redis://ada:secret",
            "redis://ada:secret%40host",
            "redis://ada:top:secret",
            "redis://host,ada:secret%40host",
            "rediss://ada:secret%40host:6379/1",
            "redis://ada:1234?secret%40host",
            "redis://ada:1234/secret%40host",
            "redis://ada:top/secret@host",
            "redis://ada:secret/top@host",
            "redis://:top?secret@host",
            "redis://:secret?top@host",
            "redis://:secret?top@host/3?name=web",
            "redis://:secret/1?top@host",
            "redis://:top@secret@host",
            "redis://:top,secret@host",
            "redis://u1:secret@h1,u2:secret@h2",
            "redis://h1,u2:secret@h2",
            "redis://h1/u2:secret@h2",
            "redis://host?password=top@secret",
            "redis://host?password=top&secret",
            "redis://host?password=top&secret=1",
            "redis://:top@host?secret=1&colour=red",
            "redis://:secret@host?password=secret",
            "redis://host?password=secret&password=secret",
            "redis+unix://:secret@/run/a.sock",
            "redis+unix://ada:top/secret@/run/a.sock",
            "redis+unix:///run/a.sock?secret@",
            "ada:secret://top@host",
        ] {
            let shown = shown(url);
            assert!(
                shown.starts_with("error: ") && !shown.contains("secret") && !shown.contains("top"),
                "{url}: {shown}"
            );
        }
        assert!(shown("redis://host?password=top&tls_secret=1").starts_with("error: "));
        assert!(!shown("rediss://host?password=top&tls_secret=1").contains("secret"));
        assert!(shown("redis://ada:%2F%3F%40%2C@host").contains("\"host:6379\""));
        assert!(shown("redis+unix:///run/redis@main.sock").contains("/run/redis@main.sock"));
    }

    /// All that a memcached's URL says of connections.
    #[test]
    fn options_of_memlink_are_options_here() {
        let url = "redis://a,b:1?when_full=fail&connections=3&dial_timeout_ms=7&backoff_max_ms=9&stall_timeout_ms=11\
             &value_bytes_max=13&nodelay=off&keepalive_ms=15&user_timeout_ms=17&send_buffer_bytes=19\
             &receive_buffer_bytes=23&local_address=::1&weight=a*3&weight=b:1*0";
        let found = shown(url);
        for part in [
            "wait_when_full: false",
            "connections_per_server: 3",
            "dial_timeout: 7ms",
            "backoff: (9ms, 9ms)",
            "stall_timeout: 11ms",
            "value_len_max: 13",
            "nodelay: false",
            "15ms",
            "17ms",
            "Some(19)",
            "Some(23)",
            "Some(::1)",
            "weight: 3",
            "weight: 0",
        ] {
            assert!(found.contains(part), "{part}: {found}");
        }
        for (option, part) in [
            ("connections=0", "connections"),
            ("when_full=maybe", "wait or fail"),
            ("weight=c*2", "no such server"),
            ("weight=a", "cache-1:6379*2"),
            ("opaque=on", "unknown"),
            ("version=1.6", "unknown"),
            ("colour=red", "db, name, protocol"),
            ("colour=red", "dial_timeout_ms"),
        ] {
            let found = shown(&format!("redis://a?{option}"));
            assert!(found.starts_with("error: ") && found.contains(part), "{option}: {found}");
        }
    }

    #[test]
    fn an_option_is_given_once() {
        for options in [
            "db=1&db=1",
            "name=a&name=b",
            "protocol=2&protocol=3",
            "timeout_ms=1&timeout_ms=2",
            "user=a&user=b&password=c",
            "password=a&password=b",
        ] {
            let shown = shown(&format!("redis://host?{options}"));
            assert!(shown.contains("twice"), "{options}: {shown}");
        }
        for url in ["redis://host/1?db=2", "redis://ada:a@host?user=b", "redis://:a@host?password=b"] {
            let shown = shown(url);
            assert!(shown.contains("twice"), "{url}: {shown}");
        }
        assert!(shown("redis://ada@host?password=b").contains("\"ada\""));
    }

    #[test]
    fn no_milliseconds_are_no_timeout() {
        let timeout = |url: &str| format!("{:?}", read(Builder::default(), url).unwrap());
        assert!(timeout("redis://a?timeout_ms=0").contains(" timeout: None"));
        assert!(timeout("redis://a?timeout_ms=5").contains(" timeout: Some(5ms)"));
        assert!(shown("redis://a?timeout_ms=18446744073709551615").starts_with("error: "));
    }

    #[cfg(feature = "tls-own-provider")]
    #[test]
    fn what_a_url_says_of_tls_is_read_and_never_lost() {
        let url = "rediss://a:6380/1?tls_ca=/a.pem&tls_ca=/b.pem&tls_name=cache&tls_cert=/c.pem&tls_key=/d.pem";
        let all = shown(url);
        for part in ["/a.pem", "/b.pem", "\"cache\"", "/c.pem", "a:6380", "database: 1"] {
            assert!(all.contains(part), "{part}: {all}");
        }
        let digest = "ab".repeat(32);
        let shown_pin =
            shown(&format!("rediss://a?tls_pin=cert-sha256:{digest}&tls_trust=pins&tls_version=1.3&tls_alpn=x"));
        assert!(shown_pin.contains("Certificate([171, "), "{shown_pin}");
        assert!(shown("rediss://a?tls_version=1.1").contains("1.2, 1.3"));
        assert!(shown("rediss://a?tls_verify=off").contains("unknown"));
        assert!(shown("valkeys://a").contains("tls: Some"));
        assert!(shown("redis://a").contains("tls: None"));
        // What was said in code is kept where the URL says nothing, and other settings do not take it away.
        let mine = Builder::default().tls(memlink::Tls::new().ca_file("/mine.pem"));
        let builder = read(mine, "rediss://a?tls_name=cache").unwrap().settings(memlink::Settings::default());
        let shown = format!("{builder:?}");
        assert!(shown.contains("/mine.pem") && shown.contains("\"cache\""), "{shown}");
    }

    /// Settings may bring TLS with them: in front of a URL or behind it, and other settings behind that.
    #[cfg(feature = "tls-own-provider")]
    #[test]
    fn tls_that_came_with_settings_stays() {
        use memlink::{Settings, Tls, TlsPin};
        let pinned = || Settings::default().tls(Tls::new().ca_file("/mine.pem").pin(TlsPin::Key([7; 32])));
        let url = "rediss://127.0.0.1";
        let of = |builder: Builder, url: &str| read(builder, url).unwrap();
        for (what, builder) in [
            ("settings, URL", of(Builder::default().settings(pinned()), url)),
            ("settings, plain URL", of(Builder::default().settings(pinned()), "redis://127.0.0.1")),
            ("URL, settings", of(Builder::default(), url).settings(pinned())),
            ("URL, TLS, settings", of(Builder::default(), url).tls(Tls::new()).settings(pinned())),
            ("settings twice", of(Builder::default().settings(pinned()).settings(Settings::default()), url)),
            ("settings behind", of(Builder::default().settings(pinned()), url).settings(Settings::default())),
        ] {
            let shown = format!("{builder:?}");
            let shown = shown.split("servers: ").next().expect("TLS stands in front of them");
            assert!(shown.contains("/mine.pem") && shown.contains("Key([7"), "{what}: {shown}");
            let error = builder.build().map(|_| ()).expect_err(what).to_string();
            assert!(error.contains("/mine.pem"), "{what}: {error}");
        }
    }

    #[cfg(feature = "tls-own-provider")]
    #[test]
    fn a_key_that_stands_where_its_path_belongs_is_in_no_error() {
        let key = "-----BEGIN%20PRIVATE%20KEY-----%0AsecretSECRET==%0A-----END%20PRIVATE%20KEY-----%0A";
        for options in [format!("tls_key={key}"), format!("tls_cert={key}"), format!("tls_key={key}&tls_key={key}")] {
            let shown = shown(&format!("rediss://a?{options}"));
            assert!(shown.starts_with("error: ") && !shown.contains("secret"), "{shown}");
        }
        let builder = read(Builder::default(), &format!("rediss://a?tls_cert=/a.pem&tls_key={key}")).unwrap();
        assert!(!format!("{builder:?}").contains("secret"));
        let error = builder.build().map(|_| ()).expect_err("it is no path").to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[cfg(not(feature = "tls-own-provider"))]
    #[test]
    fn tls_that_is_not_built_in_is_said_to_be_missing() {
        for url in ["rediss://a", "valkeys://a", "rediss://:secret@a?tls_ca=/ca.pem"] {
            let shown = shown(url);
            assert!(shown.starts_with("error: ") && shown.contains("`tls`") && !shown.contains("secret"), "{shown}");
        }
    }
}
