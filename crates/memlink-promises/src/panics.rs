//! P2: the task that serves a connection panics, or is dropped with its runtime, and nobody is forgotten.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use memlink::generic::{ConnectFuture, Connector, Stream};
use memlink::{Address, Client};
use memlink_testserver::{Fault, TestServer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::setting::{builder_of, imbalance, patient, say, until};
use crate::spread::Spread;
use crate::{Checked, Failure, Report, Size};

/// Callers that wait for a reply when it happens.
const WAITERS: u64 = 100;

/// Of them, who leave before.
const LEAVING: usize = 10;

const BOUND: Duration = Duration::from_millis(10);

/// Who has not been woken by then never will be.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Makes the next read of any of its streams panic.
#[derive(Debug, Clone, Default)]
struct Trap(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    is_set: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Trap {
    fn spring(&self) {
        self.0.is_set.store(true, Ordering::SeqCst);
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Connector for Trap {
    fn connect(&self, address: &Address) -> ConnectFuture {
        let (address, trap) = (address.to_string(), self.clone());
        Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            Ok(Box::pin(Trapped { stream, trap }) as Pin<Box<dyn Stream>>)
        })
    }
}

struct Trapped {
    stream: TcpStream,
    trap: Trap,
}

impl AsyncRead for Trapped {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, space: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        *self.trap.0.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        if self.trap.0.is_set.swap(false, Ordering::SeqCst) {
            // As a panic does, without the words on standard error.
            std::panic::resume_unwind(Box::new("on purpose"));
        }
        Pin::new(&mut self.stream).poll_read(cx, space)
    }
}

impl AsyncWrite for Trapped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

pub(crate) async fn run(size: Size) -> Checked {
    // What is asked with such a key is read and never answered.
    let server = TestServer::builder().fault(Fault::lose().key_prefix("held")).start().await?;
    let trap = Trap::default();
    let client = builder_of(&[&server], patient().timeout(None).connector(trap.clone()))?.build()?;
    let rounds = size.of(1_000);
    let (mut panics, mut drops) = (Spread::default(), Spread::default());
    for round in 0..rounds {
        // On this runtime, by a panic.
        client.get("well").await?;
        panics.extend(wake_all(&client, &server, || trap.spring()).await?);
        // On a runtime that ends.
        let runtime = other_runtime()?;
        runtime.spawn(client.get("well").into_future()).await??;
        drops.extend(wake_all(&client, &server, || runtime.shutdown_background()).await?);
        if round % 100 == 99 {
            say("panics", &format!("{} of {rounds} rounds", round + 1));
        }
    }
    client.get("well").await?;
    let mut report = Report::default();
    report.injected("panics", rounds, rounds);
    report.injected("runtimes ended", rounds, rounds);
    report.injected("waiters woken", (panics.len() + drops.len()) as u64, rounds * 2 * (WAITERS - LEAVING as u64));
    let left = imbalance(&client);
    report.reached = format!("by a panic {panics}; with the runtime {drops}; not accounted for {left}");
    report.must(left == 0, || format!("{:?}", client.stats().servers));
    let worst = panics.worst().max(drops.worst());
    report.bound(worst <= BOUND, || format!("a waiter was woken after {worst:?}"));
    Ok(report)
}

fn other_runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}

/// How long each waiter took to wake after the driver's end.
async fn wake_all(client: &Client, server: &TestServer, end: impl FnOnce()) -> Result<Spread, Failure> {
    let before = server.faults().injected();
    let mut waiters: Vec<_> = (0..WAITERS)
        .map(|number| {
            let get = client.get(format!("held-{number}")).into_future();
            tokio::spawn(async move { (get.await.is_err(), Instant::now()) })
        })
        .collect();
    until("the server has all of them", || server.faults().injected() - before == WAITERS).await?;
    waiters.drain(..LEAVING).for_each(|waiter| waiter.abort());
    let begun = Instant::now();
    end();
    let mut spread = Spread::default();
    for waiter in waiters {
        let (has_failed, woken) =
            tokio::time::timeout(FORGOTTEN, waiter).await.map_err(|_| "a waiter was forgotten")??;
        if !has_failed {
            return Err("a reply that nobody has sent".into());
        }
        spread.note(woken.saturating_duration_since(begun));
    }
    Ok(spread)
}
