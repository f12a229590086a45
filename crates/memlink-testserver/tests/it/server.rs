//! The server as its users meet it: sockets, a thread, a life and a death.

use memlink_testserver::TestServer;
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(10);

fn connect(server: &TestServer) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).expect("the server accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("can be set");
    stream
}

fn say(stream: &mut TcpStream, line: &str) -> String {
    stream.write_all(line.as_bytes()).expect("the server reads");
    let mut reply = String::new();
    BufReader::new(stream).read_line(&mut reply).expect("the server answers");
    reply
}

fn is_over(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 1]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[tokio::test]
async fn a_killed_server_is_gone_and_comes_back_empty() {
    let server = TestServer::builder().record().start().await.expect("starts");
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "ms k 1\r\nv\r\n"), "HD\r\n");
    server.kill().await.expect("is killed");
    assert!(is_over(&mut client));
    let refused = TcpStream::connect(server.addr()).expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(server.stats().connections_open, 0);
    server.revive().await.expect("is revived");
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "mg k\r\n"), "EN\r\n");
    assert!(server.revive().await.is_err(), "the living cannot be revived");
    server.restart().await.expect("is restarted");
    assert!(is_over(&mut client));
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "mn\r\n"), "MN\r\n");
    let sessions: Vec<u64> = server.executed().iter().map(|command| command.session).collect();
    assert_eq!(sessions, [1, 2, 3], "the record outlives the server's deaths");
}

#[tokio::test]
async fn a_stream_in_memory_is_served_like_any_other() {
    let server = TestServer::builder().connections_max(1).start().await.expect("starts");
    let (mut client, far) = tokio::io::duplex(64);
    server.serve(far).expect("it runs");
    client.write_all(b"ms k 2\r\nhi\r\nmg k v\r\n").await.expect("the server reads");
    let mut replies = [0; 14];
    client.read_exact(&mut replies).await.expect("the server answers");
    assert_eq!(&replies, b"HD\r\nVA 2\r\nhi\r\n");
    assert_eq!(server.stats().connections_open, 1);

    let (mut second, far) = tokio::io::duplex(3);
    server.serve(far).expect("it runs");
    let mut refusal = String::new();
    second.read_to_string(&mut refusal).await.expect("it is told so");
    assert_eq!(refusal, "ERROR Too many open connections\r\n");

    server.kill().await.expect("is killed");
    assert_eq!(client.read(&mut [0; 1]).await.expect("a pipe ends without an error"), 0);
    let (mut late, far) = tokio::io::duplex(3);
    server.serve(far).expect("its thread lives");
    assert_eq!(late.read(&mut [0; 1]).await.expect("a pipe ends without an error"), 0, "the dead serve nobody");
}

#[test]
fn a_stopped_server_leaves_its_port() {
    let server = TestServer::builder().start_blocking().expect("starts");
    let addr = server.addr();
    assert!(addr.ip().is_loopback());
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "mn\r\n"), "MN\r\n");
    server.stop();
    assert!(is_over(&mut client));
    // std sets SO_REUSEADDR, so only a live listener could be in the way.
    TcpListener::bind(addr).expect("the port is free");
}

#[test]
fn the_clock_moves_on_request() {
    let server = TestServer::builder().start_blocking().expect("starts");
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "ms k 1 T1000\r\nv\r\n"), "HD\r\n");
    assert_eq!(say(&mut client, "mg k\r\n"), "HD\r\n");
    server.clock().advance(Duration::from_secs(1001));
    assert_eq!(say(&mut client, "mg k\r\n"), "EN\r\n");
}

#[test]
fn one_connection_too_many_is_told_so() {
    let server = TestServer::builder().connections_max(1).start_blocking().expect("starts");
    let mut first = connect(&server);
    assert_eq!(say(&mut first, "mn\r\n"), "MN\r\n");
    let mut second = connect(&server);
    let mut told = String::new();
    second.read_to_string(&mut told).expect("it is closed");
    assert_eq!(told, "ERROR Too many open connections\r\n");
    assert_eq!(say(&mut first, "mn\r\n"), "MN\r\n");
    assert_eq!(server.stats().connections_refused, 1);
}

#[test]
fn an_idle_connection_is_closed() {
    let server = TestServer::builder().idle_timeout(Duration::from_millis(50)).start_blocking().expect("starts");
    let mut client = connect(&server);
    assert!(is_over(&mut client));
}

#[tokio::test]
async fn a_client_may_stop_the_server() {
    let mut settings = memlink_testserver::Settings::default();
    settings.shutdown_allowed = true;
    let server = TestServer::builder().settings(settings).start().await.expect("starts");
    let mut client = connect(&server);
    client.write_all(b"shutdown\r\n").expect("the server reads");
    tokio::time::timeout(PATIENCE, server.stopped()).await.expect("the server stops");
    assert!(is_over(&mut client));
    assert!(server.kill().await.is_err(), "what has stopped cannot be killed");
}

#[test]
fn a_unix_socket_will_do() {
    let path = std::env::temp_dir().join(format!("memlink-testserver-{}", std::process::id()));
    let server = TestServer::builder().unix_socket(&path).start_blocking().expect("starts");
    assert_eq!(server.unix_path(), Some(path.as_path()));
    let mut client = UnixStream::connect(&path).expect("the server accepts");
    client.write_all(b"mn\r\nquit\r\n").expect("the server reads");
    let mut reply = String::new();
    client.read_to_string(&mut reply).expect("the server answers");
    assert_eq!(reply, "MN\r\n");
    server.stop();
    assert!(!path.exists());
}

#[test]
fn a_port_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    assert!(TestServer::builder().port(port).start_blocking().is_err());
}

/// The server takes no more commands than it can answer: its client's buffers
/// and its own are all that is ever full.
#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    let server = TestServer::builder().start_blocking().expect("starts");
    let mut client = connect(&server);
    let value = "v".repeat(100_000);
    assert_eq!(say(&mut client, &format!("ms k 100000\r\n{value}\r\n")), "HD\r\n");
    client.set_write_timeout(Some(Duration::from_millis(300))).expect("can be set");
    let many = "mg k v\r\n".repeat(10_000);
    let stuck = (0..1000).find_map(|_| client.write_all(many.as_bytes()).err());
    assert!(stuck.is_some(), "a gigabyte of replies found room");
    let mut other = connect(&server);
    assert_eq!(say(&mut other, "mn\r\n"), "MN\r\n", "others are served meanwhile");
}
