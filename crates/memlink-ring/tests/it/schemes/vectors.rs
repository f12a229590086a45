//! Every answer of every original.

use memlink_ring::schemes::{KeyPart, Scheme, Server};

use super::{golden_keys, golden_servers, unweighted};

#[test]
fn every_vector_of_every_scheme() {
    let keys = golden_keys();
    let (mut files, mut vectors) = (0, 0);
    for line in include_str!("../../golden/schemes.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let [file, set, answers] = [(); 3].map(|()| words.next().unwrap());
        let (scheme, servers) = configured(file, golden_servers(set));
        let ring = scheme.ring(&servers).unwrap_or_else(|error| panic!("{file} {set}: {error}"));
        assert_eq!(answers.len(), keys.len());
        for (key, answer) in keys.iter().zip(answers.chars()) {
            let Some(answer) = answer.to_digit(10) else { continue };
            assert_eq!(ring.route(key), answer as usize, "{file} {set}: {}", key.escape_ascii());
            vectors += 1;
        }
        files += usize::from(set == "A");
    }
    assert_eq!((files, vectors), (91, 108_759));
}

/// The scheme of a golden file, with the options its name tells, and what the original was told of the servers.
fn configured(file: &str, servers: Vec<Server>) -> (Scheme, Vec<Server>) {
    let named = |name: &str| name.parse::<Scheme>().expect(file);
    let braces = |tag: fn(u8, u8) -> KeyPart| tag(b'{', b'}');
    let scheme = match file {
        "libmemcached_modula_default_sorted" => named("libmemcached_modula_default").sort_hosts(),
        "libmemcached_ketama_weighted_ns_hashed" => named("ketama").prefix_hashed(*b"app1:"),
        "twemproxy_ketama_fnv1a_64_hashtag" => {
            named("twemproxy_ketama_fnv1a_64").hashed_part(braces(|open, close| KeyPart::Tag { open, close }))
        }
        "memcached_proxy_jump_tag_braces" => {
            named("memcached_proxy_jump").hashed_part(braces(|open, close| KeyPart::TagOrEmpty { open, close }))
        }
        "memcached_proxy_jump_stop_pipe" => {
            named("memcached_proxy_jump").hashed_part(KeyPart::Stop(Box::from(*b"|#|")))
        }
        "evcache_ketama_partial_key" => named("evcache_ketama").hashed_part(KeyPart::Partial(Box::from(*b":"))),
        "mcrouter_ch3_salt" => named("mcrouter_ch3").salt(*b"salt1"),
        "gomemcache_repeated" => named("gomemcache"),
        _ if file.ends_with("_seed_hello") => named(file.trim_end_matches("_seed_hello")).seed(*b"hello"),
        _ => {
            let name = file.trim_end_matches("_noweights").trim_end_matches("_autoweight");
            let name = name.trim_end_matches("_alias");
            name.parse().unwrap_or_else(|_| named(name.trim_end_matches("_weighted")))
        }
    };
    let servers = if is_weighted(file) { servers } else { unweighted(servers) };
    let alias = |(number, server): (usize, Server)| server.with_alias(format!("node{number}"));
    let has_aliases = file.ends_with("_alias");
    (scheme, if has_aliases { servers.into_iter().enumerate().map(alias).collect() } else { servers })
}

fn is_weighted(file: &str) -> bool {
    let weighted_families = [
        "twemproxy_",
        "php_memcache",
        "python_memcached",
        "perl_cache_memcached",
        "dalli",
        "libmemcached_ketama_weighted",
    ];
    let weighted_words = ["_autoweight", "weighted", "_repeated"];
    let named = |word: &&str| file.contains(*word);
    !file.ends_with("_noweights")
        && (weighted_families.iter().any(|family| file.starts_with(family)) || weighted_words.iter().any(named))
}
