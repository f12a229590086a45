//! The same over TLS, against a real redis-server with certificates that the test makes; and who is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use memlink::{ErrorKind, Event, Outcome, Server, Tls};
use memlink_resp::{Builder, Cmd, Error, Redis};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::redis::{RedisServer, patient};
use crate::sockets::everything;
use crate::wait::{until, until_async};

/// An authority and what it has issued, as files in a folder of its own that is gone with its handle.
struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// One certificate for the server, and one for clients.
    fn new() -> Certificates {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("memlink-resp-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let made = Certificates { folder };
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        made.write("ca.pem", &params.self_signed(&key).expect("a certificate").pem());
        let authority = Issuer::new(params, key);
        for (who, name) in [("server", "127.0.0.1"), ("client", "a-client")] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new([name.to_owned()]).expect("a name");
            let cert = params.signed_by(&key, &authority).expect("a certificate");
            made.write(&format!("{who}.pem"), &cert.pem());
            made.write(&format!("{who}.key"), &key.serialize_pem());
        }
        made
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.join(name), text).expect("it can be written");
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// `auth_clients`: whether clients have to show a certificate, `yes` or `no`.
    fn start_server(&self, auth_clients: &str) -> RedisServer {
        let (ca, cert, key) = (self.path("ca.pem"), self.path("server.pem"), self.path("server.key"));
        let files = ["--tls-ca-cert-file", &ca, "--tls-cert-file", &cert, "--tls-key-file", &key];
        let auth = ["--tls-auth-clients", auth_clients];
        RedisServer::start_with_tls(&[&files[..], &auth].concat())
    }

    /// Trusts the authority.
    fn tls(&self) -> Tls {
        Tls::new().ca_file(self.path("ca.pem"))
    }

    /// The same, and shows the client's certificate.
    fn mutual_tls(&self) -> Tls {
        self.tls().client_cert_files(self.path("client.pem"), self.path("client.key"))
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_and_dropped_requests_are_the_same_over_tls() {
    let certificates = Certificates::new();
    let server = certificates.start_server("no");
    everything("TLS", || server.builder().tls(certificates.tls())).await;
    let server = certificates.start_server("yes");
    everything("mutual TLS", || server.builder().tls(certificates.mutual_tls())).await;
}

#[tokio::test]
async fn a_url_says_all_that_tls_takes() {
    let certificates = Certificates::new();
    let files = ["ca.pem", "client.pem", "client.key"].map(|name| certificates.path(name));
    let one_sided = certificates.start_server("no");
    let mutual = certificates.start_server("yes");
    for url in [
        format!("rediss://{}/1?tls_ca={}&timeout_ms=20000", one_sided.address(), files[0]),
        format!(
            "valkeys://{}/1?tls_ca={}&tls_cert={}&tls_key={}&timeout_ms=20000",
            mutual.address(),
            files[0],
            files[1],
            files[2]
        ),
    ] {
        let redis = Redis::connect(&url).await.unwrap();
        redis.set("k", "v").await.unwrap();
        assert_eq!(redis.get("k").await.unwrap().unwrap(), "v");
        let info: String = redis.query(Cmd::new("CLIENT INFO")).await.unwrap();
        assert!(info.contains(" db=1 "), "{info}");
    }
}

/// What the server was told so far, asked over its Unix socket, this question not counted: how many openings, and which commands but
/// those of an opening.
async fn told(socket: &Path) -> (u64, Vec<String>) {
    let side_door = Redis::builder().server(Server::unix(socket)).settings(patient()).connect().await.unwrap();
    let seen: String = side_door.query(Cmd::new("INFO commandstats")).await.unwrap();
    let (mut hellos, mut others) = (0, Vec::new());
    for (name, counts) in seen.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls=")) {
        match name {
            "hello" => hellos = counts.split(',').next().and_then(|calls| calls.parse().ok()).expect("a number"),
            "ping" | "info" => {}
            name => others.push(name.to_owned()),
        }
    }
    (hellos, others)
}

