//! The same seed, the same fate.

use super::{PATIENCE, connect, server, talk};
use memlink_testserver::{Fault, TestServer};
use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Duration;

#[test]
fn a_probability_strikes_its_share_the_same_each_time() {
    let run = |seed: u64| {
        let (server, handle) = server(Fault::swallow().verb("mg").chance(0.1));
        server.faults().seed(seed);
        let script: String = (0..1000).map(|n| format!("mg k O{n}\r\nmn\r\n")).collect();
        let said = talk(&server, &script);
        assert_eq!(said.matches("EN").count() as u64, 1000 - handle.injected());
        let struck: Vec<_> = server.executed().into_iter().filter(|command| command.swallowed).collect();
        assert_eq!(struck.len() as u64, handle.injected());
        assert!((60..140).contains(&struck.len()), "{}", struck.len());
        struck
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

/// What others do at the same time changes nothing.
#[test]
fn the_fate_of_a_connection_is_its_own() {
    let script: String = (0..200).map(|n| format!("mg k{n}\r\nmn\r\n")).collect();
    let run = |crowd: usize| {
        let server = TestServer::builder().seed(3).fault(Fault::duplicate().verb("mg").chance(0.2));
        let server = server.start_blocking().expect("starts");
        // The same connection is the first; the others come and talk beside it.
        let mut first = connect(&server);
        first.write_all(b"mn\r\n").expect("the server reads");
        first.read_exact(&mut [0; 4]).expect("the server answers");
        let mut others: Vec<_> = (0..crowd).map(|_| connect(&server)).collect();
        for line in script.split_inclusive("mn\r\n") {
            for other in &mut others {
                other.write_all(line.as_bytes()).expect("the server reads");
            }
            first.write_all(line.as_bytes()).expect("the server reads");
        }
        first.write_all(b"quit\r\n").expect("the server reads");
        super::rest(&mut first)
    };
    assert_eq!(run(0), run(5));
}

/// All that a client does in one run, with every kind of fault.
fn adventure(seed: u64) -> (Vec<String>, Vec<u64>) {
    let server = TestServer::builder().seed(seed).faults(Fault::mix(0.3)).start_blocking().expect("starts");
    let mut said = Vec::new();
    for _ in 0..60 {
        let mut client = connect(&server);
        client.set_read_timeout(Some(Duration::from_millis(300))).expect("can be set");
        // Each asks as often as it is answered; the end may come in any way.
        let _ = client.write_all(b"ms k 5 Oa\r\nhello\r\nmg k v Ob\r\nmn\r\nmg k v Oc\r\nmn\r\nquit\r\n");
        let mut all = Vec::new();
        // A server that closes resets the connection if something has come that it has not read: who is faster there says nothing.
        let end = match client.read_to_end(&mut all).map_err(|error| error.kind()) {
            Ok(_) | Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => "ended".to_owned(),
            Err(kind) => format!("{kind:?}"),
        };
        said.push(format!("{} {end}", String::from_utf8_lossy(&all)));
    }
    (said, server.faults().handles().iter().map(|handle| handle.injected()).collect())
}

#[test]
fn a_mix_is_repeated_by_its_seed() {
    let begun = std::time::Instant::now();
    let (said, injected) = adventure(11);
    assert!(injected.iter().filter(|count| **count > 0).count() > 8, "{injected:?}");
    let again = adventure(11);
    assert_eq!(again.1, injected);
    assert_eq!(again.0, said);
    assert_ne!(adventure(12).0, said);
    assert!(begun.elapsed() < 6 * PATIENCE);
}
