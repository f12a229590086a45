//! What happens to the server as a whole.

use super::{connect, hear, rest, say, server, talk};
use memlink_testserver::{Fault, TestServer};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_command_kills_the_server() {
    let server = TestServer::builder().record().start().await.expect("starts");
    let kill = server.faults().add(Fault::kill().in_reply(8));
    let (mut client, mut bystander) = (connect(&server), connect(&server));
    assert_eq!(say(&mut bystander, "mn\r\n", 4), "MN\r\n");
    client.write_all(b"ms k 5\r\nhello\r\nmg k v\r\nmn\r\n").expect("the server reads");
    assert_eq!(rest(&mut client), "HD\r\nVA 5\r\nheFIN", "in the middle of a value");
    assert!(["FIN", "RST"].contains(&rest(&mut bystander).as_str()));
    assert_eq!(kill.injected(), 1);
    let refused = TcpStream::connect(server.addr()).expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(server.executed().len(), 3, "nothing behind it ran");
    server.revive().await.expect("is revived");
    assert_eq!(talk(&server, "mg k\r\n"), "EN\r\nFIN", "empty");
}

#[test]
fn a_command_restarts_the_server() {
    let (server, restart) = server(Fault::restart().verb("mg").once());
    let mut client = connect(&server);
    client.write_all(b"ms k 1\r\nv\r\nmg k\r\n").expect("the server reads");
    assert_eq!(rest(&mut client), "HD\r\nFIN");
    assert_eq!(talk(&server, "mg k\r\n"), "EN\r\nFIN", "back at once, and empty");
    assert_eq!(restart.injected(), 1);
}

#[test]
fn a_frozen_server_answers_when_it_is_thawed() {
    let server = TestServer::builder().start_blocking().expect("starts");
    let mut early = connect(&server);
    assert_eq!(say(&mut early, "mn\r\n", 4), "MN\r\n");
    server.freeze();
    let mut late = connect(&server);
    for client in [&mut early, &mut late] {
        client.write_all(b"mn\r\n").expect("the system reads");
        client.set_read_timeout(Some(Duration::from_millis(50))).expect("can be set");
        client.read_exact(&mut [0; 1]).expect_err("silence");
        client.set_read_timeout(Some(super::PATIENCE)).expect("can be set");
    }
    server.thaw();
    assert_eq!((hear(&mut early, 4), hear(&mut late, 4)), ("MN\r\n".into(), "MN\r\n".into()));
}

#[tokio::test]
async fn connections_are_cut_and_items_stay() {
    let server = TestServer::start().await.expect("starts");
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "ms k 1\r\nv\r\n", 4), "HD\r\n");
    server.disconnect().await.expect("is done");
    assert_eq!(rest(&mut client), "FIN");
    assert_eq!(talk(&server, "mg k v\r\n"), "VA 1\r\nv\r\nFIN");
}

#[test]
fn a_flapping_server_comes_and_goes_and_keeps_its_items() {
    let server = TestServer::builder().start_blocking().expect("starts");
    assert_eq!(talk(&server, "ms k 1\r\nv\r\n"), "HD\r\nFIN");
    let flap = server.faults().add(Fault::flap(Duration::from_millis(20), Duration::from_millis(20)));
    let begun = Instant::now();
    let (mut served, mut refused, mut cut) = (0, 0, 0);
    while served < 3 || refused < 3 || cut < 3 {
        assert!(begun.elapsed() < super::PATIENCE, "{served} {refused} {cut}");
        match TcpStream::connect(server.addr()) {
            Ok(mut client) => {
                let mut reply = [0; 4];
                let is_served = client.write_all(b"mg k\r\n").is_ok() && client.read_exact(&mut reply).is_ok();
                if is_served {
                    assert_eq!(&reply, b"HD\r\n", "the item is still there");
                    served += 1;
                    // Until it goes again.
                    cut += u64::from(!matches!(client.read(&mut reply), Ok(1..)));
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(flap.injected() >= 3);
    flap.remove();
    while TcpStream::connect(server.addr()).is_err() {
        assert!(begun.elapsed() < super::PATIENCE, "it stays away");
    }
}
