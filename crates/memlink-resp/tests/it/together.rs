//! Many commands at once, on one server and on several.

use std::time::Duration;

use memlink::Outcome;
use memlink_resp::{Cmd, Credentials, Error, Redis, ServerErrorKind, Value, Version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::redis::{RedisServer, patient};
use crate::wait::until_async;

fn three() -> Vec<RedisServer> {
    (0..3).map(|_| RedisServer::start()).collect()
}

fn client(servers: &[RedisServer]) -> Redis {
    let builder = Redis::builder().settings(patient());
    let named = servers.iter().enumerate().map(|(n, server)| server.server().named(format!("cache-{n}")));
    named.fold(builder, memlink_resp::Builder::server).build().unwrap()
}

fn keys() -> Vec<String> {
    (0..3_000).map(|n| format!("key-{n}")).collect()
}

#[tokio::test]
async fn keys_are_divided_among_servers_and_answered_in_their_order() {
    let mut servers = three();
    let redis = client(&servers);
    let keys = keys();
    let sets = keys.iter().map(|key| Cmd::new("SET").key(key).arg(format!("value of {key}")));
    assert!(redis.pipeline(sets).await.iter().all(Result::is_ok));
    for (n, server) in servers.iter().enumerate() {
        let own = keys.iter().filter(|key| redis.route(key) == n).count();
        assert!(own > 500, "{own} keys of {n}");
        assert_eq!(server.client().await.query::<usize>(Cmd::new("DBSIZE")).await.unwrap(), own);
    }
    let asked = keys.iter().map(String::as_str).chain(["nothing"]);
    let values = redis.mget(asked).await;
    assert_eq!(values.len(), keys.len() + 1);
    for (key, value) in keys.iter().zip(&values) {
        assert_eq!(value.as_ref().unwrap().as_ref().unwrap(), &format!("value of {key}"));
    }
    assert_eq!(*values.last().unwrap().as_ref().unwrap(), None);
    assert_eq!(redis.mget([""; 0]).await.len(), 0);

    // A server that is down spoils its own keys and no others.
    servers[1].kill();
    until_async("it is known to be down", async || redis.ping(1).await.is_err()).await;
    for (key, value) in keys.iter().zip(redis.mget(&keys).await) {
        assert_eq!(value.is_err(), redis.route(key) == 1, "{key}");
    }
    for (key, gone) in keys.iter().zip(redis.del_many(&keys).await) {
        match gone {
            Ok(was_there) => assert!(was_there && redis.route(key) != 1, "{key}"),
            Err(error) => assert!(redis.route(key) == 1 && error.outcome() == Outcome::NotSent, "{key}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_command_goes_where_its_keys_belong_or_nowhere() {
    let servers = three();
    let redis = client(&servers);
    let keys = keys();
    let (here, there) = (&keys[0], keys.iter().find(|key| redis.route(key) != redis.route(&keys[0])).unwrap());
    redis.set(here, "v").await.unwrap();
    let copied =
        redis.query::<i64>(Cmd::new("EVAL").args(["return redis.call('EXISTS', KEYS[1])", "1"]).arg(here)).await;
    assert_eq!(copied.unwrap(), 1);
    let spread = redis.query::<Value>(Cmd::new("RENAME").key(here).key(there)).await.unwrap_err();
    assert!(matches!(spread, Error::Spread), "{spread}");
    let spread = redis.transaction([Cmd::new("GET").key(here), Cmd::new("GET").key(there)]).await.unwrap_err();
    assert!(matches!(spread, Error::Spread), "{spread}");
    let no_key = redis.query::<Value>(Cmd::new("DBSIZE")).await.unwrap_err();
    assert!(matches!(no_key, Error::NoKey), "{no_key}");
    assert_eq!(redis.query_server::<i64>(redis.route(here), Cmd::new("DBSIZE")).await.unwrap(), 1);
}

#[tokio::test]
async fn each_command_of_a_pipeline_has_its_own_outcome() {
    let server = RedisServer::start();
    let redis = server.client().await;
    let large = "x".repeat(1_000_000);
    let outcomes = redis
        .pipeline([
            Cmd::new("SET").key("k").arg(large.clone()),
            Cmd::new("LPUSH").key("k").arg("x"),
            Cmd::new("SUBSCRIBE").arg("a"),
            Cmd::new("GET").key("k"),
            Cmd::new("HGETALL").key("nothing"),
        ])
        .await;
    assert!(outcomes[0].is_ok());
    assert_eq!(outcomes[1].as_ref().unwrap_err().server_error().unwrap().kind(), ServerErrorKind::WrongType);
    assert!(matches!(outcomes[2], Err(Error::NotShared { .. })));
    assert_eq!(outcomes[3].as_ref().unwrap().as_bytes().unwrap(), large.as_bytes());
    assert_eq!(*outcomes[4].as_ref().unwrap(), Value::Map(Vec::new()));
    assert_eq!(redis.pipeline([]).await.len(), 0);
    let numbers = redis.pipeline((0..5).map(|_| Cmd::new("INCR").key("n"))).read_as::<i64>().await;
    assert_eq!(numbers.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

/// Two counters that are added to together are always equal for whoever looks in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_between_the_commands_of_a_transaction() {
    let server = RedisServer::start();
    let redis = server.client().await;
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let redis = redis.clone();
            tokio::spawn(async move {
                for _ in 0..200 {
                    match caller % 2 {
                        0 => {
                            let both = ["a", "b"].map(|key| Cmd::new("INCR").key(key));
                            assert_eq!(redis.transaction(both).await.unwrap().len(), 2);
                        }
                        _ => {
                            let both: Vec<Option<i64>> = redis.query(Cmd::new("MGET").key("a").key("b")).await.unwrap();
                            assert_eq!(both[0], both[1]);
                        }
                    }
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert_eq!(redis.get_as::<i64>("a").await.unwrap(), 1_600);
}

#[tokio::test]
async fn a_transaction_tells_what_failed_in_it_and_what_stopped_it() {
    let server = RedisServer::start();
    let redis = server.client().await;
    let ran = redis.transaction([Cmd::new("SET").key("k").arg("v"), Cmd::new("INCR").key("k")]).await.unwrap();
    assert!(ran[0].is_ok() && ran[1].is_err());
    let stopped = redis.transaction([Cmd::new("SET").key("k").arg("w"), Cmd::new("NONSENSE").arg("k")]).await;
    let stopped = stopped.unwrap_err();
    assert!(stopped.to_string().contains("unknown command"), "{stopped}");
    assert_eq!(redis.get("k").await.unwrap().unwrap(), "v");
    assert!(redis.transaction([]).await.unwrap().is_empty());
    redis.close(Duration::from_secs(5)).await;
    assert_eq!(redis.get("k").await.unwrap_err().outcome(), Outcome::NotSent);
}

/// A user who may not call `MULTI`: the commands behind it are on their way before its refusal is known.
#[tokio::test]
async fn commands_of_a_refused_multi_are_not_said_to_be_undone() {
    let server = RedisServer::start();
    let admin = server.client().await;
    let rules = ["ada", "on", ">lovelace", "~*", "+@all", "-multi"];
    admin.query::<()>(Cmd::new("ACL SETUSER").args(rules)).await.unwrap();
    for version in [Version::Resp3, Version::Resp2] {
        let builder = server.builder().version(version).credentials(Credentials::new("ada", "lovelace"));
        let redis = builder.connect().await.unwrap();
        let before: i64 = redis.incr("n").await.unwrap();
        let both = [Cmd::new("INCR").key("n"), Cmd::new("INCR").key("n")];
        let error = redis.transaction(both).await.unwrap_err();
        assert!(matches!(error, Error::NoTransaction { .. }), "{error:?}");
        assert_eq!(error.outcome(), Outcome::Unknown);
        assert!(!error.is_retryable() && error.to_string().contains("one by one"), "{error}");
        assert_eq!(error.server_error().unwrap().kind(), ServerErrorKind::NoPermission);
        assert_eq!(redis.incr("n").await.unwrap(), before + 3);
        // Where none succeeded nothing has run, and the refusal is the result.
        let none = redis.transaction([Cmd::new("INCR").key("n").arg("x")]).await.unwrap_err();
        assert!(matches!(none, Error::Server { .. }) && none.to_string().contains("NOPERM"), "{none:?}");
    }
}

/// What has arrived of it may have run, if `MULTI` was refused, of which the reply is lost.
#[tokio::test]
async fn a_transaction_that_was_cut_is_unknown_and_not_sent_again() {
    let server = RedisServer::start();
    let admin = server.client().await;
    admin.query::<()>(Cmd::new("ACL SETUSER").args(["ada", "on", ">lovelace", "~*", "+@all", "-multi"])).await.unwrap();
    let address = proxy(server.address(), 16_000).await;
    let builder = Redis::builder().tcp(&address).unwrap().credentials(Credentials::new("ada", "lovelace"));
    let cut = builder.settings(patient()).connect().await.unwrap();
    let increments = std::iter::repeat_with(|| Cmd::new("INCR").key("n")).take(1_000);
    let large = Cmd::new("SET").key("n").arg(vec![b'x'; 8 << 20]);
    let error = cut.transaction(increments.chain([large])).await.expect_err("the connection was cut");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert!(admin.get_as::<usize>("n").await.unwrap() < 1_000);
}

/// Lets so many bytes of the first connection through and closes it, and all of every later one.
async fn proxy(to: String, first_len: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    tokio::spawn(async move {
        let mut allowed = first_len;
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&to).await.expect("redis is there");
            let mut left = std::mem::replace(&mut allowed, usize::MAX);
            let (mut up, mut down) = (vec![0; 4096], vec![0; 4096]);
            while left > 0 {
                tokio::select! {
                    read = client.read(&mut up) => match read {
                        Ok(n @ 1..) => {
                            let n = n.min(left);
                            server.write_all(&up[..n]).await.expect("redis reads");
                            left -= n;
                        }
                        _ => break,
                    },
                    read = server.read(&mut down) => match read {
                        Ok(n @ 1..) if client.write_all(&down[..n]).await.is_ok() => {}
                        _ => break,
                    },
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn a_pipeline_that_was_cut_may_have_run_in_part_and_is_not_sent_again() {
    const INCREMENTS: usize = 1_000;
    let server = RedisServer::start();
    let redis = server.client().await;
    let address = proxy(server.address(), 16_000).await;
    let cut = Redis::builder().tcp(&address).unwrap().settings(patient()).connect().await.unwrap();
    let increments = std::iter::repeat_with(|| Cmd::new("INCR").key("n")).take(INCREMENTS);
    let large = Cmd::new("SET").key("large").arg(vec![b'x'; 8 << 20]);
    for outcome in cut.pipeline(increments.chain([large])).await {
        match outcome.expect_err("the connection was cut") {
            Error::Link(error) => assert_eq!(error.outcome(), Outcome::Unknown, "{error}"),
            error => panic!("{error}"),
        }
    }
    // What has come of it ran once.
    let n: usize = redis.query(Cmd::new("GET").key("n")).await.unwrap();
    assert!((1..INCREMENTS).contains(&n), "{n}");
    assert!(redis.get("large").await.unwrap().is_none());
}
