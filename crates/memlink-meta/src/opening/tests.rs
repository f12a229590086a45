use memlink_core::{Ask, Broken, Limits, Protocol, Verdict, encode_to_vec};

use super::*;
use crate::State;

/// Plays a server that answers each step with the next of `answers`. Says what was written, and how it ended.
fn open(meta: &Meta, answers: &[&[u8]]) -> (String, Result<Peer, Refusal>) {
    let (mut state, mut written, mut answers) = (State::default(), Vec::new(), answers.iter());
    let mut reply: Option<Frame> = None;
    loop {
        let mut step = None;
        written.extend(encode_to_vec(|out| step = Some(meta.open(&mut state, reply.as_ref(), out))));
        match step.unwrap() {
            Ok(Step::Ready(peer)) => return (String::from_utf8(written).unwrap(), Ok(peer)),
            Err(refusal) => return (String::from_utf8(written).unwrap(), Err(refusal)),
            Ok(Step::Await) => panic!("every step sends something"),
            Ok(Step::Send(expects)) => {
                let expect = &expects[0];
                let input = answers.next().unwrap();
                let ask = Some(Ask { expect, serial: 0 });
                let Verdict::Reply { len, tail } = meta.frame(&mut state, ask, input, &Limits::default()) else {
                    panic!("{input:?} is not taken for a line");
                };
                reply = Some(Frame::copy_from(&input[..len - tail]));
            }
        }
    }
}

#[test]
fn a_server_is_asked_for_its_version_and_for_meta_commands() {
    let (written, peer) = open(&Meta::new(), &[b"VERSION 1.6.45\r\n", b"EN Oprobe\r\n"]);
    assert_eq!(written, "version\r\nmg memlink:probe s Oprobe\r\n");
    let peer = peer.unwrap();
    assert_eq!((peer.version(), peer.text(), peer.opaque()), (Version::new(1, 6, 45), "1.6.45", true));
    let (_, peer) = open(&Meta::new().with_opaque(false), &[b"VERSION 1.6.45\r\n", b"EN Oprobe\r\n"]);
    assert!(!peer.unwrap().opaque());
}

#[test]
fn an_unknown_version_is_the_oldest_unless_told_otherwise() {
    let relied_upon = |meta: &Meta, said: &[u8]| open(meta, &[said, b"EN Oprobe\r\n"]).1.unwrap().version();
    let told = Meta::new().with_version(Version::new(1, 6, 40));
    let cases: &[(&[u8], Version)] = &[
        (b"VERSION 1.6.10\r\n", Version::OLDEST),
        (b"VERSION 1.6.18-rc1\r\n", Version::new(1, 6, 18)),
        (b"VERSION 1.7.0\r\n", Version::new(1, 7, 0)),
        (b"VERSION 38.0.0 mcrouter\r\n", Version::OLDEST),
        (b"VERSION UNKNOWN\r\n", Version::OLDEST),
        (b"VERSION \r\n", Version::OLDEST),
    ];
    for (said, want) in cases {
        assert_eq!(relied_upon(&Meta::new(), said), *want);
        assert_eq!(relied_upon(&told, said), Version::new(1, 6, 40));
    }
    assert_eq!(relied_upon(&told, b"VERSION 1.4.5\r\n"), Version::new(1, 6, 40));
}

#[test]
fn credentials_come_first() {
    let meta = Meta::new().with_credentials(Credentials::new("ada", "a b").unwrap());
    let unauthenticated = b"CLIENT_ERROR unauthenticated\r\n";
    let (written, peer) = open(&meta, &[unauthenticated, b"STORED\r\n", b"VERSION 1.6.45\r\n", b"EN Oprobe\r\n"]);
    let said = "version\r\nset memlink_auth 0 -1 7\r\nada a b\r\nversion\r\nmg memlink:probe s Oprobe\r\n";
    assert_eq!(written, said);
    assert!(peer.is_ok());
    // To a server that wants none they are never sent.
    for answer in [&b"VERSION 1.6.45\r\n"[..], b"ERROR\r\n", b"STORED\r\n"] {
        let (written, refused) = open(&meta, &[answer]);
        assert_eq!((&*written, refused.is_err()), ("version\r\n", true), "{answer:?}");
        let is_told = refused.is_err_and(|refusal| refusal == wants_none());
        assert_eq!(is_told, answer.starts_with(b"VERSION"), "{answer:?}");
    }
    let (written, refused) = open(&meta, &[unauthenticated, b"CLIENT_ERROR authentication failure\r\n"]);
    assert_eq!(written.matches("version").count(), 1);
    assert_eq!(refused.unwrap_err(), Refusal::Denied("the server refused the user name or the password".into()));
    assert!(format!("{meta:?}").contains("Credentials") && !format!("{meta:?}").contains("ada"));
    assert_eq!(format!("{:?}", Credentials::new("ada", "a b").unwrap()), "Credentials");
}

#[test]
fn credentials_that_cannot_be_sent_are_refused() {
    for (user, password) in [("", "x"), ("a b", "x"), ("a:b", "x"), ("a", "x\r\n"), ("a\n", "x"), ("a", "\0")] {
        assert!(Credentials::new(user, password).is_err(), "{user:?} {password:?}");
    }
    assert!(Credentials::new("a", &"x".repeat(16_382)).is_ok());
    assert!(Credentials::new("a", &"x".repeat(16_383)).is_err());
    assert!(Credentials::new("a", "").is_ok());
}

