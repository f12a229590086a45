//! Input that is wrong, or right only just: refused before a byte is sent, or done exactly as asked.

use std::time::{Duration, SystemTime};

use memlink::{Client, Error, ErrorKind, Outcome, Server, Ttl};
use memlink_testserver::TestServer;

use crate::memcached::{Memcached, patient};
use crate::show::Show as _;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn embedded() -> (TestServer, Client) {
    let server = TestServer::builder().record().start().await.unwrap();
    let client = Client::builder().server(Server::tcp(&server.address()).unwrap()).settings(patient());
    let client = client.connect().await.unwrap();
    (server, client)
}

#[tokio::test]
async fn keys_of_any_bytes_come_back_as_they_were_sent() {
    let memcached = Memcached::start();
    let (_server, new) = embedded().await;
    let old = memcached.client().await;
    let mut keys: Vec<Vec<u8>> = [
        &b"k"[..],
        b"a b",
        b" ",
        b"\0",
        b"a\0b",
        b"\r\n",
        b"a\r\nflush_all\r\n",
        b"\t",
        b"\x7f",
        b"\xc2\xa0",
        b"\xff\xfe",
        "schl\u{fc}ssel".as_bytes(),
        b"a%20b",
        b"YSBi",
    ]
    .map(Vec::from)
    .into();
    keys.extend([vec![b'x'; 61], vec![b'x'; 62], vec![b'x'; 250], vec![0xff; 250], vec![b' '; 186], vec![0; 61]]);
    for client in [&old, &new] {
        for key in &keys {
            let value = key.iter().rev().copied().collect::<Vec<u8>>();
            client.set(key, value.clone()).await.unwrap();
            let got = client.get(key).await.unwrap().expect("a hit");
            assert_eq!((got.key(), &got[..]), (&key[..], &value[..]));
        }
        for key in &keys {
            assert!(client.touch(key, DAY).await.unwrap(), "{key:?}");
            assert!(client.append(key, "!").await.unwrap(), "{key:?}");
            assert!(client.delete(key).await.unwrap(), "{key:?}");
            assert_eq!(client.increment(key).initial(1).await.unwrap(), Some(1), "{key:?}");
        }
        assert_eq!(client.stats().servers[0].counters.opened, 1);
    }
}

#[tokio::test]
async fn keys_that_cannot_be_sent_are_refused_by_every_verb() {
    let (server, client) = embedded().await;
    let before = server.stats();
    for key in [vec![], vec![b'x'; 251], vec![b' '; 187], vec![0; 250], vec![b'x'; 1 << 20]] {
        let refused: Vec<Error> = vec![
            client.get(&key).await.unwrap_err(),
            client.peek(&key).await.unwrap_err(),
            client.touch(&key, DAY).await.unwrap_err(),
            client.get_and_touch(&key, DAY).await.unwrap_err(),
            client.set(&key, "v").await.unwrap_err(),
            client.add(&key, "v").await.unwrap_err(),
            client.replace(&key, "v").await.unwrap_err(),
            client.append(&key, "v").await.unwrap_err(),
            client.prepend(&key, "v").await.unwrap_err(),
            client.delete(&key).await.unwrap_err(),
            client.increment(&key).await.unwrap_err(),
            client.decrement(&key).await.unwrap_err(),
            client.debug(&key).await.unwrap_err(),
            client.server_of(&key).unwrap_err(),
        ];
        for error in refused {
            assert_eq!((error.kind(), error.outcome()), (ErrorKind::Invalid, Outcome::NotSent), "{error}");
            assert!(!error.is_retryable() && error.server().is_none() && !error.to_string().contains("xxx"), "{error}");
        }
    }
    assert_eq!(client.debug("a\nb").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(server.stats(), before);
}

#[tokio::test]
async fn times_are_sent_so_that_the_server_means_the_same() {
    let (server, client) = embedded().await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let in_31_days = now + 31 * DAY.as_secs();
    let cases: &[(Ttl, Result<u64, ()>)] = &[
        (Duration::ZERO.into(), Err(())),
        (Ttl::seconds(0), Err(())),
        (Duration::from_nanos(1).into(), Ok(1)),
        (Duration::from_millis(500).into(), Ok(1)),
        (Duration::from_millis(1_001).into(), Ok(2)),
        ((DAY * 30).into(), Ok(30 * DAY.as_secs())),
        ((DAY * 30 + Duration::from_millis(1)).into(), Ok(now + 30 * DAY.as_secs() + 1)),
        ((DAY * 31).into(), Ok(in_31_days)),
        (Ttl::at(2_147_483_647), Ok(2_147_483_647)),
        (Ttl::at(2_147_483_648), Err(())),
        ((DAY * 366 * 100).into(), Err(())),
        (Duration::MAX.into(), Err(())),
        (Ttl::seconds(u64::MAX), Err(())),
        (Ttl::at(u64::MAX), Err(())),
        (Ttl::NEVER, Ok(0)),
    ];
    for (ttl, want) in cases {
        let stored = client.set("k", "v").ttl(*ttl).await;
        assert_eq!(stored.as_ref().map_err(Error::kind).err(), want.err().map(|()| ErrorKind::Invalid), "{ttl:?}");
        let touched = client.touch("k", *ttl).await;
        assert_eq!(touched.is_err(), want.is_err(), "{ttl:?}");
        let Ok(seconds) = want else { continue };
        for command in server.executed().iter().rev().take(2) {
            let line = String::from_utf8_lossy(&command.line).into_owned();
            let sent: u64 = line.split(" T").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
            // The client's clock may have moved on by a second or two since.
            assert!((*seconds..seconds + if *seconds > now { 3 } else { 1 }).contains(&sent), "{ttl:?}: {line}");
        }
    }
    client.set("k", "v").ttl(Ttl::EXPIRED).await.unwrap();
    assert_eq!(client.get("k").await.show(), "none");
    client.set("k", "v").ttl(Ttl::at(now - 1_000_000)).await.unwrap();
    assert_eq!(client.get("k").await.show(), "none");
}

/// By the protocol's own count: an item's header, its key, its value and their ends fill the limit of 1 MiB exactly.
#[tokio::test]
async fn a_value_beyond_the_servers_limit_is_its_own_fault_alone() {
    let memcached = Memcached::start();
    let (_server, new) = embedded().await;
    let old = memcached.client().await;
    const LARGEST: usize = 1_048_507;
    let key = "0123456789";
    for client in [&old, &new] {
        for len in [0, 1, LARGEST - 1, LARGEST] {
            client.set(key, vec![b'x'; len]).await.unwrap();
            assert_eq!(client.get(key).await.unwrap().unwrap().len(), len);
        }
        let flight = futures_util::future::join3(
            client.set("small", "before").into_future(),
            client.set(key, vec![b'x'; LARGEST + 1]).into_future(),
            client.get("small").into_future(),
        );
        let (before, too_large, behind) = flight.await;
        assert_eq!((before.show(), behind.show()), ("done".to_owned(), "\"before\"".to_owned()));
        let error = too_large.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Server, Outcome::Answered));
        assert!(error.fault_text().unwrap().contains("too large") && !error.is_retryable(), "{error}");
        assert_eq!(client.get(key).await.show(), "none", "the old value is gone, as the documentation says");
        client.set(key, vec![b'x'; 600_000]).await.unwrap();
        assert!(!client.append(key, vec![b'x'; 600_000]).await.unwrap());
        assert_eq!(client.stats().servers[0].counters.opened, 1);
    }
}

