//! Keys that may be used a few times only: connections are replaced before, and no request notices.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use memlink::rustls::crypto::ring::default_provider;
use memlink::rustls::crypto::{CipherSuiteCommon, CryptoProvider};
use memlink::rustls::{SupportedCipherSuite, Tls12CipherSuite};
use memlink::{Client, Server, Tls, TlsVersion};
use memlink_testserver::{TestServer, TlsSettings};

use super::authority::{Authority, Issued};
use super::peer::{Manner, Peer};
use crate::memcached::patient;
use crate::renewal::{Load, Seen};
use crate::wait::{until, until_async};

/// Records that a key is good for here, instead of 16,777,216. It keeps to it: rustls ends the connection.
const LIMIT: u64 = 1_000;

/// Suites of TLS 1.2 whose keys are good for so many records.
pub(crate) fn provider(limit: u64) -> CryptoProvider {
    let mut provider = default_provider();
    provider.cipher_suites.retain_mut(|suite| match suite {
        SupportedCipherSuite::Tls12(known) => {
            let CipherSuiteCommon { suite: name, hash_provider, .. } = known.common;
            let common = CipherSuiteCommon { suite: name, hash_provider, confidentiality_limit: limit };
            let (prf_provider, kx, sign, aead_alg) = (known.prf_provider, known.kx, known.sign, known.aead_alg);
            // Suites live as long as the program; there are few of them.
            *suite = SupportedCipherSuite::Tls12(Box::leak(Box::new(Tls12CipherSuite {
                common,
                prf_provider,
                kx,
                sign,
                aead_alg,
            })));
            true
        }
        SupportedCipherSuite::Tls13(_) => true,
    });
    provider
}

/// Wears out five connections by requests, so many at once. A dial takes as long as the machine is busy, and the second half of a limit
/// that is this low would not outlast it: while one is under way there is one request every now and then.
async fn wear_out_five(client: &Client, seen: &Seen, at_once: usize) {
    let mut served = 0;
    while seen.replaced() < 5 {
        for deleted in join_all((0..at_once).map(|_| client.delete("key").into_future())).await {
            deleted.expect("nothing fails");
            served += 1;
        }
        until_async("the dial has ended", async || {
            client.delete("key").await.expect("nothing fails");
            seen.dials() == seen.opened()
        })
        .await;
        assert!(served < 20 * LIMIT, "it is not replaced");
    }
    println!("{served} requests, 0 failed, 5 connections replaced, limit {LIMIT} records, {at_once} requests at once");
    assert!(served > LIMIT, "more than the limit of one connection: {served}");
    assert_eq!((seen.failures(), seen.lost()), (0, 0));
}

fn shown(issued: &Issued) -> TlsSettings {
    TlsSettings { cert: issued.cert.clone(), key: issued.key.clone(), client_ca: None, only_1_2: false }
}

/// What is sent wears a connection; and when no other can be made, it ends where its keys do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_replaced_before_its_keys_are_worn() {
    let authority = Authority::new("ours");
    let good = authority.issue(&["127.0.0.1"]);
    let server = TestServer::builder().tls(shown(&good)).start().await.unwrap();
    let tls = Tls::new().ca_pem(&authority.pem).provider(Arc::new(provider(LIMIT)));
    let (settings, seen) = Seen::of(
        patient()
            .tls(tls.versions(TlsVersion::V1_2, TlsVersion::V1_2))
            .backoff(Duration::from_millis(1), Duration::from_millis(5)),
    );
    let client =
        Client::builder().server(Server::tcp(&server.address()).unwrap()).settings(settings).connect().await.unwrap();
    // Each request is a record.
    wear_out_five(&client, &seen, 1).await;
    let stats = client.cluster().stats(0);
    assert_eq!(stats.opened, 6, "{stats:?}");

    // The limit is no invention: without another connection this one comes to it.
    server.set_tls(&shown(&Authority::new("another").issue(&["127.0.0.1"]))).unwrap();
    let load = Load::start(&client, 1, Duration::ZERO);
    until("the connection has ended", || seen.lost() == 1).await;
    let asked = seen.failures();
    assert!((2..=12).contains(&asked), "it is asked for at half of what is left: {asked} times");
    server.set_tls(&shown(&good)).unwrap();
    let served = load.served();
    until("all is well again", || load.served() > served + 100).await;
    let (_, failed) = load.end();
    assert!(!failed.is_empty(), "the server was refused for a while");
}

/// What is received wears a connection as well: the server's keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_replaced_before_the_keys_of_the_server_are_worn() {
    let authority = Authority::new("ours");
    let peer = Peer::start(Manner::Wears(authority.issue(&["127.0.0.1"]), LIMIT));
    let tls = Tls::new().ca_pem(&authority.pem).provider(Arc::new(provider(LIMIT)));
    let (settings, seen) = Seen::of(patient().tls(tls));
    let client = Client::builder().server(peer.server()).opaque(false).settings(settings).connect().await.unwrap();
    // They leave as one record, and are answered by as many.
    wear_out_five(&client, &seen, 16).await;
}
