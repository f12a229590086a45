//! Lists, options and names that make no ring, and the corners of those that do.

use memlink_ring::schemes::{
    Hash, KeyPart, Scheme, SchemeError, SchemeRing, Server, ServerError, SpyFormat, UnknownScheme,
};

use super::{all_schemes, golden_keys};

fn servers(texts: &[&str]) -> Vec<Server> {
    texts.iter().map(|text| Server::parse(text).expect("a good server")).collect()
}

#[track_caller]
fn refused(scheme: Scheme, texts: &[&str], error: SchemeError) {
    assert_eq!(scheme.ring(&servers(texts)).err(), Some(error), "{scheme} {texts:?}");
}

#[test]
fn bad_lists_are_refused_by_every_scheme() {
    let twins = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1:11211"];
    let endless: Vec<Server> =
        (0..=SchemeRing::SERVERS_MAX).map(|number| Server::new(format!("a{number}"), 1).unwrap()).collect();
    for scheme in all_schemes() {
        refused(scheme.clone(), &[], SchemeError::NoServers);
        refused(scheme.clone(), &twins, SchemeError::DuplicateServer { first: 0, second: 3 });
        assert_eq!(scheme.ring(&endless).err(), Some(SchemeError::TooManyServers), "{scheme}");
    }
}

#[test]
fn weights_that_the_original_has_not_are_refused() {
    let heavy = ["10.0.0.1", "10.0.0.2:11211:2"];
    let zero = ["10.0.0.1", "10.0.0.2:11211:0"];
    let zeros = ["10.0.0.1:11211:0", "10.0.0.2:11211:0"];
    for name in
        ["libmemcached_modula_default", "memcached_proxy_jump", "folsom_ketama", "mcrouter_ch3", "evcache_ketama"]
    {
        refused(name.parse().unwrap(), &heavy, SchemeError::WeightUnsupported { server: 1 });
        refused(name.parse().unwrap(), &zero, SchemeError::WeightUnsupported { server: 1 });
    }
    for name in ["ketama", "twemproxy_modula_md5", "php_memcache_consistent_crc32"] {
        refused(name.parse().unwrap(), &zero, SchemeError::ZeroWeight { server: 1 });
    }
    for name in ["dalli", "gomemcache", "python_memcached", "uhashring_default", "mcrouter_weighted_ch3"] {
        refused(name.parse().unwrap(), &zeros, SchemeError::NoWeight);
        let ring = name.parse::<Scheme>().unwrap().ring(&servers(&zero)).unwrap();
        assert!(golden_keys().iter().all(|key| ring.route(key) == 0), "{name}");
    }
    refused(Scheme::mcrouter_weighted_ch3().weight_of_one(1), &heavy, SchemeError::WeightTooLarge { server: 1 });
}

#[test]
fn a_weight_buys_no_more_memory_than_the_bound() {
    let of_families = ["default", "crc32", "weighted", "uhashring", "dalli", "gomemcache", "python", "modula"];
    let schemes =
        all_schemes().into_iter().filter(|scheme| of_families.iter().any(|word| scheme.name().contains(word)));
    for scheme in schemes {
        for weight in [u32::MAX, u32::MAX / 160 + 1, 1 << 21, 13_108] {
            let text = format!("10.0.0.2:11211:{weight}");
            match scheme.ring(&servers(&["10.0.0.1", &text])) {
                Ok(ring) => assert!(ring.bytes() < SchemeRing::POINTS_MAX * 18 + 1_000),
                Err(error) => {
                    let expected = [SchemeError::TooManyPoints, SchemeError::WeightUnsupported { server: 1 }];
                    assert!(expected.contains(&error), "{scheme}: {error}");
                }
            }
        }
    }
    refused(Scheme::gomemcache(), &["a:1:2097151", "b:1:2"], SchemeError::TooManyPoints);
    assert!(Scheme::gomemcache().ring(&servers(&["a:1:2097151", "b:1:1"])).is_ok());
}

#[test]
fn a_java_ring_needs_addresses() {
    let names = ["10.0.0.1", "cache-2"];
    refused(Scheme::evcache_ketama(), &names, SchemeError::NoAddress { server: 1 });
    refused(Scheme::spymemcached_ketama(SpyFormat::Spymemcached), &names, SchemeError::NoAddress { server: 1 });
    assert!(Scheme::spymemcached_ketama(SpyFormat::Libmemcached).ring(&servers(&names)).is_ok());
}

#[test]
fn options_of_other_schemes_are_refused() {
    let check = |scheme: Scheme, option| refused(scheme, &["a", "b"], SchemeError::OptionUnsupported { option });
    check(Scheme::dalli().sort_hosts(), "sort_hosts");
    check(Scheme::dalli().seed(*b"hello"), "seed");
    check("memcached_proxy_ring_ketama_md5".parse::<Scheme>().unwrap().seed(*b"hello"), "seed");
    check(Scheme::mcrouter_weighted_ch3().salt(*b"salt"), "salt");
    check(Scheme::mcrouter_ch3().weight_of_one(100), "weight_of_one");
}

