//! Links, pools and their end under a scheduler that tries other orders of threads at every lock and atomic:
//!
//! ```text
//! RUSTFLAGS="--cfg memlink_shuttle" cargo test -p memlink --lib --target-dir target/shuttle scheduled
//! ```
//!
//! Time stands still, so no deadline passes; what depends on time is the simulator's. `SHUTTLE_ORDERS` sets how many orders each test
//! tries; a failure prints how to try the same one again.

use std::future::{Future as _, IntoFuture as _};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use shuttle::{future, thread};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::Client;
use crate::config::{Server, Settings};
use crate::error::{Error, ErrorKind, Outcome};
use crate::link::{ConnectFuture, Connector};
use crate::transport::{Address, Stream};

/// Orders that a test tries, half of them at random and half of them with few changes of threads.
const ORDERS: usize = 2_000;

/// Serves every connection: the value of a key is the key. The first ones are closed after so many lines.
#[derive(Clone)]
struct Origin {
    lines: Arc<Vec<usize>>,
    served: Arc<Mutex<Vec<future::JoinHandle<()>>>>,
}

impl Origin {
    fn closing_after(lines: &[usize]) -> Origin {
        Origin { lines: Arc::new(lines.to_vec()), served: Arc::default() }
    }

    fn client(&self, connections: usize) -> Client {
        let settings = Settings::default().connector(self.clone()).connections_per_server(connections);
        let settings = settings.backoff(Duration::from_nanos(1), Duration::from_nanos(1));
        let server = Server::tcp("in-memory").expect("an address");
        Client::builder().server(server).settings(settings).build().expect("a client")
    }

    fn accepted(&self) -> usize {
        self.served.lock().unwrap().len()
    }

    /// Returns when the client has closed every connection.
    fn deserted(&self) {
        let served: Vec<_> = self.served.lock().unwrap().drain(..).collect();
        served.into_iter().for_each(|served| future::block_on(served).unwrap());
    }
}

impl Connector for Origin {
    fn connect(&self, _: &Address) -> ConnectFuture {
        let origin = self.clone();
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(64);
            let lines = origin.lines.get(origin.accepted()).copied().unwrap_or(usize::MAX);
            let served = future::spawn(serve(far, lines));
            origin.served.lock().unwrap().push(served);
            Ok(Box::pin(near) as Pin<Box<dyn Stream>>)
        })
    }
}

async fn serve(mut stream: DuplexStream, lines: usize) {
    let mut line = Vec::new();
    for _ in 0..lines {
        line.clear();
        while !line.ends_with(b"\r\n") {
            match stream.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => return,
            }
        }
        let text = String::from_utf8_lossy(&line).into_owned();
        if stream.write_all(answer(text.trim_end()).as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let opaque = words.iter().find(|word| word.starts_with('O')).map_or(String::new(), |word| format!(" {word}"));
    match words[..] {
        ["version"] => "VERSION 1.6.45\r\n".to_owned(),
        ["mg", key, ..] if key.starts_with("memlink:probe") => format!("EN{opaque}\r\n"),
        ["mg", key, ..] => format!("VA {}{opaque}\r\n{key}\r\n", key.len()),
        _ => format!("CLIENT_ERROR {line}\r\n"),
    }
}

/// Tries orders of what `run` starts. One with loops that wait for others needs all to have their turns: `is_fair`.
fn explore(is_fair: bool, run: impl Fn() + Send + Sync + 'static) {
    // Where drivers find a clock, which stands still. They are run by the scheduler.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let orders = std::env::var("SHUTTLE_ORDERS").map_or(ORDERS, |text| text.parse().expect("a number"));
    let run = Arc::new(run);
    let (random, few) = (run.clone(), run);
    shuttle::check_random(move || random(), if is_fair { orders / 4 } else { orders / 2 });
    if !is_fair {
        shuttle::check_pct(move || few(), orders / 2, 3);
    }
}

fn get(client: &Client, key: &str) -> Result<(), Error> {
    let got = future::block_on(client.get(key).into_future())?;
    assert_eq!(got.expect("every key is there"), *key, "another's reply");
    Ok(())
}

fn end(client: &Client, origin: &Origin) {
    future::block_on(client.close(Duration::ZERO));
    let counters = client.stats().servers[0].counters;
    assert_eq!(counters.started, counters.replied + counters.failed + counters.cancelled, "{counters:?}");
    assert_eq!((counters.in_flight, counters.waiting), (0, 0), "{counters:?}");
    origin.deserted();
}

#[test]
fn every_caller_has_its_own_reply() {
    for connections in [1, 2] {
        explore(false, move || {
            let origin = Origin::closing_after(&[]);
            let client = origin.client(connections);
            let callers = [["a", "b"], ["c", "d"], ["e", "f"]].map(|keys| {
                let client = client.clone();
                thread::spawn(move || keys.into_iter().for_each(|key| get(&client, key).expect("it is served")))
            });
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            end(&client, &origin);
        });
    }
}

#[test]
fn a_caller_that_leaves_harms_nobody() {
    explore(false, || {
        let origin = Origin::closing_after(&[]);
        let client = origin.client(1);
        let leaver = {
            let client = client.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    let mut asked = pin!(client.get("left").into_future());
                    let _ = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                }
            })
        };
        let callers = ["a", "b"].map(|key| {
            let client = client.clone();
            thread::spawn(move || get(&client, key).expect("it is served"))
        });
        callers.into_iter().chain([leaver]).for_each(|thread| thread.join().unwrap());
        assert_eq!(origin.accepted(), 1, "the connection stays");
        end(&client, &origin);
    });
}

#[test]
fn a_lost_connection_is_told_to_all_and_replaced() {
    for lines in 0..5 {
        explore(true, move || {
            let origin = Origin::closing_after(&[lines, 3]);
            let client = origin.client(1);
            let callers = ["a", "b", "c"].map(|key| {
                let client = client.clone();
                thread::spawn(move || {
                    // Of three connections the last one is not closed.
                    while let Err(error) = get(&client, key) {
                        let is_told = matches!(
                            (error.kind(), error.outcome()),
                            (ErrorKind::ConnectionLost, _) | (ErrorKind::ServerDown, Outcome::NotSent)
                        );
                        assert!(is_told, "{error}");
                        thread::yield_now();
                    }
                })
            });
            callers.into_iter().for_each(|caller| caller.join().unwrap());
            end(&client, &origin);
        });
    }
}

#[test]
fn nobody_waits_for_a_client_that_is_closed() {
    for connections in [1, 2] {
        explore(false, move || {
            let origin = Origin::closing_after(&[]);
            let client = origin.client(connections);
            let callers = ["a", "b"].map(|key| {
                let client = client.clone();
                thread::spawn(move || (0..3).all(|_| get(&client, key).is_ok()))
            });
            let closers = [(), ()].map(|()| {
                let client = client.clone();
                thread::spawn(move || future::block_on(client.close(Duration::ZERO)))
            });
            closers.into_iter().for_each(|closer| closer.join().unwrap());
            callers.into_iter().for_each(|caller| _ = caller.join().unwrap());
            assert_eq!(get(&client, "late").unwrap_err().kind(), ErrorKind::Closed);
            end(&client, &origin);
        });
    }
}

#[test]
fn the_last_handle_takes_the_connection_with_it() {
    explore(false, || {
        let origin = Origin::closing_after(&[]);
        let client = origin.client(1);
        let callers = ["a", "b"].map(|key| {
            let client = client.clone();
            thread::spawn(move || get(&client, key).expect("it holds the client"))
        });
        drop(client);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        origin.deserted();
    });
}
