//! What holds for any list and any key. A failing case names its seed.

use memlink_ring::schemes::{KeyPart, Scheme, SchemeError, SchemeRing, Server};

use super::all_schemes;

/// SplitMix64.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let once = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let twice = (once ^ (once >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        twice ^ (twice >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, len_end: u64) -> Vec<u8> {
        let text_only = self.below(2) == 0;
        let len = self.below(len_end);
        (0..len)
            .map(|_| if text_only { b"abc{}|#/:\0' \xe9"[self.below(13) as usize] } else { self.next() as u8 })
            .collect()
    }

    fn server(&mut self, weighted: bool) -> Option<Server> {
        let host = match self.below(4) {
            0 => format!("10.{}.{}.{}", self.below(256), self.below(256), self.below(256)),
            1 => format!("2001:db8::{:x}", self.below(0xffff)),
            2 => format!("cache-{}", self.below(1_000)),
            _ => String::from_utf8_lossy(&self.bytes(12)).into_owned(),
        };
        let mut server = Server::new(host, if self.below(2) == 0 { 11211 } else { self.next() as u16 }).ok()?;
        if self.below(2) == 0 {
            server = server.with_alias(String::from_utf8_lossy(&self.bytes(12)));
        }
        let address = [10, self.next() as u8, self.next() as u8, self.next() as u8];
        let weight = [1, 1, 2, 3, 7, self.below(4) as u32][self.below(6) as usize];
        Some(server.with_address(address.into()).with_weight(if weighted { weight } else { 1 }))
    }

    fn part(&mut self) -> KeyPart {
        match self.below(6) {
            0 => KeyPart::Tag { open: b'{', close: b'}' },
            1 => KeyPart::TagOrEmpty { open: b'a', close: b'a' },
            2 => KeyPart::Stop(self.bytes(4).into()),
            3 => KeyPart::Partial(self.bytes(4).into()),
            4 => KeyPart::Mcrouter,
            _ => KeyPart::Whole,
        }
    }

    fn options(&mut self, scheme: Scheme) -> Scheme {
        let scheme = scheme.hashed_part(self.part());
        match self.below(3) {
            0 => scheme.prefix_hashed(self.bytes(300)),
            1 => scheme.prefix_skipped(self.bytes(3)),
            _ => scheme,
        }
    }
}

#[test]
fn any_list_and_any_key_have_an_answer_and_keep_it() {
    let schemes = all_schemes();
    let (mut made, mut refused) = (0, 0);
    for seed in 0..20 {
        for (number, scheme) in schemes.iter().enumerate() {
            let mut draws = Draws(seed * 1_000 + number as u64);
            let len = 1 + draws.below(40);
            let weighted = draws.below(2) == 0;
            let servers: Vec<Server> = (0..len).filter_map(|_| draws.server(weighted)).collect();
            let scheme = draws.options(scheme.clone());
            match scheme.ring(&servers) {
                Ok(ring) => {
                    made += 1;
                    check(&mut draws, &scheme, &servers, &ring, seed);
                }
                Err(SchemeError::OptionUnsupported { option }) => unreachable!("seed {seed}, {scheme}: {option}"),
                Err(_) => refused += 1,
            }
        }
    }
    assert!(made > 1_000 && refused > 100, "{made} rings, {refused} lists refused");
}

fn check(draws: &mut Draws, scheme: &Scheme, servers: &[Server], ring: &SchemeRing, seed: u64) {
    let again = scheme.ring(servers).expect("it was good before");
    for _ in 0..50 {
        let key = draws.bytes(300);
        let server = ring.route(&key);
        assert!(server < servers.len(), "seed {seed}, {scheme}: {server} of {}", servers.len());
        assert_eq!(again.route(&key), server, "seed {seed}, {scheme}: {}", key.escape_ascii());
    }
}

#[test]
fn every_server_has_keys() {
    let servers: Vec<Server> =
        (1..=12).map(|number| Server::new(format!("10.0.0.{number}"), 11211 + number / 7).unwrap()).collect();
    for scheme in all_schemes() {
        let ring = scheme.ring(&servers).unwrap();
        let mut served = vec![0_u32; servers.len()];
        (0..20_000).for_each(|number| served[ring.route(format!("user:{number}:profile").as_bytes())] += 1);
        let name = scheme.name();
        // Fifteen bits lie before nearly every point of a ring of 32-bit points; where points have fifteen, too, they do not.
        let broken = name == "twemproxy_ketama_crc32" || name.ends_with("weighted_crc");
        assert_eq!(served.iter().all(|keys| *keys > 0), !broken, "{name}: {served:?}");
    }
}

#[test]
fn any_text_is_a_server_or_an_error() {
    let mut draws = Draws(1);
    let letters: Vec<char> = "aZ0129.:[]/- é\0%".chars().collect();
    let (mut good, mut bad) = (0, 0);
    for _ in 0..200_000 {
        let len = draws.below(12);
        let text: String = (0..len).map(|_| letters[draws.below(letters.len() as u64) as usize]).collect();
        match Server::parse(&text) {
            Ok(server) => {
                assert!(!server.host().is_empty());
                good += 1;
            }
            Err(_) => bad += 1,
        }
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad");
}
