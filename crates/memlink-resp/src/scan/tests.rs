use bytes::Bytes;
use fastrand::Rng;
use memlink::generic::{Frame, Reply};

use super::*;
use crate::read::{Reader, read};
use crate::{ServerError, Value};

/// What came out: the parts of each reply, and messages.
#[derive(Debug, PartialEq)]
enum Event {
    Reply(Vec<Vec<u8>>),
    Last(Vec<Vec<u8>>),
    Push(Vec<u8>),
    Broken(Broken),
}

/// Reads as an engine does: asks when there is as much as was wanted, and takes off what was told.
#[derive(Default)]
struct Feed {
    scan: Scan,
    buffer: Vec<u8>,
    want: usize,
    parts: Vec<Vec<u8>>,
    events: Vec<Event>,
    limits: Limits,
}

impl Feed {
    fn take(&mut self, len: usize, tail: usize) -> Vec<u8> {
        self.want = 0;
        let rest = self.buffer.split_off(len);
        let mut taken = std::mem::replace(&mut self.buffer, rest);
        taken.truncate(len - tail);
        taken
    }

    /// `replies` for each command that is owed an answer, in order.
    fn feed(&mut self, bytes: &[u8], replies: &[u32]) {
        if matches!(self.events.last(), Some(Event::Broken(_) | Event::Last(_))) {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        while !self.buffer.is_empty() && self.buffer.len() >= self.want {
            let answered = self.events.iter().filter(|event| matches!(event, Event::Reply(_))).count();
            let verdict = self.scan.frame(replies.get(answered).copied(), &self.buffer, &self.limits);
            match verdict {
                Verdict::More { total } => {
                    assert!(total > self.buffer.len());
                    self.want = total;
                }
                Verdict::Part { len, tail } => {
                    let part = self.take(len, tail);
                    self.parts.push(part);
                }
                Verdict::Reply { len, tail } => {
                    let end = self.take(len, tail);
                    self.parts.push(end);
                    self.events.push(Event::Reply(std::mem::take(&mut self.parts)));
                }
                Verdict::Last { len, tail, .. } => {
                    let end = self.take(len, tail);
                    self.parts.push(end);
                    self.events.push(Event::Last(std::mem::take(&mut self.parts)));
                    return;
                }
                Verdict::Unasked { len } => {
                    let push = self.take(len, 0);
                    self.events.push(Event::Push(push));
                }
                Verdict::Broken(why) => {
                    self.events.push(Event::Broken(why));
                    self.buffer.clear();
                    return;
                }
                verdict => panic!("{verdict:?}"),
            }
        }
    }
}

fn whole(bytes: &[u8], replies: &[u32]) -> Vec<Event> {
    let mut feed = Feed::default();
    feed.feed(bytes, replies);
    feed.events
}

fn cut(bytes: &[u8], replies: &[u32], mut next: impl FnMut() -> usize) -> Vec<Event> {
    let (mut feed, mut rest) = (Feed::default(), bytes);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(next().clamp(1, rest.len()));
        feed.feed(piece, replies);
        rest = behind;
    }
    feed.events
}

fn reply_of(parts: &[Vec<u8>]) -> Reply {
    match parts {
        [one] => Reply::One(Frame::copy_from(one)),
        many => Reply::Many(many.iter().map(|part| Frame::copy_from(part)).collect()),
    }
}