#[tokio::test]
async fn a_value_beyond_the_clients_limit_is_refused_before_a_byte_is_sent() {
    let (server, client) = embedded().await;
    client.set("k", "old").await.unwrap();
    let before = server.stats();
    let value = bytes::Bytes::from(vec![b'x'; 100_000_000]);
    for refused in [
        client.set("k", value.clone()).await.show(),
        client.add("k", value.clone()).await.show(),
        client.append("k", value.clone()).await.show(),
        client.set_many([("k", value.clone())]).await.into_vec().remove(0).show(),
    ] {
        assert_eq!(refused, "Invalid NotSent");
    }
    assert_eq!(server.stats(), before);
    assert_eq!(client.get("k").await.show(), "\"old\"");
}

/// Also when it is raised, and a single command is larger than all that may be queued.
#[tokio::test]
async fn a_large_value_goes_alone_when_the_limits_are_raised() {
    let server = TestServer::builder().item_size_max(64 << 20).memory_mb(256).start().await.unwrap();
    let limits = memlink::Limits { value_len_max: 32 << 20, ..memlink::Limits::default() };
    let client = Client::builder().server(Server::tcp(&server.address()).unwrap()).settings(patient().limits(limits));
    let client = client.connect().await.unwrap();
    let len = 20 << 20;
    let (large, small) = futures_util::future::join(
        client.set("large", vec![b'x'; len]).into_future(),
        client.set("small", "v").into_future(),
    )
    .await;
    assert_eq!((large.show(), small.show()), ("done".to_owned(), "done".to_owned()));
    assert_eq!(client.get("large").await.unwrap().unwrap().len(), len);
}

#[tokio::test]
async fn a_wrong_configuration_is_named_before_anything_is_dialled() {
    for (url, part) in [
        ("", "scheme"),
        ("127.0.0.1:11211", "scheme"),
        ("http://127.0.0.1", "http"),
        ("memcache://", "no server"),
        ("memcache://127.0.0.1:0", "port"),
        ("memcache://127.0.0.1:70000", "port"),
        ("memcache://127.0.0.1:x", "port"),
        ("memcache://a b", "host"),
        ("memcache://cache-1,cache-1", "twice"),
        ("memcache://cache-1,CACHE-1:11211", "twice"),
        ("memcache://127.0.0.1?timeout=5", "timeout_ms"),
        ("memcache://127.0.0.1?timeout_ms=soon", "timeout_ms"),
        ("memcache://127.0.0.1?weight=other*2", "weight"),
        ("memcache://a,b?weight=a*0&weight=b*0", "routed"),
        ("memcache+unix://", "absolute"),
    ] {
        let error = Client::connect(url).await.map(|_| ()).expect_err(url);
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Config, Outcome::NotSent), "{url}: {error}");
        assert!(error.to_string().contains(part), "{url}: {error}");
    }
    assert!(Client::builder().build().is_err());
}
