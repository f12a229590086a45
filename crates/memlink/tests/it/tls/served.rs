//! Servers that are as they should be: memcached with `-Z`, and the embedded server.

use std::sync::Arc;

use memlink::rustls::crypto::ring::default_provider;
use memlink::rustls::pki_types::pem::PemObject as _;
use memlink::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use memlink::rustls::sign::{CertifiedKey, SingleCertAndKey};
use memlink::rustls::{ClientConfig, RootCertStore};
use memlink::{Client, ErrorKind, Outcome, Server, Settings, Tls, TlsPin, TlsVersion};
use memlink_testserver::{TestServer, TlsSettings};

use super::authority::{Authority, Issued, Kind, self_signed, self_signed_and_child};
use super::files::Folder;
use super::peer::{Manner, Peer};
use crate::doors::Narrow;
use crate::memcached::{Memcached, patient};
use crate::show::Show as _;
use crate::wait::until;

const NAMES: &[&str] = &["127.0.0.1", "cache.example"];

/// The embedded server with a certificate for [`NAMES`].
async fn embedded(authority: &Authority, client_ca: Option<&Authority>, only_1_2: bool) -> TestServer {
    let Issued { cert, key, .. } = authority.issue(NAMES);
    let client_ca = client_ca.map(|authority| authority.pem.clone());
    let settings = TlsSettings { cert, key, client_ca, only_1_2 };
    TestServer::builder().tls(settings).record().start().await.expect("the embedded server starts")
}

fn server_of(embedded: &TestServer) -> Server {
    Server::tcp(&embedded.address()).expect("an address")
}

/// Small and large, in both directions, and many at once.
async fn is_served(what: &str, client: &Client) {
    let large: Vec<u8> = (0..900_000_u32).map(|n| (n % 251) as u8).collect();
    client.set("large", large.clone()).await.expect(what);
    assert_eq!(client.get("large").await.expect(what).expect(what), large[..], "{what}");
    let keys: Vec<String> = (0..500).map(|n| format!("key-{n}")).collect();
    let stored = client.set_many(keys.iter().map(|key| (key.clone(), key.clone().into_bytes()))).await;
    assert!(stored.iter().all(Result::is_ok), "{what}");
    for (key, found) in keys.iter().zip(client.get_many(&keys).await) {
        assert_eq!(found.expect(what).expect(what), *key.as_bytes(), "{what}");
    }
    let gets = keys.iter().map(|key| client.get(key).into_future());
    for (key, found) in keys.iter().zip(futures_util::future::join_all(gets).await) {
        assert_eq!(found.expect(what).expect(what), *key.as_bytes(), "{what}");
    }
}

/// memcached waits for its socket with commands inside OpenSSL already, unless it is sent something more.
async fn bursts_are_answered(cache: &Client) {
    for len in [100, 500, 1_000, 3_000, 10_000] {
        let items = (0..300).map(|n| (format!("burst-{n}"), vec![b'v'; len]));
        let stored = cache.set_many(items).await;
        assert_eq!(stored.errors().count(), 0, "{len}: {:?}", stored.errors().next());
    }
    // Around 64 KiB the records' own bytes decide where rustls cuts: in front of the value's end, or of the last byte.
    for len in (1_000..100_000).step_by(3_333).chain((65_380..65_560).step_by(5)) {
        let outcomes = cache.batch().set("large", vec![b'v'; len]).get("large").get("burst-7").await;
        assert_eq!(outcomes.errors().count(), 0, "{len}: {:?}", outcomes.errors().next());
    }
}

