//! Peers that must not be talked to. Each is refused in words, soon, and hears nothing of what users say.

use std::time::{Duration, Instant};

use memlink::{Client, ErrorKind, Limits, Outcome, Settings, Tls, TlsVersion};

use super::authority::{Authority, Issued, Kind, self_signed};
use super::files::Folder;
use super::peer::{Manner, Peer};
use crate::memcached::Memcached;
use crate::wait::until;

/// Stands in the key and the value of every user's command here.
const SECRET: &str = "of-the-user";

fn settings(tls: Tls) -> Settings {
    let limits = Limits { opening_timeout: Duration::from_secs(5), ..Limits::default() };
    let (base, cap) = (Duration::from_millis(20), Duration::from_millis(50));
    Settings::default()
        .dial_timeout(DIAL_TIMEOUT)
        .timeout(Duration::from_secs(20))
        .limits(limits)
        .backoff(base, cap)
        .tls(tls)
}

const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The peer is dialled several times with a user's command waiting. How many bytes of it the peer has heard: none.
async fn is_refused(what: &str, manner: Manner, tls: Tls, kind: ErrorKind, parts: &[&str]) -> usize {
    let is_slow = matches!(manner, Manner::IsSilent | Manner::Stalls(..));
    let peer = Peer::start(manner);
    let client = Client::builder().server(peer.server()).settings(settings(tls)).build().expect("options");
    let begun = Instant::now();
    let error = client.set(SECRET, SECRET).await.expect_err(what);
    let took = begun.elapsed();
    assert_eq!((error.kind(), error.outcome()), (kind, Outcome::NotSent), "{what}: {error}");
    for part in parts {
        assert!(error.to_string().contains(part), "{what}: {error}");
    }
    assert!(took < DIAL_TIMEOUT * 3, "{what}: {took:?}");
    let dials = if is_slow { 1 } else { 3 };
    let client = &client;
    until("it was dialled again", || {
        // Commands that come while it is known to be bad are refused at once, and not sent either.
        let mut refused = Box::pin(client.set(SECRET, SECRET).into_future());
        let _ = futures_util::FutureExt::now_or_never(&mut refused);
        peer.heard().connections >= dials
    })
    .await;
    client.close(Duration::ZERO).await;
    let heard = peer.heard();
    let secrets = |bytes: &[u8]| bytes.windows(SECRET.len()).filter(|part| *part == SECRET.as_bytes()).count();
    let on_the_wire = secrets(&heard.wire) * SECRET.len();
    let said = String::from_utf8_lossy(&heard.plaintext).replace("version\r\n", "");
    assert_eq!((on_the_wire, &*said), (0, ""), "{what}: it has heard more than the question for its version");
    on_the_wire + said.len()
}

const NAMES: &[&str] = &["127.0.0.1", "localhost"];

fn tls(shows: Issued) -> Manner {
    Manner::Tls { shows, wants: None, only_1_2: false }
}

/// All that a peer can be that must not be talked to; some kinds in several ways.
#[tokio::test]
async fn twelve_kinds_of_bad_peers_hear_nothing_of_users() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let trusting = || Tls::new().ca_pem(&authority.pem);
    let good = || authority.issue(NAMES);
    let theirs = other.issue(&["client"]);
    let with_theirs = || trusting().client_cert_pem(&theirs.cert, &theirs.key);
    let wants = |only_1_2| Manner::Tls { shows: good(), wants: Some(authority.pem.clone()), only_1_2 };
    let (refused, down) = (ErrorKind::Refused, ErrorKind::ServerDown);
    let one = |manner, parts: &'static [&'static str]| vec![(manner, trusting(), refused, parts)];
    let certificate = |kind| tls(authority.issue_as(kind, NAMES));
    let none_shown: &[_] = &["client certificate", "none is configured"];
    let not_theirs: &[_] = &["refused the client certificate", "authority"];
    let kinds = [
        ("wrong name", one(tls(authority.issue(&["elsewhere"])), &["not for the name", "\"127.0.0.1\"", "elsewhere"])),
        ("expired", one(certificate(Kind::Expired), &["expired at 2021-02-03"])),
        ("not yet valid", one(certificate(Kind::NotYetValid), &["not valid yet", "2996-04-05"])),
        ("self-signed", one(tls(self_signed(Kind::Good, NAMES)), &["self-signed"])),
        ("unknown authority", one(tls(other.issue(NAMES)), &["issuer is unknown"])),
        ("for clients only", one(certificate(Kind::ForClientsOnly), &["not meant for servers"])),
        (
            "no client certificate",
            [false, true].map(|only_1_2| (wants(only_1_2), trusting(), refused, none_shown)).into(),
        ),
        (
            "a client certificate of another authority",
            [false, true].map(|only_1_2| (wants(only_1_2), with_theirs(), refused, not_theirs)).into(),
        ),
        (
            "TLS 1.1",
            [ALERT_OF_1_1, HELLO_OF_1_1]
                .map(|bytes| (Manner::Says(bytes), trusting(), refused, &["no version of TLS"][..]))
                .into(),
        ),
        ("plain text", one(Manner::Says(b"ERROR\r\n"), &["plain text", "\"ERROR\""])),
        (
            "a cut handshake",
            [1, 400].map(|len| (Manner::Cuts(good(), len), trusting(), down, &["closed", "handshake"][..])).into(),
        ),
        (
            "a stalled handshake",
            [1, 400].map(|len| (Manner::Stalls(good(), len), trusting(), down, &["timed out", "handshake"][..])).into(),
        ),
    ];
    let (all, mut refused, mut leaked) = (kinds.len(), 0, 0);
    for (what, cases) in kinds {
        for (manner, tls, kind, parts) in cases {
            leaked += is_refused(what, manner, tls, kind, parts).await;
        }
        refused += 1;
    }
    println!("{refused} of {all} kinds refused, bytes of users' commands at the peers: {leaked}");
    assert_eq!((refused, leaked), (12, 0));
}

