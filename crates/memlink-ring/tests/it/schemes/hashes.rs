//! The hashes of keys, each against the original's own values.

use memlink_ring::schemes::{Hash, SpyHash};

use super::golden_keys;

#[test]
fn every_value_of_every_hash() {
    let keys = golden_keys();
    let mut values = 0;
    let mut checked = Vec::new();
    for line in include_str!("../../golden/hashes.txt").lines() {
        let (name, column) = line.split_once(' ').unwrap();
        let Some(hash) = function(name) else { continue };
        for (key, value) in keys.iter().zip(column.split(' ')) {
            let Ok(value) = value.parse::<u64>() else { continue };
            assert_eq!(u64::from(hash(key)), value, "{name}: {}", key.escape_ascii());
            values += 1;
        }
        checked.push(name);
    }
    assert_eq!(checked.len(), 20, "{checked:?}");
    // Java takes no key that is not UTF-8.
    assert_eq!(values, 20 * 400 - 7 * 9);
}

type Function = Box<dyn Fn(&[u8]) -> u32>;

/// The other columns are of hashes that are not public; a test beside those has them.
fn function(name: &str) -> Option<Function> {
    let of = |hash: Hash| -> Option<Function> { Some(Box::new(move |key| hash.of(key))) };
    let spy = |hash: SpyHash| -> Option<Function> { Some(Box::new(move |key| hash.of(key))) };
    match name {
        "libmemcached_one_at_a_time" => of(Hash::OneAtATime),
        "libmemcached_md5" => of(Hash::Md5),
        "libmemcached_crc" => of(Hash::Crc15),
        "libmemcached_fnv1_32" => of(Hash::Fnv1_32),
        "libmemcached_fnv1_64" => of(Hash::Fnv1_64),
        "libmemcached_fnv1a_32" => of(Hash::Fnv1a32),
        "libmemcached_fnv1a_64" => of(Hash::Fnv1a64),
        "libmemcached_hsieh" => of(Hash::Hsieh),
        "libmemcached_jenkins" => of(Hash::Jenkins),
        "libmemcached_murmur" => of(Hash::Murmur),
        "libmemcached_murmur3" => of(Hash::Murmur3),
        "twemproxy_crc16" => of(Hash::Crc16),
        "twemproxy_crc32a" => of(Hash::Crc32),
        "spymemcached_crc_hash" => spy(SpyHash::Crc),
        "spymemcached_fnv1_32_hash" => spy(SpyHash::Fnv1_32),
        "spymemcached_fnv1_64_hash" => spy(SpyHash::Fnv1_64),
        "spymemcached_fnv1a_32_hash" => spy(SpyHash::Fnv1a32),
        "spymemcached_fnv1a_64_hash" => spy(SpyHash::Fnv1a64),
        "spymemcached_ketama_hash" => spy(SpyHash::Ketama),
        "spymemcached_native_hash" => spy(SpyHash::Native),
        _ => None,
    }
}
