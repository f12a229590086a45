//! What happens to connections that come.

use super::{connect, hear, rest, say, server, talk};
use memlink_testserver::{Fault, TestServer};
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

#[tokio::test]
async fn a_server_that_refuses_does_not_listen_and_keeps_its_connections() {
    let server = TestServer::start().await.expect("starts");
    let mut early = connect(&server);
    assert_eq!(say(&mut early, "mn\r\n", 4), "MN\r\n");
    let refuse = server.faults().add(Fault::refuse());
    server.faults().settled().await;
    let refused = TcpStream::connect(server.addr()).expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(refuse.injected(), 1);
    assert_eq!(say(&mut early, "mn\r\n", 4), "MN\r\n", "who is in stays in");
    refuse.remove();
    server.faults().settled().await;
    assert_eq!(talk(&server, "mn\r\n"), "MN\r\nFIN");
    assert_eq!(server.faults().injected(), 1);
}

#[tokio::test]
async fn a_killed_server_stays_dead_when_faults_go() {
    let server = TestServer::builder().fault(Fault::refuse()).start().await.expect("starts");
    server.faults().settled().await;
    server.kill().await.expect("is killed");
    server.faults().clear();
    server.faults().settled().await;
    TcpStream::connect(server.addr()).expect_err("nobody listens");
    server.revive().await.expect("is revived");
    assert_eq!(talk(&server, "mn\r\n"), "MN\r\nFIN");
}

#[test]
fn connections_are_turned_away_at_the_door() {
    for (fault, expected) in [
        (Fault::reset_on_connect(), "RST"),
        (Fault::close_on_connect(), "FIN"),
        (Fault::banner("ERROR Too many open connections"), "ERROR Too many open connections\r\nFIN"),
        (Fault::banner("220 mail ESMTP"), "220 mail ESMTP\r\nFIN"),
    ] {
        let (server, handle) = server(fault.every(2));
        for turned_away in 0..3 {
            assert_eq!(talk(&server, "mn\r\n"), "MN\r\nFIN", "every other one is let in");
            assert_eq!(handle.injected(), turned_away);
            assert_eq!(rest(&mut connect(&server)), expected);
            assert_eq!(handle.injected(), turned_away + 1);
        }
        assert_eq!(server.stats().connections_accepted, 3);
    }
}

#[test]
fn a_silent_connection_says_nothing_until_it_is_thawed() {
    let (server, handle) = server(Fault::silent_on_connect().once());
    let mut silent = connect(&server);
    silent.write_all(b"mn\r\n").expect("the system reads");
    assert_eq!(talk(&server, "mn\r\n"), "MN\r\nFIN", "another one is served");
    silent.set_read_timeout(Some(Duration::from_millis(50))).expect("can be set");
    silent.read_exact(&mut [0; 1]).expect_err("silence");
    silent.set_read_timeout(Some(super::PATIENCE)).expect("can be set");
    server.faults().thaw();
    assert_eq!(hear(&mut silent, 4), "MN\r\n");
    assert_eq!(handle.injected(), 1);
}

#[test]
fn there_is_room_for_so_many() {
    let (server, handle) = server(Fault::connections_max(1));
    let mut first = connect(&server);
    assert_eq!(say(&mut first, "mn\r\n", 4), "MN\r\n");
    for refused in 1..4 {
        assert_eq!(rest(&mut connect(&server)), "ERROR Too many open connections\r\nFIN");
        assert_eq!((handle.injected(), server.stats().connections_refused), (refused, refused));
    }
    server.faults().clear();
    assert_eq!(talk(&server, "mn\r\n"), "MN\r\nFIN");
}
