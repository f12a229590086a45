//! Ways to a server: TCP, Unix sockets, streams of a user's own, TLS over any of them. What is said does not depend on the way.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use memlink::generic::{ConnectFuture, Connector, Stream};
use memlink::{Address, Client, Credentials, ErrorKind, Outcome, Server, Settings, TcpOptions};
use memlink_testserver::{TestServer, User};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::cancel;
use crate::memcached::patient;
use crate::wait::until_async;

/// A way to the embedded server, other than plain TCP.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    Unix,
    /// A stream in memory that holds little, and so cuts everything.
    Pipe,
    #[cfg(feature = "tls")]
    Tls,
    #[cfg(feature = "tls")]
    TlsOverPipe,
}

impl Door {
    pub(crate) const ALL: &[Door] = &[
        Door::Unix,
        Door::Pipe,
        #[cfg(feature = "tls")]
        Door::Tls,
        #[cfg(feature = "tls")]
        Door::TlsOverPipe,
    ];
}

/// A server behind it, which ends with this.
pub(crate) struct House {
    at: Server,
    settings: Settings,
    _server: TestServer,
}

/// A client whose way it is, and the server, which ends with it.
pub(crate) struct Opened {
    pub(crate) client: Client,
    _house: House,
}

/// Bytes that a narrow pipe holds in each direction.
const NARROW: usize = 500;

impl Opened {
    pub(crate) async fn start(door: Door, settings: Settings) -> Opened {
        let house = House::start(door, settings).await;
        let builder = Client::builder().server(house.at.clone()).settings(house.settings.clone());
        Opened { client: builder.connect().await.expect("it answers"), _house: house }
    }
}

impl House {
    async fn start(door: Door, settings: Settings) -> House {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path: PathBuf = std::env::temp_dir().join(format!("memlink-door-{}-{number}.sock", std::process::id()));
        let builder = TestServer::builder();
        let (builder, settings) = match door {
            Door::Unix => (builder.unix_socket(&path), settings),
            Door::Pipe => (builder, settings.connector(Narrow(NARROW))),
            #[cfg(feature = "tls")]
            Door::Tls => secret(builder, settings),
            #[cfg(feature = "tls")]
            Door::TlsOverPipe => secret(builder, settings.connector(Narrow(NARROW))),
        };
        let server = builder.start().await.expect("the embedded server starts");
        let at = match door {
            Door::Unix => Server::unix(&path),
            _ => Server::tcp(&server.address()).expect("an address"),
        };
        House { at, settings, _server: server }
    }

    /// Not dialled yet.
    fn client(&self) -> Client {
        Client::builder().server(self.at.clone()).settings(self.settings.clone()).build().expect("options")
    }
}

#[cfg(feature = "tls")]
fn secret(
    builder: memlink_testserver::ServerBuilder,
    settings: Settings,
) -> (memlink_testserver::ServerBuilder, Settings) {
    let authority = crate::tls::authority::Authority::new("ours");
    let issued = authority.issue(&["127.0.0.1"]);
    let shows =
        memlink_testserver::TlsSettings { cert: issued.cert, key: issued.key, client_ca: None, only_1_2: false };
    (builder.tls(shows), settings.tls(memlink::Tls::new().ca_pem(&authority.pem)))
}

/// A user's own connector: a pipe that holds so many bytes in each direction, with a real connection behind it.
pub(crate) struct Narrow(pub(crate) usize);

impl Connector for Narrow {
    fn connect(&self, address: &Address) -> ConnectFuture {
        let (address, len) = (address.to_string(), self.0);
        Box::pin(async move {
            let (near, mut far) = tokio::io::duplex(len);
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move { copy_bidirectional(&mut far, &mut stream).await });
            Ok(Box::pin(near) as Pin<Box<dyn Stream>>)
        })
    }
}

/// As over TCP, in `cancel.rs`.
async fn check_open(door: Door, flavour: &str) {
    let opened = Opened::start(door, patient()).await;
    cancel::prepare(&opened.client).await;
    let dropped = cancel::drop_everywhere(&opened.client).await;
    cancel::nothing_is_left(&opened.client).await;
    println!("{door:?}, {flavour}: {dropped} drop points, wrong replies 0, new connections 0");
}

async fn check_crowded(door: Door, flavour: &str) {
    let opened = Opened::start(door, cancel::crowded()).await;
    let dropped = cancel::drop_in_a_crowd(&opened.client).await;
    println!("{door:?}, {flavour}: {dropped} drop points in a crowd, wrong replies 0, new connections 0");
}

async fn check_cold(door: Door, flavour: &str) {
    let house = House::start(door, patient()).await;
    let dropped = cancel::drop_while_dialling(|| house.client()).await;
    println!("{door:?}, {flavour}: {dropped} drop points from the dial on, wrong replies 0, connections one each");
    assert!(dropped > 0);
}

