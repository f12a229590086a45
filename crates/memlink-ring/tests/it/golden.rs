//! Frozen answers. **These values can never change**: a client that routed one key otherwise than the release before it
//! would turn a warm cache cold, and two clients of different releases would disagree on where a value is.
//!
//! They were not printed by this crate. An independent program, written in Python from `docs/routing.md` with its
//! unbounded integers and the `xxhash` package, printed them, and the crate was found to agree. If a test of this file
//! fails, the code is wrong, not the value; another scheme needs another name.

use memlink_ring::Ring;

/// What is routed: short and long keys, keys that are no text, and some that memcached itself would not take.
const KEYS: [&[u8]; 14] = [
    b"",
    b"a",
    b"user:1",
    b"user:2",
    b"session:9f8b2c61d04e",
    b"cache-1",
    "schlüssel".as_bytes(),
    "ключ:42".as_bytes(),
    "キー".as_bytes(),
    b"\x00",
    b"\xff\x80\x00\r\n",
    b"a key of exactly thirty bytes!",
    &[b'k'; 250],
    &COUNTING,
];

/// The bytes 0, 1, 2 and so on up to 249.
const COUNTING: [u8; 250] = {
    let mut bytes = [0; 250];
    let mut place = 0;
    while place < bytes.len() {
        bytes[place] = place as u8;
        place += 1;
    }
    bytes
};

#[test]
fn three_servers() {
    check(
        &[("cache-1", 1), ("cache-2", 1), ("cache-3", 1)],
        [1, 1, 0, 2, 0, 1, 0, 0, 1, 2, 1, 0, 2, 0],
        0x3e3a_2150_8d09_0489,
    );
}

#[test]
fn weights_one_two_four() {
    check(
        &[("cache-1:11211", 1), ("cache-2:11211", 2), ("cache-3:11211", 4)],
        [1, 2, 1, 2, 0, 2, 1, 2, 0, 2, 2, 2, 1, 1],
        0xe623_e305_5f4a_21f6,
    );
}

#[test]
fn ten_servers() {
    let names: Vec<String> = (1..=10).map(|number| format!("10.0.0.{number}:11211")).collect();
    let servers: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    check(&servers, [7, 4, 8, 2, 5, 9, 8, 1, 7, 1, 1, 9, 0, 3], 0x01b5_e233_cfc4_27e7);
}

#[test]
fn strange_names_and_heavy_weights() {
    let servers: [(&[u8], u32); 5] = [
        ("größe".as_bytes(), 3_000_000_000),
        ("缓存".as_bytes(), u32::MAX),
        (b"/run/memcached/1.sock", 2_500_000_000),
        (b"[2001:db8::1]:11211", 0),
        (b"\xff\x00", 1_000_000_007),
    ];
    check(&servers, [0, 0, 0, 2, 1, 0, 1, 1, 2, 4, 1, 1, 1, 0], 0x16bd_d5b8_4ef6_37ff);
}

#[test]
fn a_thousand_servers() {
    let names: Vec<String> = (0..1_000).map(|number| format!("cache-{number:04}")).collect();
    let servers: Vec<(&str, u32)> = names.iter().map(String::as_str).zip((1..=5).cycle()).collect();
    check(&servers, [358, 366, 179, 59, 222, 219, 138, 588, 267, 941, 986, 359, 940, 501], 0x595e_24a4_6b39_7e5f);
}

/// These two names happen to have the same phase, so both always claim at the same time, and on three slots it is the
/// first claim of both.
#[test]
fn a_tie_goes_to_the_lesser_name() {
    let servers = [("cache-690343", 1), ("cache-2112", 1)];
    check(&servers, [0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 0], 0xf832_5a17_9e8d_bf8a);
    let owners: Vec<usize> = Ring::new(servers).unwrap().slots().collect();
    assert_eq!([227_555, 87_755, 24_169].map(|slot| owners[slot]), [1, 1, 1]);
}

/// `answers` has the server of every one of [`KEYS`]; `digest` covers all slots, hence all keys.
fn check<N: AsRef<[u8]>>(servers: &[(N, u32)], answers: [usize; KEYS.len()], digest: u64) {
    let list = servers.iter().map(|(name, weight)| (name.as_ref(), *weight));
    let ring = Ring::new(list).expect("a good list");
    assert_eq!(KEYS.map(|key| ring.route(key)), answers);

    // FNV-1a over the slots' servers, a whole index where that hash has a byte.
    let digest_found = ring
        .slots()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, server| (digest ^ server as u64).wrapping_mul(0x0100_0000_01b3));
    assert_eq!(digest_found, digest, "{digest_found:#x}");
}
