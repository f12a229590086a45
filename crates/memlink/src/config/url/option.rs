//! Options of a URL one by one, for protocols that have a URL of their own.

#[cfg(feature = "tls-own-provider")]
use super::tls;
use super::{OPTIONS, Parsed, Set, unknown};
use crate::config::{ConfigError, Settings};
#[cfg(feature = "tls-own-provider")]
use crate::transport::Tls;

/// Options that say something of memcached or of a server, and nothing of settings.
const NOT_OF_SETTINGS: &[&str] = &["weight", "discovery_interval_ms", "opaque", "version"];

/// Options that belong together: [`Tls::client_cert_files`] takes both.
#[cfg(feature = "tls-own-provider")]
const PAIR: &[&str] = &["tls_cert", "tls_key"];

impl Settings {
    /// Takes one option of a URL by its name, as [`Builder::url`](crate::Builder::url) spells it: for a protocol that has a URL of its
    /// own. Those of TLS are options of [`Tls`](crate::Tls::with_url_option).
    ///
    /// ```
    /// use memlink::Settings;
    ///
    /// let settings = Settings::default().with_url_option("connections", "4")?.with_url_option("dial_timeout_ms", "250")?;
    /// assert!(Settings::default().with_url_option("conections", "4").is_err());
    /// # Ok::<(), memlink::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When there is no such option, or its value cannot be used.
    pub fn with_url_option(self, name: &str, value: &str) -> Result<Settings, ConfigError> {
        let options = OPTIONS.iter().filter(|(known, _)| !NOT_OF_SETTINGS.contains(known));
        let mut parsed = Parsed::of(self);
        apply(options, &mut parsed, name, value)?;
        Ok(parsed.settings)
    }
}

#[cfg(feature = "tls-own-provider")]
impl Tls {
    /// Takes one option of a URL by its name, as [`Builder::url`](crate::Builder::url) spells it: for a protocol that has a URL of its
    /// own. `tls_cert` and `tls_key` belong together: [`client_cert_files`](Tls::client_cert_files) takes both.
    ///
    /// # Errors
    ///
    /// When there is no such option, or its value cannot be used.
    pub fn with_url_option(self, name: &str, value: &str) -> Result<Tls, ConfigError> {
        let options = tls::OPTIONS.iter().filter(|(known, _)| !PAIR.contains(known));
        let mut parsed = Parsed { tls: tls::Part::of(self), ..Parsed::of(Settings::default()) };
        apply(options, &mut parsed, name, value)?;
        Ok(parsed.tls.into_tls())
    }
}

fn apply<'a>(
    options: impl Iterator<Item = &'a (&'static str, Set)> + Clone,
    parsed: &mut Parsed,
    name: &str,
    value: &str,
) -> Result<(), ConfigError> {
    match options.clone().find(|(known, _)| *known == name) {
        Some((_, set)) => set(parsed, value),
        None => {
            let known: Vec<_> = options.map(|(known, _)| *known).collect();
            Err(unknown(name, known.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_option_is_taken_as_in_a_url() {
        let settings = Settings::default().with_url_option("connections", "4").unwrap();
        let settings = settings.with_url_option("keepalive_ms", "0").unwrap();
        let url = crate::config::parse_url("memcache://a?connections=4&keepalive_ms=0").unwrap();
        assert_eq!(format!("{settings:?}"), format!("{:?}", url.settings));
        for (name, value) in
            [("connections", "0"), ("weight", "a*2"), ("opaque", "on"), ("version", "1.6"), ("tls_ca", "a")]
        {
            let error = Settings::default().with_url_option(name, value).map(|_| ()).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[cfg(feature = "tls-own-provider")]
    #[test]
    fn one_option_of_tls_is_taken_as_in_a_url() {
        let tls = Tls::new().with_url_option("tls_ca", "/a.pem").unwrap().with_url_option("tls_name", "cache").unwrap();
        let url = crate::config::parse_url("memcaches://a?tls_ca=/a.pem&tls_name=cache").unwrap();
        assert_eq!(format!("{:?}", Settings::default().tls(tls)), format!("{:?}", url.settings));
        for (name, value) in [("tls_version", "1.1"), ("tls_key", "/a.pem"), ("connections", "1")] {
            let error = Tls::new().with_url_option(name, value).map(|_| ()).expect_err(name).to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
