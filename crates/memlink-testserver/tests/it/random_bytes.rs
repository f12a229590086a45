//! Whatever comes in, a session neither panics nor hoards, and keeps to its
//! contract with whoever drives it.

use bytes::BytesMut;
use fastrand::Rng;
use memlink_testserver::{Cache, Session, Settings, Step, User, Version};
use std::time::Duration;

const NOW: Duration = Duration::from_secs(1_700_000_000);

/// Words that lead deeper than random letters do.
const WORDS: &[&[u8]] = &[
    b"mg",
    b"ms",
    b"md",
    b"ma",
    b"mn",
    b"me",
    b"get",
    b"gets",
    b"gat",
    b"set",
    b"cas",
    b"add",
    b"incr",
    b"decr",
    b"touch",
    b"delete",
    b"append",
    b"stats",
    b"detail",
    b"on",
    b"dump",
    b"cachedump",
    b"flush_all",
    b"verbosity",
    b"noreply",
    b"k",
    b"key:1",
    b"0",
    b"1",
    b"5",
    b"-1",
    b"99999999999",
    b"18446744073709551615",
    b"4294967295",
    b"v",
    b"T0",
    b"N-1",
    b"T2147483647",
    b"R30",
    b"q",
    b"b",
    b"k",
    b"C1",
    b"E0",
    b"I",
    b"MA",
    b"MD",
    b"x",
    b"O123",
    b"YWE=",
    b"shutdown",
    b"quit",
    b"HTTP/1.1",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff\xfe",
    b"hello\r\n",
];

#[test]
fn random_bytes_do_no_harm() {
    for seed in 0..300 {
        drive(seed, |rng| (0..rng.usize(1..200)).map(|_| rng.u8(..)).collect());
    }
}

#[test]
fn random_words_do_no_harm() {
    for seed in 0..300 {
        drive(seed, |rng| {
            let mut piece = Vec::new();
            for _ in 0..rng.usize(1..20) {
                piece.extend_from_slice(WORDS[rng.usize(0..WORDS.len())]);
                if rng.bool() {
                    piece.push(b' ');
                }
            }
            piece
        });
    }
}

#[test]
fn endless_lines_end_the_session() {
    for (line, is_kept) in [(&b"x"[..], false), (b"get ", true), (b"gat 1 ", false)] {
        let mut cache = Cache::new(Settings::default(), NOW);
        let mut session = Session::new(&mut cache);
        let mut input = BytesMut::from(line);
        input.resize(2049, b'y');
        let step = session.handle(&mut cache, NOW, &mut input, &mut BytesMut::new());
        assert_eq!(step == Step::NeedInput, is_kept, "{line:?}");
        if is_kept {
            input.resize(9 * 1024 * 1024, b'y');
            let step = session.handle(&mut cache, NOW, &mut input, &mut BytesMut::new());
            assert_eq!(step, Step::Close, "even a get ends somewhere");
        }
    }
}

fn drive(seed: u64, mut piece: impl FnMut(&mut Rng) -> Vec<u8>) {
    let mut rng = Rng::with_seed(seed);
    let mut settings = Settings::default();
    settings.version = if rng.bool() { Version::V1_6_18 } else { Version::V1_6_45 };
    settings.memory_bytes_max = 20_000;
    settings.evicts = rng.bool();
    settings.shutdown_allowed = rng.bool();
    if rng.u8(0..8) == 0 {
        settings.users.push(User { name: "u".into(), password: "p".into() });
    }
    let mut cache = Cache::new(settings, NOW);
    for _ in 0..10 {
        let mut session = Session::new(&mut cache);
        let mut input = BytesMut::new();
        for _ in 0..30 {
            input.extend_from_slice(&piece(&mut rng));
            if !settle(&mut session, &mut cache, &mut input) {
                break;
            }
            // A line or an authentication that is not whole; values are taken in.
            assert!(input.len() <= 20_000, "seed {seed}: {} bytes lie about", input.len());
        }
        session.end(&mut cache);
        let over = session.handle(&mut cache, NOW, &mut BytesMut::from("mn\r\n"), &mut BytesMut::new());
        assert_eq!(over, Step::Close, "seed {seed}: an ended session stays ended");
    }
}

/// Calls until the input is used up. False if the session is over.
fn settle(session: &mut Session, cache: &mut Cache, input: &mut BytesMut) -> bool {
    for _ in 0..1000 {
        match session.handle(cache, NOW, input, &mut BytesMut::new()) {
            Step::NeedInput => return true,
            Step::WriteOutput => {}
            _ => return false,
        }
    }
    panic!("the session asks to be called for ever");
}
