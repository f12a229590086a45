//! What a URL says of TLS. An option of TLS without TLS is a mistake that must not go unnoticed.

use super::{Parsed, Set, bad, choice};
use crate::config::ConfigError;
use crate::transport::{Tls, TlsPin, TlsVersion};

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Part {
    tls: Tls,
    cert: Option<String>,
    key: Option<String>,
    /// The first option that was seen.
    option: Option<&'static str>,
}

/// As the others: each once.
pub(super) const OPTIONS: &[(&str, Set)] = &[
    ("tls_ca", |parsed, value| parsed.tls.change("tls_ca", |tls| tls.ca_file(value))),
    ("tls_name", |parsed, value| parsed.tls.change("tls_name", |tls| tls.name(value))),
    ("tls_pin", |parsed, value| {
        let pin: TlsPin = value.parse()?;
        parsed.tls.change("tls_pin", |tls| tls.pin(pin))
    }),
    ("tls_trust", |parsed, value| {
        let choices = [("authorities", false), ("pins", true)];
        let alone = choice("tls_trust", value, &choices, "it is authorities or pins")?;
        parsed.tls.change("tls_trust", |tls| if alone { tls.trust_pins_alone() } else { tls })
    }),
    ("tls_cert", |parsed, value| {
        parsed.tls.cert = Some(value.to_owned());
        parsed.tls.change("tls_cert", |tls| tls)
    }),
    ("tls_key", |parsed, value| {
        parsed.tls.key = Some(value.to_owned());
        parsed.tls.change("tls_key", |tls| tls)
    }),
    ("tls_version", |parsed, value| {
        let choices = [
            ("1.2", (TlsVersion::V1_2, TlsVersion::V1_2)),
            ("1.2-1.3", (TlsVersion::V1_2, TlsVersion::V1_3)),
            ("1.3", (TlsVersion::V1_3, TlsVersion::V1_3)),
        ];
        let (oldest, newest) = choice("tls_version", value, &choices, "it is 1.2, 1.3 or 1.2-1.3")?;
        parsed.tls.change("tls_version", |tls| tls.versions(oldest, newest))
    }),
    ("tls_alpn", |parsed, value| parsed.tls.change("tls_alpn", |tls| tls.alpn(value.split(',')))),
];

impl Part {
    pub(super) fn of(tls: Tls) -> Part {
        Part { tls, ..Part::default() }
    }

    pub(super) fn into_tls(self) -> Tls {
        self.tls
    }

    fn change(&mut self, option: &'static str, change: impl FnOnce(Tls) -> Tls) -> Result<(), ConfigError> {
        self.option.get_or_insert(option);
        self.tls = change(std::mem::take(&mut self.tls));
        Ok(())
    }
}

/// Puts it into the settings, once all of the URL was read.
pub(super) fn finish(parsed: &mut Parsed, is_encrypted: bool) -> Result<(), ConfigError> {
    let Part { tls, cert, key, option } = std::mem::take(&mut parsed.tls);
    let tls = match (is_encrypted, option, cert, key) {
        (false, None, ..) => return Ok(()),
        (false, Some(name), ..) => return Err(bad(name, "", "the URL has to begin with memcaches:// (TLS)")),
        (true, _, Some(cert), Some(key)) => tls.client_cert_files(cert, key),
        (true, _, None, None) => tls,
        (true, _, Some(cert), None) => return Err(bad("tls_cert", &cert, "its key is missing: name it in tls_key")),
        (true, _, None, Some(key)) => {
            return Err(bad("tls_key", &key, "its certificate is missing: name it in tls_cert"));
        }
    };
    parsed.set(|settings| settings.tls(tls))
}

#[cfg(test)]
mod tests {
    use crate::config::parse_url;

    #[test]
    fn options_of_tls_are_read() {
        let digest = "ab".repeat(32);
        let url = format!(
            "memcaches://10.0.0.1?tls_ca=/a.pem&tls_ca=/b.pem&tls_name=cache&tls_pin=cert-sha256:{digest}&tls_cert=/c.pem\
             &tls_key=/d.pem&tls_version=1.3&tls_alpn=x,y&tls_trust=authorities"
        );
        let shown = format!("{:?}", parse_url(&url).unwrap().settings);
        for part in ["/a.pem", "/b.pem", "\"cache\"", "Certificate([171, ", "/c.pem"] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(format!("{:?}", parse_url("memcaches://a").unwrap().settings).contains("tls: Some"));
        assert!(format!("{:?}", parse_url("memcache://a").unwrap().settings).contains("tls: None"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("memcache://a?tls_ca=/a.pem", "memcaches://"),
            ("memcache+unix:///a?tls_ca=/a.pem", "memcaches://"),
            ("memcaches://a?tls_cert=/a.pem", "tls_key"),
            ("memcaches://a?tls_key=/a.pem", "tls_cert"),
            ("memcaches://a?tls_pin=ab", "cert-sha256:"),
            ("memcaches://a?tls_version=1.1", "1.2, 1.3"),
            ("memcaches://a?tls_trust=all", "authorities or pins"),
            ("memcaches://a?tls_verify=off", "unknown"),
        ] {
            let error = parse_url(url).map(|_| ()).expect_err(url).to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }

    #[test]
    fn a_key_that_stands_where_its_path_belongs_is_in_no_error() {
        let key = "-----BEGIN%20PRIVATE%20KEY-----%0AsecretSECRET==%0A-----END%20PRIVATE%20KEY-----%0A";
        for options in [
            format!("tls_key={key}"),
            format!("tls_cert={key}"),
            format!("tls_cert={key}&tls_cert={key}"),
            format!("tls_pin={key}"),
            format!("tls_name={key}"),
            format!("tls_version={key}"),
            format!("tls_ca={key}"),
            format!("tls_cert=/a.pem&tls_key={key}"),
            format!("tls_cert={key}&tls_key=/a.pem"),
        ] {
            let parsed = parse_url(&format!("memcaches://a?{options}"));
            if let Ok(parsed) = &parsed {
                assert!(!format!("{:?}", parsed.settings).contains("secret"), "{options}");
            }
            let error = parsed.and_then(|parsed| parsed.settings.check()).expect_err(&options);
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
    }
}