/// What a real memcached can be of these. It says itself what it has heard: it is asked by one who trusts anybody, and is trusted.
#[tokio::test]
async fn bad_memcached_processes_hear_nothing_of_users() {
    Memcached::must_speak_tls();
    let (authority, other, folder) = (Authority::new("ours"), Authority::new("another"), Folder::new());
    let trusting = || Tls::new().ca_pem(&authority.pem);
    let (ours, theirs) = (authority.issue(&["client"]), other.issue(&["client"]));
    let (late, early) =
        (authority.issue_as(Kind::Expired, &["client"]), authority.issue_as(Kind::NotYetValid, &["client"]));
    let with = |issued: &Issued| trusting().client_cert_pem(&issued.cert, &issued.key);
    let of = |kind| authority.issue_as(kind, NAMES);
    let good = || authority.issue(NAMES);
    let both = |tls: Tls| [TlsVersion::V1_2, TlsVersion::V1_3].map(|version| tls.clone().versions(version, version));
    let one_sided: [(&str, Issued, Tls, &[&str]); 6] = [
        ("wrong name", authority.issue(&["elsewhere"]), trusting(), &["not for the name", "elsewhere"]),
        ("expired", of(Kind::Expired), trusting(), &["expired at 2021-02-03"]),
        ("not yet valid", of(Kind::NotYetValid), trusting(), &["not valid yet", "2996-04-05"]),
        ("self-signed", self_signed(Kind::Good, NAMES), trusting(), &["self-signed"]),
        ("unknown authority", other.issue(NAMES), trusting(), &["issuer is unknown"]),
        ("for clients only", of(Kind::ForClientsOnly), trusting(), &["not meant for servers"]),
    ];
    let mutual: [(&str, Issued, Tls, &[&str]); 4] = [
        ("no client certificate", good(), trusting(), &["client certificate"]),
        ("one of another authority", good(), with(&theirs), &["refused the client certificate"]),
        ("an expired one", good(), with(&late), &["refused the client certificate"]),
        ("one that is not yet valid", good(), with(&early), &["refused the client certificate"]),
    ];
    let ca = folder.write("ca.pem", &authority.pem);
    let wants = format!(",ssl_ca_cert={},ssl_verify_mode=2", ca.display());
    let kinds = one_sided.map(|case| (case, "")).into_iter().chain(mutual.map(|case| (case, &*wants)));
    let patient = |tls| settings(tls).dial_timeout(Duration::from_secs(20));
    for ((what, shows, tls, parts), wants) in kinds {
        let (cert, key) = (folder.write("cert.pem", &shows.cert), folder.write("key.pem", &shows.key));
        let own = format!("ssl_chain_cert={},ssl_key={}{wants}", cert.display(), key.display());
        let memcached = Memcached::start_with(&["-Z", "-o", &own]);
        for tls in both(tls) {
            let client = Client::builder().server(memcached.server()).settings(patient(tls)).build().expect("options");
            let error = client.set(SECRET, SECRET).await.expect_err(what);
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, Outcome::NotSent), "{what}: {error}");
            assert!(parts.iter().all(|part| error.to_string().contains(part)), "{what}: {error}");
        }
        let anybody = Tls::new().dangerous_accept_any_certificate().client_cert_pem(&ours.cert, &ours.key);
        let asking = memcached.client_with(patient(anybody)).await;
        let heard = asking.server_stats().await.remove(0).reply.expect("it answers");
        assert_eq!((heard.get("cmd_set"), heard.get("total_items")), (Some("0"), Some("0")), "{what}");
    }
}