#[test]
fn errors_read_well() {
    let error = Scheme::ketama().ring(&servers(&["a", "b", "a"])).unwrap_err();
    assert_eq!(error.to_string(), "servers 0 and 2 of the list are the same");
    assert_eq!(Scheme::ketama().seed(*b"").ring(&[]).unwrap_err().to_string(), "the scheme has no option `seed`");
}

#[test]
fn every_name_is_one_schemes_own() {
    let names = Scheme::names();
    for name in &names {
        assert_eq!(&name.parse::<Scheme>().unwrap().name(), name);
        assert_eq!(&name.parse::<Scheme>().unwrap().to_string(), name);
    }
    let aliases = [
        ("ketama", "libmemcached_ketama_weighted_md5"),
        ("php_memcached_libketama_compatible", "libmemcached_ketama_weighted_md5"),
        ("libmemcached_ketama_spy", "libmemcached_ketama_spy_md5"),
        ("php_memcached_default", "libmemcached_modula_default"),
        ("perl_cache_memcached", "python_memcached"),
        ("pior_jump_xxh3", "memcached_proxy_jump"),
    ];
    for (alias, name) in aliases {
        assert_eq!(alias.parse::<Scheme>().unwrap().name(), name);
    }
    for unknown in ["", "Ketama", "ketama ", "libmemcached_modula_crc16", "twemproxy_ketama_murmur3"] {
        assert_eq!(unknown.parse::<Scheme>(), Err(UnknownScheme));
    }
}

#[test]
fn servers_are_read_as_written() {
    let check = |text: &str, host: &str, port, weight, alias: Option<&str>, address: Option<&str>| {
        let server = Server::parse(text).expect(text);
        assert_eq!(
            (server.host(), server.port(), server.weight(), server.alias()),
            (host, port, weight, alias),
            "{text}"
        );
        assert_eq!(server.address().map(|address| address.to_string()).as_deref(), address, "{text}");
    };
    check("cache-1", "cache-1", 11211, 1, None, None);
    check("cache-1:0", "cache-1", 0, 1, None, None);
    check("cache-1:11311:0", "cache-1", 11311, 0, None, None);
    check("10.0.0.1:11211:2 node0", "10.0.0.1", 11211, 2, Some("node0"), Some("10.0.0.1"));
    check("größe:1", "größe", 1, 1, None, None);
    check("cache-1/10.0.0.7:11211:3", "cache-1", 11211, 3, None, Some("10.0.0.7"));
    check("cache-1/[::7]:1", "cache-1", 1, 1, None, Some("::7"));
    check("2001:db8::1", "2001:db8::1", 11211, 1, None, Some("2001:db8::1"));
    check("[2001:db8::1]", "2001:db8::1", 11211, 1, None, Some("2001:db8::1"));
    check("[2001:DB8::1]:11311:4", "2001:DB8::1", 11311, 4, None, Some("2001:db8::1"));

    let bad = |text: &str, error| assert_eq!(Server::parse(text), Err(error), "{text}");
    for text in
        ["", ":11211", "/run/memcached.sock", "[::1", "[::1]x", "[::1]:", "a\tb", "a:", "[a]:1", "a\0b", "::1:x"]
    {
        assert!(Server::parse(text).is_err(), "{text:?}");
    }
    bad("a:port", ServerError::Port);
    bad("a:65536", ServerError::Port);
    bad("a:-1", ServerError::Port);
    bad("a:1:", ServerError::Weight);
    bad("a:1:4294967296", ServerError::Weight);
    bad("a/b:1", ServerError::Address);
    assert_eq!(Server::new("a b", 1), Err(ServerError::Host));
}

/// twemproxy hashes an alias as it stands, so it can have the ring of any client with 40 strings of that name.
#[test]
fn ipv6_is_spelled_as_each_client_does() {
    let ipv6 = servers(&["[2001:db8::1]:11211", "[2001:DB8::2]:11311"]);
    let check = |name: &str, spelled: [&str; 2]| {
        let ring = name.parse::<Scheme>().unwrap().ring(&ipv6).unwrap();
        let twins = spelled.map(|alias| Server::new("twin", 1).unwrap().with_alias(alias));
        let twin_ring = "twemproxy_ketama_md5".parse::<Scheme>().unwrap().ring(&twins).unwrap();
        assert!(golden_keys().iter().all(|key| ring.route(key) == twin_ring.route(key)), "{name}");
    };
    check("ketama", ["2001:db8::1", "2001:DB8::2:11311"]);
    check("memcached_proxy_ring_ketama_md5", ["2001:db8::1:11211", "2001:DB8::2:11311"]);
    check("uhashring_ketama", ["[2001:db8::1]:11211", "[2001:DB8::2]:11311"]);
    check("spymemcached_ketama", ["[2001:db8:0:0:0:0:0:1]:11211", "[2001:db8:0:0:0:0:0:2]:11311"]);
    let evcache = |number| format!("2001:db8:0:0:0:0:0:{number}/2001:db8:0:0:0:0:0:{number}:11211");
    check("evcache_ketama", [&evcache(1), &evcache(2)]);
}