/// A value of any kind, as a server writes it: written here and not by the crate, so that a mistake cannot hide on both sides.
fn write(value: &Value, dice: &mut Rng, out: &mut Vec<u8>) {
    if dice.u32(..40) == 0 {
        out.extend_from_slice(b"|1\r\n+ttl\r\n*2\r\n:3\r\n$1\r\nx\r\n");
    }
    let mut head = |kind: &str, len: usize| out.extend_from_slice(format!("{kind}{len}\r\n").as_bytes());
    match value {
        Value::Null => out.extend_from_slice(dice.choice(&[&b"_\r\n"[..], b"$-1\r\n", b"*-1\r\n"]).unwrap()),
        Value::Simple(text) => out.extend_from_slice(&[b"+", &text[..], b"\r\n"].concat()),
        Value::Bulk(bytes) => {
            head("$", bytes.len());
            out.extend_from_slice(&[&bytes[..], b"\r\n"].concat());
        }
        Value::Verbatim { format, text } => {
            head("=", text.len() + 4);
            out.extend_from_slice(&[&format[..], b":", text, b"\r\n"].concat());
        }
        Value::Int(n) => out.extend_from_slice(format!(":{n}\r\n").as_bytes()),
        Value::BigNumber(digits) => out.extend_from_slice(&[b"(", &digits[..], b"\r\n"].concat()),
        Value::Double(number) => out.extend_from_slice(format!(",{number}\r\n").as_bytes()),
        Value::Bool(is) => out.extend_from_slice(if *is { b"#t\r\n" } else { b"#f\r\n" }),
        Value::Error(error) if dice.bool() => out.extend_from_slice(format!("-{error}\r\n").as_bytes()),
        Value::Error(error) => {
            head("!", error.text().len());
            out.extend_from_slice(format!("{error}\r\n").as_bytes());
        }
        Value::Array(values) | Value::Set(values) | Value::Push(values) => {
            head(if matches!(value, Value::Array(_)) { "*" } else { "~" }, values.len());
            values.iter().for_each(|value| write(value, dice, out));
        }
        Value::Map(pairs) => {
            head("%", pairs.len());
            for (key, value) in pairs {
                write(key, dice, out);
                write(value, dice, out);
            }
        }
    }
}

fn any_value(dice: &mut Rng, depth: usize) -> Value {
    let mut bytes = |most: usize| -> Bytes { (0..dice.usize(..most)).map(|_| dice.u8(..)).collect() };
    let (short, long) = (bytes(50), bytes(5_000));
    let values = |dice: &mut Rng| (0..dice.usize(..6)).map(|_| any_value(dice, depth + 1)).collect();
    let kind = if depth > 5 { dice.u32(..9) } else { dice.u32(..14) };
    match kind {
        0 => Value::Null,
        1 => Value::Simple(Bytes::from_static(dice.choice([&b"OK"[..], b"", b"PONG", b"some other text"]).unwrap())),
        2 => Value::Bulk(long),
        3 => Value::Verbatim { format: *b"txt", text: short },
        4 => Value::Int(dice.i64(..)),
        5 => Value::BigNumber(Bytes::from_static(b"-3492890328409238509324850943850943825024385")),
        6 => Value::Double(dice.f64() * 1e6 - 5e5),
        7 => Value::Bool(dice.bool()),
        8 => Value::Error(ServerError::new(b"ERR something is wrong")),
        9 | 10 => Value::Array(values(dice)),
        11 => Value::Set(values(dice)),
        12 => {
            Value::Map((0..dice.usize(..4)).map(|_| (any_value(dice, depth + 1), any_value(dice, depth + 1))).collect())
        }
        _ => Value::Bulk(short),
    }
}

/// Replies to single commands and to several sent as one, with messages in between: the same values however the bytes are cut.
#[test]
fn replies_are_the_same_however_the_bytes_are_cut() {
    let first = std::env::var("RESP_SEED").ok().map_or_else(|| fastrand::u64(..1 << 32), |seed| seed.parse().unwrap());
    for seed in first..first + 150 {
        println!("RESP_SEED={seed}");
        let dice = &mut Rng::with_seed(seed);
        let (mut bytes, mut want, mut replies) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..dice.usize(1..6) {
            let values: Vec<Value> = (0..dice.u32(1..4)).map(|_| any_value(dice, 0)).collect();
            for value in &values {
                if dice.u32(..8) == 0 {
                    bytes.extend_from_slice(b">2\r\n+invalidate\r\n*1\r\n$3\r\nkey\r\n");
                }
                write(value, dice, &mut bytes);
            }
            replies.push(u32::try_from(values.len()).unwrap());
            want.push(values);
        }
        let events = whole(&bytes, &replies);
        assert_eq!(cut(&bytes, &replies, || 1), events);
        for _ in 0..10 {
            let mut cuts = Rng::with_seed(dice.u64(..));
            assert_eq!(cut(&bytes, &replies, || cuts.usize(1..300)), events);
        }
        let parts = events.iter().filter_map(|event| match event {
            Event::Reply(parts) => Some(parts),
            Event::Push(_) => None,
            event => panic!("{event:?}"),
        });
        let mut seen = 0;
        for (parts, values) in parts.zip(&want) {
            let mut reader = Reader::new(reply_of(parts));
            let got: Vec<Value> = values.iter().map(|_| reader.value().unwrap()).collect();
            assert_eq!(got, *values);
            if let [value] = &values[..] {
                assert_eq!(read(reply_of(parts)).unwrap(), *value);
            }
            seen += 1;
        }
        assert_eq!(seen, want.len());
    }
}

