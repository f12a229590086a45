//! What a URL says.

use std::time::Duration;

use memlink::{Address, ConfigError, Server};

use crate::{Builder, Credentials, Version};

const OPTIONS: &str = "db, name, protocol, user, password, timeout_ms, tls_ca, tls_name, tls_cert, tls_key";

/// What it says of TLS, whether that is built in or not.
#[derive(Default)]
struct TlsOptions {
    ca_files: Vec<String>,
    name: Option<String>,
    cert: Option<String>,
    key: Option<String>,
}

pub(crate) fn read(builder: Builder, url: &str) -> Result<Builder, ConfigError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| unreadable("it has no ://"))?;
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let is_encrypted = matches!(scheme, "rediss" | "valkeys");
    let (mut builder, user) = match scheme {
        "redis" | "valkey" | "rediss" | "valkeys" => of_servers(builder, place)?,
        "redis+unix" | "valkey+unix" => {
            let path = decoded(place)?;
            if path.is_empty() {
                return Err(unreadable("it has no path"));
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
    let mut tls = TlsOptions::default();
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let value = decoded(value)?;
        builder = match name {
            "db" => builder.database(number("db", &value)?),
            "name" => builder.name(value),
            "protocol" => builder.version(version(&value)?),
            "timeout_ms" => {
                let timeout = Duration::from_millis(number("timeout_ms", &value)?);
                builder.map_settings(|settings| settings.timeout(timeout))
            }
            "user" => {
                user = value;
                builder
            }
            "password" => {
                password = Some(value);
                builder
            }
            "tls_ca" => {
                tls.ca_files.push(value);
                builder
            }
            "tls_name" => {
                tls.name = Some(value);
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
            name => return Err(ConfigError::UnknownOption { name: name.to_owned(), known: OPTIONS.to_owned() }),
        };
    }
    let builder = match is_encrypted {
        true => encrypted(builder, tls)?,
        false => unencrypted(builder, &tls)?,
    };
    match password {
        Some(password) if user.is_empty() => Ok(builder.credentials(Credentials::with_password(password))),
        Some(password) => Ok(builder.credentials(Credentials::new(user, password))),
        None if user.is_empty() => Ok(builder),
        None => Err(unreadable("it has a user and no password")),
    }
}

/// What the URL leaves open is as the builder has it already.
#[cfg(feature = "tls-own-provider")]
fn encrypted(builder: Builder, options: TlsOptions) -> Result<Builder, ConfigError> {
    let TlsOptions { ca_files, name, cert, key } = options;
    builder.map_tls(|mut tls| {
        for file in ca_files {
            tls = tls.ca_file(file);
        }
        if let Some(name) = name {
            tls = tls.name(name);
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
fn unencrypted(
    builder: Builder,
    TlsOptions { ca_files, name, cert, key }: &TlsOptions,
) -> Result<Builder, ConfigError> {
    let options = [
        ("tls_ca", !ca_files.is_empty()),
        ("tls_name", name.is_some()),
        ("tls_cert", cert.is_some()),
        ("tls_key", key.is_some()),
    ];
    match options.into_iter().find(|(_, is_set)| *is_set) {
        Some((name, _)) => Err(bad(name, "", "the URL has to begin with rediss:// (TLS)")),
        None => Ok(builder),
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
    let mut builder = if database.is_empty() { builder } else { builder.database(number("db", database)?) };
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
        let code = behind.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
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
            "redis+unix://",
            "redis://:secret@a:b:c",
        ] {
            let shown = shown(url);
            assert!(shown.starts_with("error: ") && !shown.contains("secret"), "{url}: {shown}");
        }
    }

    #[cfg(feature = "tls-own-provider")]
    #[test]
    fn what_a_url_says_of_tls_is_read_and_never_lost() {
        let url = "rediss://a:6380/1?tls_ca=/a.pem&tls_ca=/b.pem&tls_name=cache&tls_cert=/c.pem&tls_key=/d.pem";
        let all = shown(url);
        for part in ["/a.pem", "/b.pem", "\"cache\"", "/c.pem", "a:6380", "database: 1"] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(shown("valkeys://a").contains("tls: Some"));
        assert!(shown("redis://a").contains("tls: None"));
        // What was said in code is kept where the URL says nothing, and other settings do not take it away.
        let mine = Builder::default().tls(memlink::Tls::new().ca_file("/mine.pem"));
        let builder = read(mine, "rediss://a?tls_name=cache").unwrap().settings(memlink::Settings::default());
        let shown = format!("{builder:?}");
        assert!(shown.contains("/mine.pem") && shown.contains("\"cache\""), "{shown}");
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