/// The item may be there, and a proxy may have lost the server that has it.
#[test]
fn whatever_is_said_to_a_get_shows_that_the_server_is_ready() {
    for line in [&b"EN Oprobe\r\n"[..], b"EN Oprobe \r\n", b"HD s0 Oprobe\r\n", b"SERVER_ERROR backend failure\r\n"] {
        assert!(open(&Meta::new(), &[b"VERSION 1.6.45\r\n", line]).1.is_ok(), "{line:?}");
    }
    assert!(open(&Meta::new(), &[b"VERSION 1.6.17\r\n", b"EN\r\n"]).1.is_ok());
    assert!(open(&Meta::new(), &[b"VERSION 1.6.18\r\n", b"EN\r\n"]).1.is_err());
    // What confirms nothing may be another's.
    for line in [&b"EN\r\n"[..], b"HD\r\n", b"HD s0\r\n", b"EN OAAAA\r\n", b"VA 1 Oprobe\r\n", b"MN\r\n"] {
        assert!(open(&Meta::new(), &[b"VERSION 1.6.45\r\n", line]).1.is_err(), "{line:?}");
    }
}

#[test]
fn a_refusal_says_what_it_looks_like() {
    let denied = Refusal::Denied as fn(String) -> Refusal;
    let incompatible = Refusal::Incompatible as fn(String) -> Refusal;
    type Case<'a> = (&'a [&'a [u8]], fn(String) -> Refusal, &'a str);
    let cases: &[Case<'_>] = &[
        (&[b"ERROR Too many open connections\r\n"], denied, "no room for another connection"),
        (&[b"CLIENT_ERROR unauthenticated\r\n"], denied, "requires authentication"),
        (&[b"SERVER_ERROR backend failure\r\n"], denied, "backend failure"),
        (&[b"VERSION 1.6.9\r\n"], incompatible, "memcached 1.6.10 or newer is needed"),
        (&[b"VERSION 1.4.13\r\n"], incompatible, "1.4.13"),
        (&[b"VERSION 1.6.45\r\n", b"ERROR\r\n"], incompatible, "memcached 1.6.10 or newer is needed"),
        (&[b"VERSION 5.0\r\n", b"CLIENT_ERROR bad command line format\r\n"], incompatible, "1.6.10 or newer"),
        (&[b"VERSION 1.6.45\r\n", b"MN\r\n"], incompatible, "answered MN"),
        (&[b"VERSION 1.6.45\r\n", b"HDD\r\n"], incompatible, "answered HDD"),
        (&[b"ERROR\r\n"], incompatible, "answered ERROR"),
        (&[b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n"], incompatible, "HTTP server"),
        (&[b"-ERR unknown command 'version'\r\n"], incompatible, "Redis server"),
        (&[b"SSH-2.0-OpenSSH_9.2\r\n"], incompatible, "SSH server"),
        (&[b"220 mail ESMTP\r\n"], incompatible, "mail or FTP"),
        (&[b"\x15\x03\x01\x00\x02\x02\x46"], incompatible, "TLS port"),
        (&[b"\x81\x00"], incompatible, "binary protocol"),
        (&[b"\r\n"], incompatible, "no text"),
        (&[b"\xff\xfe"], incompatible, "no text"),
        (&[b"what \x1b[2J\r\n"], incompatible, "answered what ?[2J"),
    ];
    for (answers, kind, text) in cases {
        let refusal = open(&Meta::new(), answers).1.unwrap_err();
        let said = refusal.to_string();
        assert_eq!(refusal, kind(said.clone()), "{answers:?}");
        assert!(said.contains(text), "{answers:?}: {said}");
    }
}

/// Whether the server was faster or the first command was, and wherever its words are cut.
#[test]
fn an_error_before_anything_was_asked_is_a_refusal() {
    let (meta, limits) = (Meta::new(), Limits::default());
    let asked = Expect(Shape::Opening);
    let ask = Some(Ask { expect: &asked, serial: 0 });
    for line in [&b"ERROR Too many open connections\r\n"[..], b"SERVER_ERROR backend failure\r\n"] {
        for at in 1..=line.len() {
            for ask in [None, ask] {
                let mut state = State::default();
                encode_to_vec(|out| drop(meta.open(&mut state, None, out)));
                let begun = meta.frame(&mut state, None, &line[..at], &limits);
                assert_eq!(matches!(begun, Verdict::More { .. }), at < line.len(), "{begun:?}");
                let ended = if at < line.len() { meta.frame(&mut state, ask, line, &limits) } else { begun };
                assert!(matches!(ended, Verdict::Broken(Broken::Refused(Refusal::Denied(_)))), "{ended:?}");
            }
        }
    }
    // No error, or an error once the server has said what it is: nobody's.
    for line in [&b"VERSION 1.6.45\r\n"[..], b"SSH-2.0-OpenSSH_9.2\r\n", b"ERRORS\r\n", b"\r\n", b"\x15\x03"] {
        let verdict = meta.frame(&mut State::default(), None, line, &limits);
        assert_eq!(verdict, Verdict::Broken(Broken::Unsolicited), "{line:?}");
    }
    let mut state = State::default();
    for reply in [None, Some(&b"VERSION 1.6.45"[..]), Some(b"EN Oprobe")] {
        let reply = reply.map(Frame::copy_from);
        encode_to_vec(|out| drop(meta.open(&mut state, reply.as_ref(), out).unwrap()));
        let banner = meta.frame(&mut state, None, b"ERROR Too many open connections\r\n", &limits);
        assert_eq!(matches!(banner, Verdict::Broken(Broken::Unsolicited)), reply.is_some(), "{banner:?}");
    }
    // It is bounded as every line is.
    let endless = [b"ERROR ", vec![b'x'; limits.line_len_max].as_slice()].concat();
    let verdict = meta.frame(&mut State::default(), None, &endless, &limits);
    assert_eq!(verdict, Verdict::Broken(Broken::LineTooLong));
}
