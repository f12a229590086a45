//! What a URL says.

use std::time::Duration;

use memlink::{Address, ConfigError, Server};

use crate::{Builder, Credentials, Version};

const OPTIONS: &str = "db, name, protocol, user, password, timeout_ms";

pub(crate) fn read(builder: Builder, url: &str) -> Result<Builder, ConfigError> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| unreadable("it has no ://"))?;
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut builder, user) = match scheme {
        "redis" | "valkey" => of_servers(builder, place)?,
        "redis+unix" | "valkey+unix" => {
            let path = decoded(place)?;
            if path.is_empty() {
                return Err(unreadable("it has no path"));
            }
            (builder.server(Server::unix(path)), None)
        }
        "rediss" | "valkeys" => return Err(ConfigError::Unavailable("TLS by URL: set it on the builder's settings")),
        other => return Err(unreadable(&format!("the scheme {other:?} is none of redis, valkey, redis+unix"))),
    };
    let (mut user, mut password) = user.unwrap_or_default();
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
            name => return Err(ConfigError::UnknownOption { name: name.to_owned(), known: OPTIONS.to_owned() }),
        };
    }
    match password {
        Some(password) if user.is_empty() => Ok(builder.credentials(Credentials::with_password(password))),
        Some(password) => Ok(builder.credentials(Credentials::new(user, password))),
        None if user.is_empty() => Ok(builder),
        None => Err(unreadable("it has a user and no password")),
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
            "rediss://a",
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
}
