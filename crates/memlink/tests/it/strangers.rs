//! What answers at the address and is not a memcached that can be used: each is a clear error, soon, and nobody else's.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use memlink::{Broken, Client, Credentials, ErrorKind, Event, Limits, Outcome, Server, Settings};
use memlink_testserver::TestServer;

use crate::memcached::{Memcached, patient};
use crate::pipe::{Dialled, Pipes};
use crate::show::Show as _;
use crate::wait::{until, until_async};

/// What a stranger does with a connection.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// Says this at once, and then nothing.
    Greets(&'static [u8]),
    /// Answers the first bytes with this and closes.
    Answers(&'static [u8]),
    /// Says the same for ever.
    Repeats(&'static [u8]),
    /// Accepts and closes.
    Closes,
    /// Accepts and says nothing.
    IsSilent,
}

/// Listens until the test ends; its threads end with the connections.
fn stranger(manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::tcp(&listener.local_addr().unwrap().to_string()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            std::thread::spawn(move || behave(stream, manner));
        }
    });
    server
}

/// Errors are those of a peer that has heard enough.
fn behave(mut stream: TcpStream, manner: Manner) {
    let mut bytes = [0; 1024];
    match manner {
        Manner::Greets(text) => {
            let _ = stream.write_all(text);
        }
        Manner::Answers(text) => {
            let _ = stream.read(&mut bytes);
            let _ = stream.write_all(text);
            return;
        }
        Manner::Repeats(text) => while stream.write_all(text).is_ok() {},
        Manner::Closes => return,
        Manner::IsSilent => {}
    }
    while stream.read(&mut bytes).is_ok_and(|n| n > 0) {}
}

fn hasty() -> Settings {
    patient().limits(Limits { opening_timeout: Duration::from_millis(300), ..Limits::default() })
}

#[tokio::test]
async fn strangers_are_recognised_and_leave_others_alone() {
    let memcached = Memcached::start();
    for (manner, kind, part) in [
        (Manner::Answers(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>"), ErrorKind::Refused, "HTTP"),
        (Manner::Answers(&[0x15, 3, 3, 0, 2, 2, 70]), ErrorKind::Refused, "TLS"),
        (Manner::Answers(b"-ERR unknown command\r\n"), ErrorKind::Refused, "Redis"),
        (Manner::Greets(b"SSH-2.0-OpenSSH_9.2\r\n"), ErrorKind::ServerDown, "nothing was owed"),
        (Manner::Greets(b"220 mail ESMTP\r\n"), ErrorKind::ServerDown, "nothing was owed"),
        (Manner::Answers(&[0xde, 0xad, 0xbe, 0xef]), ErrorKind::Refused, "no text"),
        (Manner::Answers(b"VERSION 1.4.15\r\n"), ErrorKind::Refused, "meta"),
        (Manner::Answers(b"ERROR\r\n"), ErrorKind::Refused, "ERROR"),
        (Manner::Answers(b"hello there\r\n"), ErrorKind::Refused, "hello there"),
        (Manner::Answers(b"VERSION 1.6.18"), ErrorKind::ServerDown, "closed"),
        (Manner::Repeats(b"xxxxxxxxxxxxxxxx"), ErrorKind::ServerDown, ""),
        (Manner::Closes, ErrorKind::ServerDown, ""),
        (Manner::IsSilent, ErrorKind::ServerDown, "opening"),
    ] {
        let begun = Instant::now();
        let server = stranger(manner);
        let alone = Client::builder().server(server.clone()).settings(hasty()).connect().await;
        let error = alone.map(|_| ()).expect_err("no memcached");
        let is_greeter = matches!(manner, Manner::Greets(_));
        // Who speaks first may be heard before or after the question has left.
        assert!(error.kind() == kind || (is_greeter && error.kind() == ErrorKind::Refused), "{manner:?}: {error:?}");
        assert_eq!(error.outcome(), Outcome::NotSent, "{manner:?}");
        assert!(is_greeter || error.to_string().contains(part), "{manner:?}: {error}");
        let both = Client::builder().servers([memcached.server(), server.clone()]).settings(hasty());
        let both = both.connect().await.expect("one of them answers");
        neighbours_are_well(&both, &memcached).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "{manner:?}");
    }
}

/// Keys of the good server are served, keys of the other are refused at once and say why.
async fn neighbours_are_well(client: &Client, good: &Memcached) {
    let (mut served, mut refused) = (0, 0);
    for n in 0..50 {
        let key = format!("key-{n}");
        let set = client.set(&key, "v").await;
        if client.server_of(&key).unwrap() == good.address() {
            assert_eq!(set.show(), "done");
            served += 1;
        } else {
            let error = set.unwrap_err();
            assert_eq!(error.outcome(), Outcome::NotSent);
            assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::ServerDown), "{error:?}");
            refused += 1;
        }
    }
    assert!(served > 0 && refused > 0);
}