#[tokio::test]
async fn a_dropped_request_harms_nobody_behind_any_door_on_one_thread() {
    for door in Door::ALL {
        check_open(*door, "current_thread").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_harms_nobody_behind_any_door_on_two_threads() {
    for door in Door::ALL {
        tokio::spawn(check_open(*door, "multi_thread")).await.unwrap();
    }
}

#[tokio::test]
async fn a_dropped_request_harms_nobody_in_a_crowd_behind_any_door_on_one_thread() {
    for door in Door::ALL {
        check_crowded(*door, "current_thread").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_request_harms_nobody_in_a_crowd_behind_any_door_on_two_threads() {
    for door in Door::ALL {
        tokio::spawn(check_crowded(*door, "multi_thread")).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_dropped_while_dialling_harms_nobody_behind_any_door_on_one_thread() {
    for door in Door::ALL {
        check_cold(*door, "current_thread").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_dropped_while_dialling_harms_nobody_behind_any_door_on_two_threads() {
    for door in Door::ALL {
        tokio::spawn(check_cold(*door, "multi_thread")).await.unwrap();
    }
}

/// The listener sees where a dial comes from.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_local_address_is_the_one_that_was_chosen() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::tcp(&format!("localhost:{}", listener.local_addr().unwrap().port())).unwrap();
    let chosen = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
    let options = TcpOptions { local_address: Some(chosen), ..TcpOptions::default() };
    let client = Client::builder().server(server.clone()).settings(Settings::default().tcp(options)).build().unwrap();
    let dial = tokio::spawn(async move { client.get("k").await });
    let (_stream, from) = tokio::task::spawn_blocking(move || listener.accept()).await.unwrap().unwrap();
    assert_eq!(from.ip(), chosen);
    dial.abort();
    // Where a name has addresses of the other family alone, there is nothing to be dialled.
    let options = TcpOptions { local_address: Some("::1".parse().unwrap()), ..TcpOptions::default() };
    let server = Server::tcp("127.0.0.1:1").unwrap();
    let client = Client::builder().server(server).settings(Settings::default().tcp(options)).build().unwrap();
    let error = client.get("k").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServerDown, Outcome::NotSent));
    assert!(error.to_string().contains("family"), "{error}");
}

pub(crate) fn users(password: &str) -> Vec<User> {
    vec![User { name: "ada".to_owned(), password: password.to_owned() }]
}

#[tokio::test]
async fn a_provider_is_asked_for_credentials_at_every_dial() {
    let server = TestServer::builder().user("ada", "first").start().await.unwrap();
    let password = Arc::new(Mutex::new(Some("first")));
    let asked = Arc::new(AtomicUsize::new(0));
    let (known, counted) = (password.clone(), asked.clone());
    let client = Client::builder()
        .server(Server::tcp(&server.address()).unwrap())
        .settings(patient().backoff(Duration::from_millis(1), Duration::from_millis(2)))
        .credentials_provider(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let password = *known.lock().unwrap();
            async move {
                tokio::task::yield_now().await;
                let password = password.ok_or_else(|| std::io::Error::other("the vault is closed"))?;
                Credentials::new("ada", password).map_err(std::io::Error::other)
            }
        });
    assert!(!format!("{client:?}").contains("first"));
    let client = client.build().unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nothing is asked before it is needed");
    client.set("k", "v").await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    // The server's users change, and so does the provider's answer: connections from then on sign in with it.
    server.set_users(users("second"));
    *password.lock().unwrap() = Some("second");
    client.set("k", "w").await.expect("the old connection stays signed in");
    client.cluster().renew();
    until_async("a new connection has signed in", async || {
        client.get("k").await.unwrap();
        asked.load(Ordering::SeqCst) == 2 && client.cluster().stats(0).opened == 2
    })
    .await;

    // A wrong one is refused, without a word of it.
    *password.lock().unwrap() = Some("a-wrong-one");
    server.restart().await.unwrap();
    let refused = async |kind: ErrorKind| match client.get("k").await {
        Err(error) => {
            assert!(!error.to_string().contains("wrong-one"), "{error}");
            assert!(!format!("{error:?}").contains("wrong-one"), "{error:?}");
            error.kind() == kind
        }
        Ok(_) => false,
    };
    until_async("it is refused", async || refused(ErrorKind::Refused).await).await;

    // A provider that fails is a dial that fails.
    *password.lock().unwrap() = None;
    until_async("the provider's error is told", async || {
        let error = client.get("k").await.unwrap_err();
        error.kind() == ErrorKind::ServerDown && error.to_string().contains("the vault is closed")
    })
    .await;
    *password.lock().unwrap() = Some("second");
    until_async("all is well again", async || client.get("k").await.is_ok()).await;
}

/// A provider that never answers costs the dial timeout and no more.
#[tokio::test(start_paused = true)]
async fn a_provider_is_bounded_by_the_dial_timeout() {
    let client = Client::builder()
        .server(Server::tcp("127.0.0.1:1").unwrap())
        .settings(Settings::default().timeout(Duration::from_secs(60)).dial_timeout(Duration::from_secs(2)))
        .credentials_provider(std::future::pending)
        .build()
        .unwrap();
    let begun = tokio::time::Instant::now();
    let error = client.get("k").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::ServerDown, Outcome::NotSent));
    assert!(error.to_string().contains("timed out"), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 2);
}

/// What has to be done before a dial is done before, and its error is the dial's.
#[tokio::test]
async fn a_dial_is_prepared() {
    let server = TestServer::start().await.unwrap();
    let prepared = Arc::new(AtomicUsize::new(0));
    let counted = prepared.clone();
    let settings = patient().backoff(Duration::from_millis(1), Duration::from_millis(2)).before_dial(move |address| {
        let (number, address) = (counted.fetch_add(1, Ordering::SeqCst), address.to_string());
        async move {
            assert!(address.starts_with("127.0.0.1:"));
            if number == 0 { Err(std::io::Error::other("not yet")) } else { Ok(()) }
        }
    });
    let client = Client::builder().server(Server::tcp(&server.address()).unwrap()).settings(settings).build().unwrap();
    assert!(client.get("k").await.unwrap_err().to_string().contains("not yet"));
    until_async("the next dial succeeds", async || client.get("k").await.is_ok()).await;
    assert_eq!(prepared.load(Ordering::SeqCst), 2);
}
