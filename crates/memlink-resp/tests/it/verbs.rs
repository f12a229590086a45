use std::time::Duration;

use memlink_resp::{Cmd, Redis, Version};

use crate::redis::RedisServer;

#[tokio::test]
async fn every_verb_does_what_it_says() {
    let server = RedisServer::start();
    for version in [Version::Resp3, Version::Resp2] {
        let redis = server.builder().version(version).connect().await.unwrap();
        redis.query::<()>(Cmd::new("FLUSHALL")).await.unwrap();
        check(&redis).await;
    }
}

/// On a database that is empty.
pub(crate) async fn check(redis: &Redis) {
    const MINUTE: Duration = Duration::from_secs(60);
    assert!(redis.set("k", "v").await.unwrap());
    assert_eq!(redis.get("k").await.unwrap().unwrap(), "v");
    assert_eq!(redis.get_as::<Option<String>>("k").await.unwrap().as_deref(), Some("v"));
    assert!(!redis.set("k", "w").if_absent().await.unwrap());
    assert!(redis.set("k", "w").if_present().ttl(MINUTE).await.unwrap());
    assert!(!redis.set("absent", "w").if_present().await.unwrap());
    assert!((50_000..=60_000).contains(&redis.pttl("k").await.unwrap()));
    assert!(redis.set("k", "x").keep_ttl().await.unwrap());
    assert!(redis.pttl("k").await.unwrap() > 0 && redis.persist("k").await.unwrap());
    assert_eq!((redis.pttl("k").await.unwrap(), redis.pttl("absent").await.unwrap()), (-1, -2));
    // Half a millisecond is one, and not for ever.
    assert!(redis.expire("k", Duration::from_micros(90_000_500)).await.unwrap());
    assert!((1..=90_001).contains(&redis.pttl("k").await.unwrap()));
    assert!(redis.set("k", "x").ttl(Duration::ZERO).await.is_err());
    assert!(redis.exists("k").await.unwrap() && redis.del("k").await.unwrap());
    assert!(!redis.exists("k").await.unwrap() && !redis.del("k").await.unwrap());
    assert_eq!((redis.incr("n").await.unwrap(), redis.incr_by("n", -11).await.unwrap()), (1, -10));
    assert!(redis.hset("h", "f", "1").await.unwrap() && !redis.hset("h", "f", 2).await.unwrap());
    assert_eq!(redis.hget("h", "f").await.unwrap().unwrap(), "2");
    assert_eq!(redis.hgetall("h").await.unwrap().len(), 1);
    assert!(redis.hdel("h", "f").await.unwrap() && redis.hget("h", "f").await.unwrap().is_none());
    assert_eq!((redis.rpush("l", "b").await.unwrap(), redis.lpush("l", "a").await.unwrap()), (1, 2));
    assert_eq!(redis.lrange("l", 0, -1).await.unwrap(), ["a", "b"]);
    assert_eq!(
        (redis.lpop("l").await.unwrap().unwrap(), redis.rpop("l").await.unwrap().unwrap()),
        ("a".into(), "b".into())
    );
    assert_eq!(redis.lpop("l").await.unwrap(), None);
    assert!(redis.sadd("s", "m").await.unwrap() && !redis.sadd("s", "m").await.unwrap());
    assert_eq!(redis.smembers("s").await.unwrap(), ["m"]);
    assert!(redis.srem("s", "m").await.unwrap() && redis.smembers("s").await.unwrap().is_empty());
    redis.ping(0).await.unwrap();
    // Bytes of any kind are a key and a value.
    let odd: Vec<u8> = (0..=255).collect();
    redis.set(&odd, odd.clone()).await.unwrap();
    assert_eq!(redis.get(&odd).await.unwrap().unwrap(), odd);
    redis.set("", "").await.unwrap();
    assert_eq!(redis.get("").await.unwrap().unwrap(), "");
}

#[tokio::test]
async fn a_request_has_its_own_deadline() {
    let server = RedisServer::start();
    let redis = server.client().await;
    let sleeps = redis.query::<()>(Cmd::new("DEBUG").args(["SLEEP", "0.3"])).timeout(Duration::from_millis(20));
    let error = sleeps.await.unwrap_err();
    assert_eq!(error.outcome(), memlink::Outcome::Unknown, "{error}");
    // The connection goes on, and the late reply is nobody's.
    assert_eq!(redis.get("k").await.unwrap(), None);
    assert_eq!(redis.stats(0).opened, 1);
    let error = redis.set("k", "v").timeout(Duration::ZERO).await.unwrap_err();
    assert_eq!(error.outcome(), memlink::Outcome::NotSent, "{error}");
}