#[tokio::test]
async fn a_server_that_wants_credentials_says_so() {
    let file = std::env::temp_dir().join(format!("memlink-users-{}", std::process::id()));
    std::fs::write(&file, "ada:lovelace\n").unwrap();
    let memcached = Memcached::start_with(&["-Y", &file.display().to_string()]);
    let new = TestServer::builder().user("ada", "lovelace").start().await.unwrap();
    for server in [memcached.server(), Server::tcp(&new.address()).unwrap()] {
        let builder = || Client::builder().server(server.clone()).settings(patient());
        let signed = |password: &str| builder().credentials(Credentials::new("ada", password).unwrap());
        for (wrong, part) in [(builder(), "requires authentication"), (signed("byron"), "user name or the password")] {
            let error = wrong.connect().await.map(|_| ()).expect_err("refused");
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, Outcome::NotSent));
            assert!(error.to_string().contains(part), "{error}");
            assert!(!error.to_string().contains("byron"), "{error}");
        }
        let client = signed("lovelace").connect().await.expect("the right ones");
        client.set("k", "v").await.unwrap();
        assert_eq!(client.get("k").await.show(), "\"v\"");
    }
    let url = format!("memcache://ada:lovelace@{}", memcached.address());
    assert_eq!(Client::connect(&url).await.unwrap().get("k").await.show(), "\"v\"");
    let memcached = Memcached::start_unix_with(&["-Y", &file.display().to_string()]);
    let url = |user_info| format!("memcache+unix://{user_info}{}", memcached.socket_path().display());
    Client::connect(&url("ada:lovelace@")).await.unwrap().set("k", "v").await.unwrap();
    for (user_info, part) in [("", "requires authentication"), ("ada:byron@", "user name or the password")] {
        let error = Client::connect(&url(user_info)).await.map(|_| ()).expect_err("refused");
        assert!(error.to_string().contains(part) && !error.to_string().contains("byron"), "{error}");
    }
    std::fs::remove_file(&file).unwrap();
}

/// It may be another's: nothing is sent to it, the password least of all.
#[tokio::test]
async fn a_server_that_wants_no_credentials_gets_none() {
    let (memcached, new) = (Memcached::start(), TestServer::builder().record().start().await.unwrap());
    for server in [memcached.server(), Server::tcp(&new.address()).unwrap()] {
        let credentials = Credentials::new("ada", "lovelace").unwrap();
        let client = Client::builder().server(server).settings(patient()).credentials(credentials).build().unwrap();
        let error = client.get("k").await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, Outcome::NotSent));
        assert!(error.to_string().contains("asks for no authentication"), "{error}");
    }
    let executed = new.executed();
    assert!(!executed.is_empty());
    assert!(executed.iter().all(|command| command.line.starts_with(b"version")), "{executed:?}");
}