#[test]
fn every_reply_is_cut_at_every_byte() {
    let bytes = b"*5\r\n$3\r\nfoo\r\n%1\r\n+k\r\n:-1\r\n~0\r\n|1\r\n+a\r\n+b\r\n_\r\n!5\r\nERR x\r\n>1\r\n+p\r\n:7\r\n";
    let events = whole(bytes, &[1, 1]);
    assert_eq!(events.len(), 3, "{events:?}");
    for at in 1..bytes.len() {
        let mut pieces = [at, bytes.len()].into_iter();
        assert_eq!(cut(bytes, &[1, 1], || pieces.next().unwrap()), events, "cut at {at}");
    }
}

#[test]
fn what_is_no_reply_closes_the_connection() {
    let too_large = |events: &[Event]| matches!(events, [Event::Broken(Broken::ReplyTooLarge { .. })]);
    for text in ["$99999999999\r\n", "*99999999999\r\n", "%99999999999\r\n", "*99999999999999999\r\n"] {
        assert!(too_large(&whole(text.as_bytes(), &[1])), "{text}");
    }
    let mut texts: Vec<String> = [
        "x\r\n",
        "\r\n",
        "HTTP/1.1 400\r\n",
        "+OK\n",
        "$\r\n",
        "$x\r\n",
        "$+1\r\n",
        "$-2\r\n",
        "$?\r\n",
        "*?\r\n",
        "$1\r\nab\r\n",
        "*1\r\n>1\r\n",
        "|-1\r\n",
        "*1\r\n.\r\n",
        "+\n",
    ]
    .map(str::to_owned)
    .into();
    texts.push(format!(":{}", "1".repeat(100)));
    texts.push(format!("${}\r\n", "1".repeat(100)));
    for text in texts {
        assert!(matches!(whole(text.as_bytes(), &[1])[..], [Event::Broken(_)]), "{text}");
        assert!(matches!(cut(text.as_bytes(), &[1], || 1)[..], [Event::Broken(_)]), "{text}, byte by byte");
    }
}

#[test]
fn what_nobody_asked_for_is_no_reply_unless_it_is_a_message() {
    assert_eq!(whole(b"+OK\r\n", &[]), [Event::Broken(Broken::Unsolicited)]);
    let message = b">1\r\n+hello\r\n".to_vec();
    assert_eq!(whole(&message, &[]), [Event::Push(message.clone())]);
    let twice = [&message[..], b"+OK\r\n"].concat();
    assert_eq!(whole(&twice, &[]), [Event::Push(message), Event::Broken(Broken::Unsolicited)]);
}

#[test]
fn an_error_of_the_protocol_is_the_last_reply() {
    let line = b"-ERR Protocol error: invalid bulk length\r\n".to_vec();
    assert_eq!(whole(&line, &[1]), [Event::Last(vec![line.clone()])]);
    // Inside of a reply it is a text.
    assert!(matches!(whole(&[b"*1\r\n", &line[..]].concat(), &[1])[..], [Event::Reply(_)]));
}

