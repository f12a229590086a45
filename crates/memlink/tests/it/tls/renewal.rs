//! Certificates change while a program runs, and no request notices.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::{Client, Event, Tls};

use super::authority::{Authority, Issued, Kind};
use super::files::Folder;
use super::peer::{Manner, Peer};
use crate::memcached::patient;
use crate::renewal::{Load, Seen};
use crate::wait::until;

/// A file is replaced, as tools do it that know how.
fn replace(path: &PathBuf, text: &str) {
    let unfinished = path.with_extension("new");
    std::fs::write(&unfinished, text).unwrap();
    std::fs::rename(&unfinished, path).unwrap();
}

/// Sixty new certificates under load, each as soon as the last one was seen by the server. `MEMLINK_ROTATION_MS` is a pause between
/// two, for those who want to see it at the pace of a clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_rotations_fail_no_request() {
    const ROTATIONS: usize = 60;
    let pause = std::env::var("MEMLINK_ROTATION_MS").ok().and_then(|text| text.parse().ok()).map(Duration::from_millis);
    let authority = Authority::new("ours");
    let shows = authority.issue(&["127.0.0.1"]);
    let peer = Peer::start(Manner::Tls { shows, wants: Some(authority.pem.clone()), only_1_2: false });
    let folder = Folder::new();
    let (cert, key) = (folder.path("client.pem"), folder.path("client.key"));
    let write = |issued: &Issued| {
        // Between the two the key is that of another certificate.
        replace(&cert, &issued.cert);
        replace(&key, &issued.key);
    };
    let mut issued = authority.issue(&["client"]);
    write(&issued);
    let tls = Tls::new().ca_pem(&authority.pem).client_cert_files(&cert, &key);
    let client =
        Client::builder().server(peer.server()).opaque(false).settings(patient().tls(tls)).connect().await.unwrap();
    let load = Load::start(&client, 10, pause.map_or(Duration::ZERO, |_| Duration::from_millis(7)));
    let mut all = vec![issued.der.clone()];
    for _ in 0..ROTATIONS {
        issued = authority.issue(&["client"]);
        write(&issued);
        let began = std::time::Instant::now();
        client.cluster().renew();
        all.push(issued.der.clone());
        until("the new certificate is shown", || peer.heard().shown.len() == all.len()).await;
        let served = load.served();
        until("requests go over the new connection", || load.served() > served + 100).await;
        if let Some(pause) = pause {
            tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
        }
    }
    let (served, failed) = load.end();
    println!("{served} requests, {} failed, {ROTATIONS} rotations", failed.len());
    assert_eq!(failed, [""; 0], "of {served}");
    assert_eq!(peer.heard().shown, all, "every dial shows the newest, and only that");
}

/// Files that cannot be used change nothing, and are complained of once.
#[tokio::test]
async fn what_cannot_be_used_leaves_the_last_good_ones_in_use() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let shows = authority.issue(&["127.0.0.1"]);
    let peer = Peer::start(Manner::Tls { shows, wants: Some(authority.pem.clone()), only_1_2: false });
    let folder = Folder::new();
    let (ca, cert, key) = (folder.path("ca.pem"), folder.path("client.pem"), folder.path("client.key"));
    let good = authority.issue(&["client"]);
    let good_files = || {
        for (path, text) in [(&ca, &authority.pem), (&cert, &good.cert), (&key, &good.key)] {
            replace(path, text);
        }
    };
    good_files();
    let complaints: Arc<Mutex<Vec<String>>> = Arc::default();
    let replaced = Arc::new(AtomicU64::new(0));
    let (heard, counted) = (complaints.clone(), replaced.clone());
    let settings =
        patient().tls(Tls::new().ca_file(&ca).client_cert_files(&cert, &key)).on_event(move |event| match event {
            Event::TlsFilesRefused { error, .. } => heard.lock().unwrap().push(error.to_string()),
            Event::Replaced { .. } => _ = counted.fetch_add(1, Ordering::SeqCst),
            _ => {}
        });
    let client = Client::builder().server(peer.server()).opaque(false).settings(settings).connect().await.unwrap();
    let renewed = async |client: &Client| {
        let before = replaced.load(Ordering::SeqCst);
        client.cluster().renew();
        until("the connection was replaced", || replaced.load(Ordering::SeqCst) > before).await;
        client.delete("key").await.expect("all is well");
    };
    let half = &good.cert[..good.cert.len() / 2];
    let theirs = other.issue(&["client"]);
    for (what, path, text, part) in [
        ("missing", &cert, None, "cannot be read"),
        ("half-written", &cert, Some(half), "client.pem"),
        ("empty", &cert, Some(""), "no certificate"),
        ("not PEM", &cert, Some("hello"), "no certificate"),
        ("a key instead", &cert, Some(good.key.as_str()), "no certificate"),
        ("no key", &key, Some("hello"), "no private key"),
        ("the key of another", &key, Some(theirs.key.as_str()), "the key is that of another certificate"),
        ("an authority that is none", &ca, Some("hello"), "no certificate"),
    ] {
        good_files();
        match text {
            Some(text) => replace(path, text),
            None => std::fs::remove_file(path).unwrap(),
        }
        complaints.lock().unwrap().clear();
        renewed(&client).await;
        renewed(&client).await;
        let said = complaints.lock().unwrap().clone();
        assert_eq!(said.len(), 1, "{what}: {said:?}");
        assert!(said[0].contains(part) && !said[0].contains("PRIVATE"), "{what}: {said:?}");
        let error = client.tls().unwrap().reload().expect_err(what).to_string();
        assert!(error.contains(part), "{what}: {error}");
    }
    good_files();
    client.tls().unwrap().reload().expect("all is well again");
    renewed(&client).await;
    assert!(peer.heard().shown.iter().all(|shown| *shown == good.der));
}