/// The name that counts is the one that is wanted, whatever was dialled.
#[tokio::test]
async fn a_name_that_is_wanted_instead_is_looked_for() {
    let authority = Authority::new("ours");
    let tls = Tls::new().ca_pem(&authority.pem).name("cache");
    let manner = Manner::Tls { shows: authority.issue(NAMES), wants: None, only_1_2: false };
    is_refused("another name", manner, tls, ErrorKind::Refused, &["not for the name \"cache\""]).await;
}

#[tokio::test]
async fn application_protocols_are_agreed_on() {
    let authority = Authority::new("ours");
    let trusting = || Tls::new().ca_pem(&authority.pem);
    let manner = || tls(authority.issue(NAMES));
    let other = trusting().alpn(["http/1.1"]);
    is_refused("another protocol", manner(), other, ErrorKind::Refused, &["application protocols"]).await;
    let peer = Peer::start(manner());
    let settings = settings(trusting().alpn(["other", "memcached"]));
    Client::builder().server(peer.server()).settings(settings).connect().await.expect("one of them is spoken");
}

/// A server that speaks TLS 1.1 and nothing newer: it says so by an alert, or answers in its own version.
const ALERT_OF_1_1: &[u8] = &[0x15, 3, 2, 0, 2, 2, 70];
const HELLO_OF_1_1: &[u8] = &[
    0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0, 0, 47, 0,
];

/// Repeated, a message that never ends: each record begins one of 15 MiB as its content.
const PART_OF_A_LONG_HELLO: &[u8] = &[0x16, 3, 3, 0, 4, 2, 0xf0, 0, 0];
const WARNING: &[u8] = &[0x15, 3, 3, 0, 2, 1, 90];

#[tokio::test]
async fn peers_that_do_not_speak_tls_as_we_do_are_refused() {
    let authority = Authority::new("ours");
    let trusting = || Tls::new().ca_pem(&authority.pem);
    let (refused, down) = (ErrorKind::Refused, ErrorKind::ServerDown);
    for (what, manner, kind, parts) in [
        ("plain text, no room", Manner::Says(b"ERROR Too many open connections\r\n"), refused, &["no room"][..]),
        ("plain text, HTTP", Manner::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), refused, &["plain text", "HTTP"]),
        ("noise", Manner::Says(&[0xde, 0xad, 0xbe, 0xef, 0xde, 0xad, 0xbe, 0xef]), refused, &["handshake"]),
        ("an endless hello", Manner::Repeats(PART_OF_A_LONG_HELLO), refused, &["handshake"]),
        ("endless warnings", Manner::Repeats(WARNING), refused, &["handshake"]),
        ("endless noise", Manner::Repeats(&[0x16, 3, 3, 0x40]), refused, &["handshake"]),
        ("closed", Manner::Closes, down, &["closed", "is it a TLS port?"]),
        ("silent", Manner::IsSilent, down, &["timed out", "is it a TLS port?"]),
    ] {
        is_refused(what, manner, trusting(), kind, parts).await;
    }
}

/// Slow is not broken.
#[tokio::test]
async fn a_handshake_one_byte_at_a_time_succeeds() {
    let authority = Authority::new("ours");
    let peer = Peer::start(Manner::Dribbles(authority.issue(NAMES)));
    let tls = Tls::new().ca_pem(&authority.pem);
    let builder = Client::builder().server(peer.server()).settings(settings(tls).dial_timeout(Duration::from_secs(20)));
    builder.connect().await.expect("it is good");
}

/// The reverse: no TLS here, TLS there.
#[tokio::test]
async fn a_tls_port_is_recognised_by_a_plain_client() {
    let authority = Authority::new("ours");
    let peer = Peer::start(tls(authority.issue(NAMES)));
    let error = Client::builder().server(peer.server()).connect().await.map(|_| ()).expect_err("TLS is spoken there");
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, Outcome::NotSent));
    assert!(error.to_string().contains("TLS port"), "{error}");
}
