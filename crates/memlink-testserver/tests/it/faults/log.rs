//! What a test is told of the commands that were executed.

use super::talk;
use memlink_testserver::{Executed, Fault, TestServer};
use std::sync::{Arc, Mutex};

#[test]
fn every_command_is_told_with_its_fate() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&log);
    let server = TestServer::builder()
        .record()
        .on_command(move |executed: &Executed| told.lock().expect("no panic").push(executed.clone()))
        .fault(Fault::swallow().verb("ma"))
        .fault(Fault::lose().key_prefix("lost"))
        .start_blocking()
        .expect("starts");
    let script = "ms n 1 O1\r\n5\r\nma n O2\r\nma lost O3\r\nms bad 1 O4 X\r\n1\r\nma bad O5 X\r\nmn\r\n";
    let said = talk(&server, script);
    assert!(said.starts_with("HD O1\r\nCLIENT_ERROR"), "{said}");
    let log = log.lock().expect("no panic").clone();
    assert_eq!(log, server.executed(), "the record says the same");
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
    let lines: Vec<String> = log
        .iter()
        .map(|executed| {
            let (verb, key, opaque) = (text(executed.verb()), text(executed.key()), text(executed.opaque()));
            format!("{} {verb} {key} {opaque} {}", executed.session, executed.swallowed)
        })
        .collect();
    assert_eq!(lines[..2], ["1 ms n 1 false", "1 ma n 2 true"]);
    assert!(lines.iter().all(|line| !line.contains("lost")), "{lines:?}");
    assert_eq!(talk(&server, "mn\r\n"), "MN\r\nFIN");
    assert_eq!(server.executed().last().map(|executed| executed.session), Some(2));
}