#[tokio::test]
async fn memcached_is_served_over_tls() {
    Memcached::must_speak_tls();
    let (authority, folder) = (Authority::new("ours"), Folder::new());
    let Issued { cert, key, .. } = authority.issue(NAMES);
    let (cert, key) = (folder.write("cert.pem", &cert), folder.write("key.pem", &key));
    let ca = folder.write("ca.pem", &authority.pem);
    let shown = |path: &std::path::Path| path.display().to_string();
    let own = format!("ssl_chain_cert={},ssl_key={}", shown(&cert), shown(&key));
    let mutual = format!("{own},ssl_ca_cert={},ssl_verify_mode=2", shown(&ca));
    let client_cert = authority.issue(&["client"]);
    let refused = async |what: &str, memcached: &Memcached, tls: Tls, part: &str| {
        let builder = Client::builder().server(memcached.server()).settings(patient().tls(tls));
        let error = builder.connect().await.map(|_| ()).expect_err(what);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, Outcome::NotSent), "{what}: {error}");
        assert!(error.to_string().contains(part), "{what}: {error}");
    };
    let trusting = || Tls::new().ca_file(&ca);

    let memcached = Memcached::start_with(&["-Z", "-o", &own]);
    is_served("memcached", &memcached.client_with(patient().tls(trusting())).await).await;
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let cache = memcached.client_with(patient().tls(trusting().versions(version, version))).await;
        is_served(&format!("{version:?}"), &cache).await;
        bursts_are_answered(&cache).await;
    }
    let url = format!("memcaches://{}?tls_ca={}&tls_name=cache.example", memcached.address(), shown(&ca));
    assert_eq!(Client::connect(&url).await.expect("the URL says it all").get("key-1").await.show(), "\"key-1\"");
    refused("another name", &memcached, trusting().name("elsewhere"), "not for the name").await;
    refused("another authority", &memcached, Tls::new().ca_pem(Authority::new("x").pem), "issuer is unknown").await;
    let plain = Client::builder().server(memcached.server()).settings(patient()).connect().await;
    assert!(plain.is_err_and(|error| error.outcome() == Outcome::NotSent), "no TLS here, TLS there");

    let memcached = Memcached::start_with(&["-Z", "-o", &mutual]);
    let with = |issued: &Issued| trusting().client_cert_pem(&issued.cert, &issued.key);
    is_served("with a certificate", &memcached.client_with(patient().tls(with(&client_cert))).await).await;
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let none = trusting().versions(version, version);
        refused("without a certificate", &memcached, none, "client certificate").await;
        let theirs = with(&Authority::new("another").issue(&["client"])).versions(version, version);
        refused("with one of another authority", &memcached, theirs, "refused the client certificate").await;
    }

    let memcached = Memcached::start();
    let silent = Client::builder().server(memcached.server());
    let error =
        silent.settings(Settings::default().tls(trusting())).connect().await.map(|_| ()).expect_err("no TLS there");
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[tokio::test]
async fn the_embedded_server_is_served_in_every_way_to_show_a_certificate() {
    let (authority, clients, folder) = (Authority::new("ours"), Authority::new("clients"), Folder::new());
    let trusting = || Tls::new().ca_pem(&authority.pem);
    let Issued { cert, key, .. } = clients.issue(&["client"]);
    let (cert_file, key_file) = (folder.write("cert.pem", &cert), folder.write("key.pem", &key));
    let certs = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let certified = CertifiedKey::from_der(certs.clone(), der.clone_key(), &default_provider()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let own_config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(certs, der)
        .unwrap();
    for only_1_2 in [false, true] {
        let server = embedded(&authority, Some(&clients), only_1_2).await;
        for (what, tls) in [
            ("in memory", trusting().client_cert_pem(&cert, &key)),
            ("in files", trusting().client_cert_files(&cert_file, &key_file)),
            ("a resolver", trusting().client_cert_resolver(Arc::new(SingleCertAndKey::from(certified.clone())))),
            ("a configuration of one's own", Tls::from_config(Arc::new(own_config.clone()))),
            ("a provider of one's own", trusting().client_cert_pem(&cert, &key).provider(Arc::new(default_provider()))),
        ] {
            let builder = Client::builder().server(server_of(&server)).settings(patient().tls(tls));
            is_served(what, &builder.connect().await.expect(what)).await;
        }
    }
}

/// What is trusted beside chains: pins, and whatever is called dangerous.
#[tokio::test]
async fn pins_and_dangers_do_what_they_say() {
    use TlsPin::{Certificate, Key};
    let authority = Authority::new("ours");
    let issued = authority.issue(NAMES);
    let alone = self_signed(Kind::Good, NAMES);
    let expired = self_signed(Kind::Expired, NAMES);
    let elsewhere = self_signed(Kind::Good, &["elsewhere"]);
    let by_openssl = self_signed(Kind::Authority, NAMES);
    let old = self_signed(Kind::ExpiredAuthority, NAMES);
    // What a server signs with its own key is nobody's business, unless its certificate says that it may.
    let (server, servers_child) = self_signed_and_child(Kind::Good, NAMES);
    let (ancient, ancients_child) = self_signed_and_child(Kind::Ancient, NAMES);
    let (may_sign, its_child) = self_signed_and_child(Kind::Authority, NAMES);
    let with_both = Tls::new().ca_pem(&server.cert).ca_pem(&authority.pem);
    let trusting = || Tls::new().ca_pem(&authority.pem);
    for (what, shows, tls, wrong) in [
        ("a self-signed authority", &by_openssl, Tls::new().ca_pem(&by_openssl.cert), None),
        ("another one", &by_openssl, trusting(), Some("self-signed")),
        ("itself, another name", &by_openssl, Tls::new().ca_pem(&by_openssl.cert).name("x"), Some("name")),
        ("itself, expired", &old, Tls::new().ca_pem(&old.cert), Some("expired at")),
        ("its certificate", &issued, trusting().pin(Certificate(sha256(&issued.der))), None),
        ("its key", &issued, trusting().pin(Key(sha256(&issued.key_info))), None),
        ("one of two", &issued, trusting().pin(Key([0; 32])).pin(Key(sha256(&issued.key_info))), None),
        ("another key", &issued, trusting().pin(Key([0; 32])), Some("pinned")),
        ("another certificate", &issued, trusting().pin(Certificate([0; 32])), Some("pinned")),
        ("a pin is no trust", &alone, trusting().pin(Key(sha256(&alone.key_info))), Some("self-signed")),
        ("a pin alone", &alone, Tls::new().pin(Key(sha256(&alone.key_info))).trust_pins_alone(), None),
        ("itself as authority", &alone, Tls::new().ca_pem(&alone.cert), None),
        ("what a server has signed", &servers_child, Tls::new().ca_pem(&server.cert), Some("issuer is unknown")),
        ("itself, from before 1970", &ancient, Tls::new().ca_pem(&ancient.cert), None),
        ("what that has signed", &ancients_child, Tls::new().ca_pem(&ancient.cert), Some("issuer is unknown")),
        ("the same, beside an authority", &servers_child, with_both.clone(), Some("issuer is unknown")),
        ("the server, beside an authority", &server, with_both.clone(), None),
        ("an authority, beside the server", &issued, with_both, None),
        ("what an authority has signed", &its_child, Tls::new().ca_pem(&may_sign.cert), None),
        ("itself alone, another one", &alone, Tls::new().ca_pem(&server.cert), Some("self-signed")),
        ("another pin alone", &alone, Tls::new().pin(Key([0; 32])).trust_pins_alone(), Some("pinned")),
        (
            "a pin alone, expired",
            &expired,
            Tls::new().pin(Key(sha256(&expired.key_info))).trust_pins_alone(),
            Some("expired at"),
        ),
        (
            "a pin alone, elsewhere",
            &elsewhere,
            Tls::new().pin(Key(sha256(&elsewhere.key_info))).trust_pins_alone(),
            Some("name"),
        ),
        ("any certificate", &elsewhere, Tls::new().dangerous_accept_any_certificate(), None),
        (
            "any certificate, pinned",
            &alone,
            Tls::new().dangerous_accept_any_certificate().pin(Key([0; 32])),
            Some("pinned"),
        ),
        ("any name", &authority.issue(&["elsewhere"]), trusting().dangerous_accept_any_name(), None),
        ("any name, not any certificate", &elsewhere, trusting().dangerous_accept_any_name(), Some("self-signed")),
    ] {
        let settings =
            TlsSettings { cert: shows.cert.clone(), key: shows.key.clone(), client_ca: None, only_1_2: false };
        let server = TestServer::builder().tls(settings).start().await.unwrap();
        let connected = Client::builder().server(server_of(&server)).settings(patient().tls(tls)).connect().await;
        match (connected.and(Ok(())), wrong) {
            (Ok(()), None) => {}
            (Err(error), Some(part)) => assert!(error.to_string().contains(part), "{what}: {error}"),
            (result, _) => panic!("{what}: {result:?}"),
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suite = memlink::rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let memlink::rustls::SupportedCipherSuite::Tls13(suite) = suite else { panic!("it is of TLS 1.3") };
    suite.common.hash_provider.hash(bytes).as_ref().try_into().unwrap()
}

#[tokio::test]
async fn sessions_are_resumed_unless_told_otherwise() {
    let authority = Authority::new("ours");
    for only_1_2 in [false, true] {
        let peer = Peer::start(Manner::Tls { shows: authority.issue(NAMES), wants: None, only_1_2 });
        let settings = |tls: Tls| patient().tls(tls).connections_per_server(4);
        let tls = Tls::new().ca_pem(&authority.pem);
        for (tls, resumed) in [(tls.clone().without_resumption(), 0), (tls, 1)] {
            let before = peer.heard();
            let client =
                Client::builder().server(peer.server()).settings(settings(tls)).opaque(false).connect().await.unwrap();
            // The tickets have come by then.
            client.delete("key").await.unwrap();
            client.cluster().renew();
            until("another was made", || peer.heard().connections >= before.connections + 2).await;
            client.delete("key").await.unwrap();
            let after = peer.heard().resumed - before.resumed;
            assert!(after >= resumed && (resumed > 0 || after == 0), "{after} were resumed, TLS 1.2 alone: {only_1_2}");
        }
    }
}

/// Half a value is no value, whether the server says goodbye or not.
#[tokio::test]
async fn an_end_inside_a_value_is_an_error() {
    let authority = Authority::new("ours");
    for says_goodbye in [false, true] {
        let peer = Peer::start(Manner::EndsInValue { shows: authority.issue(NAMES), says_goodbye });
        let tls = Tls::new().ca_pem(&authority.pem);
        let client =
            Client::builder().server(peer.server()).settings(patient().tls(tls)).opaque(false).build().unwrap();
        let error = client.get("key").await.expect_err("it ended in the midst of it");
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::ConnectionLost, Outcome::Unknown), "{error}");
        let part = if says_goodbye { "closed the connection" } else { "close_notify" };
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_users_own_stream_carries_tls() {
    let authority = Authority::new("ours");
    let server = embedded(&authority, None, false).await;
    let tls = Tls::new().ca_pem(&authority.pem);
    let settings = patient().connector(Narrow(64)).tls(tls);
    is_served(
        "a narrow pipe",
        &Client::builder().server(server_of(&server)).settings(settings).connect().await.unwrap(),
    )
    .await;
}

#[tokio::test]
async fn credentials_go_over_tls() {
    let authority = Authority::new("ours");
    let Issued { cert, key, .. } = authority.issue(NAMES);
    let settings = TlsSettings { cert, key, client_ca: None, only_1_2: false };
    let server = TestServer::builder().tls(settings).user("ada", "lovelace").start().await.unwrap();
    let folder = Folder::new();
    let ca = folder.write("ca.pem", &authority.pem);
    let url = |password| format!("memcaches://ada:{password}@{}?tls_ca={}", server.address(), ca.display());
    Client::connect(&url("lovelace")).await.expect("the right ones").set("k", "v").await.unwrap();
    let error = Client::connect(&url("byron")).await.map(|_| ()).expect_err("a wrong password");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(!error.to_string().contains("byron"), "{error}");
}
