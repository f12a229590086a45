//! Configuration endpoints: those of ElastiCache and Memorystore, and such as are none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::discovery::{Discover as _, DiscoveryError, ElastiCache};
use memlink::{Client, Limits, Settings};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::told::{Events, servers};
use crate::memcached::{Memcached, patient};
use crate::pipe::Pipes;
use crate::show::Show as _;
use crate::wait::until;

/// What an endpoint does with a question.
#[derive(Clone)]
enum Manner {
    /// Answers as one of a new cluster does: `config get cluster`.
    Knows(String),
    /// As an old one: `get AmazonElastiCache:cluster`.
    IsOld(String),
    Says(&'static [u8]),
    /// Says this first and then that for ever.
    GoesOn(&'static [u8], &'static [u8]),
    IsSilent,
    Closes,
}

#[derive(Clone)]
struct Endpoint {
    port: u16,
    manner: Arc<Mutex<Manner>>,
}

impl Endpoint {
    async fn start(manner: Manner) -> Endpoint {
        Endpoint::start_with(manner, |stream| stream).await
    }

    /// Its tasks end with the test's runtime.
    async fn start_with<S>(manner: Manner, wrap: impl Fn(tokio::net::TcpStream) -> S + Send + 'static) -> Endpoint
    where
        S: IntoServed,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint { port: listener.local_addr().unwrap().port(), manner: Arc::new(Mutex::new(manner)) };
        let manner = endpoint.manner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                wrap(stream).serve(manner.clone());
            }
        });
        endpoint
    }

    fn set(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn source(&self) -> ElastiCache {
        ElastiCache::new(&format!("127.0.0.1:{}", self.port)).unwrap()
    }

    async fn ask(&self, settings: &Settings) -> Result<Vec<String>, DiscoveryError> {
        let found = self.source().discover(settings).await?;
        Ok(found.iter().map(|server| server.name().to_owned()).collect())
    }
}

/// A connection, however it is made.
trait IntoServed: Send + 'static {
    fn serve(self, manner: Arc<Mutex<Manner>>);
}

impl IntoServed for tokio::net::TcpStream {
    fn serve(self, manner: Arc<Mutex<Manner>>) {
        tokio::spawn(answer(self, manner));
    }
}

fn whole(begins: &str, text: &str) -> Vec<u8> {
    format!("{begins} 0 {}\r\n{text}\r\nEND\r\n", text.len()).into_bytes()
}

/// Errors are the client's business: it has closed.
async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, manner: Arc<Mutex<Manner>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let manner = manner.lock().unwrap().clone();
        let said = match (manner, line.as_str()) {
            (Manner::Knows(text), "config get cluster\r\n") => whole("CONFIG cluster", &text),
            (Manner::IsOld(text), "get AmazonElastiCache:cluster\r\n") => {
                whole("VALUE AmazonElastiCache:cluster", &text)
            }
            (Manner::Knows(_) | Manner::IsOld(_), _) => b"ERROR\r\n".to_vec(),
            (Manner::Says(bytes), _) => bytes.to_vec(),
            (Manner::GoesOn(first, then), _) => {
                stream.write_all(first).await.ok()?;
                let then = then.repeat(1_000);
                loop {
                    stream.write_all(&then).await.ok()?;
                }
            }
            (Manner::IsSilent, _) => Vec::new(),
            (Manner::Closes, _) => return None,
        };
        stream.write_all(&said).await.ok()?;
        stream.flush().await.ok()?;
    }
}

/// Waits for nobody: a silent endpoint is found within a moment.
fn hasty() -> Settings {
    patient().limits(Limits { stall_timeout: Duration::from_millis(50), ..Limits::default() })
}

