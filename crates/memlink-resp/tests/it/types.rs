//! Every type of reply, from a real server; and that nothing of them is lost or closes the connection.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use memlink::Outcome;
use memlink_resp::{Cmd, Error, Redis, ServerErrorKind, Value, Version};

use crate::redis::RedisServer;
use crate::wait::until;

fn debug(kind: &str) -> Cmd {
    Cmd::new("DEBUG PROTOCOL").arg(kind)
}

#[tokio::test]
async fn every_type_of_a_real_server_is_read() {
    let server = RedisServer::start();
    let pushed = Arc::new(Mutex::new(Vec::new()));
    let seen = pushed.clone();
    let builder = server.builder().on_push(move |message| seen.lock().unwrap().push(message));
    let redis = builder.connect().await.unwrap();
    let value = async |kind: &str| redis.query::<Value>(debug(kind)).await.unwrap();
    let text = |text: &'static str| Bytes::from_static(text.as_bytes());
    assert_eq!(value("string").await, Value::Bulk(text("Hello World")));
    assert_eq!(value("integer").await, Value::Int(12_345));
    assert_eq!(value("double").await, Value::Double(3_141.0 / 1_000.0));
    assert_eq!(value("null").await, Value::Null);
    assert_eq!(value("array").await, Value::Array((0..3).map(Value::Int).collect()));
    assert_eq!(value("set").await, Value::Set((0..3).map(Value::Int).collect()));
    assert_eq!(value("map").await, Value::Map((0..3).map(|n| (Value::Int(n), Value::Bool(n == 1))).collect()));
    assert_eq!(value("verbatim").await, Value::Verbatim { format: *b"txt", text: text("This is a verbatim\nstring") });
    assert_eq!(value("true").await, Value::Bool(true));
    assert_eq!(value("false").await, Value::Bool(false));
    assert_eq!(value("bignum").await, Value::BigNumber(text("1234567999999999999999999999999999999")));
    // Attributes stand before the value they belong to.
    assert_eq!(value("attrib").await, Value::Bulk(text("Some real reply following the attribute")));
    // A message comes before the reply, and is none.
    let behind = value("push").await;
    assert_eq!(behind, Value::Bulk(text("Some real reply following the push reply")));
    until("the message was told", || !pushed.lock().unwrap().is_empty()).await;
    let message = pushed.lock().unwrap()[0].clone();
    assert_eq!(message, Value::Push(vec![Value::Bulk(text("server-cpu-usage")), Value::Int(42)]));
    let stats = redis.stats(0);
    assert_eq!((stats.unasked, stats.opened), (1, 1));
}