/// What a caller is told of a value at a bound, and of one beyond it.
#[test]
fn every_bound_holds_to_the_byte() {
    let fits = |bytes: &[u8], limits: &Limits| {
        let mut feed = Feed { limits: limits.clone(), ..Feed::default() };
        feed.feed(bytes, &[1]);
        let mut slowly = Feed { limits: limits.clone(), ..Feed::default() };
        bytes.iter().for_each(|byte| slowly.feed(&[*byte], &[1]));
        let fits = matches!(feed.events[..], [Event::Reply(_)]);
        assert_eq!(fits, matches!(slowly.events[..], [Event::Reply(_)]));
        fits
    };
    let limits = Limits { value_len_max: 100, unclaimed_bytes_max: 300, ..Limits::default() };
    let bulk = |len: usize| format!("${len}\r\n{}\r\n", "x".repeat(len)).into_bytes();
    assert!(fits(&bulk(100), &limits) && !fits(&bulk(101), &limits));
    let line = |len: usize| format!("-{}\r\n", "x".repeat(len - 3)).into_bytes();
    assert!(fits(&line(100), &limits) && !fits(&line(101), &limits));
    let list = |len: usize| format!("*{len}\r\n{}", "_\r\n".repeat(len)).into_bytes();
    assert!(fits(&list(100), &limits) && !fits(&list(101), &limits));
    let deep = |len: usize| format!("{}_\r\n", "*1\r\n".repeat(len)).into_bytes();
    assert!(fits(&deep(DEPTH_MAX), &limits) && !fits(&deep(DEPTH_MAX + 1), &limits));
    let deepest = whole(&deep(DEPTH_MAX), &[1]);
    let [Event::Reply(parts)] = &deepest[..] else { panic!("{deepest:?}") };
    assert!(read(reply_of(parts)).is_ok());
    let push = |len: usize| format!(">1\r\n{}", String::from_utf8(bulk(len)).unwrap()).into_bytes();
    assert!(matches!(whole(&push(10), &[])[..], [Event::Push(_)]));
    let mut feed = Feed { limits, ..Feed::default() };
    feed.feed(&push(99), &[]);
    assert!(matches!(feed.events[..], [Event::Broken(Broken::ReplyTooLarge { .. })]));
}

/// However long a reply is, what is looked at anew with each byte is never more than a line.
#[test]
fn no_byte_is_looked_at_again_and_again() {
    let row = b"*3\r\n:1234567\r\n$5\r\nhello\r\n%1\r\n+key\r\n*2\r\n:1\r\n:2\r\n".to_vec();
    let bytes = [format!("*{}\r\n", 20_000).into_bytes(), row.repeat(20_000)].concat();
    let mut feed = Feed::default();
    for byte in &bytes {
        feed.feed(&[*byte], &[1]);
        assert!(feed.buffer.len() - feed.scan.at <= 16 && feed.buffer.len() <= 2 * PART_LEN, "{}", feed.buffer.len());
    }
    assert!(matches!(feed.events[..], [Event::Reply(_)]));
    // A long line is not searched again either.
    let mut feed = Feed::default();
    feed.feed(b"+", &[1]);
    for _ in 0..100_000 {
        feed.feed(b"x", &[1]);
        assert_eq!(feed.scan.looked, feed.buffer.len());
    }
}

/// What is read is then the value and nothing else: it can be taken over without a copy.
#[test]
fn a_string_alone_comes_without_its_end() {
    let mut scan = Scan::default();
    let (limits, tail) = (Limits::default(), |verdict| match verdict {
        Verdict::Reply { tail, .. } => Some(tail),
        _ => None,
    });
    assert_eq!(tail(scan.frame(Some(1), b"$3\r\nabc\r\n", &limits)), Some(2));
    assert_eq!(tail(scan.frame(Some(1), b"$-1\r\n", &limits)), Some(0));
    assert_eq!(tail(scan.frame(Some(1), b"*1\r\n$1\r\na\r\n", &limits)), Some(0));
    let frame = Frame::copy_from(b"$3\r\nabc");
    assert_eq!(read(Reply::One(frame)), Ok(Value::Bulk(Bytes::from_static(b"abc"))));
}

/// Large values are asked for to the byte, so that each is read into a buffer of its own and nothing else with it.
#[test]
fn a_large_value_is_a_part_of_its_own() {
    let head = b"*3\r\n:1\r\n$100000\r\n";
    let mut scan = Scan::default();
    let limits = Limits::default();
    assert_eq!(scan.frame(Some(1), head, &limits), Verdict::Part { len: 8, tail: 0 });
    assert_eq!(scan.frame(Some(1), &head[8..], &limits), Verdict::More { total: 9 + 100_000 + 2 });
    let value = [&head[8..], &[b'x'; 100_000], b"\r\n:2\r\n"].concat();
    let mut rest = &value[..];
    let mut lens = Vec::new();
    for _ in 0..2 {
        match scan.frame(Some(1), rest, &limits) {
            Verdict::Part { len, .. } | Verdict::Reply { len, .. } => {
                lens.push(len);
                rest = &rest[len..];
            }
            verdict => panic!("{verdict:?}"),
        }
    }
    assert_eq!((lens, rest.len()), (vec![100_011, 4], 0));
}