#[test]
fn the_only_server_has_every_key() {
    for scheme in all_schemes() {
        let ring = scheme.ring(&servers(&["10.0.0.1:11311"])).unwrap();
        assert!(golden_keys().iter().all(|key| ring.route(key) == 0));
    }
}

#[test]
fn parts_of_keys() {
    let ten: Vec<Server> = (0..10).map(|number| Server::new(format!("cache-{number}"), 11211).unwrap()).collect();
    let whole = "gomemcache".parse::<Scheme>().unwrap().ring(&ten).unwrap();
    let check = |part: KeyPart, key: &str, hashed: &str| {
        let ring = Scheme::gomemcache().hashed_part(part.clone()).ring(&ten).unwrap();
        assert_eq!(ring.route(key.as_bytes()), whole.route(hashed.as_bytes()), "{part:?} of {key:?}");
    };
    let tag = KeyPart::Tag { open: b'{', close: b'}' };
    let tag_or_empty = KeyPart::TagOrEmpty { open: b'{', close: b'}' };
    for (key, hashed, proxys) in [
        ("a{b}c", "b", "b"),
        ("a}{b}c{d}", "b", "b"),
        ("a{{b}c", "{b", "{b"),
        ("a{}c{d}", "a{}c{d}", ""),
        ("a{bc", "a{bc", "a{bc"),
        ("a}b{", "a}b{", "a}b{"),
        ("", "", ""),
    ] {
        check(tag.clone(), key, hashed);
        check(tag_or_empty.clone(), key, proxys);
    }
    let stop = || KeyPart::Stop(Box::from(*b"|#|"));
    let partial = || KeyPart::Partial(Box::from(*b"|#|"));
    for (key, stopped, cut) in [
        ("a|#|b|#|c", "a", "a"),
        ("|#|b", "", "|#|b"),
        ("a\0|#|b", "a\0|#|b", "a\0"),
        ("a|#", "a|#", "a|#"),
        ("", "", ""),
    ] {
        check(stop(), key, stopped);
        check(partial(), key, cut);
    }
    let long = format!("a|#|{}", "b".repeat(247));
    check(stop(), &long, &long);
    check(stop(), &long[..250], "a");
    // Nothing to stop at is everywhere.
    check(KeyPart::Stop(Box::from(*b"")), "abc", "");

    for (key, hashed) in [
        ("/region/cluster/key", "key"),
        ("/region/cluster/key|#|rest", "key"),
        ("/region/cluster", "/region/cluster"),
        ("///key", "key"),
        ("region/cluster/key", "region/cluster/key"),
        ("key|#|a|#|b", "key"),
        ("/a|#|/b/c", "c"),
        ("/", "/"),
        ("", ""),
    ] {
        check(KeyPart::Mcrouter, key, hashed);
    }
}

#[test]
fn prefixes_are_hashed_or_not() {
    let ten: Vec<Server> = (0..10).map(|number| Server::new(format!("cache-{number}"), 11211).unwrap()).collect();
    for scheme in [Scheme::ketama(), Scheme::dalli(), Scheme::pymemcache_rendezvous(), Scheme::mcrouter_ch3()] {
        let plain = scheme.ring(&ten).unwrap();
        let hashed = scheme.clone().prefix_hashed(*b"app1:").ring(&ten).unwrap();
        let skipped = scheme.prefix_skipped(*b"app1:").ring(&ten).unwrap();
        for key in ["key", "app1:app1:key", "", "app1", &"k".repeat(600)] {
            let key = key.as_bytes();
            let with_prefix = [b"app1:", key].concat();
            assert_eq!(skipped.route(&with_prefix), plain.route(key));
            if with_prefix.len() <= 250 {
                assert_eq!(hashed.route(key), plain.route(&with_prefix));
            }
        }
        assert_eq!(skipped.route(b"key"), plain.route(b"key"));
    }
    // Beyond 250 bytes libmemcached's hash is 0.
    let modula = Scheme::libmemcached_modula(Hash::Md5).prefix_hashed(*b"app1:").ring(&ten).unwrap();
    for start in ["a", "b", "c", "d", "e"] {
        assert_eq!(modula.route(start.repeat(246).as_bytes()), 0);
    }
}

#[test]
fn twemproxys_crc32_sends_every_key_to_one_server() {
    let ten: Vec<Server> = (0..10).map(|number| Server::new(format!("cache-{number}"), 11211).unwrap()).collect();
    let ring = "twemproxy_ketama_crc32".parse::<Scheme>().unwrap().ring(&ten).unwrap();
    let first = ring.route(b"key");
    assert!((0..10_000).all(|number| ring.route(format!("user:{number}").as_bytes()) == first));
}

#[test]
fn a_ring_is_shared_and_prints_short() {
    let ring = Scheme::ketama().ring(&servers(&["a", "b"])).unwrap();
    assert_eq!(format!("{ring:?}"), "SchemeRing { .. }");
    let router: Box<dyn memlink_ring::Router> = Box::new(ring.clone());
    assert_eq!(router.route(b"key"), ring.route(b"key"));
}
