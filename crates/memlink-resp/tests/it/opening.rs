//! The exchange before the first command: who is let in, who is not, and what is said then.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use memlink::{ErrorKind, Outcome};
use memlink_resp::{Builder, Cmd, Credentials, Error, Redis, Version};

use crate::redis::{RedisServer, patient};
use crate::scripted::Scripted;
use crate::wait::until_async;

/// Refused before any command was sent, with these words.
async fn refused(builder: Builder, words: &str) {
    let error = builder.connect().await.expect_err(words);
    let Error::Link(link) = &error else { panic!("{error:?}") };
    assert_eq!((link.kind(), link.outcome()), (ErrorKind::Refused, Outcome::NotSent), "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!error.to_string().contains("lovelace") && !error.to_string().contains("sesame"), "{error}");
}

async fn who(redis: &Redis) -> String {
    redis.query(Cmd::new("ACL WHOAMI")).await.unwrap()
}

#[tokio::test]
async fn users_and_passwords_are_asked_for_by_either_protocol() {
    let server = RedisServer::start_with(&["--requirepass", "sesame"]);
    let redis = server.builder().credentials(Credentials::with_password("sesame")).connect().await.unwrap();
    redis.query::<()>(Cmd::new("ACL SETUSER").args(["ada", "on", ">lovelace", "~*", "+@all"])).await.unwrap();
    redis.query::<()>(Cmd::new("ACL SETUSER").args(["mute", "on", ">lovelace", "~*", "+get"])).await.unwrap();
    for version in [Version::Newest, Version::Resp3, Version::Resp2] {
        let builder = || server.builder().version(version);
        let signed = |user: &str, password: &str| builder().credentials(Credentials::new(user, password));
        assert_eq!(who(&signed("ada", "lovelace").connect().await.unwrap()).await, "ada");
        let plain = builder().credentials(Credentials::with_password("sesame"));
        assert_eq!(who(&plain.connect().await.unwrap()).await, "default");
        refused(builder(), "wants a password").await;
        refused(signed("ada", "lovelace!"), "user name or the password").await;
        refused(signed("eve", "lovelace"), "user name or the password").await;
        // One who may not ping may still get.
        assert_eq!(signed("mute", "lovelace").connect().await.unwrap().get("k").await.unwrap(), None);
        refused(signed("mute", "lovelace").database(1), "may not do").await;
    }
    let url = format!("redis://ada:lovelace@{}", server.address());
    assert_eq!(who(&Redis::connect(&url).await.unwrap()).await, "ada");
    let shown = format!("{:?} {redis:?}", Redis::builder().url(&url).unwrap());
    assert!(!shown.contains("lovelace") && !shown.contains("sesame"), "{shown}");
}

/// A password that changes while the program runs: the provider is asked for every connection, and those that are open are renewed.
#[tokio::test]
async fn a_provider_is_asked_at_every_dial() {
    let server = RedisServer::start_with(&["--requirepass", "sesame"]);
    let admin = server.builder().credentials(Credentials::with_password("sesame")).connect().await.unwrap();
    for (version, before, after) in [(Version::Newest, "sesame", "lovelace"), (Version::Resp2, "lovelace", "sesame")] {
        let password = Arc::new(Mutex::new(Some(before)));
        let (given, dials) = (password.clone(), Arc::new(AtomicU32::new(0)));
        let counted = dials.clone();
        let settings = patient().before_dial(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        });
        let builder = || {
            let given = given.clone();
            server.builder().settings(settings.clone()).version(version).credentials_provider(move || {
                let password = given.lock().unwrap().map(Credentials::with_password);
                async move { password.ok_or_else(|| std::io::Error::other("the vault is closed")) }
            })
        };
        let redis = builder().connect().await.unwrap();
        let id = async || redis.query::<i64>(Cmd::new("CLIENT ID")).await.unwrap();
        let first = id().await;
        admin.query::<()>(Cmd::new("CONFIG SET requirepass").arg(after)).await.unwrap();
        *password.lock().unwrap() = Some(after);
        redis.renew();
        until_async("the new password was used", async || id().await != first).await;
        // The user's own preparation is not forgotten for it.
        assert!(dials.load(Ordering::Relaxed) >= 2);
        *password.lock().unwrap() = None;
        let error = builder().connect().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent);
        assert!(error.to_string().contains("the vault is closed"), "{error}");
        let shown = format!("{:?} {redis:?}", builder());
        assert!(!shown.contains("sesame") && !shown.contains("lovelace"), "{shown}");
    }
}

#[tokio::test]
async fn a_password_is_refused_by_a_server_without_one() {
    let server = RedisServer::start();
    let builder = server.builder().credentials(Credentials::with_password("sesame")).version(Version::Resp2);
    refused(builder, "the server wants none").await;
}

#[tokio::test]
async fn database_and_name_are_set_on_every_connection() {
    let mut server = RedisServer::start_with(&["--databases", "4"]);
    for version in [Version::Resp3, Version::Resp2] {
        let redis = server.builder().version(version).database(3).name("web-1").connect().await.unwrap();
        for _ in 0..2 {
            redis.set("k", "in three").await.unwrap();
            let info: String = redis.query(Cmd::new("CLIENT INFO")).await.unwrap();
            assert!(info.contains("name=web-1 ") && info.contains(" db=3 "), "{info}");
            let elsewhere = server.client().await;
            assert_eq!(elsewhere.get("k").await.unwrap(), None);
            server.kill();
            server.revive();
            until_async("it is dialled again", async || redis.ping(0).await.is_ok()).await;
        }
        refused(server.builder().version(version).database(4), "DB index is out of range").await;
    }
}

