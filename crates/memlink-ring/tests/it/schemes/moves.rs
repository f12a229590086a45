//! Where points do not depend on other servers, a removal moves only the keys of the server that is gone.

use memlink_ring::Router as _;
use memlink_ring::schemes::{KeyPart, Scheme, Server};

const INDEPENDENT: &[&str] = &[
    "libmemcached_ketama_default",
    "libmemcached_ketama_md5",
    "libmemcached_ketama_spy",
    "php_memcache_consistent_crc32",
    "php_memcache_consistent_fnv",
    "memcached_proxy_ring_default",
    "memcached_proxy_ring_ketama_md5",
    "memcached_proxy_ring_twemproxy_xxh3",
    "memcached_proxy_ring_evcache_md5",
    "pymemcache_rendezvous",
    "pymemcache_rendezvous_bytes_key",
    "emcache_rendezvous",
    "uhashring_default",
    "meta_memcache_py_hashring",
    "folsom_ketama",
    "spymemcached_ketama",
    "spymemcached_ketama_format_libmemcached",
    "evcache_ketama",
    "mcrouter_rendezvous",
    "mcrouter_weighted_rendezvous",
    "rust_memcache_exp_rendezvous",
];

#[test]
fn a_removal_moves_only_the_keys_of_the_server_that_is_gone() {
    let before: Vec<Server> = (1..=10).map(|number| Server::new(format!("10.0.0.{number}"), 11211).unwrap()).collect();
    let mut after = before.clone();
    let gone = 4;
    after.remove(gone);
    for name in INDEPENDENT {
        let scheme: Scheme = name.parse().unwrap();
        let (old, new) = (scheme.ring(&before).unwrap(), scheme.ring(&after).unwrap());
        let mut moved = 0;
        for number in 0..50_000 {
            let key = format!("user:{number:07}:profile");
            let (from, to) = (old.route(key.as_bytes()), new.route(key.as_bytes()));
            let to = if to < gone { to } else { to + 1 };
            if from != to {
                assert_eq!(from, gone, "{name}: {key} moved to {to}");
                moved += 1;
            }
        }
        assert!(moved > 500, "{name}: {moved}");
    }
}

#[test]
fn jump_and_ch3_move_none_when_the_last_server_goes() {
    let before: Vec<Server> = (1..=10).map(|number| Server::new(format!("a{number}"), 11211).unwrap()).collect();
    for name in ["memcached_proxy_jump", "mcrouter_ch3"] {
        let scheme: Scheme = name.parse().unwrap();
        let (old, new) = (scheme.ring(&before).unwrap(), scheme.ring(&before[..9]).unwrap());
        for number in 0..50_000 {
            let key = format!("user:{number:07}:profile");
            let (from, to) = (old.route(key.as_bytes()), new.route(key.as_bytes()));
            assert!(from == to || from == 9, "{name}: {key} moved from {from} to {to}");
        }
    }
}

/// Another attempt leads elsewhere, and for all keys of one tag to the same place.
#[test]
fn stand_ins_are_spread_and_keep_tags_together() {
    let servers: Vec<_> = (0..10).map(|n| Server::new(format!("10.0.0.{n}"), 11211).unwrap()).collect();
    let part = KeyPart::Tag { open: b'{', close: b'}' };
    let ring = Scheme::ketama().hashed_part(part).ring(&servers).unwrap();
    let mut found = std::collections::HashSet::new();
    for user in 0..200 {
        let (name, mail) = (format!("{{{user}}}:name"), format!("mail:{{{user}}}"));
        for attempt in 0..5 {
            let server = ring.route_again(name.as_bytes(), attempt);
            assert_eq!(ring.route_again(mail.as_bytes(), attempt), server);
            found.insert(server);
        }
        let tries: std::collections::HashSet<_> = (0..20).map(|n| ring.route_again(name.as_bytes(), n)).collect();
        assert!(tries.len() > 3, "user {user}: {tries:?}");
    }
    assert_eq!(found.len(), servers.len());
}