/// Before any command: the server is not even told the opening of a connection that is refused.
#[tokio::test]
async fn who_is_not_trusted_is_refused_before_any_command() {
    let (ours, others) = (Certificates::new(), Certificates::new());
    let (one_sided, mutual) = (ours.start_server("no"), ours.start_server("yes"));
    let of_another = ours.tls().client_cert_files(others.path("client.pem"), others.path("client.key"));
    let url = |server: &RedisServer, files: &Certificates| {
        let url = format!("rediss://:sesame@{}?tls_ca={}", server.address(), files.path("ca.pem"));
        Redis::builder().url(&url).unwrap().settings(patient())
    };
    let system_roots = Redis::builder().url(&format!("rediss://{}", one_sided.address())).unwrap().settings(patient());
    let cases: [(&str, &RedisServer, Builder, &str); 7] = [
        ("of another authority", &one_sided, one_sided.builder().tls(others.tls()), "authority"),
        ("of another authority, by URL", &one_sided, url(&one_sided, &others), "authority"),
        ("of an authority that the system does not know", &one_sided, system_roots, "authority"),
        ("of another name", &one_sided, one_sided.builder().tls(ours.tls().name("cache-1")), "cache-1"),
        ("no certificate is shown", &mutual, mutual.builder().tls(ours.tls()), "certificate"),
        ("no certificate is shown, by URL", &mutual, url(&mutual, &ours), "certificate"),
        ("one of another authority is shown", &mutual, mutual.builder().tls(of_another), "authority"),
    ];
    for (what, server, builder, part) in cases {
        let (before, _) = told(server.socket_path()).await;
        let redis = builder.build().unwrap();
        let error = redis.set("k", "v").await.expect_err(what);
        let Error::Link(link) = &error else { panic!("{what}: {error:?}") };
        assert_eq!((link.kind(), link.outcome()), (ErrorKind::Refused, Outcome::NotSent), "{what}: {error}");
        assert!(error.to_string().contains(part) && !error.to_string().contains("sesame"), "{what}: {error}");
        drop(redis);
        // The question before has said hello as well.
        assert_eq!(told(server.socket_path()).await, (before + 1, Vec::new()), "{what}");
    }
}

/// New files are used by new connections, and open ones are moved to them; where the server refuses what they hold they stay.
#[tokio::test]
async fn connections_are_renewed_with_new_certificates() {
    let (ours, others) = (Certificates::new(), Certificates::new());
    let server = ours.start_server("yes");
    let failures = Arc::new(AtomicU32::new(0));
    let seen = failures.clone();
    let settings = patient().tls(ours.mutual_tls()).on_event(move |event| {
        seen.fetch_add(u32::from(matches!(event, Event::RenewalFailed { .. })), Ordering::Relaxed);
    });
    let url = format!("rediss://{}", server.address());
    let redis = Redis::builder().settings(settings).url(&url).unwrap().connect().await.unwrap();
    let id = async || redis.query::<i64>(Cmd::new("CLIENT ID")).await.unwrap();
    let first = id().await;
    let copy = |from: &Certificates| {
        for name in ["client.pem", "client.key"] {
            ours.write(name, &std::fs::read_to_string(from.path(name)).expect("it is there"));
        }
    };
    let own = ["client.pem", "client.key"].map(|name| std::fs::read_to_string(ours.path(name)).expect("it is there"));
    copy(&others);
    redis.tls().expect("it was set").reload().unwrap();
    redis.renew();
    until("the server has refused the new one", || failures.load(Ordering::Relaxed) > 0).await;
    assert_eq!(id().await, first, "the old connection stays");
    ours.write("client.pem", &own[0]);
    ours.write("client.key", &own[1]);
    redis.renew();
    until_async("the connection was replaced", async || id().await != first).await;
    ours.write("client.key", "hello");
    assert!(redis.tls().expect("it was set").reload().unwrap_err().to_string().contains("client.key"));
}

#[tokio::test]
async fn plain_text_and_tls_do_not_meet() {
    let certificates = Certificates::new();
    let (encrypted, plain) = (certificates.start_server("no"), RedisServer::start());
    let error = plain.builder().tls(certificates.tls()).connect().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    // Silence or an error: either way it is said that TLS is what is missing.
    assert!(error.to_string().contains("TLS"), "{error}");
    let error = encrypted.builder().connect().await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    for server in [&plain, &encrypted] {
        // The question's own hello.
        assert_eq!(told(server.socket_path()).await, (1, Vec::new()));
    }
}