/// The same types as RESP2 has them.
#[tokio::test]
async fn replies_of_the_older_protocol_are_read_as_the_same_types() {
    let server = RedisServer::start();
    for version in [Version::Resp2, Version::Resp3] {
        let redis = server.builder().version(version).connect().await.unwrap();
        assert_eq!(redis.peer(0).unwrap().version(), version);
        redis.del("h").await.unwrap();
        redis.query::<i64>(Cmd::new("HSET").key("h").args(["a", "1", "b", "2"])).await.unwrap();
        let numbers: BTreeMap<String, i64> = redis.query(Cmd::new("HGETALL").key("h")).await.unwrap();
        assert_eq!(numbers, BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
        assert_eq!(
            redis.hgetall("h").await.unwrap(),
            HashMap::from([("a".into(), "1".into()), ("b".into(), "2".into())])
        );
        assert_eq!(redis.query::<f64>(debug("double")).await.unwrap(), 3_141.0 / 1_000.0);
        assert!(redis.query::<bool>(debug("true")).await.unwrap());
        assert_eq!(redis.query::<Option<i64>>(debug("null")).await.unwrap(), None);
        assert_eq!(redis.query::<Vec<i64>>(debug("set")).await.unwrap(), [0, 1, 2]);
        assert_eq!(redis.get("nothing").await.unwrap(), None);
    }
}

/// An error is told, of its kind and with its words, and the connection stays.
#[tokio::test]
async fn errors_of_the_server_are_typed_and_close_nothing() {
    let server = RedisServer::start();
    let redis = server.client().await;
    redis.set("text", "not a number").await.unwrap();
    let check = async |cmd: Cmd, kind: ServerErrorKind, word: &str| {
        let error = redis.query::<Value>(cmd).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Answered, "{error}");
        assert!(!error.is_retryable() && error.to_string().starts_with("127.0.0.1:"), "{error}");
        let error = error.server_error().unwrap().clone();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.text().contains(word), "{error}");
    };
    check(Cmd::new("LPUSH").key("text").arg("x"), ServerErrorKind::WrongType, "wrong kind of value").await;
    check(Cmd::new("INCR").key("text"), ServerErrorKind::Err, "not an integer").await;
    check(Cmd::new("NONSENSE").arg("secret"), ServerErrorKind::Err, "unknown command").await;
    check(Cmd::new("EVALSHA").args(["ffffffffffffffffffffffffffffffffffffffff", "0"]), ServerErrorKind::NoScript, "")
        .await;
    check(
        Cmd::new("EVAL").args(["return redis.error_reply('MINE my words')", "0"]),
        ServerErrorKind::Other,
        "my words",
    )
    .await;
    check(Cmd::new("DEBUG").args(["ERROR", "OOM x"]), ServerErrorKind::OutOfMemory, "OOM").await;
    let long = "return redis.error_reply('ERR ' .. string.rep('x', 100000))";
    check(Cmd::new("EVAL").args([long, "0"]), ServerErrorKind::Err, "xxx").await;
    let unknown = redis.query::<Value>(Cmd::new("NONSENSE").arg("a-key")).await.unwrap_err();
    assert!(!unknown.to_string().contains("a-key"), "{unknown}");
    // An answer of another type is an error of the one who asked.
    let wrong = redis.get_as::<i64>("text").await.unwrap_err();
    assert!(matches!(wrong, Error::Type { .. }), "{wrong:?}");
    // In the middle of a reply it is a value.
    let script = "return {1, redis.error_reply('ERR inside')}";
    let inside: Vec<Value> = redis.query(Cmd::new("EVAL").args([script, "0"])).await.unwrap();
    assert!(matches!(&inside[..], [Value::Int(1), Value::Error(_)]), "{inside:?}");
    assert_eq!(redis.stats(0).opened, 1);
}

/// Long lists, deep lists, large values in lists, all at once on one connection.
#[tokio::test]
async fn large_and_deep_replies_are_read_whole() {
    let server = RedisServer::start();
    let redis = server.client().await;
    let large = "x".repeat(3_000_000);
    redis.set("large", large.clone()).await.unwrap();
    assert_eq!(redis.get("large").await.unwrap().unwrap(), large);
    let check = async |redis: Redis, n: i64| {
        let script = "local t = {} for i = 1, tonumber(ARGV[1]) do t[i] = {i, 'value ' .. i} end \
                      t[#t + 1] = redis.call('GET', KEYS[1]) return t";
        let cmd = Cmd::new("EVAL").args([script, "1"]).key("large").arg(n);
        let mut list: Vec<Value> = redis.query(cmd).await.unwrap();
        assert_eq!(list.pop().unwrap().as_bytes().unwrap().len(), 3_000_000);
        assert_eq!(list.len() as i64, n);
        for (number, value) in (1..).zip(list) {
            let text = Bytes::from(format!("value {number}"));
            assert_eq!(value, Value::Array(vec![Value::Int(number), Value::Bulk(text)]));
        }
    };
    futures_util::future::join_all([1, 10, 1_000, 30_000].map(|n| check(redis.clone(), n))).await;
    let deep = "local t = {} for i = 1, 30 do t = {t} end return t";
    assert!(redis.query::<Value>(Cmd::new("EVAL").args([deep, "0"])).await.is_ok());
    assert_eq!(redis.stats(0).opened, 1);
}
