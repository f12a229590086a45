//! What a URL says of routing as another client does it. An option of a scheme without a scheme is a mistake that must not go
//! unnoticed.

use memlink_ring::schemes::{KeyPart, Scheme, Server};

use super::{Parsed, Set, bad, choice, number};
use crate::config::ConfigError;

/// What was said so far.
#[derive(Debug, Default)]
pub(super) struct Part {
    scheme: Option<Scheme>,
    changes: Vec<(&'static str, Change)>,
}

/// An option, to be applied when the scheme is known.
#[derive(Debug)]
enum Change {
    Part(KeyPart),
    Skipped(String),
    SortHosts(bool),
    Seed(String),
    Salt(String),
    WeightOfOne(u32),
}

/// As the others: each once.
pub(super) const OPTIONS: &[(&str, Set)] = &[
    ("scheme", |parsed, value| {
        let why = "it is the name of a scheme, such as ketama, twemproxy_ketama_fnv1a_64 or dalli: see docs/routing.md";
        parsed.scheme.scheme = Some(value.parse().map_err(|_| bad("scheme", value, why))?);
        Ok(())
    }),
    ("hash_part", |parsed, value| {
        let why = "it is whole, mcrouter, tag:{}, tag_or_empty:{}, stop:TEXT or partial:TEXT";
        let part = key_part(value).ok_or_else(|| bad("hash_part", value, why))?;
        parsed.change("hash_part", Change::Part(part))
    }),
    ("hash_skips_prefix", |parsed, value| parsed.change("hash_skips_prefix", Change::Skipped(value.to_owned()))),
    ("hash_sort_hosts", |parsed, value| {
        let on = choice("hash_sort_hosts", value, &[("on", true), ("off", false)], "it is on or off")?;
        parsed.change("hash_sort_hosts", Change::SortHosts(on))
    }),
    ("hash_seed", |parsed, value| parsed.change("hash_seed", Change::Seed(value.to_owned()))),
    ("hash_salt", |parsed, value| parsed.change("hash_salt", Change::Salt(value.to_owned()))),
    ("hash_weight_of_one", |parsed, value| {
        let weight = number("hash_weight_of_one", value, 1)?;
        parsed.change("hash_weight_of_one", Change::WeightOfOne(u32::try_from(weight).unwrap_or(u32::MAX)))
    }),
];

fn key_part(text: &str) -> Option<KeyPart> {
    let braces = |text: &str| match text.as_bytes() {
        [open, close] => Some((*open, *close)),
        _ => None,
    };
    let text_of = |text: &str| (!text.is_empty()).then(|| text.as_bytes().into());
    match text.split_once(':') {
        None if text == "whole" => Some(KeyPart::Whole),
        None if text == "mcrouter" => Some(KeyPart::Mcrouter),
        Some(("tag", text)) => braces(text).map(|(open, close)| KeyPart::Tag { open, close }),
        Some(("tag_or_empty", text)) => braces(text).map(|(open, close)| KeyPart::TagOrEmpty { open, close }),
        Some(("stop", text)) => text_of(text).map(KeyPart::Stop),
        Some(("partial", text)) => text_of(text).map(KeyPart::Partial),
        _ => None,
    }
}

impl Parsed {
    fn change(&mut self, option: &'static str, change: Change) -> Result<(), ConfigError> {
        self.scheme.changes.push((option, change));
        Ok(())
    }
}

/// The scheme with its options, once all of the URL was read.
pub(super) fn finish(part: Part) -> Result<Option<Scheme>, ConfigError> {
    let Some(mut scheme) = part.scheme else {
        return match part.changes.first() {
            Some((option, _)) => {
                Err(bad(option, "", "it is for schemes of other clients: name one, as in scheme=ketama"))
            }
            None => Ok(None),
        };
    };
    // Told here, because the servers may be found much later.
    let example = Server::new("10.0.0.1", 11211).ok();
    for (option, change) in part.changes {
        scheme = match change {
            Change::Part(part) => scheme.hashed_part(part),
            Change::Skipped(prefix) => scheme.prefix_skipped(prefix),
            Change::SortHosts(true) => scheme.sort_hosts(),
            Change::SortHosts(false) => scheme,
            Change::Seed(seed) => scheme.seed(seed),
            Change::Salt(salt) => scheme.salt(salt),
            Change::WeightOfOne(weight) => scheme.weight_of_one(weight),
        };
        if example.as_ref().is_some_and(|server| scheme.ring(std::slice::from_ref(server)).is_err()) {
            return Err(bad(option, "", "the scheme has no such option"));
        }
    }
    Ok(Some(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_url;

    #[test]
    fn a_scheme_is_read_with_its_options_in_any_order() {
        let scheme = |url: &str| parse_url(url).unwrap().routing.unwrap();
        assert_eq!(scheme("memcache://a?scheme=ketama"), Scheme::ketama());
        let braces = KeyPart::Tag { open: b'{', close: b'}' };
        let wanted: Scheme = "twemproxy_ketama_fnv1a_64".parse().unwrap();
        let url = "memcache://a?hash_part=tag:%7B%7D&scheme=twemproxy_ketama_fnv1a_64&hash_skips_prefix=app:";
        assert_eq!(scheme(url), wanted.hashed_part(braces).prefix_skipped("app:"));
        let sorted = "memcache://a?scheme=ketama&hash_sort_hosts=on";
        assert_eq!(scheme(sorted), Scheme::ketama().sort_hosts());
        for (value, part) in [
            ("whole", KeyPart::Whole),
            ("mcrouter", KeyPart::Mcrouter),
            ("tag_or_empty:<>", KeyPart::TagOrEmpty { open: b'<', close: b'>' }),
            ("stop:|", KeyPart::Stop(b"|".as_slice().into())),
            ("partial:::", KeyPart::Partial(b"::".as_slice().into())),
        ] {
            assert_eq!(key_part(value), Some(part), "{value}");
        }
        assert_eq!(parse_url("memcache://a").unwrap().routing, None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("memcache://a?scheme=crush", "docs/routing.md"),
            ("memcache://a?hash_part=whole", "scheme=ketama"),
            ("memcache://a?scheme=ketama&hash_part=half", "tag:{}"),
            ("memcache://a?scheme=ketama&hash_part=tag:x", "tag:{}"),
            ("memcache://a?scheme=dalli&hash_seed=x", "no such option"),
            ("memcache://a?scheme=dalli&hash_sort_hosts=on", "no such option"),
            ("memcache://a?scheme=ketama&hash_salt=x", "no such option"),
            ("memcache://a?scheme=ketama&hash_weight_of_one=0", "from 1"),
            ("memcache://a?scheme=ketama&hash_sort_hosts=maybe", "on or off"),
        ] {
            let error = parse_url(url).map(|_| ()).expect_err(url).to_string();
            assert!(error.contains(part), "{url}: {error}");
        }
    }
}
