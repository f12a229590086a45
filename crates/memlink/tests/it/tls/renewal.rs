//! Certificates change while a program runs, and no request notices.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::{Client, Event, Settings, Tls};

use super::authority::{Authority, Issued};
use super::files::Folder;
use super::peer::{Manner, Peer};
use crate::memcached::patient;
use crate::wait::until;

/// A file is replaced, as tools do it that know how.
fn replace(path: &PathBuf, text: &str) {
    let unfinished = path.with_extension("new");
    std::fs::write(&unfinished, text).unwrap();
    std::fs::rename(&unfinished, path).unwrap();
}

/// Callers that never pause, and what became of their requests.
struct Load {
    served: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(client: &Client, callers: usize, pause: Duration) -> Load {
        let (served, failed): (Arc<AtomicU64>, Arc<Mutex<Vec<String>>>) = Default::default();
        let tasks = (0..callers).map(|_| {
            let (client, served, failed) = (client.clone(), served.clone(), failed.clone());
            tokio::spawn(async move {
                loop {
                    match client.delete("key").await {
                        Ok(_) => _ = served.fetch_add(1, Ordering::Relaxed),
                        Err(error) => failed.lock().unwrap().push(error.to_string()),
                    }
                    tokio::time::sleep(pause).await;
                }
            })
        });
        Load { served: served.clone(), failed: failed.clone(), tasks: tasks.collect() }
    }

    fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    fn end(self) -> (u64, Vec<String>) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
        (self.served(), self.failed.lock().unwrap().clone())
    }
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

/// Without TLS, too: for addresses and passwords that have changed.
#[tokio::test]
async fn plain_connections_are_replaced_without_a_failed_request() {
    let server = memlink_testserver::TestServer::start().await.unwrap();
    let settings: Settings = patient().connections_per_server(3);
    let replaced = Arc::new(AtomicU64::new(0));
    let counted = replaced.clone();
    let settings = settings.on_event(move |event| {
        if matches!(event, Event::Replaced { .. }) {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let client = Client::builder()
        .server(memlink::Server::tcp(&server.address()).unwrap())
        .settings(settings)
        .connect()
        .await
        .unwrap();
    let load = Load::start(&client, 16, Duration::ZERO);
    until("all connections are used", || client.cluster().stats(0).opened == 3).await;
    for round in 1..=20 {
        client.cluster().renew();
        until("all were replaced", || replaced.load(Ordering::SeqCst) == round * 3).await;
    }
    let (served, failed) = load.end();
    assert_eq!(failed, [""; 0], "of {served}");
}