/// A server that has moved on to another authority is not left by the old connection before the new one stands.
#[tokio::test]
async fn a_renewal_that_fails_leaves_the_connection_as_it_is() {
    let authority = Authority::new("ours");
    let good = authority.issue(&["127.0.0.1"]);
    let settings = |issued: &Issued| memlink_testserver::TlsSettings {
        cert: issued.cert.clone(),
        key: issued.key.clone(),
        client_ca: None,
        only_1_2: false,
    };
    let server = memlink_testserver::TestServer::builder().tls(settings(&good)).start().await.unwrap();
    let (failed, replaced): (Arc<AtomicU64>, Arc<AtomicU64>) = Default::default();
    let (failures, replacements) = (failed.clone(), replaced.clone());
    let client = Client::builder()
        .server(memlink::Server::tcp(&server.address()).unwrap())
        .settings(patient().tls(Tls::new().ca_pem(&authority.pem)).on_event(move |event| match event {
            Event::RenewalFailed { error, .. } if error.contains("issuer is unknown") => {
                _ = failures.fetch_add(1, Ordering::SeqCst)
            }
            Event::Replaced { .. } => _ = replacements.fetch_add(1, Ordering::SeqCst),
            _ => {}
        }))
        .connect()
        .await
        .unwrap();
    client.set("k", "v").await.unwrap();
    server.set_tls(&settings(&Authority::new("another").issue(&["127.0.0.1"]))).unwrap();
    client.cluster().renew();
    until("the renewal has failed", || failed.load(Ordering::SeqCst) == 1).await;
    assert_eq!(client.get("k").await.unwrap().unwrap(), "v");
    assert_eq!(client.cluster().stats(0).opened, 1);
    server.set_tls(&settings(&good)).unwrap();
    client.cluster().renew();
    until("the connection was replaced", || replaced.load(Ordering::SeqCst) == 1).await;
    assert_eq!(client.get("k").await.unwrap().unwrap(), "v");
    assert_eq!(client.cluster().stats(0).opened, 2);
}

/// With TLS 1.3 a server refuses a client's certificate only after the handshake has ended for the client.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_refused_after_the_handshake_costs_no_connection() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let shows = authority.issue(&["127.0.0.1"]);
    let folder = Folder::new();
    let (cert, key) = (folder.path("client.pem"), folder.path("client.key"));
    let write = |issued: &Issued| {
        replace(&cert, &issued.cert);
        replace(&key, &issued.key);
    };
    let good = authority.issue(&["client"]);
    for only_1_2 in [false, true] {
        let peer = Peer::start(Manner::Tls { shows: shows.clone(), wants: Some(authority.pem.clone()), only_1_2 });
        write(&good);
        // A session that is resumed shows no certificate, and is not refused.
        let tls = Tls::new().ca_pem(&authority.pem).client_cert_files(&cert, &key).without_resumption();
        let (settings, seen) = Seen::of(patient().tls(tls));
        let client = Client::builder().server(peer.server()).opaque(false).settings(settings).connect().await.unwrap();
        let load = Load::start(&client, 10, Duration::ZERO);
        for refused in [other.issue(&["client"]), authority.issue_as(Kind::Expired, &["client"])] {
            let (before, served) = (seen.failures(), load.served());
            write(&refused);
            client.cluster().renew();
            until("the renewal has failed", || seen.failures() == before + 1).await;
            until("the old connection serves on", || load.served() > served + 100).await;
        }
        assert_eq!((seen.replaced(), client.cluster().stats(0).opened), (0, 1));
        assert!(seen.last_failure().contains("refused the client certificate: it has expired"), "{seen:?}");
        write(&good);
        client.cluster().renew();
        until("the connection was replaced", || seen.replaced() == 1).await;
        let served = load.served();
        until("the new connection serves", || load.served() > served + 100).await;
        let (served, failed) = load.end();
        println!("TLS 1.2 alone: {only_1_2}; {served} requests, {} failed, 2 renewals refused", failed.len());
        assert_eq!(failed, [""; 0], "of {served}");
        let stats = client.cluster().stats(0);
        assert_eq!((stats.opened, stats.closed), (2, 1), "{stats:?}");
    }
}
