//! What happens between the server and its clients.

use super::{attended, connect, hear, hear_there, rest, say, say_there, server, talk};
use memlink_testserver::{Fault, TestServer};
use socket2::{Domain, Socket, Type};
use std::io::Write as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

const MS: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn a_delay_holds_replies_up_and_not_commands() {
    let server = TestServer::builder().record().fault(Fault::delay(50 * MS)).start().await.expect("starts");
    let mut client = attended(&server);
    let begun = Instant::now();
    assert_eq!(say_there(&mut client, "mn\r\n", 4).await, "MN\r\n");
    assert_eq!(begun.elapsed(), 50 * MS);
    client.write_all(b"mg a\r\n").await.expect("the server reads");
    tokio::time::sleep(20 * MS).await;
    assert_eq!(say_there(&mut client, "mg b\r\n", 4).await, "EN\r\n");
    assert_eq!(server.executed().len(), 3);
    assert_eq!(begun.elapsed(), 100 * MS, "the first of the two");
    assert_eq!(hear_there(&mut client, 4).await, "EN\r\n");
    assert_eq!(begun.elapsed(), 120 * MS, "the other, as much later as it came");
    assert_eq!(server.faults().injected(), 3);
}

/// What is late is kept, and so much of it and no more.
#[tokio::test(start_paused = true)]
async fn a_delay_does_not_gather_more_than_its_bound() {
    let server = TestServer::builder().record().start().await.expect("starts");
    let mut client = attended(&server);
    let value = "v".repeat(10_000);
    assert_eq!(say_there(&mut client, &format!("ms k 10000\r\n{value}\r\n"), 4).await, "HD\r\n");
    server.faults().add(Fault::delay(Duration::from_secs(3600)));
    let many = "mg k v\r\n".repeat(100_000);
    let stuck = tokio::time::timeout(Duration::from_secs(60), client.write_all(many.as_bytes())).await;
    assert!(stuck.is_err(), "it was read from to the end");
    let executed = server.executed().len();
    assert!((100..140).contains(&executed), "a megabyte is about a hundred replies, not {executed}");
}

#[tokio::test(start_paused = true)]
async fn delays_of_a_range_are_within_it_and_repeated_by_the_seed() {
    let mut runs = Vec::new();
    for seed in [1, 1, 2] {
        let fault = Fault::delay_between(10 * MS..=30 * MS);
        let server = TestServer::builder().seed(seed).fault(fault).start().await.expect("starts");
        let mut client = attended(&server);
        let mut times = Vec::new();
        for _ in 0..50 {
            let begun = Instant::now();
            say_there(&mut client, "mn\r\n", 4).await;
            times.push(begun.elapsed());
        }
        // Timers are good to a millisecond.
        assert!(times.iter().all(|time| (10 * MS..=31 * MS).contains(time)), "{times:?}");
        assert!(times.iter().any(|time| *time < 15 * MS) && times.iter().any(|time| *time > 25 * MS), "{times:?}");
        runs.push(times);
    }
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test(start_paused = true)]
async fn a_reply_trickles() {
    let server = TestServer::start().await.expect("starts");
    let trickle = server.faults().add(Fault::trickle(2, 10 * MS).verb("mg"));
    let mut client = attended(&server);
    assert_eq!(say_there(&mut client, "ms k 3\r\nabc\r\n", 4).await, "HD\r\n");
    let begun = Instant::now();
    client.write_all(b"mg k v\r\nmn\r\n").await.expect("the server reads");
    let mut pieces = Vec::new();
    let mut all = String::new();
    while all.len() < 15 {
        let mut piece = [0; 64];
        let len = client.read(&mut piece).await.expect("the server says more");
        all.push_str(std::str::from_utf8(&piece[..len]).expect("text"));
        pieces.push((begun.elapsed().as_millis(), len));
    }
    assert_eq!(all, "VA 3\r\nabc\r\nMN\r\n");
    // The next reply is not held up, but for what is before it.
    assert_eq!(pieces, [(0, 2), (10, 2), (20, 2), (30, 2), (40, 2), (50, 5)]);
    assert_eq!(trickle.injected(), 1);
}

