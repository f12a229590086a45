//! What a shared connection does not carry, and what comes over it unasked.

use std::sync::{Arc, Mutex};

use memlink::Outcome;
use memlink_resp::{Cmd, Error, Value};

use crate::redis::RedisServer;
use crate::scripted::Scripted;
use crate::wait::until_async;

#[tokio::test]
async fn what_would_change_the_connection_never_reaches_the_server() {
    let server = RedisServer::start();
    let redis = server.client().await;
    let commands = [
        "SUBSCRIBE a",
        "psubscribe a*",
        "SSUBSCRIBE a",
        "MONITOR",
        "CLIENT REPLY OFF",
        "client tracking on",
        "MULTI",
        "EXEC",
        "WATCH k",
        "BLPOP k 0",
        "BZPOPMIN k 0",
        "WAIT 1 0",
        "SELECT 1",
        "AUTH x",
        "HELLO 2",
        "RESET",
        "QUIT",
        "SYNC",
        "XREAD BLOCK 0 STREAMS s $",
        "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
        "",
    ];
    redis.query::<()>(Cmd::new("CONFIG RESETSTAT")).await.unwrap();
    for command in commands {
        for refused in [
            redis.query::<Value>(Cmd::new(command)).await.unwrap_err(),
            redis.query_server::<Value>(0, Cmd::new(command)).await.unwrap_err(),
            redis.pipeline([Cmd::new(command)]).await.remove(0).unwrap_err(),
            redis.transaction([Cmd::new(command)]).await.unwrap_err(),
        ] {
            assert!(matches!(refused, Error::NotShared { .. } | Error::Size(_)), "{command}: {refused}");
            assert_eq!(refused.outcome(), Outcome::NotSent);
        }
    }
    let seen: String = redis.query(Cmd::new("INFO commandstats")).await.unwrap();
    let names: Vec<_> = seen.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next()).collect();
    assert_eq!(names, ["config|resetstat"]);
    assert_eq!(redis.stats(0).opened, 1);
}

/// Messages come before, between and behind replies, also between those to commands that were sent as one.
#[tokio::test]
async fn messages_are_told_apart_from_replies_wherever_they_come() {
    const HELLO: &str = "%0\r\n";
    const PONG: &str = ">1\r\n+one\r\n+PONG\r\n>2\r\n+two\r\n*0\r\n";
    const THREE: &str = ":1\r\n>1\r\n+three\r\n*1\r\n:2\r\n>1\r\n+four\r\n:3\r\n";
    let stranger = Scripted::start(&[HELLO, PONG, THREE]).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = told.clone();
    let first_word = |message: &Value| match message {
        Value::Push(values) => String::from_utf8_lossy(values[0].as_bytes().unwrap_or_default()).into_owned(),
        value => format!("no message: {value:?}"),
    };
    let builder = stranger.builder().on_push(move |message| seen.lock().unwrap().push(first_word(&message)));
    let redis = builder.connect().await.unwrap();
    let replies = redis.pipeline(["A", "B", "C"].map(|name| Cmd::new(name).key("k"))).await;
    let replies: Vec<Value> = replies.into_iter().map(Result::unwrap).collect();
    assert_eq!(replies, [Value::Int(1), Value::Array(vec![Value::Int(2)]), Value::Int(3)]);
    until_async("all were told", async || told.lock().unwrap().len() == 4).await;
    assert_eq!(*told.lock().unwrap(), ["one", "two", "three", "four"]);
    assert_eq!((redis.stats(0).unasked, redis.stats(0).opened), (4, 1));
}

/// Bytes that nobody asked for, and that are no message, end the connection before they can become a reply.
#[tokio::test]
async fn a_stray_reply_closes_the_connection() {
    let stranger = Scripted::start(&["%0\r\n", "+PONG\r\n", "$5\r\nright\r\n$5\r\nstray\r\n", "$5\r\nright\r\n"]).await;
    let redis = stranger.builder().connect().await.unwrap();
    assert_eq!(redis.get("k").await.unwrap().unwrap(), "right");
    until_async("a new connection answers", async || redis.stats(0).closed == 1 && redis.ping(0).await.is_ok()).await;
}