#[tokio::test]
async fn what_the_server_says_of_itself_is_kept() {
    let server = RedisServer::start();
    let redis = server.client().await;
    let peer = redis.peer(0).unwrap();
    assert_eq!(peer.version(), Version::Resp3);
    assert!(!peer.server().is_empty() && peer.server_version().contains('.'), "{peer:?}");
}

#[tokio::test]
async fn a_server_without_room_is_dialled_again_until_it_has_some() {
    let server = RedisServer::start_with(&["--maxclients", "1"]);
    // The harness itself has just looked whether it listens.
    let first = server.builder().build().unwrap();
    until_async("the one place is taken", async || first.ping(0).await.is_ok()).await;
    for version in [Version::Newest, Version::Resp2] {
        refused(server.builder().version(version), "no room for another").await;
    }
    let redis = server.builder().build().unwrap();
    assert_eq!(redis.get("k").await.unwrap_err().outcome(), Outcome::NotSent);
    drop(first);
    until_async("there is room", async || redis.get("k").await.is_ok()).await;
}

/// What a real server does not do when asked: an old one, one that loads, one that is none.
#[tokio::test]
async fn strangers_are_refused_in_words() {
    const HELLO: &str = "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n";
    let cases: [(&'static [&'static str], &str); 8] = [
        (&[HELLO, "-LOADING Redis is loading the dataset in memory\r\n"], "loading its data"),
        (&["-DENIED Redis is running in protected mode\r\n"], "protected mode"),
        (&["-ERR max number of clients reached\r\n"], "no room for another"),
        (&["-NOAUTH Authentication required.\r\n"], "wants a password"),
        (&["+OK\r\n"], "HELLO is answered with a map"),
        (&["-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n", "-NOAUTH x\r\n"], "wants a password"),
        (&["-ERR internal\r\n"], "refused the connection"),
        (&["%1\r\n:x\r\n:1\r\n"], "is not Redis"),
    ];
    for (answers, words) in cases {
        refused(Scripted::start(answers).await.builder(), words).await;
    }
    for answers in [&["HTTP/1.1 400 Bad Request\r\n"][..], &["ERROR\r\n"], &["$99999\r\n"], &["*1000000\r\n"]] {
        let error = Scripted::start(answers).await.builder().connect().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotSent, "{error}");
    }
    let old = Scripted::start(&["-ERR unknown command 'HELLO'\r\n"]).await;
    refused(old.builder().version(Version::Resp3), "RESP3 is wanted").await;
}

/// Over RESP2 the first command may be the one that asks whether the server is ready, and what was said before it was read stands where
/// its reply belongs.
#[tokio::test]
async fn what_is_said_instead_of_a_greeting_is_no_pong() {
    let builder = async |answers| Scripted::start(answers).await.builder().version(Version::Resp2);
    let cases: [(&'static [&'static str], &str); 7] = [
        (&["-ERR max number of clients reached\r\n"], "no room for another"),
        (&["-ERR max number of clients + cluster connections reached\r\n"], "no room for another"),
        (&["-DENIED Redis is running in protected mode\r\n"], "protected mode"),
        (&["-LOADING Redis is loading the dataset in memory\r\n"], "loading its data"),
        (&["-ERR internal\r\n"], "refused the connection"),
        (&["+OK POP3 server ready\r\n"], "is not Redis"),
        (&[":1\r\n"], "is not Redis"),
    ];
    for (answers, words) in cases {
        refused(builder(answers).await, words).await;
    }
    // A mail server takes whatever AUTH says for its own.
    let signed = builder(&["+OK POP3 server ready\r\n", "+PONG\r\n"]).await;
    refused(signed.credentials(Credentials::with_password("sesame")), "is not Redis").await;
    for pong in [
        &["+PONG\r\n", "$1\r\nv\r\n"][..],
        &["-NOPERM this user has no permissions to run the 'ping' command\r\n", "$1\r\nv\r\n"],
        &["-ERR unknown command 'PING'\r\n", "$1\r\nv\r\n"],
        &["-BUSY Redis is busy running a script.\r\n", "$1\r\nv\r\n"],
        &["-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", "$1\r\nv\r\n"],
        &["-MISCONF Redis is configured to save RDB snapshots\r\n", "$1\r\nv\r\n"],
    ] {
        let redis = builder(pong).await.connect().await.expect("it serves");
        assert_eq!(redis.get("k").await.unwrap().unwrap(), "v");
    }
}

#[tokio::test]
async fn a_server_before_redis_6_is_spoken_to_in_its_own_way() {
    const ANSWERS: &[&str] =
        &["-ERR unknown command 'HELLO'\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n", "+PONG\r\n", "$1\r\nv\r\n"];
    let old = Scripted::start(ANSWERS).await;
    let builder = old.builder().credentials(Credentials::with_password("sesame")).name("web").database(2);
    let redis = builder.connect().await.unwrap();
    assert_eq!(redis.peer(0).unwrap().version(), Version::Resp2);
    assert_eq!(redis.get("k").await.unwrap().unwrap(), "v");
    let words = old.received().replace("\r\n", " ");
    for part in
        ["HELLO $1 3 $4 AUTH $7 default $6 sesame", "*2 $4 AUTH $6 sesame", "SETNAME $3 web", "SELECT $1 2", "PING"]
    {
        assert!(words.contains(part), "{part}: {words}");
    }
}