#[tokio::test(start_paused = true)]
async fn replies_of_a_window_leave_together() {
    let server = TestServer::builder().fault(Fault::coalesce(10 * MS)).start().await.expect("starts");
    let mut client = attended(&server);
    let begun = Instant::now();
    for _ in 0..3 {
        client.write_all(b"mn\r\n").await.expect("the server reads");
        tokio::time::sleep(3 * MS).await;
    }
    let mut piece = [0; 64];
    assert_eq!(client.read(&mut piece).await.expect("the server answers"), 12, "all at once");
    assert_eq!(begun.elapsed(), 10 * MS);
    assert_eq!(say_there(&mut client, "mn\r\n", 4).await, "MN\r\n");
    assert_eq!(begun.elapsed(), 20 * MS, "the next window");
    assert_eq!(server.faults().injected(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_server_does_so_much_and_no_more_for_all_together() {
    let server = TestServer::builder().fault(Fault::throttle(1000)).start().await.expect("starts");
    let (mut one, mut other) = (attended(&server), attended(&server));
    let begun = Instant::now();
    let many = "mn\r\n".repeat(500);
    tokio::join!(say_there(&mut one, &many, 2000), say_there(&mut other, &many, 2000));
    let took = begun.elapsed();
    assert!((990 * MS..=1010 * MS).contains(&took), "{took:?}");
    assert!((990..=1000).contains(&server.faults().injected()));
    server.faults().clear();
    let begun = Instant::now();
    say_there(&mut one, &many, 2000).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[test]
fn a_connection_is_cut_at_the_byte() {
    for (fault, expected) in [
        (Fault::close().verb("mg"), "HD\r\nFIN"),
        (Fault::close().in_reply(3).verb("mg"), "HD\r\nVA FIN"),
        (Fault::close().in_reply(9), "HD\r\nVA 5\r\nhelFIN"),
        (Fault::close().in_stream(2), "HDFIN"),
        (Fault::close().in_stream(7), "HD\r\nVA FIN"),
        (Fault::reset().verb("mg"), "HD\r\nRST"),
        (Fault::reset().in_reply(9), "HD\r\nVA 5\r\nhelRST"),
        (Fault::half_close().in_reply(9), "HD\r\nVA 5\r\nhelFIN"),
    ] {
        let (server, handle) = server(fault.clone());
        let mut client = connect(&server);
        client.write_all(b"ms k 5\r\nhello\r\nmg k v\r\nmn\r\n").expect("the server reads");
        assert_eq!(rest(&mut client), expected, "{fault}");
        assert_eq!(handle.injected(), 1, "{fault}");
    }
}

#[test]
fn what_is_behind_a_cut_is_not_executed_and_behind_a_half_close_it_is() {
    for (fault, executed, swallowed) in [(Fault::close(), 2, 1), (Fault::half_close(), 4, 3)] {
        let (server, _) = server(fault.clone().verb("mg"));
        let mut client = connect(&server);
        client.write_all(b"ms k 5\r\nhello\r\nmg k v\r\nmn\r\nmn\r\n").expect("the server reads");
        assert_eq!(rest(&mut client), "HD\r\nFIN");
        drop(client);
        while server.stats().connections_open > 0 {
            std::thread::yield_now();
        }
        let log = server.executed();
        assert_eq!(log.len(), executed, "{fault}");
        assert_eq!(log.iter().filter(|command| command.swallowed).count(), swallowed, "{fault}: {log:?}");
    }
}

#[test]
fn a_frozen_connection_goes_on_where_it_stopped() {
    let (server, freeze) = server(Fault::freeze().in_reply(8).once());
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "ms k 5\r\nhello\r\nmg k v\r\nmn\r\n", 12), "HD\r\nVA 5\r\nhe");
    assert_eq!(freeze.injected(), 1);
    assert_eq!(talk(&server, "mg k\r\n"), "HD\r\nFIN", "others are served");
    client.set_nonblocking(true).expect("can be set");
    assert!(std::io::Read::read(&mut client, &mut [0; 1]).is_err(), "nothing more");
    client.set_nonblocking(false).expect("can be set");
    server.faults().thaw();
    assert_eq!(hear(&mut client, 9), "llo\r\nMN\r\n");
    for release in [true, false] {
        server.faults().set([Fault::freeze().verb("mn").once()]);
        client.write_all(b"mn\r\n").expect("the system reads");
        let handle = server.faults().handles().remove(0);
        while handle.injected() == 0 {
            std::thread::yield_now();
        }
        if release {
            handle.remove()
        } else {
            server.faults().clear()
        }
        assert_eq!(hear(&mut client, 4), "MN\r\n", "a fault that is removed lets go");
    }
}

#[test]
fn a_connection_that_is_not_read_from_fills_up() {
    let server = TestServer::builder().socket_buffers(4096).record().start_blocking().expect("starts");
    let deaf = server.faults().add(Fault::stop_reading().verb("mn").once());
    let mut client = connect(&server);
    assert_eq!(say(&mut client, "mn\r\n", 4), "MN\r\n", "what was read is answered");
    client.set_write_timeout(Some(Duration::from_millis(200))).expect("can be set");
    let many = "mg k\r\n".repeat(1000);
    let stuck = (0..10_000).find_map(|_| client.write_all(many.as_bytes()).err());
    assert!(stuck.is_some(), "sixty megabytes found room");
    assert_eq!(server.executed().len(), 1);
    assert_eq!(deaf.injected(), 1);
    server.faults().thaw();
    assert_eq!(hear(&mut client, 4), "EN\r\n");
}

/// A server with small buffers has taken over little of what a client that does not read has asked.
#[test]
fn socket_buffers_are_as_small_as_asked() {
    let sent = |bytes: Option<u32>| {
        let builder = TestServer::builder();
        let builder = if let Some(bytes) = bytes { builder.socket_buffers(bytes) } else { builder };
        let server = builder.start_blocking().expect("starts");
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("can be set");
        socket.set_send_buffer_size(4096).expect("can be set");
        socket.connect(&server.addr().into()).expect("the server accepts");
        let mut client = std::net::TcpStream::from(socket);
        let value = "v".repeat(10_000);
        assert_eq!(say(&mut client, &format!("ms k 10000\r\n{value}\r\n"), 4), "HD\r\n");
        client.set_write_timeout(Some(Duration::from_millis(200))).expect("can be set");
        let asked = (0..100_000).take_while(|_| client.write_all("mg k v\r\n".repeat(10).as_bytes()).is_ok()).count();
        asked * 80
    };
    let (small, usual) = (sent(Some(4096)), sent(None));
    assert!(small < usual / 2, "{small} bytes of commands found room, {usual} with the usual buffers");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_hears_strays() {
    let fault = Fault::stray("EN\r\n", 100 * MS).times(2);
    let server = TestServer::builder().fault(fault).start().await.expect("starts");
    let mut client = attended(&server);
    let begun = Instant::now();
    assert_eq!(hear_there(&mut client, 4).await, "EN\r\n");
    assert_eq!(begun.elapsed(), 100 * MS);
    tokio::time::sleep(500 * MS).await;
    assert_eq!(say_there(&mut client, "mn\r\n", 8).await, "MN\r\nEN\r\n");
    assert_eq!(begun.elapsed(), 700 * MS, "once each time it becomes idle");
    assert_eq!(server.faults().injected(), 2);
    tokio::time::sleep(500 * MS).await;
    assert_eq!(say_there(&mut client, "mn\r\n", 4).await, "MN\r\n");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_by_a_fault_too() {
    let server = TestServer::builder().fault(Fault::idle_close(100 * MS)).start().await.expect("starts");
    let mut client = attended(&server);
    let begun = Instant::now();
    tokio::time::sleep(60 * MS).await;
    assert_eq!(say_there(&mut client, "mn\r\n", 4).await, "MN\r\n");
    assert_eq!(client.read(&mut [0; 1]).await.expect("an end"), 0);
    assert_eq!(begun.elapsed(), 160 * MS);
    assert_eq!(server.faults().injected(), 1);
}
