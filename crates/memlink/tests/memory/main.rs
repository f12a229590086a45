//! Memory is bounded by windows, not by the number of keys, also where sockets hold next to nothing. The whole million:
//!
//! ```text
//! MEMLINK_KEYS=1000000 cargo test --release -p memlink --test memory -- --nocapture
//! ```
#![cfg(test)]
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use memlink::streaming::Takes;
use memlink::{Client, Limits, ManyStream, Server, Settings, TcpOptions};
use memlink_testserver::TestServer;

/// Bytes of the process at one moment, and the most since the count began.
static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn taken(len: usize) {
    let now = NOW.fetch_add(len, Ordering::Relaxed) + len;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: everything is passed on to the system's allocator; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        taken(len);
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(at, layout, len) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a stream may add to the memory of the whole process, the embedded server in it included: a window of 1 MiB, as much that waits,
/// and the buffers of both ends of the connection.
const GROWTH_MAX: usize = 4 << 20;

/// Bytes of each socket buffer, at both ends. Systems take the least they allow for it.
const BUFFER_LEN: u32 = 4096;

/// Different keys; the stream goes over them again and again.
const DIFFERENT: usize = 10_000;

/// How many keys: few unless asked for more, so that the whole takes seconds without optimisation as well.
fn keys_len() -> usize {
    let usual = if cfg!(debug_assertions) { 30_000 } else { 100_000 };
    let asked = std::env::var("MEMLINK_KEYS").ok().map(|text| text.parse().expect("MEMLINK_KEYS is a number"));
    asked.unwrap_or(usual)
}

fn key(n: usize) -> String {
    format!("key-{}", n % DIFFERENT)
}

async fn client(address: &str) -> Client {
    let buffer = Some(BUFFER_LEN);
    let tcp = TcpOptions { send_buffer: buffer, receive_buffer: buffer, ..TcpOptions::default() };
    let limits = Limits { stall_timeout: Duration::from_secs(20), ..Limits::default() };
    // A busy machine must not make it fail.
    let settings = Settings::default().timeout(Duration::from_secs(20)).limits(limits).tcp(tcp);
    Client::builder().server(Server::tcp(address).unwrap()).settings(settings).connect().await.unwrap()
}

/// Lets the stream run to its end, and says how much memory it took.
async fn check<I: Iterator, F: Takes<I::Item>>(what: &str, len: usize, stream: ManyStream<I, F>) {
    let before = NOW.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let (mut stream, begun, mut ended) = (stream, Instant::now(), 0);
    while let Some((_, outcome)) = stream.next().await {
        outcome.unwrap();
        ended += 1;
    }
    let (elapsed, growth) = (begun.elapsed(), PEAK.load(Ordering::SeqCst).saturating_sub(before));
    let rate = len as f64 / elapsed.as_secs_f64();
    println!("{what}: {len} keys in {elapsed:.2?}, {rate:.0}/s, peak heap growth {} KiB", growth >> 10);
    assert_eq!(ended, len);
    assert!(growth <= GROWTH_MAX, "{what}: {growth} bytes");
}

/// Figure: very many keys as a stream over sockets with buffers of 4 KiB.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_flat_whatever_the_number_of_keys() {
    let server = TestServer::builder().socket_buffers(BUFFER_LEN).start().await.unwrap();
    let client = client(&server.address()).await;
    let len = keys_len();
    let items = |len: usize| (0..len).map(|n| (key(n), vec![b'x'; 100]));
    // The server's items, and whatever is allocated once.
    client.set_many(items(DIFFERENT)).await.all().unwrap();
    check("get_stream", len, client.get_stream((0..len).map(key))).await;
    check("get_stream with_cas", len / 10, client.get_stream((0..len / 10).map(key)).with_cas()).await;
    check("set_stream", len / 10, client.set_stream(items(len / 10))).await;
    check("delete_stream", len / 10, client.delete_stream((0..len / 10).map(key))).await;
    assert_eq!(client.stats().servers[0].counters.opened, 1);
    drop(server);
}