#[tokio::test]
async fn endpoints_old_and_new_are_asked() {
    let text = "7\ncache-1|10.0.0.1|11211 cache-2||5\n".to_owned();
    for manner in [Manner::Knows(text.clone()), Manner::IsOld(text.clone())] {
        let endpoint = Endpoint::start(manner).await;
        assert_eq!(endpoint.ask(&patient()).await.unwrap(), ["cache-1:11211", "cache-2:5"]);
    }
    // Several endpoints of one cluster: the first that has an answer.
    let (dead, good) = (Endpoint::start(Manner::Closes).await, Endpoint::start(Manner::Knows(text)).await);
    let source = dead.source().or(&format!("127.0.0.1:{}", good.port)).unwrap();
    assert_eq!(source.discover(&patient()).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_within_bounds() {
    for (manner, part) in [
        (Manner::Says(b"garbage\r\n"), "none of a memcached"),
        (Manner::Says(b"\x00\x01\x02\r\n"), "none of a memcached"),
        (Manner::Says(b"HD\r\n"), "none of a memcached"),
        (Manner::Says(b"CONFIG cluster 0\r\n"), "no length"),
        (Manner::Says(b"CONFIG cluster 0 x\r\n"), "no length"),
        (Manner::Says(b"CONFIG cluster 0 -5\r\n"), "no length"),
        (Manner::Says(b"CONFIG cluster 0 99999999999999999999\r\n"), "no length"),
        (Manner::Says(b"CONFIG cluster 0 1048577\r\n"), "1048577"),
        (Manner::Says(b"CONFIG cluster 0 5\r\n1\na||\r\nEND\r\n"), "port"),
        (Manner::Says(b"CONFIG cluster 0 4\r\n1\na||1\r\nEND\r\n"), "longer than it said"),
        (Manner::Says(b"CONFIG cluster 0 3\r\n1\n\n\r\nEND\r\n"), "no server"),
        (Manner::Says(b"CONFIG cluster 0 4\n1\n\n\n\r\nEND\r\n"), "does not end"),
        (Manner::Says(b"CONFIG cluster 0 60\r\n1\nhalf"), "silent for too long"),
        (Manner::Says(b"END\r\n"), "of no cluster"),
        (Manner::Says(b"ERROR\r\n"), "knows no configuration endpoint"),
        (Manner::Says(b"SERVER_ERROR on\x07 fire\r\n"), "SERVER_ERROR on fire"),
        (Manner::GoesOn(b"", b"endless "), "line"),
        (Manner::GoesOn(b"CONFIG cluster 0 1048576\r\n", b"endless "), "longer than it said"),
        (Manner::IsSilent, "silent for too long"),
        (Manner::Closes, "closed"),
    ] {
        let endpoint = Endpoint::start(manner).await;
        let error = endpoint.ask(&hasty()).await.expect_err(part).to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    // What follows a whole answer is nobody's business.
    const WHOLE: &[u8] = b"CONFIG cluster 0 6\r\n1\na||1\r\nEND\r\n";
    for manner in [Manner::Says(WHOLE), Manner::GoesOn(WHOLE, b"VALUE"), Manner::GoesOn(WHOLE, WHOLE)] {
        let endpoint = Endpoint::start(manner).await;
        assert_eq!(endpoint.ask(&hasty()).await.unwrap(), ["a:1"]);
    }
    // A memcached that is of no cluster.
    let memcached = Memcached::start();
    let error = ElastiCache::new(&memcached.address()).unwrap().discover(&patient()).await.unwrap_err();
    assert!(error.to_string().contains("of no cluster"), "{error}");
}

/// Both questions have the time of one.
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_slow_twice_has_failed() {
    let mut pipes = Pipes::new(1 << 10);
    let settings = pipes.settings(patient());
    let begun = tokio::time::Instant::now();
    let asked = tokio::spawn(async move { ElastiCache::new("cfg").unwrap().discover(&settings).await });
    let mut end = pipes.accept().await;
    end.expect("config get cluster\r\n").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    end.say("ERROR\r\n").await;
    end.expect("get AmazonElastiCache:cluster\r\n").await;
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), 3, "{error}");
}

#[tokio::test]
async fn a_client_follows_its_configuration_endpoint() {
    let [one, other] = servers().await;
    let of = |servers: &[&memlink_testserver::TestServer]| {
        let words: Vec<_> = servers.iter().map(|server| format!("127.0.0.1||{}", server.addr().port())).collect();
        Manner::Knows(format!("{}\n{}\n", words.len(), words.join(" ")))
    };
    let (endpoint, events) = (Endpoint::start(of(&[&one])).await, Events::default());
    let url = format!("memcache://elasticache+127.0.0.1:{}?discovery_interval_ms=10", endpoint.port);
    let client = Client::builder().url(&url).unwrap().settings(events.settings()).connect().await.unwrap();
    client.set("key", "value").await.unwrap();
    endpoint.set(of(&[&one, &other]));
    until("the other is found", || client.cluster().servers() == [one.address(), other.address()]).await;
    for manner in [Manner::Closes, Manner::Says(b"garbage\r\n"), Manner::Knows("1\n\n".to_owned())] {
        endpoint.set(manner);
        events.clear();
        until("that is told", || events.have("no new list of servers")).await;
        assert_eq!(client.cluster().servers().len(), 2);
        client.set("key", "value").await.unwrap();
    }
    endpoint.set(of(&[&other]));
    until("it is followed again", || client.cluster().servers() == [other.address()]).await;
    assert_eq!(client.get("other").await.show(), "none");
}

/// The endpoint is reached as the servers are, and not without TLS.
#[cfg(feature = "tls")]
#[tokio::test]
async fn an_endpoint_is_asked_by_tls_where_its_servers_are() {
    use memlink::Tls;
    use memlink::rustls::ServerConfig;
    use memlink::rustls::crypto::ring::default_provider;
    use memlink::rustls::pki_types::pem::PemObject as _;
    use memlink::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use memlink_testserver::{TestServer, TlsSettings};
    use tokio_rustls::TlsAcceptor;

    use crate::tls::authority::Authority;

    struct Encrypted(TlsAcceptor, tokio::net::TcpStream);

    impl IntoServed for Encrypted {
        fn serve(self, manner: Arc<Mutex<Manner>>) {
            tokio::spawn(async move { answer(self.0.accept(self.1).await.ok()?, manner).await });
        }
    }

    let authority = Authority::new("ours");
    let issued = authority.issue(&["127.0.0.1"]);
    let config = ServerConfig::builder_with_provider(default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap(),
        )
        .unwrap();
    let settings = TlsSettings { cert: issued.cert, key: issued.key, client_ca: None, only_1_2: false };
    let server = TestServer::builder().tls(settings).start().await.unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let manner = Manner::Knows(format!("1\n|127.0.0.1|{}\n", server.addr().port()));
    let endpoint = Endpoint::start_with(manner, move |stream| Encrypted(acceptor.clone(), stream)).await;
    let url = format!("memcaches://elasticache+127.0.0.1:{}", endpoint.port);
    let settings = patient().tls(Tls::default().ca_pem(authority.pem.as_bytes()));
    let client = Client::builder().url(&url).unwrap().settings(settings).connect().await.unwrap();
    client.set("key", "value").await.unwrap();
    assert_eq!(client.get("key").await.show(), "\"value\"");
    let stranger = patient().tls(Tls::default().ca_pem(Authority::new("another").pem.as_bytes()));
    let client = Client::builder().url(&url).unwrap().settings(stranger).build().unwrap();
    let error = client.get("key").await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}