#[tokio::test]
async fn a_server_without_room_is_dialled_again_until_it_has_some() {
    let memcached = Memcached::start_with(&["-c", "32"]);
    let mut holders = Vec::new();
    while holders.len() < 64 {
        let mut stream = TcpStream::connect(memcached.address()).unwrap();
        stream.write_all(b"mn\r\n").unwrap();
        let mut bytes = [0; 3];
        let is_served = stream.read_exact(&mut bytes).is_ok() && bytes == *b"MN\r";
        if !is_served {
            break;
        }
        holders.push(stream);
    }
    assert!(holders.len() < 64, "there is still room");
    let client = Client::builder().server(memcached.server()).settings(patient()).build().unwrap();
    let error = client.get("k").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    assert!(matches!(error.kind(), ErrorKind::Refused | ErrorKind::ServerDown), "{error:?}");
    drop(holders);
    until_async("the client is connected by itself", async || client.get("k").await.is_ok()).await;
}

const NO_ROOM: &str = "ERROR Too many open connections\r\n";

/// The server is faster than the first command: what it says is the same refusal, whole or in pieces.
#[tokio::test(start_paused = true)]
async fn a_banner_before_the_first_command_is_a_refusal_with_backoff() {
    for at in [1, 6, 20, NO_ROOM.len() - 1, NO_ROOM.len()] {
        let (said, rest) = NO_ROOM.split_at(at);
        let mut pipes = Pipes::new(1 << 16);
        pipes.set(Dialled::Greeted(said));
        let client = pipes.client(patient());
        let server = async {
            let mut end = pipes.accept().await;
            if !rest.is_empty() {
                // The first command leaves while the line is still coming.
                end.expect("version\r\n").await;
                end.say(rest).await;
            }
            end.expect_end().await;
        };
        let (error, ()) = tokio::join!(client.get("k").into_future(), server);
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Refused, Outcome::NotSent), "{error}");
        assert!(error.to_string().contains("no room for another connection"), "{error}");
        // Until the pause is over nobody dials.
        assert_eq!(client.get("k").await.show(), "Refused NotSent");
        assert_eq!(pipes.dials(), 1);
        pipes.set(Dialled::Accepted);
        let served = async {
            let mut end = pipes.open().await;
            end.expect("mg k v\r\n").await;
            end.say("EN\r\n").await;
            end
        };
        let (_end, ()) = tokio::join!(served, until_async("there is room", async || client.get("k").await.is_ok()));
    }
}

/// A connection that is open has been let in: the same words are then bytes that nobody asked for.
#[tokio::test(start_paused = true)]
async fn a_banner_after_the_opening_is_nobodys() {
    let reasons = Arc::new(Mutex::new(Vec::new()));
    let told = reasons.clone();
    let settings = patient().on_event(move |event| {
        if let Event::Closed { reason, .. } = event {
            told.lock().unwrap().push(reason.clone());
        }
    });
    let mut pipes = Pipes::new(1 << 16);
    let client = pipes.client(settings);
    let server = async {
        let mut end = pipes.open().await;
        end.expect("mg k v\r\n").await;
        end.say("EN\r\n").await;
        end
    };
    let (got, mut end) = tokio::join!(client.get("k").into_future(), server);
    assert_eq!(got.show(), "none");
    end.say(NO_ROOM).await;
    end.expect_end().await;
    until("the end is told", || !reasons.lock().unwrap().is_empty()).await;
    assert_eq!(*reasons.lock().unwrap(), [Broken::Unsolicited]);
}

/// A proxy's own numbering says nothing of flags: what came later than the oldest version is refused, unless told otherwise.
#[tokio::test]
async fn the_version_can_be_assumed() {
    let server = TestServer::start().await.unwrap();
    let url = format!("memcache://{}?version=1.6.18", server.address());
    let client = Client::connect(&url).await.unwrap();
    assert_eq!(client.set("k", "v").override_cas(5).await.show(), "Unsupported NotSent");
    assert_eq!(client.stats().servers[0].version.as_deref(), Some("1.6.45"));
}
