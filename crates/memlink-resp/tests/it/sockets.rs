//! The same over a Unix socket and over a stream of one's own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use memlink::generic::{ConnectFuture, Connector, Stream};
use memlink::{Address, Server};
use memlink_resp::{Builder, Cmd, Redis, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::redis::{RedisServer, patient};
use crate::{cancel, verbs};

async fn check(redis: &Redis) {
    let callers = (0..200).map(|n| async move {
        let (key, value) = (format!("key-{n}"), format!("value {n}"));
        redis.set(&key, &value).await.unwrap();
        assert_eq!(redis.get(&key).await.unwrap().unwrap(), value);
    });
    futures_util::future::join_all(callers).await;
    assert_eq!(redis.stats(0).opened, 1);
}

#[tokio::test]
async fn everything_runs_over_a_unix_socket() {
    let server = RedisServer::start();
    let unix = Server::unix(server.socket_path());
    check(&Redis::builder().server(unix).settings(patient()).connect().await.unwrap()).await;
    let url = format!("redis+unix://{}?db=1&timeout_ms=20000", server.socket_path().display());
    check(&Redis::connect(&url).await.unwrap()).await;
}

/// As over TCP, in `verbs.rs` and `cancel.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_and_dropped_requests_are_the_same_over_a_unix_socket() {
    let server = RedisServer::start();
    let unix = || Redis::builder().server(Server::unix(server.socket_path())).settings(patient());
    everything("Unix socket", unix).await;
}

/// What has to hold over every door, each half on a connection of its own.
pub(crate) async fn everything(door: &str, builder: impl Fn() -> Builder) {
    verbs::check(&builder().connect().await.unwrap()).await;
    let dropped = cancel::check(&builder().connect().await.unwrap()).await;
    println!("{door}: {dropped} drop points, wrong replies 0, new connections 0");
}

/// TCP, with every write counted.
struct Counting(Arc<AtomicUsize>);

struct Counted {
    stream: TcpStream,
    writes: Arc<AtomicUsize>,
}

impl Connector for Counting {
    fn connect(&self, address: &Address) -> ConnectFuture {
        let (address, writes) = (address.to_string(), self.0.clone());
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::pin(Counted { stream, writes }) as Pin<Box<dyn Stream>>)
        })
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_pipeline_leaves_in_one_write() {
    let server = RedisServer::start();
    let writes = Arc::new(AtomicUsize::new(0));
    let settings = patient().connector(Counting(writes.clone()));
    let redis = Redis::builder().server(server.server()).settings(settings).connect().await.unwrap();
    check(&redis).await;
    let before = writes.load(Ordering::SeqCst);
    let outcomes = redis.pipeline((0..1_000).map(|_| Cmd::new("INCR").key("n"))).await;
    assert_eq!(writes.load(Ordering::SeqCst) - before, 1);
    for (n, outcome) in (1..).zip(outcomes) {
        assert_eq!(outcome.unwrap(), Value::Int(n));
    }
}
