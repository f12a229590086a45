use memlink_core::{Command as _, Limits};
use memlink_resp::engine::{Together, protocol, together};
use memlink_resp::{Cmd, Value, Version};

use crate::Choices;
use crate::feed::{Cuts, Fed, Feed};
use crate::memory::Measure;

/// Replies of a Redis, or of whatever says it is one.
///
/// ```text
///   setup, cuts, how many requests, of how many commands each | what the server sends
/// ```
pub fn resp(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (setup, cuts) = (choices.byte(), Cuts::of(choices.byte()));
    let count = 1 + choices.below(5);
    // A request of one command that is not sent by itself is read in the same way.
    let requests: Vec<Together> = (0..count).map(|_| request(choices.byte())).collect();
    let stream = choices.rest();
    let version = [Version::Newest, Version::Resp3, Version::Resp2][usize::from(setup) % 3];
    if setup >= 0xe0 {
        for cuts in [Cuts::Whole, cuts] {
            drop(feed(version, &[], &requests, stream, cuts));
        }
        return;
    }
    const HELLO: &[u8] = b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n";
    let opening: &[&[u8]] = if version == Version::Resp2 { &[b"+PONG\r\n"] } else { &[HELLO, b"+PONG\r\n"] };
    let whole = feed(version, opening, &requests, stream, Cuts::Whole);
    let cut = feed(version, opening, &requests, stream, cuts);
    assert_eq!(whole.broken, cut.broken, "the end depends on how the bytes were cut");
    assert_eq!(whole.unasked, cut.unasked, "a message depends on how the bytes were cut");
    for ((whole, cut), request) in whole.ended.into_iter().zip(cut.ended).zip(&requests) {
        match (whole, cut) {
            (Some(Ok(whole)), Some(Ok(cut))) => {
                let measure = Measure::begin();
                let whole = request.decode(whole);
                let (peak, most) = (measure.peak(), 20 * stream.len() + 64 * 1_024);
                assert!(peak <= most, "reading {} bytes took {peak}", stream.len());
                match (whole, request.decode(cut)) {
                    (Ok(whole), Ok(cut)) => assert!(same_all(&whole, &cut, 0), "{whole:?} and {cut:?}"),
                    (whole, cut) => assert_eq!(whole.err(), cut.err()),
                }
            }
            (Some(Err(whole)), Some(Err(cut))) => assert_eq!(whole, cut),
            (whole, cut) => assert!(whole.is_none() && cut.is_none(), "{whole:?} and {cut:?}"),
        }
    }
}

fn request(byte: u8) -> Together {
    let cmds = (0..=usize::from(byte % 4)).map(|_| Cmd::new("GET").key("k")).collect();
    together(cmds)
}

fn feed(version: Version, opening: &[&[u8]], requests: &[Together], stream: &[u8], mut cuts: Cuts) -> Fed {
    let mut feed = Feed::new(protocol(version), Limits::default());
    for request in requests {
        feed.submit(request);
    }
    for answer in opening {
        feed.receive(answer);
    }
    assert!(opening.is_empty() || feed.is_open(), "a good opening");
    feed.enter(requests);
    feed.receive_in_pieces(stream, &mut cuts);
    feed.end()
}

/// Equal, where what is no number is equal to itself. No deeper than the crate promises.
fn same(one: &Value, other: &Value, depth: usize) -> bool {
    assert!(depth <= 33, "values lie {depth} deep");
    match (one, other) {
        (Value::Double(one), Value::Double(other)) => one.to_bits() == other.to_bits(),
        (Value::Array(one), Value::Array(other))
        | (Value::Set(one), Value::Set(other))
        | (Value::Push(one), Value::Push(other)) => same_all(one, other, depth + 1),
        (Value::Map(one), Value::Map(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| same(&one.0, &other.0, depth + 1) && same(&one.1, &other.1, depth + 1))
        }
        (one, other) => one == other,
    }
}

fn same_all(one: &[Value], other: &[Value], depth: usize) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other, depth))
}
